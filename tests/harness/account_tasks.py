"""The tasks of one account, as the DAG has them, run one after the other without a scheduler."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.execution_time.context import OutletEventAccessors

from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.operators.list_routes import ListRoutesOperator
from snapshot_dr_provider.stage import RUN_OPTIONS
from snapshot_dr_provider.task_groups.account import STAGES, account
from snapshot_dr_provider.triggers.clock import current_clock
from tests.harness.tasks import Deferral, TaskInstance, begin, go_on

RUN_ID: Final = "pipeline"

T = TypeVar("T")


class XComs:
    """Keep what the tasks of one account leave for each other, as JSON, which is what becomes of it."""

    states: Mapping[str, str] = {}  # Nothing here asks for them.

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], str] = {}

    def push(self, task_id: str, map_index: int, key: str, value: Any) -> None:
        """Keep a value."""
        self._left[task_id, key] = json.dumps(value)

    def pull(self, task_id: str, map_index: int, key: str, default: Any) -> Any:
        """Give a value, or the default where none was left."""
        left = self._left.get((task_id, key))
        return default if left is None else json.loads(left)


class Workers:
    """
    Run what a worker runs, in threads: so many at once as there are worker slots.

    :param slots: how many.
    """

    def __init__(self, slots: int) -> None:
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="worker")
        self.seconds = 0.0
        """How long slots were taken, in sum. By the machine's clock."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call as soon as a slot is free."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, copy_context().run, lambda: self._timed(call))

    def _timed(self, call: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return call()
        finally:
            self.seconds += time.perf_counter() - began


@dataclass(slots=True)
class Record:
    """
    Note what the stages took and which of them did not succeed.

    :param seconds: of each stage by its name, one for each account; waiting for a worker slot included.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)


def list_routes(settings_path: str, now: datetime, day: datetime) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    """List the routes of a run for a day, and its options, as the first task of the DAG does."""
    xcoms = XComs()
    run = SimpleNamespace(
        run_type=SimpleNamespace(value="manual"), run_after=now, data_interval_start=None, data_interval_end=None
    )
    context: Any = {
        "ti": TaskInstance("list_routes", xcoms, RUN_ID),
        "params": {"day": f"{day:%Y-%m-%d}"},
        "dag_run": run,
        "run_id": RUN_ID,
    }
    begin(ListRoutesOperator(task_id="list_routes", settings_path=settings_path), context)
    routes = xcoms.pull("list_routes", -1, "return_value", None)
    return routes, xcoms.pull("list_routes", -1, RUN_OPTIONS, None)


def account_tasks() -> Mapping[str, Any]:
    """Make the six tasks of an account by the DAG's own task group, their route and options left open."""
    with DAG(RUN_ID, schedule=None) as dag:
        account(route={}, options={})
    return {task_id: dag.task_dict[task_id] for task_id in STAGES}


@dataclass(frozen=True, slots=True)
class AccountRun:
    """
    Take one route through the stages of its account.

    :param tasks: of :func:`account_tasks`.
    """

    route: Mapping[str, Any]
    options: Mapping[str, Any]
    tasks: Mapping[str, Any]
    workers: Workers
    record: Record
    xcoms: XComs = field(default_factory=XComs)

    async def run(self) -> None:
        """Run each stage when the one before is over, whatever became of it: all have the trigger rule all_done."""
        clock = current_clock()
        for task_id in self.tasks:
            began = clock.now()
            try:
                await self._stage(task_id)
            except (AirflowException, SnapshotDrError) as error:
                self.record.failures.append(f"{self.route['account_id']} {task_id}: {error}")
            self.record.seconds[task_id.rpartition(".")[2]].append((clock.now() - began).total_seconds())

    async def _stage(self, task_id: str) -> None:
        deferral = await self.workers.run(partial(self._work, task_id, begin))
        while deferral is not None:
            event = await deferral.event()
            deferral = await self.workers.run(partial(self._work, task_id, go_on, deferral, event))

    def _work(self, task_id: str, call: Callable[..., Deferral | None], *arguments: Any) -> Deferral | None:
        """Do what one worker process does of a task: up to its end, or until it defers."""
        task = self.tasks[task_id].prepare_for_execution()
        task.route, task.options = self.route, self.options
        instance = TaskInstance(task_id, self.xcoms, RUN_ID)
        context = {
            "ti": instance,
            "task_instance": instance,
            "task": task,
            "run_id": RUN_ID,
            "outlet_events": OutletEventAccessors(),
        }
        return call(task, context, *arguments)
