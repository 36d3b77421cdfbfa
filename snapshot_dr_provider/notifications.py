"""
Whom a red run is told to, and in which words: one message a run, by whatever Airflow notifier is configured.

The audit is the last task of a run and knows of all others, so that its failure is the run's; its callback runs in its
worker. When the process of a task is killed Airflow 3.3.2 calls none: then the callback of the DAG tells, which runs in
the DAG processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import copy
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import quote

from snapshot_dr_provider._compat import AirflowConfigException, Context, conf
from snapshot_dr_provider.domain.failure_message import FailureMessage, word_unknown
from snapshot_dr_provider.exceptions import ConfigurationError

FAILURE: Final = "failure"
"""What a red audit leaves: ``{"subject": str, "text": str}``."""

OPTION: Final = "failure_notifier"
"""Of the section ``[snapshot_dr]``."""

Notifier = Callable[[Context], object]


def tell_failure(context: Context) -> None:
    """
    Have the configured notifiers tell that a run is red; without any, do nothing.

    To the templates of a notifier ``failure_subject`` and ``failure_text`` are what all others of a task's context
    are. Each notifier is called, whatever becomes of another; what one raises Airflow writes to the task's log.
    """
    told = describe_failure(context)
    context["ti"].xcom_push(key=FAILURE, value=asdict(told))
    _tell(context, told)


def tell_lost_audit(context: Context) -> None:
    """Have a red run told whose audit has not told it itself, as when it was killed: the callback of a whole DAG."""
    tasks: Any = context["dag"].tasks
    last = context.get("ti")
    # dag.test() gives the tasks without their callbacks; there is no audit to be lost there.
    audits = [task.task_id for task in tasks if tell_failure in getattr(task, "on_failure_callback", ())]
    for task_id in audits:
        if last is None or _words_of(last, task_id) is None:
            dag_id, run_id = context["dag"].dag_id, context["run_id"]
            _tell(context, word_unknown(dag_id, run_id, task_id, "", log_link(dag_id, run_id, task_id)))


def _tell(context: Context, told: FailureMessage) -> None:
    with ExitStack() as calls:
        for notifier in configured_notifiers():
            # A notifier renders its templates in place: the configured one stays as it is, for the next failure.
            given: Any = {**context, "failure_subject": told.subject, "failure_text": told.text}
            calls.callback(copy(notifier), given)


def describe_failure(context: Context) -> FailureMessage:
    """
    Say why the run of a failed audit is red: in the words that the audit has left, or that it has left none.

    For a callback of your own. The text names routes, tasks, reasons and the addresses of their logs, and has a bounded
    size; the subject fits SNS.
    """
    task = context["ti"]
    left = _words_of(task, task.task_id)
    if left is not None:
        return left
    # There is no exception where the worker was killed.
    why = str(context.get("exception") or "")
    return word_unknown(task.dag_id, task.run_id, task.task_id, why, log_link(task.dag_id, task.run_id, task.task_id))


def _words_of(task: Any, task_id: str) -> FailureMessage | None:
    """Read what the audit of a run has left, as any task instance of that run can."""
    left: Mapping[str, str] | None = task.xcom_pull(task_ids=task_id, key=FAILURE, map_indexes=-1, default=None)
    return None if left is None else FailureMessage(**left)


def configured_notifiers() -> tuple[Notifier, ...]:
    """
    Import what the option ``[snapshot_dr] failure_notifier`` names: one notifier, or a list of them.

    :raises ConfigurationError: when that cannot be called.
    """
    remedy = (
        f"[snapshot_dr] {OPTION} of Airflow's configuration (AIRFLOW__SNAPSHOT_DR__{OPTION.upper()}) is the import "
        "path of a notifier or of a list of them, in a module on the workers' Python path, such as dr_alerts.on_call "
        "of a file dr_alerts.py in the DAG folder"
    )
    try:
        found: Any = conf.getimport("snapshot_dr", OPTION, fallback=None)
    except AirflowConfigException as error:
        msg = f"Nobody would be told of a red run: {error} {remedy}"
        raise ConfigurationError(msg) from error
    notifiers = tuple(found) if isinstance(found, list | tuple) else (found,) if found is not None else ()
    if not all(callable(notifier) for notifier in notifiers):
        msg = f"Nobody would be told of a red run: {found!r} cannot be called. {remedy}"
        raise ConfigurationError(msg)
    return notifiers


def log_link(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """Make the address of a task instance in the UI, as Airflow makes it for its own messages."""
    base: str = conf.get("api", "base_url", fallback=None) or "http://localhost:8080/"
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    return f"{base.rstrip('/')}/dags/{dag_id}/runs/{quote(run_id)}/tasks/{task_id}{mapped}"
