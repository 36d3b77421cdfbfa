from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.hooks.wire import read_snapshot, write_filters, write_tags
from tests.builders import KMS_B, ORG_A

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
MINIMUM = {"SnapshotId": "snap-1", "OwnerId": ORG_A, "State": "pending", "StartTime": MIDNIGHT}


def test_a_whole_answer_is_read():
    """Every member of DescribeSnapshots that the domain knows is read into its field."""
    item = MINIMUM | {
        "VolumeId": "vol-1",
        "State": "completed",
        "VolumeSize": 8,
        "FullSnapshotSizeInBytes": 4096,
        "Encrypted": True,
        "KmsKeyId": KMS_B,
        "Description": "nightly",
        "StateMessage": "fine",
        "StorageTier": "archive",
        "Progress": "100%",
        "Tags": [{"Key": "Name", "Value": "db"}, {"Key": "empty", "Value": ""}],
        "SseType": "none",
    }
    assert read_snapshot(item) == Snapshot(
        snapshot_id="snap-1",
        owner_id=ORG_A,
        volume_id="vol-1",
        state="completed",
        start_time=datetime(2026, 11, 22, tzinfo=UTC),
        volume_size_gib=8,
        full_snapshot_bytes=4096,
        encrypted=True,
        kms_key_arn=KMS_B,
        description="nightly",
        state_message="fine",
        storage_tier="archive",
        progress_percent=100,
        tags={"Name": "db", "empty": ""},
    )


def test_a_fresh_copy_is_read_without_what_it_does_not_report():
    """A pending copy reports neither size, key nor tier (aws 1.8): it is read as unknown, not as an error."""
    snapshot = read_snapshot(MINIMUM)
    assert (snapshot.volume_size_gib, snapshot.full_snapshot_bytes, snapshot.kms_key_arn) == (0, None, None)
    assert (snapshot.encrypted, snapshot.storage_tier, snapshot.tags) == (False, "standard", {})


@pytest.mark.parametrize("missing", MINIMUM)
def test_what_every_snapshot_has_is_not_made_up(missing):
    """Without id, owner, state or start time an answer is not read at all."""
    with pytest.raises(KeyError, match=missing):
        read_snapshot({key: value for key, value in MINIMUM.items() if key != missing})


@pytest.mark.parametrize(("text", "percent"), [("0%", 0), ("7%", 7), ("100%", 100), ("", 0), ("?", 0)])
def test_progress_is_a_number(text, percent):
    """Progress is read as percent, and as 0 where AWS says nothing that is a number."""
    assert read_snapshot(MINIMUM | {"Progress": text}).progress_percent == percent


def test_times_are_utc():
    """A start time is the same moment in UTC, whatever zone the SDK gave it in."""
    berlin = datetime(2026, 11, 22, 1, tzinfo=timezone(timedelta(hours=1)))
    start = read_snapshot(MINIMUM | {"StartTime": berlin}).start_time
    assert (start, start.tzinfo) == (berlin, UTC)


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_tags_come_back(tags):
    """What is written as tags is read as the same tags."""
    assert read_snapshot(MINIMUM | {"Tags": write_tags(tags)}).tags == tags


def test_filters_are_written_with_all_their_values():
    """Each filter keeps its name and all of its values."""
    assert write_filters({"status": ["pending"], "tag:a": ["1", "2"]}) == [
        {"Name": "status", "Values": ["pending"]},
        {"Name": "tag:a", "Values": ["1", "2"]},
    ]
