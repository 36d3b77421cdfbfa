from datetime import timedelta
from typing import Any

from tests.integration.sandbox.ec2_world import (
    A2,
    DR,
    KMS_A,
    KMS_B,
    KMS_C,
    NOW,
    SNAP,
    SNAP_PENDING,
    UNKNOWN,
    VOLUME,
    VOLUME_PLAIN,
    A,
    Cloud,
    deny,
    refusal,
)


def test_snapshot_keeps_the_key_of_its_volume(cloud: Cloud) -> None:
    """CreateSnapshot gives a snapshot under the volume's key, with its size and id."""
    answer = cloud.ec2().create_snapshot(VolumeId=VOLUME, Description="by hand")
    shown = cloud.show(answer["SnapshotId"])
    assert (shown["KmsKeyId"], shown["VolumeId"], shown["VolumeSize"]) == (KMS_A.arn, VOLUME, 8)
    assert (shown["Description"], shown["StartTime"], shown["State"]) == ("by hand", NOW, "completed")


def test_snapshot_of_a_plain_volume_is_not_encrypted(cloud: Cloud) -> None:
    """An unencrypted volume gives an unencrypted snapshot."""
    answer = cloud.ec2().create_snapshot(VolumeId=VOLUME_PLAIN)
    assert (answer["Encrypted"], "KmsKeyId" in answer) == (False, False)


def test_new_snapshot_stays_pending(cloud: Cloud) -> None:
    """A new snapshot is pending for the time that is set, and can be copied only then."""
    cloud.control.configure(create_seconds=3600)
    snapshot_id = cloud.ec2().create_snapshot(VolumeId=VOLUME)["SnapshotId"]
    assert cloud.show(snapshot_id)["State"] == "pending"
    assert cloud.show(cloud.copied(snapshot_id))["State"] == "error"
    cloud.control.advance(3600)
    assert cloud.show(snapshot_id)["CompletionTime"] == NOW + timedelta(seconds=3600)
    assert cloud.show(cloud.copied(snapshot_id))["State"] == "completed"


def test_pending_snapshots_of_a_volume_are_limited(cloud: Cloud) -> None:
    """A sixth pending snapshot of one volume is refused (aws 3.2)."""
    cloud.control.configure(create_seconds=60)
    for _ in range(4):  # The world has one already.
        cloud.ec2().create_snapshot(VolumeId=VOLUME)
    assert refusal(cloud.ec2().create_snapshot, VolumeId=VOLUME)[0] == "ConcurrentSnapshotLimitExceeded"
    cloud.control.advance(60)
    cloud.ec2().create_snapshot(VolumeId=VOLUME)


def test_snapshot_of_a_foreign_volume(cloud: Cloud) -> None:
    """Another account's volume is not found."""
    assert refusal(cloud.ec2(A2).create_snapshot, VolumeId=VOLUME)[0] == "InvalidVolume.NotFound"


def test_only_the_owner_deletes(cloud: Cloud) -> None:
    """Neither the account it is shared with nor the one whose key it is under deletes a snapshot (aws 0.2)."""
    copy = cloud.copied()
    assert refusal(cloud.ec2(DR).delete_snapshot, SnapshotId=copy)[0] == "InvalidSnapshot.NotFound"
    cloud.share(copy, DR)
    assert refusal(cloud.ec2(DR).delete_snapshot, SnapshotId=copy)[0] == "AuthFailure"
    cloud.ec2().delete_snapshot(SnapshotId=copy)
    assert refusal(cloud.show, snapshot_id=copy)[0] == "InvalidSnapshot.NotFound"


def test_deleting_twice_is_an_error(cloud: Cloud) -> None:
    """A snapshot that is gone, or never was, is not found."""
    cloud.ec2().delete_snapshot(SnapshotId=SNAP)
    for snapshot_id in (SNAP, UNKNOWN):
        assert refusal(cloud.ec2().delete_snapshot, SnapshotId=snapshot_id)[0] == "InvalidSnapshot.NotFound"


def test_pending_snapshot_is_deleted_once_it_ends(cloud: Cloud) -> None:
    """Deleting a pending snapshot takes effect when it completes, and its slot is taken until then (aws 4.7)."""
    cloud.control.configure(copy_slots=1)
    copy = cloud.copy()
    cloud.ec2().delete_snapshot(SnapshotId=copy)
    assert cloud.show(copy)["State"] == "pending"
    assert refusal(cloud.copy)[0] == "ResourceLimitExceeded"
    cloud.control.advance(60)
    assert refusal(cloud.show, snapshot_id=copy)[0] == "InvalidSnapshot.NotFound"
    cloud.copy()


def test_delete_dry_run(cloud: Cloud) -> None:
    """A dry run deletes nothing."""
    assert refusal(cloud.ec2().delete_snapshot, SnapshotId=SNAP, DryRun=True)[0] == "DryRunOperation"
    assert cloud.show(SNAP)["State"] == "completed"


def restored(cloud: Cloud, snapshot_id: str, client: Any = None, **more: object) -> str:
    """Create a volume from a snapshot and return the state that it ends in."""
    ec2 = client or cloud.ec2()
    volume = ec2.create_volume(SnapshotId=snapshot_id, AvailabilityZone="us-east-1a", **more)
    assert volume["State"] == "creating"
    cloud.control.advance(5)
    found: str = ec2.describe_volumes(VolumeIds=[volume["VolumeId"]])["Volumes"][0]["State"]
    return found


def test_volume_from_a_snapshot(cloud: Cloud) -> None:
    """A volume is created from a snapshot whose key may be used."""
    assert restored(cloud, SNAP) == "available"


def test_volume_is_refused_late_without_the_key(cloud: Cloud) -> None:
    """A key that is disabled or refused shows only after the answer."""
    assert restored(cloud, SNAP, cloud.ec2_with(deny("kms:CreateGrant", KMS_A.arn))) == "error"
    cloud.control.disable_key(KMS_A.arn)
    assert restored(cloud, SNAP) == "error"


def test_volume_from_a_pending_snapshot(cloud: Cloud) -> None:
    """A snapshot that is not completed gives no volume."""
    create = cloud.ec2().create_volume
    found = refusal(create, SnapshotId=SNAP_PENDING, AvailabilityZone="us-east-1a")
    assert found[0] == "IncorrectState"


def test_hand_off(cloud: Cloud) -> None:
    """With KMS-A and KMS-B disabled and everything of Org-A deleted, the DR account still restores (aws 4.6)."""
    hop_1 = cloud.copied()
    cloud.share(hop_1, DR)
    hop_2 = cloud.copied(hop_1, client=cloud.ec2(DR), key=KMS_C.arn)
    for snapshot_id in (hop_1, SNAP):
        cloud.ec2(A).delete_snapshot(SnapshotId=snapshot_id)
    for key in (KMS_A, KMS_B):
        cloud.control.disable_key(key.arn)
    assert restored(cloud, hop_2, cloud.ec2(DR)) == "available"


def test_copy_under_kms_b_needs_kms_b(cloud: Cloud) -> None:
    """A KMS-B copy cannot be restored once KMS-B is disabled."""
    hop_1 = cloud.copied()
    cloud.control.disable_key(KMS_B.arn)
    assert restored(cloud, hop_1) == "error"
