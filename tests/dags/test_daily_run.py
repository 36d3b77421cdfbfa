"""What a run leaves behind when nothing goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from snapshot_dr_provider.sandbox.world import Key
from tests import worlds
from tests.dags.deployment import FAST

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

EUROPE = "eu-west-1"


@pytest.mark.smoke
def test_run_gives_each_source_one_verified_copy(deployment: Deployment) -> None:
    """A run ends green with exactly one completed copy of each source in the DR account, and with no KMS-B copy."""
    deployment.start(worlds.world(2, 2, copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert run.tasks_in("success") == set(run.states)
    deployment.expect_done()
    assert {copy["owner"] for copy in deployment.made("kms-c")} == {worlds.DR}
    assert len(deployment.made("kms-b")) == len(deployment.made("kms-c")) == 4


def test_copies_bear_the_whole_lineage_on_both_sides(deployment: Deployment) -> None:
    """Each copy says by its tags which source, key, stage and run it is of, in the account that owns it."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    run = deployment.run_day()
    for stage, key in (("kms-b", worlds.KMS_B_ID), ("kms-c", worlds.KMS_C_ID)):
        arn = worlds.kms_arn(worlds.DR, key)
        expected = [worlds.lineage_tags(source, stage, arn, run.run_id) for source in deployment.world.snapshots]
        assert sorted((copy["tags"] for copy in deployment.made(stage)), key=str) == sorted(expected, key=str)
        assert all(set(copy["tags_by_account"]) == {copy["owner"]} for copy in deployment.made(stage))


@pytest.mark.smoke
def test_second_run_of_a_day_copies_nothing(deployment: Deployment) -> None:
    """A second run over the same day is green and starts no copy, shares nothing and deletes nothing."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    assert deployment.run_day().is_green
    changes = deployment.changes()
    assert deployment.run_day().is_green
    assert deployment.changes() == changes
    deployment.expect_done()


@pytest.mark.smoke
def test_dr_account_restores_without_the_source_accounts(deployment: Deployment) -> None:
    """With KMS-A and KMS-B disabled and the sources deleted, B makes volumes of KMS-C copies, and of no KMS-B copy."""
    world = worlds.world(2, 1, copy_seconds=0.3)
    old = worlds.source(worlds.account_id(1), 9, start=worlds.DAY.replace(year=2025))
    shared = worlds.copy_of(old, "kms-b", 9, start=old.start_time, shared_with=(worlds.DR,), tags={}, description="")
    deployment.start(replace(world, snapshots=(*world.snapshots, shared)))
    assert deployment.run_day().is_green
    copies = [deployment.dr_copy(source)["id"] for source in world.snapshots]
    for key in world.keys:
        if key.key_id != worlds.KMS_C_ID:
            deployment.control.disable_key(key.arn)
    for source in world.snapshots:
        deployment.client(source.account_id).delete_snapshot(SnapshotId=source.snapshot_id)
    assert restored(deployment, copies) == ["available"] * 2
    assert restored(deployment, [shared.snapshot_id]) == ["error"]


def restored(deployment: Deployment, snapshot_ids: list[str]) -> list[str]:
    """Make a volume in the DR account of each snapshot, and answer the states in which they end."""
    client = deployment.client(worlds.DR)
    zone = f"{worlds.REGION}a"
    volumes = [client.create_volume(SnapshotId=each, AvailabilityZone=zone)["VolumeId"] for each in snapshot_ids]
    deployment.control.advance(60)
    return [client.describe_volumes(VolumeIds=[each])["Volumes"][0]["State"] for each in volumes]


def test_cross_region_copies_what_is_wanted_and_says_why_not_the_rest(deployment: Deployment) -> None:
    """From another Region, encrypted sources are copied under any key; every other one is counted with its reason."""
    first, second = worlds.account_id(1), worlds.account_id(2)
    in_europe: dict[str, Any] = {"region": EUROPE}
    wanted = [
        worlds.source(first, 1, **in_europe),
        worlds.source(first, 2, **in_europe, kms_key="aws/ebs"),
        worlds.source(second, 1, **in_europe),
    ]
    others = [
        worlds.source(first, 3, **in_europe, kms_key=None, encrypted=False),
        worlds.source(first, 4, **in_europe, storage_tier="archive"),
        worlds.source(second, 5, **in_europe, tags={"Backup": "no"}),
    ]
    deployment.start(
        worlds.world(2, seeds=[*wanted, *others], regions=(worlds.REGION, EUROPE), copy_seconds=0.3),
        source_regions={EUROPE: worlds.REGION},
        selection={"exclude_tags": {"Backup": "no"}},
    )
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert {deployment.dr_copy(source)["region"] for source in wanted} == {worlds.REGION}
    assert len(deployment.made("kms-c")) == len(wanted)
    assert {copy["region"] for copy in deployment.made("kms-b")} == {worlds.REGION}
    reasons = {reason for index in (0, 1) for reason in run.xcom(f"account.plan[{index}]", "not_wanted")}
    assert {reason.split(";")[0] for reason in reasons} == {"unencrypted", "archived", "excluded by its tag Backup=no"}


def test_account_without_snapshots_is_green(deployment: Deployment) -> None:
    """An account that has nothing to copy is no failure, and does not keep the others from theirs."""
    deployment.start(worlds.world(2, seeds=[worlds.source(worlds.account_id(2), 1)], copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()


def test_rotated_key_copies_nothing_again_if_listed(deployment: Deployment) -> None:
    """After KMS-C was replaced, copies under the former key count where it is listed; else the audit names them."""
    new = Key(worlds.DR, worlds.REGION, "c0c0c0c0-0000-4000-8000-000000000002")
    former = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)
    keys = {"kms_b": worlds.kms_arn(worlds.DR, worlds.KMS_B_ID), "kms_c": new.arn}
    world = worlds.world(1, 1, copy_seconds=0.3)
    added = worlds.rendered_policy("dr-copy-role", worlds.settings(world, destinations={worlds.REGION: keys}))
    users = [
        replace(each, policies=(*each.policies, added)) if each.policies == (worlds.DR_POLICY,) else each
        for each in world.users
    ]
    deployment.start(replace(world, keys=(*world.keys, new), users=tuple(users)))
    assert deployment.run_day().is_green

    deployment.configure(destinations={worlds.REGION: {**keys, "former_kms_c": [former]}})
    assert deployment.run_day().is_green
    assert [copy["kms_key_arn"] for copy in deployment.left("kms-c")] == [former]

    deployment.configure(destinations={worlds.REGION: keys})
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert "KP106" in run.errors["audit"]
    assert [copy["kms_key_arn"] for copy in deployment.left("kms-c")] == [former, new.arn]
    assert deployment.left("kms-b") == []


def test_slots_are_never_exceeded(deployment: Deployment) -> None:
    """No more copies are in flight in an account than its slots, and all of them are made nevertheless."""
    deployment.start(
        worlds.world(1, 5, copy_seconds=0.4, copy_slots=2),
        destinations={
            worlds.REGION: {
                "kms_b": worlds.kms_arn(worlds.DR, worlds.KMS_B_ID),
                "kms_c": worlds.kms_arn(worlds.DR, worlds.KMS_C_ID),
                "copy_slots": 2,
                "source_copy_slots": 2,
            }
        },
    )
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()
    assert deployment.control.peak_in_flight() == {
        f"{worlds.account_id(1)}/{worlds.REGION}": 2,
        f"{worlds.DR}/{worlds.REGION}": 2,
    }
    assert deployment.calls("CopySnapshot") == 10


def test_a_duration_of_the_settings_is_that_of_every_copy(deployment: Deployment) -> None:
    """With completion_duration_minutes the copies of both hops are time-based ones of that duration."""
    world = worlds.world(1, 2, copy_seconds=0.3)
    keys = worlds.settings(world)["destinations"][worlds.REGION]
    deployment.start(world, destinations={worlds.REGION: {**keys, "completion_duration_minutes": 45}})
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()
    made = [each for each in deployment.control.snapshots() if "snapshot-dr:stage" in each["tags"]]
    assert [each["completion_duration_minutes"] for each in made] == [45] * 4


def test_slow_world_makes_no_difference(deployment: Deployment) -> None:
    """With reads, tags, shares and deletions that lag, and a lost answer, there is exactly one copy of each source."""
    lag = {"create": 0.4, "tags": 0.4, "share": 0.6, "delete": 0.4}
    deployment.start(worlds.world(1, 2, copy_seconds=0.3), tuning={**FAST, "settle_seconds": 2})
    deployment.control.set_lag(**lag)
    deployment.control.add_fault(action="CopySnapshot", kind="lost_answer", account_id=worlds.account_id(1))
    deployment.control.add_fault(action="CopySnapshot", kind="server_error", account_id=worlds.DR)
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()
