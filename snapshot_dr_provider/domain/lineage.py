"""
The tie between a copy and its source: tags and a description, written inside the create call.

Tags do not cross accounts and copies lose their VolumeId (aws 5.4, 5.7), so both sides carry the whole lineage.
People and tools copy tags, for example from a restored volume to its next snapshots; they do not copy the description
along with them (aws 5.3). A snapshot counts as ours only when both tell the same story.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot

SOURCE_ACCOUNT: Final = "SourceAccount"
SOURCE_SNAPSHOT_ID: Final = "SourceSnapshotId"
KMS_KEY_ID: Final = "kms:key-id"
SOURCE_REGION: Final = "SourceRegion"
SOURCE_VOLUME_ID: Final = "SourceVolumeId"
SOURCE_START_TIME: Final = "SourceStartTime"
STAGE: Final = "snapshot-dr:stage"
RUN: Final = "snapshot-dr:run"

MAX_TAG_VALUE: Final = 256
"""Characters that a tag value may have (aws 5.3)."""


class Stage(StrEnum):
    """The two copies that a source snapshot gets."""

    KMS_B = "kms-b"
    KMS_C = "kms-c"


@dataclass(frozen=True, slots=True)
class Lineage:
    """
    Say where a copy comes from, which key it is under and which run started it.

    :param source_volume_id: the volume of the source, or the placeholder when the source is itself a copy.
    :param source_start_time: StartTime of the source, UTC.
    :param kms_key_arn: full ARN of the key that this copy is under.
    :param run: id of the DAG run that started the copy.
    """

    source_account: str
    source_region: str
    source_snapshot_id: str
    source_volume_id: str
    source_start_time: datetime
    stage: Stage
    kms_key_arn: str
    run: str

    def at(self, stage: Stage, kms_key_arn: str, run: str) -> Lineage:
        """Carry the same source over to another copy of it."""
        return replace(self, stage=stage, kms_key_arn=kms_key_arn, run=run)


def encode_tags(lineage: Lineage) -> dict[str, str]:
    """Write a lineage as the tags of a copy."""
    return {
        SOURCE_ACCOUNT: lineage.source_account,
        SOURCE_SNAPSHOT_ID: lineage.source_snapshot_id,
        KMS_KEY_ID: lineage.kms_key_arn,
        SOURCE_REGION: lineage.source_region,
        SOURCE_VOLUME_ID: lineage.source_volume_id,
        SOURCE_START_TIME: lineage.source_start_time.isoformat(),
        STAGE: lineage.stage.value,
        RUN: lineage.run[:MAX_TAG_VALUE],
    }


def decode_tags(tags: Mapping[str, str]) -> Lineage | None:
    """Read a lineage from tags; ``None`` when any part is missing or is not what we write."""
    try:
        start = datetime.fromisoformat(tags[SOURCE_START_TIME])
        if start.tzinfo is None:
            return None  # somebody edited it; it could not be compared with the times of others
        return Lineage(
            source_account=tags[SOURCE_ACCOUNT],
            source_region=tags[SOURCE_REGION],
            source_snapshot_id=tags[SOURCE_SNAPSHOT_ID],
            source_volume_id=tags[SOURCE_VOLUME_ID],
            source_start_time=start,
            stage=Stage(tags[STAGE]),
            kms_key_arn=tags[KMS_KEY_ID],
            run=tags[RUN],
        )
    except (KeyError, ValueError):
        return None


def describe_copy(lineage: Lineage) -> str:
    """Write the description of a copy: visible to whoever it is shared with, unlike tags (aws 5.7)."""
    return (
        f"snapshot-dr {lineage.stage.value} copy of {lineage.source_snapshot_id} "
        f"in {lineage.source_account} {lineage.source_region}"
    )


def is_described_as_ours(description: str) -> bool:
    """Whether a description is of the form that our copies bear."""
    return description.startswith(tuple(f"snapshot-dr {stage.value} copy of snap-" for stage in Stage))


def lineage_of(snapshot: Snapshot, *, owner_id: str) -> Lineage | None:
    """
    Read the lineage of a copy that is ours; ``None`` for everything else.

    Ours is what the expected account owns, with our tags, a description that says the same, and a source that
    is not the snapshot itself.
    """
    lineage = decode_tags(snapshot.tags)
    if lineage is None or snapshot.owner_id != owner_id or lineage.source_snapshot_id == snapshot.snapshot_id:
        return None
    return lineage if snapshot.description == describe_copy(lineage) else None


def is_copy_in_flight(snapshot: Snapshot) -> bool:
    """
    Tell whether a snapshot takes one of the slots for concurrent copies (aws 3.1).

    Every pending copy does, whoever started it. A copy is known by its placeholder volume, which is an observation
    and no promise (aws 5.4), or by our own lineage.
    """
    is_copy = snapshot.volume_id == PLACEHOLDER_VOLUME_ID or decode_tags(snapshot.tags) is not None
    return snapshot.state == "pending" and is_copy


def copies_by_source(snapshots: Iterable[Snapshot], *, owner_id: str, stage: Stage) -> dict[str, tuple[Snapshot, ...]]:
    """Group our copies of one stage by the id of their source, oldest first: by (StartTime, SnapshotId)."""
    grouped: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        lineage = lineage_of(snapshot, owner_id=owner_id)
        if lineage is not None and lineage.stage is stage:
            grouped.setdefault(lineage.source_snapshot_id, []).append(snapshot)
    return {source: tuple(sorted(found, key=seniority)) for source, found in grouped.items()}


def seniority(copy: Snapshot) -> tuple[datetime, str]:
    """Order copies of one source: the smallest survives, whoever looks."""
    return (copy.start_time, copy.snapshot_id)
