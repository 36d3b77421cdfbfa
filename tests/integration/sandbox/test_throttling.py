from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sandbox.ec2_world import A2, EAST, SNAP, WEST, A, Cloud

COPY = ("copy_snapshot", {"SourceSnapshotId": SNAP, "SourceRegion": EAST, "DryRun": True})
SHARE = {"SnapshotId": SNAP, "OperationType": "add", "UserIds": [A2], "DryRun": True}


def answers(client: Any, action: str, arguments: dict, number: int) -> list[str]:
    """Return the error codes of some equal calls, with an empty text for a success."""
    return [answer(getattr(client, action), arguments) for _ in range(number)]


def answer(call: Any, arguments: dict) -> str:
    """Return the error code of a call; one that stops at its dry run counts as a success."""
    try:
        call(**arguments)
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        return "" if code == "DryRunOperation" else code
    return ""


def test_nothing_is_throttled_by_default(cloud: Cloud) -> None:
    """Whoever does not ask for throttling has none."""
    assert set(answers(cloud.ec2(), *COPY, 60)) == {""}


@pytest.mark.parametrize(
    ("action", "arguments", "capacity", "refill"),
    [
        (*COPY, 50, 5),
        ("modify_snapshot_attribute", SHARE, 100, 5),
        ("delete_snapshot", {"SnapshotId": SNAP, "DryRun": True}, 100, 5),
        ("create_tags", {"Resources": [SNAP], "Tags": [{"Key": "a", "Value": "b"}], "DryRun": True}, 100, 10),
        ("describe_snapshots", {"OwnerIds": ["self"], "MaxResults": 5}, 100, 20),
        ("describe_snapshots", {"OwnerIds": ["self"]}, 50, 10),
        ("enable_snapshot_block_public_access", {"State": "block-all-sharing", "DryRun": True}, 1, 0.1),
    ],
)
def test_action_has_its_bucket(cloud: Cloud, action: str, arguments: dict, capacity: int, refill: float) -> None:
    """As many calls pass at once as the bucket holds, then as many as the clock refills it with (aws 3.4)."""
    cloud.control.configure(throttle=True)
    refused = "RequestLimitExceeded"
    assert answers(cloud.ec2(), action, arguments, capacity + 1) == [*[""] * capacity, refused]
    seconds = 10 if refill < 1 else 1
    cloud.control.advance(seconds)
    refilled = round(refill * seconds)
    assert answers(cloud.ec2(), action, arguments, refilled + 1) == [*[""] * refilled, refused]


def test_refusal_is_a_503_that_is_counted_and_changes_nothing(cloud: Cloud) -> None:
    """A throttled call has EC2's code, status and message, is counted as refused, and has no effect (aws 3.4)."""
    cloud.control.configure(throttle=True)
    answers(cloud.ec2(), *COPY, 50)
    with pytest.raises(ClientError) as refusal:
        cloud.copy()
    found = refusal.value.response
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert found["Error"] == {"Code": "RequestLimitExceeded", "Message": "Request limit exceeded."}
    assert cloud.control.calls()["refusals"]["ec2:CopySnapshot RequestLimitExceeded"] == 1
    assert not any(each["is_copy"] for each in cloud.control.snapshots())


def test_buckets_are_of_one_account_and_region(cloud: Cloud) -> None:
    """What one account does in a Region leaves other accounts, other Regions and other actions alone."""
    cloud.control.configure(throttle=True)
    answers(cloud.ec2(), *COPY, 51)
    for client in (cloud.ec2(A2), cloud.ec2(A, WEST)):
        assert answers(client, *COPY, 1) == [""]
    assert answers(cloud.ec2(), "modify_snapshot_attribute", SHARE, 1) == [""]


def test_throttling_is_switched_off_again(cloud: Cloud) -> None:
    """Switched off, an empty bucket refuses nobody."""
    cloud.control.configure(throttle=True)
    answers(cloud.ec2(), *COPY, 51)
    cloud.control.configure(throttle=False)
    assert answers(cloud.ec2(), *COPY, 1) == [""]
