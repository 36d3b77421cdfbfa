"""One run of the DAG file as it is, without a scheduler: all tasks, their retries and their triggers, on any clock."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from snapshot_dr_provider.stage import RUN_OPTIONS
from snapshot_dr_provider.task_groups.account import OPEN_WINDOW, STAGES
from snapshot_dr_provider.triggers.clock import current_clock
from tests.harness.run_book import FINISHED, RunBook, name_of
from tests.harness.tasks import Deferral, TaskInstance, begin, go_on

DAG_FILE: Final = Path(__file__).parents[2] / "dags" / "snapshot_dr.py"

LIST_ROUTES: Final = "list_routes"
LOCK_DOWN: Final = "lock_down_kms_b"
AUDIT: Final = "audit"

CURRENT_TASK: Final[ContextVar[str]] = ContextVar("current_task", default="")
"""Name of the task on whose behalf something is done, in its worker or by its trigger."""


@cache
def tasks() -> Mapping[str, Any]:
    """Load the DAG file, and give its tasks by their ids."""
    return dict(runpy.run_path(str(DAG_FILE))["dag"].task_dict)


@dataclass(frozen=True, slots=True)
class DagRun:
    """
    Work off what is left of a run.

    Every worker and trigger is this process. When it is killed, another one goes on by the book, as Airflow does: a
    task that was in a worker is tried again, one that was deferred has its trigger run anew.

    :param now: when the run was triggered by hand, for the day ``day``.
    """

    run_id: str
    now: datetime
    day: str
    book: RunBook

    async def work(self) -> None:
        """Run every task whose turn comes."""
        await self._task(LIST_ROUTES)
        await self._task(OPEN_WINDOW)
        if self.book.states[LIST_ROUTES] == "success":
            routes = self.book.pull(LIST_ROUTES, -1, "return_value", [])
            async with asyncio.TaskGroup() as group:
                for index in range(len(routes)):
                    group.create_task(self._account(index))
        await self._task(LOCK_DOWN)
        await self._task(AUDIT)

    def clear(self, name: str) -> None:
        """Clear a task with its downstream ones; those between setup and teardown take both along (airflow 3)."""
        task_id, map_index = _instance(name)
        cleared = {task_id, *tasks()[task_id].get_flat_relative_ids(upstream=False)}
        if cleared & {*STAGES}:
            cleared.add(OPEN_WINDOW)
        for each in list(self.book.states):
            other_id, other_index = _instance(each)
            if other_id in cleared and (other_index == map_index or -1 in (other_index, map_index)):
                self.book.clear(each)

    async def _account(self, index: int) -> None:
        for task_id in STAGES:
            await self._task(task_id, index)

    async def _task(self, task_id: str, map_index: int = -1) -> None:
        """Bring one task to its end, unless it is there already."""
        name, task = name_of(task_id, map_index), tasks()[task_id]
        CURRENT_TASK.set(name)
        if self.book.states.get(name) in FINISHED:
            return
        if not self._may_run(task, map_index):
            self.book.end(name, "upstream_failed")
            return
        while self.book.states.get(name) not in FINISHED:
            await self._try(name, task, map_index)

    def _may_run(self, task: Any, map_index: int) -> bool:
        """Apply the trigger rules that the DAG uses; every upstream task is over when this is asked."""
        upstream = {
            each.task_id: self.book.states.get(name_of(each.task_id, map_index if each.task_id in STAGES else -1))
            for each in task.upstream_list
        }
        rule = task.trigger_rule.value
        if rule == "all_done":
            return True
        if rule == "all_done_setup_success":
            return all(state == "success" for each, state in upstream.items() if tasks()[each].is_setup)
        if rule == "all_success":
            return all(state == "success" for state in upstream.values())
        raise NotImplementedError(rule)

    async def _try(self, name: str, task: Any, map_index: int) -> None:
        """Try a task once, or go on with a try that was deferred."""
        try:
            deferral = self.book.deferrals.get(name)
            if deferral is None:
                self.book.begin(name)
                deferral = await self._in_worker(task, map_index, begin)
            while deferral is not None:
                self.book.defer(name, deferral)
                event = await _event(deferral)
                self.book.go_on(name)
                deferral = await self._in_worker(task, map_index, partial(go_on, deferral=deferral, event=event))
        except AirflowSkipException as error:
            self.book.end(name, "skipped", str(error))
        except AirflowFailException as error:
            self.book.end(name, "failed", str(error))
        except Exception as error:  # noqa: BLE001  # whatever a task raises is a failed try
            if self.book.tries[name] > task.retries:
                self.book.end(name, "failed", f"{type(error).__name__}: {error}")
            else:
                self.book.end(name, "up_for_retry", f"{type(error).__name__}: {error}")
                await current_clock().sleep(task.retry_delay.total_seconds())
        else:
            self.book.end(name, "success")

    async def _in_worker(self, task: Any, map_index: int, call: Callable[..., Deferral | None]) -> Deferral | None:
        prepared = task.prepare_for_execution()
        if map_index >= 0:
            prepared.route = self.book.pull(LIST_ROUTES, -1, "return_value", [])[map_index]
            prepared.options = self.book.pull(LIST_ROUTES, -1, RUN_OPTIONS, None)
        work = partial(call, prepared, self._context(prepared, map_index))
        return await asyncio.get_running_loop().run_in_executor(None, copy_context().run, work)

    def _context(self, task: Any, map_index: int) -> dict[str, Any]:
        instance = TaskInstance(task.task_id, self.book, self.run_id, map_index)
        run = SimpleNamespace(
            run_type=SimpleNamespace(value="manual"),
            run_after=self.now,
            data_interval_start=None,
            data_interval_end=None,
        )
        return {
            "ti": instance,
            "task_instance": instance,
            "task": task,
            "run_id": self.run_id,
            "outlet_events": OutletEventAccessors(),
            "dag_run": run,
            "params": {"day": self.day},
        }


def _instance(name: str) -> tuple[str, int]:
    """Give task and map index of a name as the book has it."""
    if name in tasks():
        return name, -1
    task_id, _, map_index = name.rpartition("_")
    return task_id, int(map_index)


async def _event(deferral: Deferral) -> Any:
    """Wait for a trigger, but no longer than the task allows."""
    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(deferral.event())]
    if deferral.timeout_seconds is not None:
        waiting.append(asyncio.ensure_future(current_clock().sleep(deferral.timeout_seconds)))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not waiting[0].done():
            raise TimeoutError("the trigger has not fired in time")
        return waiting[0].result()
    finally:
        await _cancel(waiting)


async def _cancel(futures: Iterable[asyncio.Future[Any]]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
