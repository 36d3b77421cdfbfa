"""Run single operators outside of a DAG run, with as much of a context as they read, and their triggers with them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from airflow.sdk.exceptions import TaskDeferred

from snapshot_dr_provider.domain.routes import Route
from tests import worlds
from tests.harness.tasks import trigger_of

PATIENCE_SECONDS = 180.0
"""How long a trigger may take to fire; one that waits for what never comes would do so for days."""


class TaskInstance:
    """Keep XComs as JSON, which is what becomes of them."""

    map_index = -1

    def __init__(self, records: list[dict[str, Any]] | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self._records = records

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.pushed[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int, default: Any) -> Any:
        """Give the records that the stage before is said to have left."""
        return default if self._records is None else self._records


def run(operator: Any, records: list[dict[str, Any]] | None = None) -> TaskInstance:
    """Run an operator to its end, through its trigger if it defers, and give what it left."""
    task = TaskInstance(records)
    try:
        operator.execute(context(task))
    except TaskDeferred as deferred:
        event = fire(deferred.trigger)
        getattr(operator, deferred.method_name)(context(task), event)
    return task


def context(task: TaskInstance) -> Any:
    """Give as much of a context as the operators read."""
    return {"ti": task, "run_id": "a-run"}


def fire(trigger: Any) -> dict[str, Any]:
    """Serialise a trigger, make it anew as a triggerer would, and give the payload of its event."""
    again = trigger_of(json.dumps(trigger.serialize()))

    async def first_event() -> Any:
        return await anext(aiter(again.run()))

    event = asyncio.run(asyncio.wait_for(first_event(), PATIENCE_SECONDS))
    payload: dict[str, Any] = json.loads(json.dumps(event.payload))
    return payload


def route(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Write the route of an account of the test worlds."""
    account = worlds.account_id(number)
    values: dict[str, Any] = {
        "account_id": account,
        "account_name": f"team-{number}",
        "source_region": worlds.REGION,
        "destination_region": worlds.REGION,
        "kms_b_arn": worlds.kms_arn(worlds.DR, worlds.KMS_B_ID),
        "kms_c_arn": worlds.kms_arn(worlds.DR, worlds.KMS_C_ID),
        "dr_account_id": worlds.DR,
        "source_conn_id": "aws_tooling",
        "source_role_arn": f"arn:aws:iam::{account}:role/SnapshotDr",
        "dr_conn_id": "aws_dr",
    }
    return dict(Route(**{**values, **changes}).to_json())


FAST = {
    "poll_seconds": 0.1,
    "settle_seconds": 0.3,
    "first_fire_seconds": 0.0,
    "max_attempts": 2,
    "source_timeout_hours": 0.001,
}
"""Tuning for copies that take parts of a second."""
