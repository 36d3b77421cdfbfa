"""What is known of the copies when they are judged: KMS-C copies as Account-B sees them, KMS-B copies as told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from snapshot_dr_provider.domain.lineage import (
    SOURCE_SNAPSHOT_ID,
    SOURCE_VOLUME_ID,
    Stage,
    lineage_of,
)
from snapshot_dr_provider.domain.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class DrRegionFacts:
    """
    State what Account-B has in one destination Region, read with its own credentials.

    :param kms_c_arns: the key that its copies have to be under, and the former ones that still count.
    :param copies: everything of the account that bears the tag of a KMS-C copy; ``None`` when it was not read.
    :param public: those that everybody may use; ``None`` when it was not read.
    :param shared_with: the accounts that may use a copy, for each copy that was asked about.
    :param public_access: what block public access is set to; ``None`` when it was not read.
    :param unread: why something was not read, by the name of what was not: ``copies``, ``sharing``, ``public_access``.
    """

    account_id: str
    region: str
    kms_c_arns: frozenset[str]
    copies: tuple[Snapshot, ...] | None = None
    public: frozenset[str] | None = None
    shared_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    public_access: str | None = None
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Name the account in its Region."""
        return f"{self.account_id} {self.region}"

    @property
    def shareable(self) -> tuple[Snapshot, ...]:
        """Name the copies that can be shared at all: completed ones, the newest first (aws 1.6)."""
        complete = [copy for copy in self.copies or () if copy.state == "completed"]
        return tuple(sorted(complete, key=lambda copy: (copy.start_time, copy.snapshot_id), reverse=True))


@dataclass(frozen=True, slots=True)
class KmsBCopy:
    """
    State one KMS-B copy that the last stage of an account has left, as that account saw it.

    :param start_time: of the copy, UTC, in whole seconds.
    :param volume_id: volume of the source, by the copy's tags.
    :param kept: whether it stays on purpose: the newest of its volume, by ``kms_b_retention``.
    :param is_ours: whether tags and description agree on what it is a copy of.
    """

    snapshot_id: str
    source_snapshot_id: str
    start_time: datetime
    state: str
    kms_key_arn: str | None
    volume_id: str = ""
    encrypted: bool = False
    kept: bool = False
    is_ours: bool = True


def state_kms_b_copy(copy: Snapshot, *, kept: bool) -> KmsBCopy:
    """Take from a snapshot with the tag of a KMS-B copy what the audit has to know."""
    lineage = lineage_of(copy, owner_id=copy.owner_id)
    return KmsBCopy(
        snapshot_id=copy.snapshot_id,
        source_snapshot_id=copy.tags.get(SOURCE_SNAPSHOT_ID, ""),
        start_time=copy.start_time.replace(microsecond=0),
        state=copy.state,
        kms_key_arn=copy.kms_key_arn,
        volume_id=copy.tags.get(SOURCE_VOLUME_ID, ""),
        encrypted=copy.encrypted,
        kept=kept,
        is_ours=lineage is not None and lineage.stage is Stage.KMS_B,
    )


def write_kms_b_copies(copies: Iterable[KmsBCopy]) -> dict[str, Any]:
    """
    Write the copies that are left as JSON primitives.

    ``{"keys": [arn, ...], "copies": [[id, source id, start, state, place in keys or -1, volume id, flags], ...]}``,
    about 110 bytes a copy: 5,000 of them make some 550 kB.
    """
    rows = list(copies)
    keys = sorted({copy.kms_key_arn for copy in rows if copy.kms_key_arn})
    place: dict[str | None, int] = {arn: index for index, arn in enumerate(keys)}
    return {
        "keys": keys,
        "copies": [
            [
                copy.snapshot_id,
                copy.source_snapshot_id,
                int(copy.start_time.timestamp()),
                copy.state,
                place.get(copy.kms_key_arn, -1),
                copy.volume_id,
                [int(copy.encrypted), int(copy.kept), int(copy.is_ours)],
            ]
            for copy in rows
        ],
    }


def read_kms_b_copies(written: Mapping[str, Any]) -> tuple[KmsBCopy, ...]:
    """
    Read what :func:`write_kms_b_copies` wrote.

    :raises KeyError: when a part is missing.
    """
    keys: Sequence[str] = written["keys"]
    return tuple(
        KmsBCopy(
            snapshot_id=snapshot_id,
            source_snapshot_id=source,
            start_time=datetime.fromtimestamp(start, UTC),
            state=state,
            kms_key_arn=keys[key] if key >= 0 else None,
            volume_id=volume_id,
            encrypted=bool(flags[0]),
            kept=bool(flags[1]),
            is_ours=bool(flags[2]),
        )
        for snapshot_id, source, start, state, key, volume_id, flags in written["copies"]
    )
