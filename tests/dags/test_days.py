"""Which day's snapshots a run copies, and how days that went wrong are made up for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import worlds

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox.world import SnapshotSeed
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ACCOUNT = worlds.account_id(1)
NEXT_DAY = worlds.DAY + timedelta(days=1)


def day_of_volume(number: int) -> SnapshotSeed:
    """Seed the snapshot that the same volume gets each day, counted from DAY."""
    start = worlds.DAY + timedelta(days=number, hours=12)
    return worlds.source(ACCOUNT, number + 1, start=start, volume_id="vol-00000000000000abc", size_gib=8)


@pytest.mark.smoke
def test_snapshot_pending_at_midnight_is_copied(deployment: Deployment) -> None:
    """A snapshot that is started a minute before the interval's end and completes an hour later is copied."""
    ends = NEXT_DAY + timedelta(minutes=59)
    late = worlds.source(ACCOUNT, 1, start=NEXT_DAY - timedelta(minutes=1), state="pending", completes_at=ends)
    deployment.start(worlds.world(1, seeds=[late], clock=NEXT_DAY, clock_rate=1200.0))
    run = deployment.airflow.schedule(worlds.DAY)
    assert run.is_green, run.errors
    assert deployment.control.now() > ends
    deployment.expect_done()


def test_snapshot_that_outlasts_the_patience_is_copied_the_next_day(deployment: Deployment) -> None:
    """A source that is pending beyond the timeout is red, alone, and the next scheduled run copies it."""
    slow = worlds.source(ACCOUNT, 1, state="pending", completes_at=NEXT_DAY + timedelta(hours=20))
    good = worlds.source(ACCOUNT, 2)
    deployment.start(worlds.world(1, seeds=[slow, good], copy_seconds=0.3), source_timeout_hours=1.5 / 3600)
    first = deployment.airflow.schedule(worlds.DAY)
    assert first.red == {"account.copy_to_kms_b[0]", "audit"}
    assert "still pending" in first.errors["account.copy_to_kms_b[0]"]
    assert deployment.has_dr_copy(good)
    assert not deployment.has_dr_copy(slow)

    deployment.control.advance(timedelta(days=1).total_seconds())
    second = deployment.airflow.schedule(NEXT_DAY)
    assert second.is_green, second.errors
    deployment.expect_done()


def test_day_that_never_ran_is_made_up_for(deployment: Deployment) -> None:
    """A scheduled run also copies what the lookback before its interval lacks; older snapshots are left alone."""
    missed, todays = worlds.source(ACCOUNT, 1), worlds.source(ACCOUNT, 2, start=NEXT_DAY + timedelta(hours=1))
    ancient = worlds.source(ACCOUNT, 3, start=worlds.DAY - timedelta(days=3))
    deployment.start(
        worlds.world(1, seeds=[missed, todays, ancient], copy_seconds=0.3, clock=NEXT_DAY + timedelta(days=1))
    )
    run = deployment.airflow.schedule(NEXT_DAY)
    assert run.is_green, run.errors
    assert [deployment.has_dr_copy(source) for source in (missed, todays, ancient)] == [True, True, False]


def test_backfill_copies_its_own_day_alone(deployment: Deployment) -> None:
    """A backfill of a day copies the snapshots of that day, and neither older nor younger ones."""
    day, before, after = (
        worlds.source(ACCOUNT, number, start=worlds.DAY + offset)
        for number, offset in enumerate((timedelta(0), -timedelta(seconds=1), timedelta(days=1)), 1)
    )
    deployment.start(worlds.world(1, seeds=[day, before, after], copy_seconds=0.3))
    run = deployment.airflow.backfill(worlds.DAY, at=worlds.NOW)
    assert run.is_green, run.errors
    assert [deployment.has_dr_copy(source) for source in (day, before, after)] == [True, False, False]


def test_named_snapshots_are_copied_whatever_their_age(deployment: Deployment) -> None:
    """A run that names snapshots copies these; it is red when one of them is not there."""
    old, other = worlds.source(ACCOUNT, 1, start=worlds.DAY - timedelta(days=400)), worlds.source(ACCOUNT, 2)
    deployment.start(worlds.world(1, seeds=[old, other], copy_seconds=0.3))
    run = deployment.airflow.trigger(worlds.NOW, snapshot_ids=[old.snapshot_id])
    assert run.is_green, run.errors
    assert [deployment.has_dr_copy(source) for source in (old, other)] == [True, False]

    nowhere = "snap-0123456789abcdef0"
    run = deployment.airflow.trigger(worlds.NOW, snapshot_ids=[nowhere])
    assert run.red == {"audit"}
    assert f"KP112 (critical) {nowhere}" in run.errors["audit"]
    assert "it was asked for, but no route has it. Correct the param snapshot_ids" in run.errors["audit"]


@pytest.mark.parametrize(
    ("retention", "incremental", "most_left"),
    [("none", [False, False, False], 0), ("newest_per_volume", [False, True, True], 1)],
)
def test_retention_decides_whether_hop_1_is_incremental(
    deployment: Deployment, retention: str, incremental: list[bool], most_left: int
) -> None:
    """Where the newest KMS-B copy of a volume stays, the next day's is incremental; no older source is wanted again."""
    days = [day_of_volume(number) for number in range(3)]
    deployment.start(worlds.world(1, seeds=days[:1], copy_seconds=0.3), kms_b_retention=retention)
    for number, source in enumerate(days):
        if number:
            deployment.control.advance(timedelta(days=1).total_seconds())
            deployment.control.add_snapshot(source)
        run = deployment.airflow.schedule(worlds.DAY + timedelta(days=number))
        assert run.is_green, run.errors
        assert [record["snapshot_id"] for record in run.xcom("account.plan[0]", "records")] == [source.snapshot_id]
        assert deployment.has_dr_copy(source)
        left = deployment.left("kms-b")
        assert [copy["tags"]["SourceSnapshotId"] for copy in left] == [source.snapshot_id] * most_left
    assert [copy["incremental"] for copy in deployment.made("kms-b")] == incremental
    assert [copy["incremental"] for copy in deployment.made("kms-c")] == incremental
