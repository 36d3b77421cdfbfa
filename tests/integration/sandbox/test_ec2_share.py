import pytest

from tests.integration.sandbox.ec2_world import (
    A2,
    DR,
    KMS_B,
    SNAP,
    SNAP_EBS,
    SNAP_PENDING,
    SNAP_PLAIN,
    UNKNOWN,
    A,
    Cloud,
    deny,
    refusal,
)

ATTRIBUTE = {"Attribute": "createVolumePermission"}


def permissions(cloud: Cloud, snapshot_id: str) -> list:
    """Return the create-volume permissions as the owner reads them."""
    answer = cloud.ec2().describe_snapshot_attribute(SnapshotId=snapshot_id, **ATTRIBUTE)
    return [each.get("UserId") or each.get("Group") for each in answer["CreateVolumePermissions"]]


def test_both_forms_of_the_request(cloud: Cloud) -> None:
    """The flat and the structured form give and take the permission alike (aws 1.9, moto 1.4)."""
    modify = cloud.ec2().modify_snapshot_attribute
    modify(SnapshotId=SNAP, OperationType="add", UserIds=[DR], **ATTRIBUTE)
    modify(SnapshotId=SNAP, CreateVolumePermission={"Add": [{"UserId": A2}]})
    assert permissions(cloud, SNAP) == [DR, A2]
    modify(SnapshotId=SNAP, OperationType="remove", UserIds=[A2], **ATTRIBUTE)
    modify(SnapshotId=SNAP, CreateVolumePermission={"Remove": [{"UserId": DR}]})
    assert permissions(cloud, SNAP) == []
    assert cloud.ec2(DR).describe_snapshots(OwnerIds=[A])["Snapshots"] == []


def test_second_share_changes_nothing(cloud: Cloud) -> None:
    """Adding an account twice is no error and no second entry (aws 1.9)."""
    cloud.share(SNAP, DR)
    cloud.share(SNAP, DR)
    assert permissions(cloud, SNAP) == [DR]


def test_reset_takes_everything_back(cloud: Cloud) -> None:
    """ResetSnapshotAttribute ends all shares (aws 1.6)."""
    cloud.share(SNAP, DR, A2)
    cloud.ec2().reset_snapshot_attribute(SnapshotId=SNAP, **ATTRIBUTE)
    assert permissions(cloud, SNAP) == []


def test_reset_of_a_pending_snapshot(cloud: Cloud) -> None:
    """A pending snapshot may be reset, and an account removed from it (aws 1.6)."""
    cloud.ec2().reset_snapshot_attribute(SnapshotId=SNAP_PENDING, **ATTRIBUTE)
    cloud.ec2().modify_snapshot_attribute(SnapshotId=SNAP_PENDING, OperationType="remove", UserIds=[DR], **ATTRIBUTE)
    assert permissions(cloud, SNAP_PENDING) == []


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({}, "InvalidParameterCombination", "No attributes specified."),
        (
            {"CreateVolumePermission": {"Add": [{"UserId": DR}], "Remove": [{"UserId": A2}]}},
            "InvalidParameterCombination",
            "Add and remove",
        ),
        (
            {"OperationType": "add", "UserIds": [f"{n:012d}" for n in range(501)]},
            "InvalidParameterValue",
            "Modification size must not be greater than 500",
        ),
        ({"OperationType": "add", "UserIds": ["12345"]}, "InvalidParameterValue", "12345"),
        ({"OperationType": "add", "GroupNames": ["friends"]}, "InvalidParameterValue", "friends"),
        ({"OperationType": "add", "GroupNames": ["all"]}, "OperationNotPermitted", "publicly"),
        ({"UserIds": [DR]}, "InvalidParameterValue", "operationType"),
    ],
)
def test_shares_that_are_refused(cloud: Cloud, change: dict, code: str, message: str) -> None:
    """AWS's limits on a modification hold, and an encrypted snapshot is never public (aws 1.9, 7.2)."""
    found = refusal(cloud.ec2().modify_snapshot_attribute, SnapshotId=SNAP, **ATTRIBUTE, **change)
    assert found[0] == code
    assert message in found[2]
    assert permissions(cloud, SNAP) == []


def test_default_key_cannot_be_shared(cloud: Cloud) -> None:
    """A snapshot under aws/ebs cannot be shared (aws 1.7)."""
    with pytest.raises(cloud.ec2().exceptions.ClientError, match="default key"):
        cloud.share(SNAP_EBS, DR)
    assert permissions(cloud, SNAP_EBS) == []


def test_unencrypted_snapshot_may_be_public(cloud: Cloud) -> None:
    """Sharing with everyone is possible for an unencrypted snapshot."""
    cloud.ec2().modify_snapshot_attribute(SnapshotId=SNAP_PLAIN, OperationType="add", GroupNames=["all"], **ATTRIBUTE)
    assert permissions(cloud, SNAP_PLAIN) == ["all"]


def test_pending_snapshot_is_not_shared(cloud: Cloud) -> None:
    """Only a completed snapshot is shared."""
    with pytest.raises(cloud.ec2().exceptions.ClientError, match="IncorrectState"):
        cloud.share(SNAP_PENDING, DR)


@pytest.mark.parametrize("key", ["the copy's", "aws/ebs"])
def test_sharer_has_to_describe_both_keys(cloud: Cloud, key: str) -> None:
    """Sharing needs kms:DescribeKey on the snapshot's key and on aws/ebs (aws 1.10)."""
    copy = cloud.copied()
    arn = KMS_B.arn if key == "the copy's" else cloud.show(SNAP_EBS)["KmsKeyId"]
    worker = cloud.ec2_with(deny("kms:DescribeKey", arn))
    found = refusal(worker.modify_snapshot_attribute, SnapshotId=copy, OperationType="add", UserIds=[DR], **ATTRIBUTE)
    assert found == ("AuthFailure", 403, f"Not authorized to use key {arn}")


def test_receiver_cannot_share_on(cloud: Cloud) -> None:
    """A share gives no right to change the permissions or read them (aws 0.2)."""
    cloud.share(SNAP, DR)
    receiver = cloud.ec2(DR)
    change = {"SnapshotId": SNAP, "OperationType": "add", "UserIds": [A2], **ATTRIBUTE}
    assert refusal(receiver.modify_snapshot_attribute, **change)[0] == "AuthFailure"
    assert refusal(receiver.describe_snapshot_attribute, SnapshotId=SNAP, **ATTRIBUTE)[0] == "AuthFailure"
    assert permissions(cloud, SNAP) == [DR]


def test_unknown_snapshot_is_not_shared(cloud: Cloud) -> None:
    """A snapshot that is not there, or not visible, is not found."""
    with pytest.raises(cloud.ec2().exceptions.ClientError, match=r"InvalidSnapshot\.NotFound"):
        cloud.share(UNKNOWN, DR)
