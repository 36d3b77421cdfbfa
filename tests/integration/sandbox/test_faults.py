import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ConnectionClosedError

from snapshot_dr_provider.sandbox.client import SandboxControlError
from tests.integration.sandbox.ec2_world import A2, DR, EAST, KMS_B, SNAP, A, Cloud, refusal


def copies(cloud: Cloud) -> int:
    """Return how many copies there are."""
    return sum(each["is_copy"] for each in cloud.control.snapshots())


def test_error(cloud: Cloud) -> None:
    """An injected error has the code and message asked for, and the call has no effect."""
    cloud.control.add_fault(action="CopySnapshot", kind="error", code="AuthFailure", message="not you")
    assert refusal(cloud.copy) == ("AuthFailure", 403, "not you")
    assert copies(cloud) == 0
    cloud.copy()


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("ec2", "describe_snapshots", ("RequestLimitExceeded", 503)),
        ("organizations", "describe_organization", ("TooManyRequestsException", 400)),
        ("kms", "list_keys", ("ThrottlingException", 400)),
        ("sts", "get_caller_identity", ("Throttling", 400)),
    ],
)
def test_throttling(cloud: Cloud, service: str, call: str, expected: tuple) -> None:
    """A throttled call is answered as its service words it (aws 3.4)."""
    cloud.control.add_fault(service=service, kind="throttle")
    assert refusal(getattr(cloud.client(service), call))[:2] == expected


def test_server_error(cloud: Cloud) -> None:
    """A server error is a 500 before any effect."""
    cloud.control.add_fault(action="CopySnapshot", kind="server_error")
    assert refusal(cloud.copy)[:2] == ("InternalError", 500)
    assert copies(cloud) == 0


def test_reset_before_the_effect(cloud: Cloud) -> None:
    """A connection that is reset before the call leaves nothing behind, and the client knows at once."""
    cloud.control.add_fault(action="CopySnapshot", kind="reset_before")
    begun = time.monotonic()
    with pytest.raises(BotoCoreError):
        cloud.copy()
    assert time.monotonic() - begun < 10
    assert copies(cloud) == 0


def test_answer_lost_after_the_effect(cloud: Cloud) -> None:
    """A lost answer leaves the client without an id, and the sandbox with a copy (aws 3.7)."""
    cloud.control.add_fault(action="CopySnapshot", kind="lost_answer")
    with pytest.raises(ConnectionClosedError):
        cloud.copy()
    assert copies(cloud) == 1
    assert cloud.control.log()[-1]["status"] == 0


def test_sdk_retries_a_lost_answer_into_a_duplicate(cloud: Cloud) -> None:
    """With the SDK's retries on, a lost answer makes two copies, for there is no idempotency token (aws 5.1, 3.7)."""
    cloud.control.add_fault(action="CopySnapshot", kind="lost_answer")
    client = boto3.client(
        "ec2",
        region_name=EAST,
        endpoint_url=cloud.sandbox.endpoint_url,
        aws_access_key_id=f"AKIA{A}ADMN",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 2}),
    )
    cloud.copy(client=client)
    assert copies(cloud) == 2


def test_delay(cloud: Cloud) -> None:
    """A delayed call takes its time and works."""
    cloud.control.add_fault(action="DescribeRegions", kind="delay", seconds=0.3)
    begun = time.monotonic()
    cloud.ec2().describe_regions()
    assert time.monotonic() - begun >= 0.3


def test_copy_error(cloud: Cloud) -> None:
    """A copy can be made to fail after it was accepted, with the message asked for."""
    cloud.control.add_fault(action="CopySnapshot", kind="copy_error", message="Internal failure")
    failed, good = cloud.copy(), cloud.copy()
    cloud.control.advance(60)
    assert (cloud.show(failed)["State"], cloud.show(failed)["StateMessage"]) == ("error", "Internal failure")
    assert cloud.show(good)["State"] == "completed"


def test_account_count_and_skip(cloud: Cloud) -> None:
    """A fault hits the account it names, after the calls it lets pass, as often as it says, and counts."""
    cloud.control.add_fault(action="DescribeRegions", account_id=A, kind="server_error", skip=1, count=2)
    cloud.ec2(A2).describe_regions()
    outcomes = [hit(cloud.ec2(A).describe_regions) for _ in range(4)]
    assert outcomes == [False, True, True, False]
    fault = cloud.control.faults()[0]
    assert (fault["fired"], fault["skip"], fault["count"]) == (2, 1, 2)


def test_clearing(cloud: Cloud) -> None:
    """Cleared faults hit nobody."""
    cloud.control.add_fault(kind="server_error", count=100)
    cloud.control.clear_faults()
    assert not hit(cloud.ec2(DR).describe_regions)


def test_unknown_kind_is_refused(cloud: Cloud) -> None:
    """A fault of an unknown kind is an error with the kinds that there are."""
    with pytest.raises(SandboxControlError, match="lost_answer"):
        cloud.control.add_fault(kind="meteor")


def test_faulted_calls_are_logged(cloud: Cloud) -> None:
    """The log has what the client was answered, without the presigned URL that the SDK adds (aws 5.2)."""
    cloud.control.add_fault(action="CopySnapshot", kind="throttle")
    refusal(cloud.copy)
    entry = cloud.control.log()[-1]
    assert (entry["action"], entry["account_id"], entry["status"], entry["code"]) == (
        "CopySnapshot",
        A,
        503,
        "RequestLimitExceeded",
    )
    assert entry["parameters"]["SourceSnapshotId"] == SNAP
    assert entry["parameters"]["KmsKeyId"] == KMS_B.arn
    assert "Signature" not in str(entry)


def hit(call: Any) -> bool:
    """Tell whether a fault hit the call."""
    try:
        call()
    except BotoCoreError:
        return True
    except call.__self__.exceptions.ClientError:
        return True
    return False
