"""Copies within a duration, by the real operators: asked for in both hops, waited for, and refused with a remedy."""

from __future__ import annotations

import logging

import pytest
from airflow.sdk.exceptions import AirflowFailException

from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator
from tests import worlds
from tests.integration.tasks import FAST, route, run

ACCOUNT = worlds.account_id(1)


def within(minutes, region=worlds.REGION):
    """Write the options of a run with a duration in one Region."""
    return {**FAST, "completion_duration_by_region": [[region, minutes]]}


def copy(world, options, operator=CopySnapshotToKmsBOperator, *, deferrable=True):
    """Copy all snapshots of a world in one hop and give what the task left."""
    ids = [seed.snapshot_id for seed in world.snapshots]
    return run(operator(task_id="copy", route=route(), source_snapshot_ids=ids, options=options, deferrable=deferrable))


def copies(sandbox, stage):
    """Tell the copies of a stage."""
    return [each for each in sandbox.control.snapshots() if each["tags"].get("snapshot-dr:stage") == stage]


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        (within(45), 45),
        ({**FAST, "completion_duration_minutes": 30}, 30),
        (within(45, "eu-west-1"), None),
        (FAST, None),
    ],
)
def test_both_hops_are_asked_for_within_the_duration_of_the_region(enter, options, minutes, deferrable):
    """The duration of the destination Region, or the one of the operator, is in the call; without one nothing is."""
    world = worlds.world(1, 1, copy_seconds=0.3)
    sandbox = enter(world)
    for stage, operator in (("kms-b", CopySnapshotToKmsBOperator), ("kms-c", RotateToKmsCOperator)):
        copy(world, options, operator, deferrable=deferrable)
        (made,) = copies(sandbox, stage)
        assert (made["state"], made["completion_duration_minutes"]) == ("completed", minutes)


def test_exhausted_throughput_is_waited_for_like_a_slot(enter, caplog, capfd):
    """While the throughput of the account is taken nothing is started; the log names that quota; nothing is lost."""
    # A copy takes at most 0.5 s here, and the first one all throughput that there is.
    world = worlds.world(1, 3, copy_seconds=0.5, copy_throughput=5.0)
    sandbox = enter(world)
    with caplog.at_level(logging.INFO):
        task = copy(world, within(15))
    assert task.pushed["failures"] == {}
    assert [made["state"] for made in copies(sandbox, "kms-b")] == ["completed"] * 3
    assert sandbox.control.peak_in_flight() == {f"{ACCOUNT}/{worlds.REGION}": 1}
    # Airflow's loggers write to the terminal, and do not always propagate.
    said = "\n".join((*capfd.readouterr(), *(record.getMessage() for record in caplog.records)))
    waits = [line for line in said.splitlines() if "nothing is started" in line]
    assert waits
    quota = "ResourceLimitExceeded: The cumulative throughput quota for time-based snapshot copies is exhausted"
    assert all(quota in line for line in waits)


def test_a_snapshot_too_large_for_the_duration_fails_with_what_to_do(enter):
    """It says how much fits and the two ways out; the other snapshots are copied."""
    large = worlds.source(ACCOUNT, 1, size_gib=1000, full_snapshot_bytes=500 * 2**30)
    world = worlds.world(1, seeds=[large, worlds.source(ACCOUNT, 2)], copy_seconds=0.3)
    sandbox = enter(world)
    with pytest.raises(AirflowFailException, match="1 of 2 snapshots failed") as raised:
        copy(world, within(15))
    said = str(raised.value)
    assert f"{large.snapshot_id}: could not start copying" in said
    assert "within 15 minutes, in which a time-based copy moves 439 GiB at most" in said
    assert f"Set a longer completion_duration_minutes for {worlds.REGION}, or none" in said
    assert [made["source_snapshot_id"] for made in copies(sandbox, "kms-b")] == [world.snapshots[1].snapshot_id]


def test_a_longer_duration_is_the_remedy(enter):
    """The same snapshot is copied within twice the time, as the failure has it."""
    large = worlds.source(ACCOUNT, 1, size_gib=1000, full_snapshot_bytes=500 * 2**30)
    world = worlds.world(1, seeds=[large], copy_seconds=0.3)
    sandbox = enter(world)
    assert copy(world, within(30)).pushed["failures"] == {}
    assert [made["state"] for made in copies(sandbox, "kms-b")] == ["completed"]
