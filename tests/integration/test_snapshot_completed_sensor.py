"""The gate: it believes nobody and lets nothing pass but what it has read."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from snapshot_dr_provider.sensors.snapshot_completed import SnapshotCompletedSensor
from tests import worlds
from tests.integration.tasks import FAST, TaskInstance, context, route, run

SOURCE = worlds.source(worlds.account_id(1), 1)
RECORDS = [{"snapshot_id": SOURCE.snapshot_id, "gib": SOURCE.size_gib, "bytes": SOURCE.full_snapshot_bytes}]
LATER: dict[str, Any] = {"state": "pending", "completes_at": worlds.NOW.replace(minute=30, second=2)}


def gate(stage="kms-c", **arguments):
    """Make a gate behind some stage."""
    values: dict[str, Any] = {
        "route": route(),
        "records_from": "before",
        "deferrable": True,
        "options": FAST,
        **arguments,
    }
    return SnapshotCompletedSensor(task_id="gate", stage=stage, **values)


def seed(enter, stage, **changes):
    """Start with a source and one copy of it."""
    return enter(worlds.world(1, seeds=[SOURCE, worlds.copy_of(SOURCE, stage, 1, **changes)]))


@pytest.mark.parametrize("stage", ["kms-b", "kms-c"])
def test_a_verified_copy_passes(enter, stage):
    """A completed copy that is what it has to be lets its source through, without waiting."""
    seed(enter, stage)
    task = TaskInstance(RECORDS)
    gate(stage).execute(context(task))
    assert task.pushed["records"] == RECORDS
    assert task.pushed["failures"] == {}


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_pending_copy_is_awaited(enter, deferrable):
    """A copy that is pending is waited for, in the triggerer or in the worker, and then judged."""
    seed(enter, "kms-c", **LATER)
    task = run(gate(deferrable=deferrable, poke_interval=0.2), RECORDS)
    assert task.pushed["records"] == RECORDS


@pytest.mark.parametrize(
    ("stage", "changes", "says"),
    [
        ("kms-c", {"kms_key": worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)}, ["under", worlds.KMS_B_ID]),
        ("kms-b", {"kms_key": worlds.kms_a_id(SOURCE.account_id)}, ["under", worlds.kms_a_id(SOURCE.account_id)]),
        ("kms-c", {"kms_key": None, "encrypted": False}, ["not encrypted"]),
        ("kms-c", {"size_gib": 3}, ["3 GiB where its source has 9 GiB"]),
        ("kms-c", {"full_snapshot_bytes": 5}, ["5 bytes in full"]),
        ("kms-c", {"state": "error"}, ["error, not completed"]),
        ("kms-c", {"description": "something else"}, ["no kms-c copy"]),
        ("kms-c", {"account_id": SOURCE.account_id, "kms_key": "aws/ebs"}, [f"{worlds.DR} has no kms-c copy"]),
    ],
)
def test_what_is_not_a_verified_copy_is_red_and_named(enter, stage, changes, says):
    """Key, encryption, size, state, lineage and owner are each asserted, and the error says which one it was."""
    seed(enter, stage, **changes)
    task = TaskInstance(RECORDS)
    with pytest.raises(AirflowFailException) as error:
        gate(stage).execute(context(task))
    assert all(part in str(error.value) for part in [SOURCE.snapshot_id, *says])
    assert task.pushed["records"] == []
    assert list(task.pushed["failures"]) == [SOURCE.snapshot_id]


def test_the_good_ones_flow_on(enter):
    """One bad copy makes the gate red and does not hold up the others."""
    other = worlds.source(worlds.account_id(1), 2)
    enter(worlds.world(1, seeds=[SOURCE, other, worlds.copy_of(SOURCE, "kms-c", 1)]))
    records: list[dict[str, Any]] = [*RECORDS, {"snapshot_id": other.snapshot_id, "gib": other.size_gib, "bytes": None}]
    task = TaskInstance(records)
    with pytest.raises(AirflowFailException, match=other.snapshot_id):
        gate().execute(context(task))
    assert task.pushed["records"] == RECORDS


def test_a_kms_b_copy_that_is_gone_for_its_kms_c_copy_passes(enter):
    """A KMS-B copy that was deleted because its KMS-C copy is verified counts as done."""
    enter(worlds.world(1, seeds=[SOURCE, worlds.copy_of(SOURCE, "kms-c", 1)]))
    assert run(gate("kms-b"), RECORDS).pushed["records"] == RECORDS


def test_without_records_it_skips_and_says_why(enter):
    """A stage whose predecessor left no records has nothing to judge."""
    enter(worlds.world(1, seeds=[SOURCE]))
    with pytest.raises(AirflowSkipException, match="before left no records"):
        gate().execute(context(TaskInstance(None)))


def test_it_takes_ids_of_copies_alone(enter):
    """In somebody else's DAG it checks copies by their ids, whose lineage it does not ask for."""
    copy = worlds.copy_of(SOURCE, "kms-c", 1, tags={}, description="by hand", **LATER)
    enter(worlds.world(1, seeds=[SOURCE, copy]))
    run(gate(records_from=None, snapshot_ids=[copy.snapshot_id]))
    with pytest.raises(AirflowFailException, match="no such snapshot"):
        run(gate(records_from=None, snapshot_ids="snap-00000000000000bad"))
