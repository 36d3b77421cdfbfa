import json

from tests.integration.sandbox.ec2_world import DR, KMS_B, KMS_C, SNAP, Cloud, policy, refusal

TAGS = [{"ResourceType": "snapshot", "Tags": [{"Key": "k", "Value": "v"}]}]


def found(cloud: Cloud, account_id: str = "111111111111", **request: object) -> list[str]:
    """Return the ids that a list of snapshots gives."""
    return [each["SnapshotId"] for each in cloud.ec2(account_id).describe_snapshots(**request)["Snapshots"]]


def test_new_copy_is_seen_late(cloud: Cloud) -> None:
    """A created copy is neither listed nor found by id until the lag is over, and takes its slot at once."""
    cloud.control.set_lag(create=10)
    copy = cloud.copy(TagSpecifications=TAGS)
    filters = [{"Name": "tag:k", "Values": ["v"]}]
    assert found(cloud, Filters=filters) == []
    assert refusal(cloud.show, snapshot_id=copy)[0] == "InvalidSnapshot.NotFound"
    assert list(cloud.control.peak_in_flight().values()) == [1]
    cloud.control.advance(10)
    assert found(cloud, Filters=filters) == [copy]


def test_tag_is_seen_late(cloud: Cloud) -> None:
    """A tag that is put or removed later is seen after the lag."""
    cloud.control.set_lag(tags=10)
    filters = [{"Name": "tag-key", "Values": ["late"]}]
    cloud.ec2().create_tags(Resources=[SNAP], Tags=[{"Key": "late", "Value": "v"}])
    assert found(cloud, Filters=filters) == []
    cloud.control.advance(10)
    assert found(cloud, Filters=filters) == [SNAP]
    cloud.ec2().delete_tags(Resources=[SNAP], Tags=[{"Key": "late"}])
    assert found(cloud, Filters=filters) == [SNAP]
    cloud.control.advance(10)
    assert found(cloud, Filters=filters) == []


def test_share_takes_effect_late(cloud: Cloud) -> None:
    """A copy of a fresh share fails with *Source snapshot is not found*, and a later one works (aws 1.11)."""
    source = cloud.copied()
    cloud.control.set_lag(share=30)
    cloud.share(source, DR)
    assert found(cloud, DR, OwnerIds=["111111111111"]) == []
    early = cloud.copy(source, client=cloud.ec2(DR), key=KMS_C.arn)
    cloud.control.advance(30)
    assert found(cloud, DR, OwnerIds=["111111111111"]) == [source]
    late = cloud.copied(source, client=cloud.ec2(DR), key=KMS_C.arn)
    assert cloud.show(early, DR)["StateMessage"] == "Source snapshot is not found"
    assert cloud.show(late, DR)["State"] == "completed"


def test_end_of_a_share_takes_effect_late(cloud: Cloud) -> None:
    """An account that lost the permission still sees the snapshot until the lag is over (aws 1.11)."""
    cloud.share(SNAP, DR)
    cloud.control.set_lag(share=30)
    cloud.ec2().reset_snapshot_attribute(SnapshotId=SNAP, Attribute="createVolumePermission")
    assert found(cloud, DR, OwnerIds=["111111111111"]) == [SNAP]
    cloud.control.advance(30)
    assert found(cloud, DR, OwnerIds=["111111111111"]) == []


def test_share_is_announced_when_it_takes_effect(cloud: Cloud) -> None:
    """The receiver's event comes with the effect of the share, not before."""
    cloud.control.set_lag(share=30)
    cloud.share(SNAP, DR)
    assert cloud.control.events(DR) == []
    cloud.control.advance(30)
    assert len(cloud.control.events(DR)) == 1


def test_deleted_snapshot_is_seen_for_a_while(cloud: Cloud) -> None:
    """Lists still have a deleted snapshot until the lag is over, but it cannot be deleted again or copied."""
    cloud.control.set_lag(delete=20)
    cloud.ec2().delete_snapshot(SnapshotId=SNAP)
    assert SNAP in found(cloud)
    assert refusal(cloud.ec2().delete_snapshot, SnapshotId=SNAP)[0] == "InvalidSnapshot.NotFound"
    cloud.control.advance(20)
    assert SNAP not in found(cloud)


def test_key_policy_takes_effect_late(cloud: Cloud) -> None:
    """A key policy that is put decides about copies only after the lag (aws 9.4)."""
    cloud.control.set_lag(policy=60)
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{DR}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    cloud.client("kms", DR).put_key_policy(KeyId=KMS_B.arn, Policy=json.dumps(policy(root)))
    early = cloud.copied()
    assert cloud.show(early)["State"] == "completed"
    assert refusal(cloud.copy)[0] == "AuthFailure"


def test_no_lag_by_default(cloud: Cloud) -> None:
    """Without a lag every effect is seen at once."""
    copy = cloud.copy()
    assert copy in found(cloud)
    cloud.control.set_lag(create=10)
    cloud.control.set_lag()
    assert cloud.copy() in found(cloud)
