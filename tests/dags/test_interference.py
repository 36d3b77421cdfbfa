"""What people and other tools do to the snapshots of a run that is under way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ACCOUNT = worlds.account_id(1)
SOURCE = worlds.source(ACCOUNT, 1)
KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
KMS_C = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)


def delete_source(deployment: Deployment, before: str) -> None:
    """Have the source deleted by its owner just before a stage."""
    client = deployment.client(ACCOUNT)
    deployment.airflow.before[f"account.{before}[0]"] = lambda: client.delete_snapshot(SnapshotId=SOURCE.snapshot_id)


def delete_kms_b_copy(deployment: Deployment, before: str) -> None:
    """Have the KMS-B copy deleted by its owner just before a stage."""
    client = deployment.client(ACCOUNT)
    deployment.airflow.before[f"account.{before}[0]"] = lambda: client.delete_snapshot(
        SnapshotId=deployment.left("kms-b")[0]["id"]
    )


def test_source_that_is_deleted_before_hop_1_is_red_until_it_is_planned_without(deployment: Deployment) -> None:
    """A source that was wanted and is gone is red with what to do; the others are copied."""
    other = worlds.source(ACCOUNT, 2)
    deployment.start(worlds.world(1, seeds=[SOURCE, other], copy_seconds=0.3))
    delete_source(deployment, "copy_to_kms_b")
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "audit"}
    for part in (
        SOURCE.snapshot_id,
        f"is gone from {ACCOUNT} {worlds.REGION}",
        "clear the task that plans this account",
    ):
        assert part in run.errors["account.copy_to_kms_b[0]"]
    assert SOURCE.snapshot_id in run.errors["audit"]
    assert deployment.has_dr_copy(other)
    deployment.airflow.clear(run, "account.plan", 0)
    assert run.is_green, run.errors
    assert not deployment.has_dr_copy(SOURCE)


@pytest.mark.parametrize("stage", ["kms_b_completed", "rotate_to_kms_c", "kms_c_completed", "delete_kms_b"])
def test_source_that_is_deleted_after_hop_1_is_copied_all_the_same(deployment: Deployment, stage: str) -> None:
    """Once there is a KMS-B copy, the source itself is not needed any more."""
    deployment.start(worlds.world(1, seeds=[SOURCE], copy_seconds=0.3))
    delete_source(deployment, stage)
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert SOURCE.snapshot_id not in deployment.live(ACCOUNT)
    deployment.expect_done()


def test_kms_b_copy_that_a_person_deletes_before_hop_2_is_made_again(deployment: Deployment) -> None:
    """Hop 2 is red and says that hop 1 has to be cleared, too; that repairs the account."""
    deployment.start(worlds.world(1, seeds=[SOURCE], copy_seconds=0.3))
    delete_kms_b_copy(deployment, "rotate_to_kms_c")
    run = deployment.run_day()
    assert run.red == {"account.rotate_to_kms_c[0]", "audit"}
    assert "clear the task of hop 1, too" in run.errors["account.rotate_to_kms_c[0]"]
    deployment.airflow.clear(run, "account.copy_to_kms_b", 0)
    assert run.is_green, run.errors
    deployment.expect_done()


def test_kms_b_copy_that_a_person_deletes_after_hop_2_is_not_missed(deployment: Deployment) -> None:
    """Whoever deletes a KMS-B copy whose KMS-C copy is there has done what the last stage would do."""
    deployment.start(worlds.world(1, seeds=[SOURCE], copy_seconds=0.3))
    delete_kms_b_copy(deployment, "kms_c_completed")
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()


def copy_by_hand(deployment: Deployment, tags: Mapping[str, str], description: str) -> str:
    """Copy the source's KMS-B copy under KMS-C as a person in the DR account does, and wait until it is completed."""
    owner, person = deployment.client(ACCOUNT), deployment.client(worlds.DR)
    kms_b_copy = deployment.left("kms-b")[0]["id"]
    owner.modify_snapshot_attribute(
        SnapshotId=kms_b_copy, Attribute="createVolumePermission", OperationType="add", UserIds=[worlds.DR]
    )
    copy_id: str = person.copy_snapshot(
        SourceRegion=worlds.REGION,
        SourceSnapshotId=kms_b_copy,
        Encrypted=True,
        KmsKeyId=KMS_C,
        Description=description,
        **({"TagSpecifications": [specification(tags)]} if tags else {}),
    )["SnapshotId"]
    deployment.control.advance(1)
    return copy_id


def specification(tags: Mapping[str, str]) -> dict[str, object]:
    """Write tags as a create call takes them."""
    return {"ResourceType": "snapshot", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


OUR_DESCRIPTION = f"snapshot-dr kms-c copy of {SOURCE.snapshot_id} in {ACCOUNT} {worlds.REGION}"
OUR_TAGS = worlds.lineage_tags(SOURCE, "kms-c", KMS_C, "by hand")


@pytest.mark.parametrize(
    ("tags", "description", "made_beside_it"),
    [
        ({}, "rescued by hand", 1),
        ({"Owner": "somebody"}, OUR_DESCRIPTION, 1),
        (OUR_TAGS, "rescued by hand", 1),
        (OUR_TAGS, OUR_DESCRIPTION, 0),
        ({**OUR_TAGS, "Owner": "somebody"}, OUR_DESCRIPTION, 0),
    ],
    ids=["plain", "our description alone", "our tags alone", "our tags and description", "and others' tags"],
)
def test_kms_c_copy_that_was_made_by_hand(
    deployment: Deployment, tags: Mapping[str, str], description: str, made_beside_it: int
) -> None:
    """It is adopted if it bears our tags and description; otherwise it is neither the copy nor ever deleted."""
    deployment.start(worlds.world(1, seeds=[SOURCE], copy_seconds=0.3))
    made: list[str] = []
    deployment.airflow.before["account.rotate_to_kms_c[0]"] = lambda: made.append(
        copy_by_hand(deployment, tags, description)
    )
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert deployment.live(worlds.DR)[made[0]]["state"] == "completed"
    assert len(deployment.live(worlds.DR)) == 1 + made_beside_it
    assert deployment.left("kms-b") == []


def test_other_tags_on_our_copies_change_nothing(deployment: Deployment) -> None:
    """Tags that tools of the accounts put on both copies neither hide them nor keep the KMS-B copy."""
    deployment.start(worlds.world(1, seeds=[SOURCE], copy_seconds=0.3))

    def tag(account: str, stage: str) -> None:
        ids = [copy["id"] for copy in deployment.left(stage)]
        deployment.client(account).create_tags(Resources=ids, Tags=[{"Key": "CostCenter", "Value": "4711"}])

    deployment.airflow.before["account.rotate_to_kms_c[0]"] = lambda: tag(ACCOUNT, "kms-b")
    deployment.airflow.before["account.delete_kms_b[0]"] = lambda: tag(worlds.DR, "kms-c")
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert deployment.dr_copy(SOURCE)["tags"]["CostCenter"] == "4711"
    deployment.expect_done()


def test_kms_b_copy_whose_tags_a_person_has_changed_is_left_and_named(deployment: Deployment) -> None:
    """A copy that names another source than its description does is nobody's to delete: it stays, and is named."""
    deployment.start(worlds.world(1, seeds=[SOURCE], copy_seconds=0.3), audit_fail_on="medium")
    deployment.control.set_block_public_access(worlds.DR, worlds.REGION, "block-all-sharing")
    client = deployment.client(ACCOUNT)
    wrong = [{"Key": "SourceSnapshotId", "Value": "snap-0123456789abcdef0"}]
    changed: list[str] = []

    def retag() -> None:
        changed.append(deployment.left("kms-b")[0]["id"])
        client.create_tags(Resources=changed, Tags=wrong)

    deployment.airflow.before["account.delete_kms_b[0]"] = retag
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert f"KP109 (medium) {changed[0]}" in run.errors["audit"]
    assert changed[0] in deployment.live(ACCOUNT)
    assert deployment.has_dr_copy(SOURCE)


def test_dr_account_at_its_snapshot_limit_is_red_until_there_is_room(deployment: Deployment) -> None:
    """Where the DR account may have no more snapshots, hop 2 says what to do, and nothing is deleted to make room."""
    old = [worlds.source(ACCOUNT, number, start=worlds.DAY - timedelta(days=90)) for number in (7, 8, 9)]
    copies = [worlds.copy_of(source, "kms-c", number) for number, source in enumerate(old, 1)]
    deployment.start(worlds.world(1, seeds=[SOURCE, *copies], copy_seconds=0.3, snapshot_limit=len(copies)))
    run = deployment.run_day()
    assert run.red == {"account.rotate_to_kms_c[0]", "audit"}
    for part in (
        f"Account {worlds.DR} has as many snapshots in {worlds.REGION} as it may have",
        "delete what need not be restored any more",
        'quota of Amazon EBS "Snapshots per Region"',
        "then clear this task",
    ):
        assert part in run.errors["account.rotate_to_kms_c[0]"]
    assert deployment.live(worlds.DR).keys() == {copy.snapshot_id for copy in copies}
    assert len(deployment.left("kms-b")) == 1
    deployment.control.configure(snapshot_limit=len(copies) + 1)
    deployment.airflow.clear(run, "account.rotate_to_kms_c", 0)
    assert run.is_green, run.errors
    assert deployment.dr_copy(SOURCE)["state"] == "completed"
    assert deployment.left("kms-b") == []
