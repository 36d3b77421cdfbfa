"""Model EBS snapshots and volumes as the sandbox knows them, as opposed to what a caller is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from snapshot_dr_provider.sandbox.ec2.throughput import Transfer
from snapshot_dr_provider.sandbox.ec2.timeline import Delayed, DelayedTags

State = Literal["pending", "completed", "error"]

#: What a fresh pending copy says of itself (aws 1.8, [O]).
METADATA_NOT_UPDATED = "Metadata not updated"
#: How AWS words a copy whose source the caller may not see, or not in that Region (aws 1.3, [O]).
SOURCE_NOT_FOUND = "Source snapshot is not found"
#: How AWS words a copy of a snapshot that is not completed (aws 1.5, [O]).
SOURCE_NOT_COMPLETE = "Source snapshot is not complete"
#: How AWS words a copy that may not use one of its keys (aws 2.12).
KEY_NOT_ACCESSIBLE = "Given key ID is not accessible"

#: The group that stands for every AWS account in a create-volume permission.
EVERYONE = "all"


@dataclass(slots=True, eq=False)
class Snapshot:
    """Hold one snapshot for its entire life, including what only the sandbox knows.

    *size_gib* is the volume's size, *full_bytes* the size in full. *ends_at* is when a pending snapshot reaches
    *outcome* (``None``: never), *failure* its StateMessage if that is ``error``. *lineage* names the chain of data that
    an incremental copy builds on; *source_lineage* that of the copied snapshot, *transfer* what a time-based copy was
    promised. *sharing* maps an account, or
    ``all``, to whether it has the permission. *tags* has the tags of each account that put any (aws 5.7).
    """

    id: str
    owner_id: str
    region: str
    sequence: int
    volume_id: str
    size_gib: int
    start_time: datetime
    visible_from: datetime
    lineage: str
    full_bytes: int | None = None
    encrypted: bool = False
    key_arn: str | None = None
    state: State = "pending"
    ends_at: datetime | None = None
    outcome: Literal["completed", "error"] = "completed"
    failure: str | None = None
    completion_time: datetime | None = None
    description: str = ""
    storage_tier: str = "standard"
    is_copy: bool = False
    source_snapshot_id: str | None = None
    source_account_id: str | None = None
    source_region: str | None = None
    source_lineage: str | None = None
    incremental: bool | None = None
    completion_duration_minutes: int | None = None
    transfer: Transfer | None = None
    delete_requested: bool = False
    deleted_at: datetime | None = None
    gone_from: datetime | None = None
    sharing: dict[str, Delayed[bool]] = field(default_factory=dict)
    tags: dict[str, DelayedTags] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Return the ARN that identity policies name; the account's place is empty."""
        return f"arn:aws:ec2:{self.region}::snapshot/{self.id}"

    @property
    def transfer_type(self) -> str | None:
        """Return how a copy was asked for, ``None`` for what is no copy (aws 5.5)."""
        if not self.is_copy:
            return None
        return "time-based" if self.completion_duration_minutes else "standard"

    @property
    def is_copy_in_flight(self) -> bool:
        """Tell whether this takes one of the copy slots of its account and Region (aws 3.1)."""
        return self.is_copy and self.state == "pending"

    def is_there(self, now: datetime) -> bool:
        """Tell whether reads find the snapshot at *now*: late after its creation, a while after its deletion."""
        return self.visible_from <= now and (self.gone_from is None or now < self.gone_from)

    def is_shared_with(self, account_id: str, now: datetime) -> bool:
        """Tell whether *account_id* (or ``all``) has the create-volume permission in effect at *now*."""
        permission = self.sharing.get(account_id)
        return permission is not None and bool(permission.seen(now))

    def is_accessible_to(self, account_id: str, now: datetime, *, public: bool) -> bool:
        """Tell whether *account_id* can see and copy the snapshot at *now*; *public* whether *all* counts (aws 7.2)."""
        if self.owner_id == account_id or self.is_shared_with(account_id, now):
            return True
        return public and self.is_shared_with(EVERYONE, now)

    def shared_with(self) -> tuple[str, ...]:
        """Return the accounts, and ``all``, that the owner last gave the permission to."""
        return tuple(each for each, permission in self.sharing.items() if permission.latest)

    def tags_of(self, account_id: str, now: datetime) -> Mapping[str, str]:
        """Return the tags that *account_id* sees: its own, never another account's (aws 5.7, [O])."""
        tags = self.tags.get(account_id)
        return tags.seen(now) if tags else {}

    def progress(self, now: datetime) -> int:
        """Return the progress in percent: by the clock while pending, and what a failed copy reached is 0."""
        if self.state != "pending":
            return 100 if self.state == "completed" else 0
        if self.ends_at is None or self.outcome == "error":
            return 0
        whole = (self.ends_at - self.start_time).total_seconds()
        return min(99, int(100 * (now - self.start_time).total_seconds() / whole)) if whole > 0 else 99


@dataclass(slots=True, eq=False)
class Volume:
    """Hold one volume. *outcome* is the state that it reaches on the first look after *ends_at*."""

    id: str
    owner_id: str
    region: str
    zone: str
    size_gib: int
    create_time: datetime
    volume_type: str = "gp3"
    encrypted: bool = False
    key_arn: str | None = None
    snapshot_id: str = ""
    state: str = "available"
    outcome: str = "available"
    ends_at: datetime | None = None
    tags: dict[str, DelayedTags] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Return the ARN that identity policies name."""
        return f"arn:aws:ec2:{self.region}:{self.owner_id}:volume/{self.id}"

    def tags_of(self, account_id: str, now: datetime) -> Mapping[str, str]:
        """Return the tags that *account_id* sees."""
        tags = self.tags.get(account_id)
        return tags.seen(now) if tags else {}
