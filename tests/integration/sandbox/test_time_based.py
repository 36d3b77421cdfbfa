from datetime import timedelta
from typing import Any

import pytest

from tests.integration.sandbox.ec2_world import A2, GIB, KMS_A, KMS_B, NOW, SNAP, UNKNOWN, Cloud, refusal, seed

MOST = 500 * 1024**2 * 15 * 60
"""What a quarter of an hour moves at the most that one copy gets (aws 5.10)."""


@pytest.fixture
def hour(cloud: Cloud) -> Cloud:
    """Return the world with copies of an hour, unless they are promised to be faster."""
    cloud.control.configure(copy_seconds=3600)
    return cloud


def big(cloud: Cloud, number: int, size: int = MOST, **changes: Any) -> str:
    """Add a source of a size in bytes, and return its id."""
    return cloud.control.add_snapshot(
        seed(f"snap-000000000000b{number:04x}", full_snapshot_bytes=size, size_gib=size // GIB + 1, **changes)
    )


def refused(cloud: Cloud, source: str, minutes: int = 15) -> tuple[str, str]:
    """Return code and message with which a time-based copy is refused."""
    code, _, message = refusal(cloud.copy, source=source, CompletionDurationMinutes=minutes)
    return code, message


def test_copy_takes_its_duration_at_most(hour: Cloud) -> None:
    """A time-based copy is completed after the duration asked for, a standard one after its own time."""
    fast, slow = hour.copy(CompletionDurationMinutes=15), hour.copy()
    hour.control.advance(15 * 60 - 1)
    assert hour.show(fast)["State"] == "pending"
    hour.control.advance(1)
    assert (hour.show(fast)["State"], hour.show(slow)["State"]) == ("completed", "pending")
    assert hour.show(fast)["CompletionTime"] == NOW + timedelta(minutes=15)


def test_copy_may_be_done_earlier(cloud: Cloud) -> None:
    """A duration is a promise, not a delay."""
    snapshot_id = cloud.copy(CompletionDurationMinutes=2880)
    cloud.control.advance(60)
    assert cloud.show(snapshot_id)["State"] == "completed"


def test_copies_say_how_they_were_asked_for(hour: Cloud) -> None:
    """Type and duration are shown from the beginning; a snapshot that is no copy has neither (aws 5.5)."""
    fast, slow = hour.show(hour.copy(CompletionDurationMinutes=30)), hour.show(hour.copy())
    assert (fast["TransferType"], fast["CompletionDurationMinutes"]) == ("time-based", 30)
    assert (slow["TransferType"], slow.get("CompletionDurationMinutes")) == ("standard", None)
    assert not {"TransferType", "CompletionDurationMinutes"} & set(hour.show(SNAP))


def test_copies_are_filtered_by_type(hour: Cloud) -> None:
    """The filter transfer-type tells the two apart (aws 5.5)."""
    fast, slow = hour.copy(CompletionDurationMinutes=30), hour.copy()
    for name, expected in (("time-based", fast), ("standard", slow)):
        filters = [{"Name": "transfer-type", "Values": [name]}]
        found = hour.ec2().describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
        assert [each["SnapshotId"] for each in found] == [expected]


def test_source_too_large_for_the_duration_is_refused(hour: Cloud) -> None:
    """What a copy would have to move at more than 500 MiB/s is refused at once (aws 5.10); more time suffices."""
    source = big(hour, 1, MOST + 1024**2)
    code, message = refused(hour, source)
    assert (code, "500 MiB/s at most" in message) == ("InvalidParameterValue", True)
    hour.copy(source, CompletionDurationMinutes=30)


def test_size_of_the_volume_stands_in_for_one_not_reported(hour: Cloud) -> None:
    """A source that does not report its size in full counts as large as its volume."""
    source = hour.control.add_snapshot(seed("snap-000000000000b0009", full_snapshot_bytes=None, size_gib=1024))
    assert refused(hour, source)[0] == "InvalidParameterValue"


def test_exhausted_quota_is_a_refusal(hour: Cloud) -> None:
    """Four copies at the most that one gets exhaust the quota; standard copies need none of it (aws 5.10)."""
    for number in range(4):
        hour.copy(big(hour, number), CompletionDurationMinutes=15)
    code, message = refused(hour, big(hour, 9))
    assert (code, "2000 MiB/s from us-east-1 to us-east-1" in message) == ("ResourceLimitExceeded", True)
    assert hour.control.calls()["refusals"] == {"ec2:CopySnapshot ResourceLimitExceeded": 1}
    hour.copy()


def test_quota_is_free_again_when_a_copy_ends(hour: Cloud) -> None:
    """An ended copy gives its throughput back."""
    for number in range(4):
        hour.copy(big(hour, number), CompletionDurationMinutes=15)
    hour.control.advance(15 * 60)
    hour.copy(big(hour, 9), CompletionDurationMinutes=15)


def test_quota_is_of_one_account_and_a_setting(hour: Cloud) -> None:
    """Another account has a quota of its own, and a raised one is a setting."""
    hour.control.configure(copy_throughput=500)
    hour.copy(big(hour, 1), CompletionDurationMinutes=15)
    source = big(hour, 2, shared_with=(A2,))
    assert refused(hour, source)[0] == "ResourceLimitExceeded"
    hour.control.put_key_policy(KMS_A.arn, KMS_B.policy or {})
    hour.copy(source, client=hour.ec2(A2), CompletionDurationMinutes=15)
    hour.control.configure(copy_throughput=1000)
    hour.copy(source, CompletionDurationMinutes=15)


def test_rest_of_the_quota_makes_a_late_copy(hour: Cloud) -> None:
    """With less left than it needs a copy is accepted and takes longer, which its event says (aws 5.10, 6.4)."""
    hour.control.configure(copy_throughput=750)
    hour.copy(big(hour, 1), CompletionDurationMinutes=15)
    late = hour.copy(big(hour, 2), CompletionDurationMinutes=15)
    assert hour.truth(late)["mib_per_second"] == 250
    hour.control.advance(30 * 60)
    assert hour.show(late)["CompletionTime"] == NOW + timedelta(minutes=30)
    met = [each["detail"]["metCompletionDuration"] for each in hour.control.events()]
    assert met == ["true", "false"]
    assert hour.control.events()[-1]["detail"]["missedCompletionDurationCause"]


def test_second_copy_of_a_source_waits_for_the_first(hour: Cloud) -> None:
    """The second time-based copy of a snapshot starts when the first has ended (aws 5.10), and counts from then."""
    first, second = (hour.copy(CompletionDurationMinutes=15) for _ in range(2))
    assert hour.truth(second)["transfer_starts_at"] == hour.truth(first)["ends_at"]
    hour.control.advance(15 * 60)
    assert (hour.show(first)["State"], hour.show(second)["State"]) == ("completed", "pending")
    hour.control.advance(15 * 60)
    assert hour.show(second)["State"] == "completed"
    detail = hour.control.events()[-1]["detail"]
    assert (detail["completionDurationStartTime"], detail["metCompletionDuration"]) == ("2026-11-22T00:15:00Z", "true")


def test_truth_tells_what_a_copy_was_promised(hour: Cloud) -> None:
    """The control API has type, duration, start and share of a time-based copy, and nothing for a standard one."""
    fields = ("transfer_type", "completion_duration_minutes", "mib_per_second", "transfer_starts_at")
    fast, slow = hour.truth(hour.copy(big(hour, 1), CompletionDurationMinutes=15)), hour.truth(hour.copy())
    assert tuple(fast[each] for each in fields) == ("time-based", 15, 500, NOW.isoformat())
    assert tuple(slow[each] for each in fields) == ("standard", None, None, None)
    assert hour.truth(SNAP)["transfer_type"] is None


def test_copy_that_fails_takes_no_throughput(hour: Cloud) -> None:
    """A copy that its source or its keys stop ends as soon as any other, and leaves the quota alone."""
    hour.control.configure(copy_throughput=500)
    failed = hour.copy(UNKNOWN, CompletionDurationMinutes=15)
    hour.copy(big(hour, 1), CompletionDurationMinutes=15)
    hour.control.advance(2)
    assert (hour.show(failed)["State"], hour.show(failed)["TransferType"]) == ("error", "time-based")
    assert hour.truth(failed)["mib_per_second"] is None
