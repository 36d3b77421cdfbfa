"""What a run makes of copies that are there already, of duplicates, and of tags that people have copied."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from snapshot_dr_provider.sandbox import World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ACCOUNT = worlds.account_id(1)
SOURCE = worlds.source(ACCOUNT, 1)


def world_with(*others: SnapshotSeed) -> World:
    """Build a world of one source and of what is there beside it."""
    return worlds.world(1, seeds=[SOURCE, *others], copy_seconds=0.3)


def the_dr_copy(deployment: Deployment) -> str:
    """Name the one KMS-C copy of the source."""
    return deployment.dr_copy(SOURCE)["id"]


def test_kms_b_copy_of_an_earlier_run_is_used(deployment: Deployment) -> None:
    """A KMS-B copy that a broken-off run has left is rotated instead of being made again, and is then deleted."""
    deployment.start(world_with(worlds.copy_of(SOURCE, "kms-b", 1)))
    assert deployment.run_day().is_green
    assert deployment.calls("CopySnapshot", ACCOUNT) == 0
    assert deployment.calls("CopySnapshot", worlds.DR) == 1
    the_dr_copy(deployment)
    assert deployment.left("kms-b") == []


def test_kms_b_copy_whose_source_is_gone_is_finished(deployment: Deployment) -> None:
    """A KMS-B copy of a source that was deleted since, and is older than any lookback, still becomes a KMS-C copy."""
    gone = worlds.source(ACCOUNT, 7, start=worlds.DAY - timedelta(days=90))
    deployment.start(world_with(worlds.copy_of(gone, "kms-b", 7)))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert deployment.has_dr_copy(gone)
    assert deployment.has_dr_copy(SOURCE)
    assert deployment.left("kms-b") == []


def test_pending_kms_c_copy_is_awaited(deployment: Deployment) -> None:
    """A KMS-C copy that is under way is adopted: nothing is started, and the run ends when it is completed."""
    ends = worlds.NOW + timedelta(seconds=1.5)
    pending = worlds.copy_of(SOURCE, "kms-c", 1, start=worlds.NOW, state="pending", completes_at=ends)
    deployment.start(world_with(worlds.copy_of(SOURCE, "kms-b", 1), pending))
    deployment.control.freeze(worlds.NOW)
    deployment.airflow.before["account.rotate_to_kms_c[0]"] = deployment.control.run_clock
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert deployment.calls("CopySnapshot") == 0
    assert the_dr_copy(deployment) == pending.snapshot_id
    assert deployment.control.now() >= ends
    assert deployment.left("kms-b") == []


def test_failed_copies_are_cleaned_up(deployment: Deployment) -> None:
    """Copies of ours in error, of both stages, are removed; they count neither as copies nor as attempts."""
    failed = [
        worlds.copy_of(SOURCE, stage, number, state="error", full_snapshot_bytes=None)
        for stage in ("kms-b", "kms-c")
        for number in (1, 2)
    ]
    deployment.start(world_with(*failed))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert deployment.dr_copy(SOURCE)["state"] == "completed"
    remaining = {each["id"] for account in (ACCOUNT, worlds.DR) for each in deployment.live(account).values()}
    assert remaining.isdisjoint(seed.snapshot_id for seed in failed)


def test_duplicates_converge_to_the_oldest(deployment: Deployment) -> None:
    """Of several completed copies of a source the smallest by (StartTime, SnapshotId) stays, whatever its stage."""
    first, later = worlds.DAY + timedelta(hours=20), worlds.DAY + timedelta(hours=21)
    same_time = [worlds.copy_of(SOURCE, "kms-c", number, start=first) for number in (2, 5)]
    younger = worlds.copy_of(SOURCE, "kms-c", 1, start=later)
    below = [worlds.copy_of(SOURCE, "kms-b", number, start=first) for number in (3, 4)]
    deployment.start(world_with(younger, *reversed(same_time), *below))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert the_dr_copy(deployment) == same_time[0].snapshot_id
    assert deployment.left("kms-b") == []
    assert deployment.calls("CopySnapshot") == 0


def test_tags_that_people_copied_are_no_lineage(deployment: Deployment) -> None:
    """A source that bears the tags of a copy is copied like any other, and such a snapshot is never deleted."""
    tags = worlds.lineage_tags(SOURCE, "kms-b", worlds.kms_arn(worlds.DR, worlds.KMS_B_ID))
    tagged_source = worlds.source(ACCOUNT, 2, tags=tags)
    itself = worlds.source(ACCOUNT, 3)
    own_id = replace(itself, tags={**tags, "SourceSnapshotId": itself.snapshot_id})
    deployment.start(world_with(tagged_source, own_id))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert {SOURCE.snapshot_id, tagged_source.snapshot_id, own_id.snapshot_id} <= deployment.live(ACCOUNT).keys()
    assert all(deployment.has_dr_copy(source) for source in (SOURCE, tagged_source, own_id))
    assert len(deployment.live(ACCOUNT)) == 3


def test_tagged_snapshot_in_the_dr_account_is_no_copy(deployment: Deployment) -> None:
    """A snapshot of a restored volume that inherited a copy's tags neither counts as the copy nor is touched."""
    real = worlds.copy_of(SOURCE, "kms-c", 1)
    inherited = replace(
        real,
        snapshot_id="snap-0000000000000beef",
        volume_id="vol-000000000000beef0",
        description="Created for a restored volume",
        start_time=real.start_time - timedelta(minutes=1),
    )
    deployment.start(world_with(inherited))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert inherited.snapshot_id in deployment.live(worlds.DR)
    assert deployment.calls("CopySnapshot") == 2
    assert len(deployment.live(worlds.DR)) == 2


def test_copy_of_another_size_does_not_count(deployment: Deployment) -> None:
    """A KMS-C copy that is smaller than its source is not verified: its KMS-B copy stays, and the run is red."""
    small = worlds.copy_of(SOURCE, "kms-c", 1, full_snapshot_bytes=1)
    below = worlds.copy_of(SOURCE, "kms-b", 1)
    deployment.start(world_with(small, below))
    run = deployment.run_day()
    assert not run.is_green
    assert "audit" in run.red
    assert [copy["id"] for copy in deployment.left("kms-b")] == [below.snapshot_id]
    assert SOURCE.snapshot_id in run.errors["audit"]
