"""EC2's dictionaries, turned into domain values and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from snapshot_dr_provider.domain.snapshots import Snapshot


def read_snapshot(item: Mapping[str, Any]) -> Snapshot:
    """Read one member of DescribeSnapshots' ``Snapshots`` (aws 5.5)."""
    return Snapshot(
        snapshot_id=item["SnapshotId"],
        owner_id=item["OwnerId"],
        volume_id=item.get("VolumeId", ""),
        state=item["State"],
        start_time=_utc(item["StartTime"]),
        volume_size_gib=item.get("VolumeSize", 0),
        full_snapshot_bytes=item.get("FullSnapshotSizeInBytes"),
        encrypted=item.get("Encrypted", False),
        kms_key_arn=item.get("KmsKeyId"),
        description=item.get("Description", ""),
        state_message=item.get("StateMessage"),
        storage_tier=item.get("StorageTier", "standard"),
        progress_percent=_percent(item.get("Progress", "")),
        tags={tag["Key"]: tag["Value"] for tag in item.get("Tags", ())},
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _percent(progress: str) -> int:
    digits = progress.rstrip("%")
    return int(digits) if digits.isdigit() else 0


def write_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Write tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def write_filters(filters: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Write filters as EC2 takes them: any of the values of each, all of the names."""
    return [{"Name": name, "Values": values} for name, values in filters.items()]
