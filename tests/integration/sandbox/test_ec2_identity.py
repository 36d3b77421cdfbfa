import boto3
import pytest
from botocore.exceptions import ClientError

from tests.integration.sandbox.ec2_world import DR, EAST, KMS_C, SNAP, VOLUME, A, Cloud, deny, policy, refusal

TAGS = [{"ResourceType": "snapshot", "Tags": [{"Key": "team", "Value": "dr"}]}]
SOURCE_ARN = f"arn:aws:ec2:{EAST}::snapshot/{SNAP}"
NEW_ARN = f"arn:aws:ec2:{EAST}::snapshot/*"


def allowed(*statements: dict) -> dict:
    """Return an identity policy with the keys allowed and, of EC2, what the statements say."""
    return policy({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}, *statements)


@pytest.mark.parametrize(
    ("action", "call", "arguments"),
    [
        ("ec2:DescribeSnapshots", "describe_snapshots", {}),
        ("ec2:DescribeVolumes", "describe_volumes", {}),
        ("ec2:DescribeRegions", "describe_regions", {}),
        ("ec2:DescribeAvailabilityZones", "describe_availability_zones", {}),
        ("ec2:DescribeImages", "describe_images", {"Owners": ["self"]}),
        ("ec2:CreateSnapshot", "create_snapshot", {"VolumeId": VOLUME}),
        ("ec2:CopySnapshot", "copy_snapshot", {"SourceSnapshotId": SNAP, "SourceRegion": EAST}),
        ("ec2:DeleteSnapshot", "delete_snapshot", {"SnapshotId": SNAP}),
        ("ec2:CreateTags", "create_tags", {"Resources": [SNAP], "Tags": [{"Key": "a", "Value": "b"}]}),
        ("ec2:DeleteTags", "delete_tags", {"Resources": [SNAP]}),
        ("ec2:CreateVolume", "create_volume", {"SnapshotId": SNAP, "AvailabilityZone": "us-east-1a"}),
        ("ec2:DeleteVolume", "delete_volume", {"VolumeId": VOLUME}),
        (
            "ec2:ModifySnapshotAttribute",
            "modify_snapshot_attribute",
            {"SnapshotId": SNAP, "OperationType": "add", "UserIds": [DR]},
        ),
        (
            "ec2:ResetSnapshotAttribute",
            "reset_snapshot_attribute",
            {"SnapshotId": SNAP, "Attribute": "createVolumePermission"},
        ),
        (
            "ec2:EnableSnapshotBlockPublicAccess",
            "enable_snapshot_block_public_access",
            {"State": "block-new-sharing"},
        ),
        ("ec2:DisableSnapshotBlockPublicAccess", "disable_snapshot_block_public_access", {}),
        ("ec2:GetSnapshotBlockPublicAccessState", "get_snapshot_block_public_access_state", {}),
        (
            "ec2:DescribeSnapshotAttribute",
            "describe_snapshot_attribute",
            {"SnapshotId": SNAP, "Attribute": "createVolumePermission"},
        ),
    ],
)
def test_each_action_is_authorized(cloud: Cloud, action: str, call: str, arguments: dict) -> None:
    """An action that the identity policies deny is UnauthorizedOperation and is named; else it works."""
    code, status, message = refusal(getattr(cloud.ec2_with(deny(action)), call), **arguments)
    assert (code, status) == ("UnauthorizedOperation", 403)
    assert action in message
    assert "role/Worker" in message
    getattr(cloud.ec2(), call)(**arguments)


def own_absent() -> dict:
    """Return the condition that only a snapshot without an id yet meets."""
    return {"ec2:SnapshotID": "true"}


def test_copy_is_authorized_on_both_snapshots(cloud: Cloud) -> None:
    """CopySnapshot needs the permission on the source as well as on the new snapshot (aws 2.14)."""
    own = {"StringEquals": {"ec2:SnapshotID": SNAP}}
    source = {"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": SOURCE_ARN, "Condition": own}
    new = {"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": NEW_ARN, "Condition": {"Null": own_absent()}}
    for statement in (source, new):
        assert refusal(cloud.copy, client=cloud.ec2_with(allowed(statement)))[0] == "UnauthorizedOperation"
    cloud.copy(client=cloud.ec2_with(allowed(source, new)))


def test_explicit_deny_on_the_source_makes_nothing(cloud: Cloud) -> None:
    """A Deny on the source snapshot alone refuses the call at once (aws 3.6)."""
    assert (
        refusal(cloud.copy, client=cloud.ec2_with(deny("ec2:CopySnapshot", SOURCE_ARN)))[0] == "UnauthorizedOperation"
    )
    assert not [each for each in cloud.control.snapshots() if each["is_copy"]]


def test_owner_condition_over_both_rejects_a_foreign_source(cloud: Cloud) -> None:
    """One aws:ResourceAccount condition over both snapshots rejects a copy across accounts (aws 2.14)."""
    source = cloud.copied()
    cloud.share(source, DR)
    own = {"StringEquals": {"aws:ResourceAccount": DR}}
    both = allowed({"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": "*", "Condition": own})
    worker = cloud.ec2_with(both, account_id=DR)
    assert refusal(cloud.copy, source=source, client=worker, key=KMS_C.arn)[0] == "UnauthorizedOperation"


def test_tags_on_creation_need_their_own_permission(cloud: Cloud) -> None:
    """Tagging in the create call needs ec2:CreateTags, for which ec2:CreateAction is the action (aws 2.14)."""
    copy = {"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": "*"}
    tag = {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}
    for action, works in (("CreateSnapshot", False), ("CopySnapshot", True)):
        condition = {"StringEquals": {"ec2:CreateAction": action}}
        worker = cloud.ec2_with(allowed(copy, {**tag, "Condition": condition}))
        if works:
            cloud.copy(client=worker, TagSpecifications=TAGS)
        else:
            assert refusal(cloud.copy, client=worker, TagSpecifications=TAGS)[0] == "UnauthorizedOperation"
        cloud.copy(client=worker)
        direct = {"Resources": [SNAP], "Tags": TAGS[0]["Tags"]}
        assert refusal(worker.create_tags, **direct)[0] == "UnauthorizedOperation"


def test_request_tags_can_be_demanded(cloud: Cloud) -> None:
    """aws:RequestTag tells what the call would tag the new snapshot with."""
    demand = {"StringEquals": {"aws:RequestTag/team": "dr"}}
    new = {
        "Effect": "Allow",
        "Action": ["ec2:CopySnapshot", "ec2:CreateTags"],
        "Resource": NEW_ARN,
        "Condition": demand,
    }
    source = {"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": SOURCE_ARN}
    worker = cloud.ec2_with(allowed(new, source))
    cloud.copy(client=worker, TagSpecifications=TAGS)
    assert refusal(cloud.copy, client=worker)[0] == "UnauthorizedOperation"


def test_deletion_by_tag(cloud: Cloud) -> None:
    """A role that may delete by tag deletes what bears the tag, and nothing else."""
    tagged = {"StringEquals": {"aws:ResourceTag/team": "dr"}}
    worker = cloud.ec2_with(
        policy({"Effect": "Allow", "Action": "ec2:DeleteSnapshot", "Resource": NEW_ARN, "Condition": tagged})
    )
    ours = cloud.copied(TagSpecifications=TAGS)
    assert refusal(worker.delete_snapshot, SnapshotId=SNAP)[0] == "UnauthorizedOperation"
    worker.delete_snapshot(SnapshotId=ours)


def test_share_can_be_limited_to_one_account(cloud: Cloud) -> None:
    """ec2:Add/userId tells whom the snapshot would be shared with."""
    only = {"StringEquals": {"ec2:Add/userId": DR}}
    worker = cloud.ec2_with(
        allowed({"Effect": "Allow", "Action": "ec2:ModifySnapshotAttribute", "Resource": "*", "Condition": only})
    )
    request = {"SnapshotId": SNAP, "OperationType": "add"}
    assert refusal(worker.modify_snapshot_attribute, UserIds=["222222222222"], **request)[0] == "UnauthorizedOperation"
    worker.modify_snapshot_attribute(UserIds=[DR], **request)


def test_unknown_key_is_nobody(cloud: Cloud) -> None:
    """An access key that the sandbox does not know is refused, and is no default account (moto 3)."""
    stranger = boto3.client(
        "ec2",
        region_name=EAST,
        endpoint_url=cloud.sandbox.endpoint_url,
        aws_access_key_id="AKIANOBODY0000000001",
        aws_secret_access_key="secret",
    )
    with pytest.raises(ClientError, match="AuthFailure"):
        stranger.describe_snapshots()


def test_what_is_not_modelled_is_refused(cloud: Cloud) -> None:
    """An EC2 action that the sandbox does not model is an error, never an empty success."""
    assert refusal(cloud.ec2().describe_instances)[0] == "InvalidAction"
    assert A in str(cloud.control.calls()["by_account"])
