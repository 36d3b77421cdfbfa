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
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowException, TaskDeferred

from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.operators.list_routes import ListRoutesOperator
from snapshot_dr_provider.stage import RUN_OPTIONS
from snapshot_dr_provider.task_groups.account import STAGES, account
from snapshot_dr_provider.triggers.clock import current_clock

RUN_ID: Final = "pipeline"

T = TypeVar("T")


class XComs:
    """Keep what the tasks of one account leave for each other, as JSON, which is what becomes of it."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], str] = {}

    def push(self, task_id: str, key: str, value: Any) -> None:
        """Keep a value."""
        self._left[task_id, key] = json.dumps(value)

    def pull(self, task_id: str, key: str, default: Any) -> Any:
        """Give a value, or the default where none was left."""
        left = self._left.get((task_id, key))
        return default if left is None else json.loads(left)


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """Be as much of a task instance as the operators use."""

    task_id: str
    xcoms: XComs
    map_index: int = -1

    def xcom_push(self, key: str, value: Any) -> None:
        """Leave a value."""
        self.xcoms.push(self.task_id, key, value)

    def xcom_pull(self, *, task_ids: str, key: str, default: Any = None, **_: object) -> Any:
        """Read what another task has left."""
        return self.xcoms.pull(task_ids, key, default)


@dataclass(frozen=True, slots=True)
class Deferral:
    """
    Say how a task goes on after its trigger.

    :param trigger: path of its class and its arguments, as JSON.
    """

    trigger: str
    method_name: str
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, deferred: TaskDeferred) -> Deferral:
        """Write down what a task has deferred with, as a worker does."""
        return cls(json.dumps(deferred.trigger.serialize()), deferred.method_name, deferred.kwargs or {})

    async def event(self) -> Any:
        """Build the trigger anew, run it to its end, and give the payload of its first event, as a triggerer does."""
        path, arguments = json.loads(self.trigger)
        module, _, name = path.rpartition(".")
        trigger = getattr(import_module(module), name)(**arguments)
        try:
            events = [event async for event in trigger.run()]
        finally:
            await trigger.cleanup()
        return json.loads(json.dumps(events[0].payload)) if events else None


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
        "ti": TaskInstance("list_routes", xcoms),
        "params": {"day": f"{day:%Y-%m-%d}"},
        "dag_run": run,
        "run_id": RUN_ID,
    }
    operator = ListRoutesOperator(task_id="list_routes", settings_path=settings_path)
    token = ExecutorSafeguard.tracker.set(operator)
    routes = operator.execute(context)
    ExecutorSafeguard.tracker.reset(token)
    return routes, xcoms.pull("list_routes", RUN_OPTIONS, None)


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
        deferral = await self.workers.run(lambda: self._work(task_id, lambda task, context: task.execute(context)))
        while deferral is not None:
            event = await deferral.event()
            deferral = await self.workers.run(partial(self._go_on, task_id, deferral, event))

    def _go_on(self, task_id: str, deferral: Deferral, event: Any) -> Deferral | None:
        kwargs = {**deferral.kwargs, "event": event}
        return self._work(task_id, lambda task, context: task.resume_execution(deferral.method_name, kwargs, context))

    def _work(self, task_id: str, call: Callable[[Any, Any], object]) -> Deferral | None:
        """Do what one worker process does of a task: up to its end, or until it defers."""
        task = self.tasks[task_id].prepare_for_execution()
        task.route, task.options = self.route, self.options
        instance = TaskInstance(task_id, self.xcoms)
        ExecutorSafeguard.tracker.set(task)  # As Airflow's task runner does; else every task is warned of.
        try:
            call(task, {"ti": instance, "task_instance": instance, "task": task, "run_id": RUN_ID})
        except TaskDeferred as deferred:
            return Deferral.of(deferred)
        return None
