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


_STAGES: Final = {stage.value: stage for stage in Stage}
_TAGS: Final = frozenset(
    {SOURCE_ACCOUNT, SOURCE_SNAPSHOT_ID, KMS_KEY_ID, SOURCE_REGION, SOURCE_VOLUME_ID, SOURCE_START_TIME, STAGE, RUN}
)
_DESCRIBED: Final = "snapshot-dr"
"""How the description of each copy begins."""


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
        start = _read_moment(tags[SOURCE_START_TIME])
        if start is None:
            return None
        return Lineage(
            source_account=tags[SOURCE_ACCOUNT],
            source_region=tags[SOURCE_REGION],
            source_snapshot_id=tags[SOURCE_SNAPSHOT_ID],
            source_volume_id=tags[SOURCE_VOLUME_ID],
            source_start_time=start,
            stage=_STAGES[tags[STAGE]],
            kms_key_arn=tags[KMS_KEY_ID],
            run=tags[RUN],
        )
    except KeyError:
        return None


def describe_copy(lineage: Lineage) -> str:
    """Write the description of a copy: visible to whoever it is shared with, unlike tags (aws 5.7)."""
    return (
        f"{_DESCRIBED} {lineage.stage} copy of {lineage.source_snapshot_id} "
        f"in {lineage.source_account} {lineage.source_region}"
    )


def is_described_as_ours(description: str) -> bool:
    """Whether a description is of the form that our copies bear."""
    return description.startswith(tuple(f"{_DESCRIBED} {stage} copy of snap-" for stage in Stage))


def lineage_of(snapshot: Snapshot, *, owner_id: str) -> Lineage | None:
    """
    Read the lineage of a copy that is ours; ``None`` for everything else.

    Ours is what the expected account owns, with our tags, a description that says the same, and a source that
    is not the snapshot itself.
    """
    if snapshot.owner_id != owner_id or not snapshot.description.startswith(_DESCRIBED):
        return None
    lineage = decode_tags(snapshot.tags)
    if lineage is None or lineage.source_snapshot_id == snapshot.snapshot_id:
        return None
    return lineage if snapshot.description == describe_copy(lineage) else None


def source_of(snapshot: Snapshot, *, owner_id: str, stage: Stage) -> str | None:
    """
    Name the source of a copy that is ours and of one stage; ``None`` for everything else.

    It says what :func:`lineage_of` says and builds nothing: whoever has 100,000 copies needs the whole lineage of few.
    """
    tags = snapshot.tags
    if snapshot.owner_id != owner_id or tags.get(STAGE) != stage or not tags.keys() >= _TAGS:
        return None
    source = tags[SOURCE_SNAPSHOT_ID]
    described = f"{_DESCRIBED} {tags[STAGE]} copy of {source} in {tags[SOURCE_ACCOUNT]} {tags[SOURCE_REGION]}"
    if source == snapshot.snapshot_id or snapshot.description != described:
        return None
    return source if _read_moment(tags[SOURCE_START_TIME]) is not None else None


def source_start_time(copy: Snapshot) -> datetime:
    """Read when the source of a copy was taken; :func:`source_of` has to have named that source."""
    return datetime.fromisoformat(copy.tags[SOURCE_START_TIME])


def _read_moment(text: str) -> datetime | None:
    """Read a time that we wrote; somebody may have edited it, and one without a zone cannot be compared."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


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
        source = source_of(snapshot, owner_id=owner_id, stage=stage)
        if source is not None:
            grouped.setdefault(source, []).append(snapshot)
    # Each list goes as its tuple comes: the more objects there are, the more often the collector walks all of them.
    return {source: tuple(sorted(grouped.pop(source), key=seniority)) for source in list(grouped)}


def seniority(copy: Snapshot) -> tuple[datetime, str]:
    """Order copies of one source: the smallest survives, whoever looks."""
    return (copy.start_time, copy.snapshot_id)
