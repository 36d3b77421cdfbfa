import pytest

from tests.integration.sandbox.ec2_world import A2, DR, SNAP, VOLUME, Cloud, refusal


def tags(cloud: Cloud, snapshot_id: str, account_id: str = "111111111111") -> dict:
    """Return the tags that an account sees on a snapshot."""
    return {each["Key"]: each["Value"] for each in cloud.show(snapshot_id, account_id).get("Tags", ())}


def test_tags_are_private_to_each_side(cloud: Cloud) -> None:
    """Owner and receiver of a share each see their own tags alone, and filter by them alone (aws 5.7)."""
    cloud.share(SNAP, DR)
    assert tags(cloud, SNAP, DR) == {}
    cloud.ec2(DR).create_tags(Resources=[SNAP], Tags=[{"Key": "ours", "Value": "yes"}])
    assert tags(cloud, SNAP, DR) == {"ours": "yes"}
    assert tags(cloud, SNAP) == {"Name": "app", "Tier": "gold"}
    for account_id, expected in (("111111111111", 0), (DR, 1)):
        filters = [{"Name": "tag:ours", "Values": ["yes"]}]
        assert len(cloud.ec2(account_id).describe_snapshots(Filters=filters)["Snapshots"]) == expected


def test_tags_are_overwritten_and_removed(cloud: Cloud) -> None:
    """CreateTags overwrites; DeleteTags removes by key, and by value where one is given."""
    cloud.ec2().create_tags(Resources=[SNAP], Tags=[{"Key": "Tier", "Value": "tin"}])
    cloud.ec2().delete_tags(Resources=[SNAP], Tags=[{"Key": "Tier", "Value": "gold"}, {"Key": "Name"}])
    assert tags(cloud, SNAP) == {"Tier": "tin"}
    cloud.ec2().delete_tags(Resources=[SNAP])
    assert tags(cloud, SNAP) == {}


def test_volumes_have_tags(cloud: Cloud) -> None:
    """A volume is tagged and found by its tag."""
    cloud.ec2().create_tags(Resources=[VOLUME], Tags=[{"Key": "k", "Value": "v"}])
    found = cloud.ec2().describe_volumes(Filters=[{"Name": "tag:k", "Values": ["v"]}])["Volumes"]
    assert [each["VolumeId"] for each in found] == [VOLUME]


def test_invisible_snapshot_is_not_tagged(cloud: Cloud) -> None:
    """A snapshot that the caller cannot see is not found."""
    call = cloud.ec2(A2).create_tags
    assert refusal(call, Resources=[SNAP], Tags=[{"Key": "k", "Value": "v"}])[0] == "InvalidSnapshot.NotFound"


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("aws:mine", "v")], "InvalidParameterValue"),
        ([("k" * 128, "v")], "InvalidParameterValue"),
        ([("k", "v" * 257)], "InvalidParameterValue"),
        ([(f"k{n}", "v") for n in range(49)], "TagLimitExceeded"),
    ],
)
def test_tag_limits(cloud: Cloud, pairs: list, code: str) -> None:
    """Keys to 127 characters and without aws:, values to 256, 50 tags in all (aws 5.3); the snapshot has two."""
    wanted = [{"Key": key, "Value": value} for key, value in pairs]
    assert refusal(cloud.ec2().create_tags, Resources=[SNAP], Tags=wanted)[0] == code
    assert tags(cloud, SNAP) == {"Name": "app", "Tier": "gold"}


def test_key_of_the_lineage_is_a_legal_tag(cloud: Cloud) -> None:
    """``kms:key-id`` may be a tag key (aws 5.3)."""
    cloud.ec2().create_tags(Resources=[SNAP], Tags=[{"Key": "kms:key-id", "Value": "arn:aws:kms:x"}])
    assert tags(cloud, SNAP)["kms:key-id"] == "arn:aws:kms:x"
