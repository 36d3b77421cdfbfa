"""Describe the world that a sandbox starts from: organizations, principals, keys, volumes and snapshots.

All values are frozen. A world comes from Python, or from YAML in which the keys are the names of the fields below.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import yaml

from snapshot_dr_provider.sandbox.decoding import WorldError, decode, encode

_ACCOUNT_ID = re.compile(r"^\d{12}$")
_ORGANIZATION_ID = re.compile(r"^o-[a-z0-9]{10,32}$")
_SNAPSHOT_ID = re.compile(r"^snap-[0-9a-f]{8}(?:[0-9a-f]{9})?$")
_VOLUME_ID = re.compile(r"^vol-[0-9a-f]{8}(?:[0-9a-f]{9})?$")

SnapshotState = Literal["completed", "pending", "error"]
BlockState = Literal["block-all-sharing", "block-new-sharing", "unblocked"]

#: The volume id that AWS reports for every copied snapshot; it names no volume (aws 5.4, [O]).
PLACEHOLDER_VOLUME_ID = "vol-ffffffff"

#: An identity policy that allows everything, for administrators of a world.
ALLOW_ALL: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True, slots=True)
class Account:
    """Name one AWS account, its place in the organization, and since when it is there (``None``: 2024-01-01)."""

    id: str
    name: str
    email: str = ""
    status: Literal["ACTIVE", "SUSPENDED", "PENDING_CLOSURE"] = "ACTIVE"
    ou: str = "Root"
    joined: datetime | None = None

    def __post_init__(self) -> None:
        _require_account_id(self.id)


@dataclass(frozen=True, slots=True)
class Organization:
    """Gather the accounts of one AWS organization. The management account is one of them."""

    id: str
    management_account_id: str
    accounts: tuple[Account, ...]

    def __post_init__(self) -> None:
        if not _ORGANIZATION_ID.match(self.id):
            raise WorldError(f"organization id {self.id!r} is not o- and 10 to 32 lower-case letters or digits")
        if self.management_account_id not in {account.id for account in self.accounts}:
            raise WorldError(f"management account {self.management_account_id} is not among the accounts of {self.id}")


@dataclass(frozen=True, slots=True)
class Role:
    """Describe an IAM role: who may assume it (ARNs or account ids) and its identity policies."""

    account_id: str
    name: str
    trusts: tuple[str, ...] = ()
    policies: tuple[Mapping[str, Any], ...] = ()
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Describe an IAM user with one access key and its identity policies."""

    account_id: str
    name: str
    access_key_id: str
    secret_access_key: str
    policies: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class GrantSeed:
    """Describe a grant of a key. Its principals need not be in the world: nothing checks them.

    *grantee* is an ARN, or a service where ListGrants shows one in its place (``ec2.us-east-1.amazonaws.com``);
    *grantee_service* is for the grants that name a service as such. Without *created* it is from the start.
    """

    operations: tuple[str, ...]
    grantee: str | None = None
    grantee_service: str | None = None
    retiring: str | None = None
    name: str | None = None
    created: datetime | None = None

    def __post_init__(self) -> None:
        if (self.grantee is None) == (self.grantee_service is None):
            raise WorldError("a grant has either a grantee or a grantee_service")


@dataclass(frozen=True, slots=True)
class Key:
    """Describe a customer managed KMS key. Without a policy it has the default one, of the account's root alone.

    *ram_policy* is the second policy of a key that is shared through RAM (aws 9.2); it is taken unchecked.
    """

    account_id: str
    region: str
    key_id: str
    aliases: tuple[str, ...] = ()
    policy: Mapping[str, Any] | None = None
    enabled: bool = True
    ram_policy: Mapping[str, Any] | None = None
    grants: tuple[GrantSeed, ...] = ()

    @property
    def arn(self) -> str:
        """Return the key's ARN."""
        return f"arn:aws:kms:{self.region}:{self.account_id}:key/{self.key_id}"


@dataclass(frozen=True, slots=True)
class VolumeSeed:
    """Describe a volume. *kms_key* is a key id, an alias, an ARN or ``aws/ebs``; with it the volume is encrypted."""

    account_id: str
    region: str
    volume_id: str
    size_gib: int
    kms_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    encrypted: bool = False

    def __post_init__(self) -> None:
        if not _VOLUME_ID.match(self.volume_id):
            raise WorldError(f"volume id {self.volume_id!r} is not vol- and 8 or 17 hexadecimal digits")


@dataclass(frozen=True, slots=True)
class SnapshotSeed:
    """Describe a snapshot that exists at the start.

    Sizes are GiB for the volume and bytes for *full_snapshot_bytes* (``None``: not reported). A pending snapshot
    completes at *completes_at*, or never when that is ``None``.
    """

    account_id: str
    region: str
    snapshot_id: str
    volume_id: str
    size_gib: int
    start_time: datetime
    full_snapshot_bytes: int | None = None
    kms_key: str | None = None
    encrypted: bool = False
    state: SnapshotState = "completed"
    completes_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    storage_tier: Literal["standard", "archive"] = "standard"
    shared_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _SNAPSHOT_ID.match(self.snapshot_id):
            raise WorldError(f"snapshot id {self.snapshot_id!r} is not snap- and 8 or 17 hexadecimal digits")
        if self.start_time.tzinfo is None:
            raise WorldError(f"start_time of {self.snapshot_id} has no time zone")


@dataclass(frozen=True, slots=True)
class BlockPublicAccess:
    """Describe whether an account blocks public snapshots in a Region (aws 7.2)."""

    account_id: str
    region: str
    state: BlockState


#: What belongs to one account.
_Owned = Role | User | Key | VolumeSeed | SnapshotSeed | BlockPublicAccess


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds on the sandbox clock until an effect is seen: consistency on AWS is eventual (aws 1.11, 9.4).

    *policy* is the time until calls are judged by a key policy that was put, *policy_read* until it reads back.
    """

    create: float = 0.0
    tags: float = 0.0
    share: float = 0.0
    delete: float = 0.0
    policy: float = 0.0
    policy_read: float = 0.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Set how the sandbox behaves. Durations are seconds on the sandbox clock.

    A copy lasts ``copy_seconds + copy_seconds_per_gib * size``, a CreateSnapshot ``create_seconds``, and a copy that
    is refused is in state ``error`` after ``refusal_seconds``. *copy_throughput* is what the time-based copies of an
    account from one Region to another get together, in MiB a second (aws 5.10). *throttle* limits EC2 requests by token
    buckets (aws 3.4). *page_size* is the largest page that DescribeSnapshots gives, *log_size* the number of calls that
    the log keeps (0: none). *clock* is the time at the start (``None``: the machine's), *clock_rate* its speed, 0 being
    frozen.
    """

    copy_seconds: float = 60.0
    copy_seconds_per_gib: float = 0.0
    create_seconds: float = 0.0
    refusal_seconds: float = 2.0
    copy_slots: int = 20
    copy_slots_by_account: Mapping[str, int] = field(default_factory=dict)
    copy_throughput: float = 2000.0
    snapshot_limit: int = 100_000
    throttle: bool = False
    page_size: int = 1000
    log_size: int = 20_000
    lag: Lag = Lag()
    clock: datetime | None = None
    clock_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class World:
    """Hold all that a sandbox is seeded with. *accounts* lists the accounts that are in no organization.

    An account that *block_public_access* does not name in a Region blocks nothing there.
    """

    organizations: tuple[Organization, ...] = ()
    accounts: tuple[Account, ...] = ()
    roles: tuple[Role, ...] = ()
    users: tuple[User, ...] = ()
    keys: tuple[Key, ...] = ()
    volumes: tuple[VolumeSeed, ...] = ()
    snapshots: tuple[SnapshotSeed, ...] = ()
    block_public_access: tuple[BlockPublicAccess, ...] = ()
    behaviour: Behaviour = Behaviour()

    def __post_init__(self) -> None:
        _require_unique("account", (account.id for account in self.all_accounts()))
        _require_unique("role", (f"{role.account_id}/{role.name}" for role in self.roles))
        _require_unique("access key", (user.access_key_id for user in self.users))
        _require_unique("key", (key.arn for key in self.keys))
        _require_unique("volume", (volume.volume_id for volume in self.volumes))
        _require_unique("snapshot", (snapshot.snapshot_id for snapshot in self.snapshots))
        settings = (f"{each.account_id}/{each.region}" for each in self.block_public_access)
        _require_unique("block public access setting", settings)
        known = {account.id for account in self.all_accounts()}
        everything: Iterator[_Owned] = chain(
            self.roles, self.users, self.keys, self.volumes, self.snapshots, self.block_public_access
        )
        for owned in everything:
            if owned.account_id not in known:
                raise WorldError(f"{_title(owned)} names the account {owned.account_id}, which is not in the world")

    def all_accounts(self) -> tuple[Account, ...]:
        """Return every account, those of the organizations first."""
        members = (account for organization in self.organizations for account in organization.accounts)
        return (*members, *self.accounts)

    def organization_of(self, account_id: str) -> Organization | None:
        """Return the organization that *account_id* is a member of, or ``None``."""
        for organization in self.organizations:
            if any(account.id == account_id for account in organization.accounts):
                return organization
        return None

    def user_of(self, account_id: str) -> User | None:
        """Return the first user of *account_id*, whose credentials the control API hands out."""
        return next((user for user in self.users if user.account_id == account_id), None)

    @classmethod
    def from_data(cls, data: object, *, now: datetime | None = None) -> "World":
        """Return the world that the plain *data* describes; relative times count from *now*.

        :raises WorldError: naming the place and the remedy.
        """
        world: World = decode(cls, data, now=now or datetime.now(UTC))
        return world

    @classmethod
    def from_yaml(cls, source: str | Path, *, now: datetime | None = None) -> "World":
        """Return the world in a YAML text, or in the file at a ``Path`` (or at a one-line text that ends in .yaml).

        :raises WorldError: when the text is no YAML, or describes no world.
        """
        if isinstance(source, Path) or ("\n" not in source and source.endswith((".yaml", ".yml"))):
            source = Path(source).read_text(encoding="utf-8")
        try:
            data = yaml.safe_load(source)
        except yaml.YAMLError as error:
            raise WorldError(f"the world is not valid YAML: {error}") from error
        return cls.from_data(data, now=now)

    @classmethod
    def example(cls, *, now: datetime | None = None) -> "World":
        """Return the example world that the command line serves by default."""
        return cls.from_yaml(Path(__file__).with_name("worlds") / "example.yaml", now=now)

    def to_data(self) -> dict[str, Any]:
        """Return the world as plain data that ``from_data`` reads back."""
        data: dict[str, Any] = encode(self)
        return data

    def to_yaml(self) -> str:
        """Return the world as YAML that ``from_yaml`` reads back."""
        return yaml.safe_dump(self.to_data(), sort_keys=False)


def _require_account_id(account_id: str) -> None:
    if not _ACCOUNT_ID.match(account_id):
        raise WorldError(f"account id {account_id!r} is not 12 digits")


def _require_unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WorldError(f"{kind} {name} is there twice")
        seen.add(name)


def _title(owned: _Owned) -> str:
    match owned:
        case Role() | User():
            return f"{type(owned).__name__.lower()} {owned.name}"
        case Key():
            return f"key {owned.key_id}"
        case VolumeSeed():
            return f"volume {owned.volume_id}"
        case SnapshotSeed():
            return f"snapshot {owned.snapshot_id}"
        case BlockPublicAccess():
            return f"block public access of {owned.region}"
