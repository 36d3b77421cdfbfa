"""
The world of the demo: an organization as one meets them, with the DR account outside of it.

It is the same on every run but for its dates, which follow the machine's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from snapshot_dr_provider.cli.policy.documents import Choices, render
from snapshot_dr_provider.sandbox import World
from snapshot_dr_provider.sandbox.world import (
    Account,
    Behaviour,
    Key,
    Organization,
    Role,
    SnapshotSeed,
    User,
    VolumeSeed,
)
from snapshot_dr_provider.settings import Settings

REGION: Final = "us-east-1"
ORG_A: Final = "o-orga0000demo"
ORG_B: Final = "o-orgb0000demo"
TOOLING: Final = "100000000000"
DR_ACCOUNT: Final = "999999999999"
SOURCE_ROLE: Final = "SnapshotDr"
DR_ROLE: Final = "SnapshotDrCopy"
KEY_ADMIN_ROLE: Final = "SnapshotDrKeyAdmin"
KMS_B: Final = f"arn:aws:kms:{REGION}:{DR_ACCOUNT}:key/b0b0b0b0-4a1c-4e52-9d3f-6f2b8c7d1e01"
KMS_C: Final = f"arn:aws:kms:{REGION}:{DR_ACCOUNT}:key/c0c0c0c0-7b2d-4f63-8e4a-5a1c9d8e2f02"
EXCLUDING_TAG: Final = ("Backup", "none")
"""A source with this tag is not copied."""


NIGHTS: Final = 7
"""Nights back to which each volume has a snapshot of each night."""

_ACCOUNT_NAMES = (
    *("payments-prod", "orders-prod", "data-warehouse", "identity", "web-frontend", "search", "billing", "logistics"),
    *("fraud-detection", "mobile-backend", "crm", "hr-systems", "observability", "partner-api", "ci-runners", "media"),
)
_VOLUMES = (
    *(("database", 500), ("uploads", 800), ("queue", 64), ("search-index", 250), ("database-wal", 100)),
    *(("file-share", 1000), ("reports", 200), ("audit-log", 300), ("cache", 32), ("build-agent", 120)),
)
_PENDING_SECONDS = 10
_PENDING_SECONDS_PER_ACCOUNT = 3
_REPEATED_DIGITS = 8
_AWS_EBS = "aws/ebs"
_EVERY_FOURTH = 4


def _user(account: str, name: str, key: str, role_arn: str) -> User:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return User(account, name, key, f"secret-of-{key.lower()}", (policy,))


def _arn(kind: str, name: str, account: str = DR_ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:{kind}/{name}"


CONNECTIONS: Final[Mapping[str, User]] = {
    "aws_tooling": _user(TOOLING, "airflow", "AKIADEMOTOOLING00000", _arn("role", SOURCE_ROLE, "*")),
    "aws_dr": _user(DR_ACCOUNT, "airflow", "AKIADEMODRACCOUNT000", _arn("role", DR_ROLE)),
    "aws_dr_key_admin": _user(DR_ACCOUNT, "airflow-keys", "AKIADEMOKEYADMIN0000", _arn("role", KEY_ADMIN_ROLE)),
}
"""The principal behind each Airflow connection; it may do nothing but assume its role."""


def connections() -> dict[str, str]:
    """Write the connections as environment variables."""
    return {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(
            {"conn_type": "aws", "login": user.access_key_id, "password": user.secret_access_key}
        )
        for name, user in CONNECTIONS.items()
    }


@dataclass(frozen=True, slots=True)
class Scene:
    """
    Hold what the demo plays in.

    :param day: the day whose snapshots are copied, UTC.
    :param accounts: names of the source accounts by id, in the order in which the DAG takes them.
    """

    world: World
    day: date
    accounts: Mapping[str, str]

    @property
    def locked_policy(self) -> Mapping[str, Any]:
        """Return the policy under which KMS-B stands between the runs."""
        return next(key.policy for key in self.world.keys if key.arn == KMS_B and key.policy is not None)


def build_scene(accounts: int, volumes: int, copy_seconds: float, now: datetime) -> Scene:
    """
    Build Org-A with its accounts and their volumes, and the DR account in Org-B.

    Every volume has a snapshot of each of the last seven nights. Beside them there is one of a kind, each in the first
    or last account: a snapshot of yesterday that is still pending, one that its tag excludes, one of today, and,
    where there are two volumes or more, a volume that is not encrypted.

    :param now: aware; what is "yesterday" follows from it, in UTC.
    """
    day = now.astimezone(UTC).date() - timedelta(days=1)
    names = {_account_id(number): _name(_ACCOUNT_NAMES, number - 1) for number in range(1, accounts + 1)}
    dice = Random(20_261_123)  # noqa: S311  # sizes and ids of a demo
    seeds = [volume for account in names for volume in _volumes(account, volumes, dice)]
    if len(seeds) > 1:
        seeds[-1] = _unencrypted(seeds[-1])
    nightly = [snapshot for index, volume in enumerate(seeds) for snapshot in _nights(volume, index, day, dice)]
    # The DAG reaches an account the later, the more there are: it should meet the snapshot while that is pending.
    until = now + timedelta(seconds=_PENDING_SECONDS + _PENDING_SECONDS_PER_ACCOUNT * accounts)
    nightly[0] = _still_pending(nightly[0], day, until)
    settings = Settings.model_validate(_settings(names))
    world = World(
        organizations=(
            Organization(
                ORG_A, TOOLING, (Account(TOOLING, "backup-tooling"), *(Account(i, name) for i, name in names.items()))
            ),
            Organization(ORG_B, DR_ACCOUNT, (Account(DR_ACCOUNT, "disaster-recovery"),)),
        ),
        roles=tuple(_roles(names, settings)),
        users=tuple(CONNECTIONS.values()),
        keys=tuple(_keys(names, settings)),
        volumes=tuple(seeds),
        snapshots=(*nightly, _before_upgrade(seeds[0], day, dice), _of_today(seeds[0], now, dice)),
        behaviour=Behaviour(copy_seconds=copy_seconds),
    )
    return Scene(world, day, names)


def settings_of(scene: Scene, *, in_one_process: bool = True) -> dict[str, Any]:
    """
    Write the settings file that goes with the world: what an administrator would write, but for its haste.

    :param in_one_process: whether tasks are deferred for no time. A real scheduler can fail one that returns at once.
    """
    settings = _settings(scene.accounts)
    if in_one_process:
        settings["tuning"]["first_fire_seconds"] = 0
    return settings


def _settings(accounts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "organization_id": ORG_A,
        "dr_account": {
            "account_id": DR_ACCOUNT,
            "aws_conn_id": "aws_dr",
            "role_arn": _arn("role", DR_ROLE),
            "key_admin_aws_conn_id": "aws_dr_key_admin",
            "key_admin_role_arn": _arn("role", KEY_ADMIN_ROLE),
        },
        "destinations": {REGION: {"kms_b": KMS_B, "kms_c": KMS_C}},
        "source_regions": {REGION: REGION},
        "accounts": {"static": [{"account_id": i, "name": name} for i, name in accounts.items()]},
        "source_connection": {"aws_conn_id": "aws_tooling", "role_name": SOURCE_ROLE},
        "selection": {"exclude_tags": dict([EXCLUDING_TAG])},
        "kms_b_window": "per_run",
        # Nobody waits for a minute in a demo: the sandbox answers at once, and copies take seconds.
        "tuning": {"settle_seconds": 2, "poll_seconds": 0.5, "policy_settle_seconds": 2},
    }


def _account_id(number: int) -> str:
    """Make up the id of an account, counted from 1: 111111111111, 222222222222, ..., then 200000000009 and on."""
    return str(number) * 12 if number <= _REPEATED_DIGITS else f"{200_000_000_000 + number}"


def _name(names: tuple[str, ...], index: int) -> str:
    again, place = divmod(index, len(names))
    return f"{names[place]}-{again + 1}" if again else names[place]


def _key_a(account: str) -> str:
    return f"a0a0a0a0-5c3e-4d74-8f5b-{account}"


def _volumes(account: str, count: int, dice: Random) -> Iterator[VolumeSeed]:
    """Give an account its volumes: every fourth under the key that AWS manages, the others under the customer's."""
    for index in range(count):
        again, place = divmod(index, len(_VOLUMES))
        role, size = _VOLUMES[place]
        yield VolumeSeed(
            account_id=account,
            region=REGION,
            volume_id=_new_id("vol", dice),
            size_gib=size * dice.choice((1, 1, 2)),
            kms_key=_AWS_EBS if index % _EVERY_FOURTH == _EVERY_FOURTH - 1 else _key_a(account),
            tags={"Name": f"{role}-{again + 1}" if again else role},
        )


def _unencrypted(volume: VolumeSeed) -> VolumeSeed:
    return VolumeSeed(volume.account_id, REGION, volume.volume_id, volume.size_gib, tags={"Name": "jump-host"})


def _nights(volume: VolumeSeed, index: int, day: date, dice: Random) -> Iterator[SnapshotSeed]:
    """Take the snapshots of a volume of the last nights, the newest first, each done within the hour."""
    full_bytes = int(volume.size_gib * 2**30 * dice.uniform(0.2, 0.9))
    evening = time(21, index * 7 % 60, index % 60, tzinfo=UTC)
    for night in range(NIGHTS):
        taken = datetime.combine(day - timedelta(days=night), evening)
        yield _snapshot(volume, taken, full_bytes, dice, Backup="nightly")


def _snapshot(volume: VolumeSeed, taken: datetime, full_bytes: int, dice: Random, **tags: str) -> SnapshotSeed:
    return SnapshotSeed(
        account_id=volume.account_id,
        region=REGION,
        snapshot_id=_new_id("snap", dice),
        volume_id=volume.volume_id,
        size_gib=volume.size_gib,
        start_time=taken,
        full_snapshot_bytes=full_bytes,
        kms_key=volume.kms_key,
        tags={**volume.tags, **tags},
        description=f"{tags['Backup']} {volume.tags['Name']}",
    )


def _still_pending(snapshot: SnapshotSeed, day: date, until: datetime) -> SnapshotSeed:
    """Let a snapshot have begun late, so that it is pending when the run starts and completes during it."""
    return SnapshotSeed(
        account_id=snapshot.account_id,
        region=REGION,
        snapshot_id=snapshot.snapshot_id,
        volume_id=snapshot.volume_id,
        size_gib=snapshot.size_gib,
        start_time=datetime.combine(day, time(23, 52), UTC),
        full_snapshot_bytes=snapshot.full_snapshot_bytes,
        kms_key=snapshot.kms_key,
        state="pending",
        completes_at=until,
        tags=snapshot.tags,
        description=snapshot.description,
    )


def _before_upgrade(volume: VolumeSeed, day: date, dice: Random) -> SnapshotSeed:
    """Take a snapshot by hand that is not worth a copy, and says so by its tag."""
    key, value = EXCLUDING_TAG
    return _snapshot(volume, datetime.combine(day, time(14, 5), UTC), 2**33, dice, **{key: value})


def _of_today(volume: VolumeSeed, now: datetime, dice: Random) -> SnapshotSeed:
    """Take a snapshot after the interval: tomorrow's run copies it."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    return _snapshot(volume, midnight + (now - midnight) / 2, 2**33, dice, Backup="nightly")


def _new_id(prefix: str, dice: Random) -> str:
    return f"{prefix}-0{dice.getrandbits(64):016x}"


def _roles(names: Mapping[str, str], settings: Settings) -> Iterator[Role]:
    """Give each side its role, under the policy that ``policy show`` prints for these settings."""
    tooling = _arn("user", "airflow", TOOLING)
    source = render("source-role", settings, Choices())
    for account in names:
        yield Role(account, SOURCE_ROLE, trusts=(tooling,), policies=(source,))
    for role, policy, user in (
        (DR_ROLE, "dr-copy-role", "airflow"),
        (KEY_ADMIN_ROLE, "dr-key-admin-role", "airflow-keys"),
    ):
        policies = (render(policy, settings, Choices()),)
        yield Role(DR_ACCOUNT, role, trusts=(_arn("user", user),), policies=policies)


def _keys(names: Mapping[str, str], settings: Settings) -> Iterator[Key]:
    """Make each account's customer key (KMS-A) and the DR account's two; KMS-B is locked until a run opens it."""
    for account, name in names.items():
        yield Key(account, REGION, _key_a(account), (f"alias/{name}",))
    kms_b, kms_c = render("kms-b-locked", settings, Choices()), render("kms-c", settings, Choices())
    yield Key(DR_ACCOUNT, REGION, KMS_B.rpartition("/")[2], ("alias/kms-b",), kms_b)
    yield Key(DR_ACCOUNT, REGION, KMS_C.rpartition("/")[2], ("alias/kms-c",), kms_c)
