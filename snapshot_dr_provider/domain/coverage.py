"""What counts as a verified copy, and which sources have one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider.domain.lineage import Stage, copies_by_source, lineage_of

if TYPE_CHECKING:
    from snapshot_dr_provider.domain.snapshots import Snapshot

PRIORITIES: Final = range(1_000_000)
"""From the most urgent to the least."""


@dataclass(frozen=True, slots=True)
class SourceSize:
    """
    What the stages hand on of a source: the sizes by which a copy is compared with it, and how urgent and new it is.

    :param volume_size_gib: size of the volume in GiB; 0 where it is not known (a fresh copy, aws 1.8).
    :param full_snapshot_bytes: bytes of all blocks; equal on source and copies as far as observed (aws 8.2);
        ``None`` where AWS does not report it.
    :param priority: one of :data:`PRIORITIES`, the lowest first; ``None`` for those that come after all that have one.
    :param is_kept: whether it had a verified KMS-C copy already when the run was planned.
    """

    volume_size_gib: int = 0
    full_snapshot_bytes: int | None = None
    priority: int | None = None
    is_kept: bool = False

    @property
    def rank(self) -> int:
        """Say whose copy is started first: the lowest; 0 without a priority, so that DAGs that set none agree."""
        return 0 if self.priority is None else self.priority - PRIORITIES.stop


@dataclass(frozen=True, slots=True)
class Expectation:
    """
    Say what a copy has to be.

    :param owner_id: the account that has to own it.
    :param kms_key_arns: the key that it has to be under, and former ones that still count.
    """

    stage: Stage
    owner_id: str
    kms_key_arns: frozenset[str]


def size_of(snapshot: Snapshot) -> SourceSize:
    """Take from a source what its copies are compared by; only a completed one knows how many bytes it has."""
    full_bytes = snapshot.full_snapshot_bytes if snapshot.state == "completed" else None
    return SourceSize(snapshot.volume_size_gib, full_bytes)


def differences(
    copy: Snapshot, expected: Expectation, size: SourceSize, *, ask_lineage: bool = True
) -> tuple[str, ...]:
    """
    Name everything that keeps a snapshot from being a verified copy; empty when it is one.

    Sizes are compared only where both sides report them. Nothing is said of the content: see the EBS direct APIs
    for that (aws 8).

    :param ask_lineage: whether tags and description have to name a source.
    """
    found = []
    if copy.owner_id != expected.owner_id:
        found.append(f"owned by {copy.owner_id}, not by {expected.owner_id}")
    elif ask_lineage:
        found += _lineage_differences(copy, expected)
    if copy.state != "completed":
        return (*found, f"{copy.state}, not completed")
    if not copy.encrypted:
        found.append("not encrypted")
    elif copy.kms_key_arn not in expected.kms_key_arns:
        found.append(f"under {copy.kms_key_arn}, not under {' or '.join(sorted(expected.kms_key_arns))}")
    return (*found, *_size_differences(copy, size))


def _lineage_differences(copy: Snapshot, expected: Expectation) -> Iterable[str]:
    lineage = lineage_of(copy, owner_id=expected.owner_id)
    if lineage is None:
        yield "without tags and description that name its source"
    elif lineage.stage is not expected.stage:
        yield f"a {lineage.stage.value} copy, not a {expected.stage.value} copy"


def _size_differences(copy: Snapshot, size: SourceSize) -> Iterable[str]:
    if size.volume_size_gib and copy.volume_size_gib != size.volume_size_gib:
        yield f"{copy.volume_size_gib} GiB where its source has {size.volume_size_gib} GiB"
    theirs, ours = size.full_snapshot_bytes, copy.full_snapshot_bytes
    if theirs is not None and ours is not None and theirs != ours:
        yield f"{ours} bytes in full where its source has {theirs}"


def is_verified(copy: Snapshot, expected: Expectation, size: SourceSize) -> bool:
    """Whether a snapshot is a verified copy of a source of that size."""
    return not differences(copy, expected, size)


def first_verified(copies: Iterable[Snapshot], expected: Expectation, size: SourceSize) -> Snapshot | None:
    """
    Find the first verified copy of a source of that size.

    :param copies: of this source and of the expected stage and owner, as :func:`~.lineage.copies_by_source` has
        them: their lineage is not read a second time.
    """
    return next((copy for copy in copies if not differences(copy, expected, size, ask_lineage=False)), None)


def verified_copies(
    snapshots: Iterable[Snapshot], expected: Expectation, sizes: Mapping[str, SourceSize]
) -> dict[str, Snapshot]:
    """
    Find the verified copy of each source, the oldest where there are several.

    :param sizes: size by source snapshot id; a source that is not named is compared by nothing.
    """
    grouped = copies_by_source(snapshots, owner_id=expected.owner_id, stage=expected.stage)
    found: dict[str, Snapshot] = {}
    for source, copies in grouped.items():
        good = first_verified(copies, expected, sizes.get(source, SourceSize()))
        if good is not None:
            found[source] = good
    return found
