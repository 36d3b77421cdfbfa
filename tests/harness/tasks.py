"""Tasks as Airflow has them between scheduler, worker and triggerer, as far as our operators see of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred

if TYPE_CHECKING:
    from collections.abc import Iterator


class Remembering(Protocol):
    """Keep what tasks leave for each other, and what has become of them."""

    def push(self, task_id: str, map_index: int, key: str, value: Any) -> None:
        """Keep a value that a task has left."""
        ...

    def pull(self, task_id: str, map_index: int, key: str, default: Any) -> Any:
        """Give a value, or the default where none was left."""
        ...

    @property
    def states(self) -> Mapping[str, str]:
        """Tell the state of each task."""
        ...


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """Be as much of a task instance as the operators use."""

    task_id: str
    memory: Remembering
    run_id: str
    map_index: int = -1
    dag_id: str = "snapshot_dr"

    def xcom_push(self, key: str, value: Any) -> None:
        """Leave a value."""
        self.memory.push(self.task_id, self.map_index, key, value)

    def xcom_pull(
        self, *, task_ids: str, key: str = "return_value", map_indexes: int | None = None, default: Any = None
    ) -> Any:
        """Read what another task has left."""
        return self.memory.pull(task_ids, -1 if map_indexes is None else map_indexes, key, default)

    def get_task_states(self, *, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        """Tell the states of the tasks of this run."""
        return {run_id: dict(self.memory.states) for run_id in run_ids if run_id == self.run_id}


@dataclass(frozen=True, slots=True)
class Deferral:
    """
    Say how a task goes on after its trigger.

    :param trigger: path of its class and its arguments, as JSON.
    :param timeout_seconds: after which the task is failed; ``None`` for never.
    """

    trigger: str
    method_name: str
    kwargs: Mapping[str, Any]
    timeout_seconds: float | None = None

    @classmethod
    def of(cls, deferred: TaskDeferred) -> Deferral:
        """Write down what a task has deferred with, as a worker does."""
        timeout = deferred.timeout
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        return cls(json.dumps(deferred.trigger.serialize()), deferred.method_name, deferred.kwargs or {}, seconds)

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON primitives."""
        return asdict(self)

    async def event(self) -> Any:
        """Build the trigger anew, run it to its end, and give the payload of its first event, as a triggerer does."""
        trigger = trigger_of(self.trigger)
        try:
            events = [event async for event in trigger.run()]
        finally:
            await trigger.cleanup()
        return json.loads(json.dumps(events[0].payload)) if events else None


def trigger_of(serialized: str) -> Any:
    """Build a trigger from the path of its class and its arguments, as JSON."""
    path, arguments = json.loads(serialized)
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**arguments)


def begin(task: Any, context: Any) -> Deferral | None:
    """Do what a worker does of a task from its beginning: up to its end, or until it defers."""
    return _up_to_deferral(task, context, lambda: task.execute(context))


def go_on(task: Any, context: Any, deferral: Deferral, event: Any) -> Deferral | None:
    """Do what a worker does of a task once its trigger has fired."""
    kwargs = {**deferral.kwargs, "event": event}
    return _up_to_deferral(task, context, lambda: task.resume_execution(deferral.method_name, kwargs, context))


def _up_to_deferral(task: Any, context: Any, call: Callable[[], object]) -> Deferral | None:
    with _as_task_runner(task):
        try:
            result = call()
        except TaskDeferred as deferred:
            return Deferral.of(deferred)
    if result is not None:
        context["ti"].xcom_push("return_value", result)
    return None


@contextmanager
def _as_task_runner(task: Any) -> Iterator[None]:
    """Mark the task as Airflow's task runner does; else every task is warned of."""
    token = ExecutorSafeguard.tracker.set(task)
    try:
        yield
    finally:
        ExecutorSafeguard.tracker.reset(token)
