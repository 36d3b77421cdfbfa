"""An EBS snapshot as DescribeSnapshots reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

State = Literal["pending", "completed", "error", "recoverable", "recovering"]

PLACEHOLDER_VOLUME_ID: Final = "vol-ffffffff"
"""VolumeId of a snapshot that is a copy. Observed, not promised (aws 1.1, 5.4)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    State one snapshot at the moment it was read.

    :param start_time: when its creation or copying began, UTC.
    :param volume_size_gib: size of the volume in GiB; 0 on a fresh copy (aws 1.8).
    :param full_snapshot_bytes: bytes of all its blocks, not the incremental size; ``None`` where it is not reported.
    :param encrypted: ``False`` on a fresh copy whatever its key (aws 1.8); to be trusted once it is completed.
    :param state_message: why it failed; also set on healthy fresh copies (aws 1.8).
    """

    snapshot_id: str
    owner_id: str
    volume_id: str
    state: State
    start_time: datetime
    volume_size_gib: int = 0
    full_snapshot_bytes: int | None = None
    encrypted: bool = False
    kms_key_arn: str | None = None
    description: str = ""
    state_message: str | None = None
    storage_tier: str = "standard"
    progress_percent: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """Whether the snapshot is, or may still become, usable."""
        return self.state in ("pending", "completed")

    @property
    def is_archived(self) -> bool:
        """Whether the snapshot lies in the archive tier, where it cannot be shared or copied (aws 7.4)."""
        return self.storage_tier == "archive"


def volume_group(volume_id: str, snapshot_id: str) -> str:
    """
    Name what snapshots of one volume have in common.

    The placeholder that copies bear groups nothing: such a snapshot counts as a volume of its own (aws 5.4).
    """
    return snapshot_id if volume_id == PLACEHOLDER_VOLUME_ID else volume_id
