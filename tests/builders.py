"""Snapshots and lineages for tests, each with the little that a test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from snapshot_dr_provider.domain.lineage import Lineage, Stage, describe_copy, encode_tags
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot

ORG_A = "111111111111"
DR = "999999999999"
KMS_A = f"arn:aws:kms:us-east-1:{ORG_A}:key/a"
KMS_B = f"arn:aws:kms:us-east-1:{DR}:key/b"
KMS_C = f"arn:aws:kms:us-east-1:{DR}:key/c"
FORMER_KMS_C = f"arn:aws:kms:us-east-1:{DR}:key/former-c"

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
"""Start of the data interval that tests plan for."""


def at(hours: float = 0, *, days: float = 0, seconds: float = 0) -> datetime:
    """Name a moment relative to :data:`MIDNIGHT`."""
    return MIDNIGHT + timedelta(days=days, hours=hours, seconds=seconds)


def source(snapshot_id: str = "snap-1", start: datetime | None = None, **changes: Any) -> Snapshot:
    """Build a completed, encrypted snapshot of Org-A: 8 GiB, started an hour into the interval."""
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        owner_id=ORG_A,
        volume_id="vol-1",
        state="completed",
        start_time=start or at(1),
        volume_size_gib=8,
        full_snapshot_bytes=4096,
        encrypted=True,
        kms_key_arn=KMS_A,
    )
    return replace(snapshot, **changes)


def lineage(source_snapshot_id: str = "snap-1", stage: Stage = Stage.KMS_B, **changes: Any) -> Lineage:
    """Build the lineage of a copy of a source of Org-A."""
    value = Lineage(
        source_account=ORG_A,
        source_region="us-east-1",
        source_snapshot_id=source_snapshot_id,
        source_volume_id="vol-1",
        source_start_time=at(1),
        stage=stage,
        kms_key_arn=KMS_B if stage is Stage.KMS_B else KMS_C,
        run="scheduled__2026-11-23T00:00:00+00:00",
    )
    return replace(value, **changes)


def copy(copy_id: str, of: Lineage, **changes: Any) -> Snapshot:
    """Build a copy with that lineage: completed, unless its state says otherwise, and of the size of :func:`source`."""
    state = changes.get("state", "completed")
    completed = state == "completed"
    snapshot = Snapshot(
        snapshot_id=copy_id,
        owner_id=ORG_A if of.stage is Stage.KMS_B else DR,
        volume_id=PLACEHOLDER_VOLUME_ID,
        state=state,
        start_time=at(25),
        volume_size_gib=8 if completed else 0,
        full_snapshot_bytes=4096 if completed else None,
        encrypted=completed,
        kms_key_arn=of.kms_key_arn if completed else None,
        description=describe_copy(of),
        state_message={"error": "Given key ID is not accessible", "pending": "Metadata not updated"}.get(state),
        tags=encode_tags(of),
    )
    return replace(snapshot, **changes)
