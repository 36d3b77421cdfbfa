"""Small worlds for tests: Org-A accounts with snapshots, a DR account with two keys, and the roles to enter them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from snapshot_dr_provider.sandbox import SandboxControl, World
from snapshot_dr_provider.sandbox.world import (
    ALLOW_ALL,
    PLACEHOLDER_VOLUME_ID,
    Account,
    Behaviour,
    Key,
    Organization,
    Role,
    SnapshotSeed,
    User,
)

ORG_A = "o-orga000000001"
ORG_B = "o-orgb000000001"
TOOLING = "100000000000"
DR = "999999999999"
REGION = "us-east-1"
DAY = datetime(2026, 3, 10, tzinfo=UTC)
"""The day whose snapshots a run copies."""

NOW = DAY + timedelta(days=1, minutes=30)
"""When the run starts."""

KMS_B_ID = "b0b0b0b0-0000-4000-8000-000000000001"
KMS_C_ID = "c0c0c0c0-0000-4000-8000-000000000001"

RESTORE = User(DR, "restore", "AKIARESTORE000000000", "secret-of-restore", (ALLOW_ALL,))
"""Who restores volumes in the DR account; the DAG does not know it."""

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def example_policy(name: str, region: str = REGION) -> dict[str, Any]:
    """Read one of the policies that the docs tell people to use, so that every test runs under exactly these."""
    text = (EXAMPLES / f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text.replace("o-exampleorga1", ORG_A).replace("us-east-1", region))
    return document


COPY_POLICY = example_policy("source-role-policy")
DR_POLICY = example_policy("dr-role-policy")

KEY_ADMIN = User(
    DR, "key-admin", "AKIAKEYADMIN00000000", "secret-of-key-admin", (example_policy("dr-key-admin-role-policy"),)
)
"""Who writes the key policy of KMS-B, and can do nothing else."""


def account_id(number: int) -> str:
    """Give the id of an Org-A account, counted from 1: 111111111111, 222222222222, ..."""
    return str(number) * 12 if number < 9 else f"{200000000000 + number}"  # 999999999999 is the DR account


def kms_arn(owner: str, key_id: str, region: str = REGION) -> str:
    """Name a key by its ARN."""
    return f"arn:aws:kms:{region}:{owner}:key/{key_id}"


def kms_a_id(account: str) -> str:
    """Name the customer key of an Org-A account."""
    return f"a0a0a0a0-0000-4000-8000-{account}"


def org_policy(region: str = REGION) -> dict[str, Any]:
    """Read the key policy of KMS-B: the DR account, and the organization through EC2 in one Region (aws 2.7)."""
    return example_policy("kms-b-key-policy", region)


def rendered_policy(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Render a policy as ``airflow snapshot-dr policy show`` does from a settings file with that content."""
    # Not above: it imports Airflow and the AWS SDK, which most who use these worlds do without.
    from snapshot_dr_provider.cli.policy.documents import Choices, render
    from snapshot_dr_provider.settings import Settings

    return render(name, Settings.model_validate(settings), Choices())


def locked_policy(region: str = REGION) -> dict[str, Any]:
    """Read the policy of a KMS-B that only a window opens: the DR account's, and DescribeKey for the organization."""
    return example_policy("kms-b-locked-key-policy", region)


def source(
    account: str, number: int, *, start: datetime | None = None, region: str = REGION, **changes: Any
) -> SnapshotSeed:
    """Seed one completed snapshot of a volume of its own, under the account's KMS-A, taken at noon of DAY."""
    values: dict[str, Any] = {
        "account_id": account,
        "region": region,
        "snapshot_id": f"snap-{int(account[:1]):01x}{number:016x}",
        "volume_id": f"vol-{int(account[:1]):01x}{number:016x}",
        "size_gib": 8 + number,
        "start_time": start or DAY + timedelta(hours=12, minutes=number),
        "full_snapshot_bytes": (8 + number) * 2**29,
        "kms_key": kms_a_id(account),
        "encrypted": True,
        "tags": {"Name": f"data-{number}"},
    }
    return SnapshotSeed(**{**values, **changes})


def copy_of(
    source: SnapshotSeed, stage: str, number: int, *, start: datetime | None = None, **changes: Any
) -> SnapshotSeed:
    """Seed a copy of a source as an earlier run leaves it: under KMS-B beside it, or under KMS-C in the DR account."""
    key = kms_arn(DR, {"kms-b": KMS_B_ID, "kms-c": KMS_C_ID}[stage])
    values: dict[str, Any] = {
        "account_id": source.account_id if stage == "kms-b" else DR,
        "region": REGION,
        "snapshot_id": f"snap-{stage[-1]}{int(source.account_id[:1]):01x}{number:015x}",
        "volume_id": PLACEHOLDER_VOLUME_ID,
        "size_gib": source.size_gib,
        "start_time": start or source.start_time + timedelta(hours=1),
        "full_snapshot_bytes": source.full_snapshot_bytes,
        "kms_key": key,
        "encrypted": True,
        "description": f"snapshot-dr {stage} copy of {source.snapshot_id} in {source.account_id} {source.region}",
        "tags": lineage_tags(source, stage, key),
    }
    return SnapshotSeed(**{**values, **changes})


def lineage_tags(source: SnapshotSeed, stage: str, key: str, run: str = "an earlier run") -> dict[str, str]:
    """Write the tags that tie a copy to its source."""
    return {
        "SourceAccount": source.account_id,
        "SourceSnapshotId": source.snapshot_id,
        "kms:key-id": key,
        "SourceRegion": source.region,
        "SourceVolumeId": source.volume_id,
        "SourceStartTime": source.start_time.isoformat(),
        "snapshot-dr:stage": stage,
        "snapshot-dr:run": run,
    }


def world(
    accounts: int = 2,
    snapshots: int = 3,
    *,
    seeds: Sequence[SnapshotSeed] | None = None,
    regions: Sequence[str] = (REGION,),
    locked: bool = False,
    **behaviour: Any,
) -> World:
    """
    Build an organization with some accounts, each with the same number of snapshots of DAY.

    :param locked: whether the organization can use KMS-B in a window only.
    """
    kms_b_policy = locked_policy if locked else org_policy
    ids = [account_id(number) for number in range(1, accounts + 1)]
    if seeds is None:
        seeds = [source(account, number) for account in ids for number in range(1, snapshots + 1)]
    members = (Account(TOOLING, "tooling"), *(Account(i, f"team-{n}") for n, i in enumerate(ids, 1)))
    keys = [Key(account, region, kms_a_id(account)) for account in ids for region in regions]
    for region in regions:
        keys += [Key(DR, region, KMS_B_ID, policy=kms_b_policy(region)), Key(DR, region, KMS_C_ID)]
    return World(
        organizations=(
            Organization(ORG_A, TOOLING, members),
            Organization(ORG_B, DR, (Account(DR, "disaster-recovery"),)),
        ),
        roles=tuple(
            Role(account, "SnapshotDr", trusts=(f"arn:aws:iam::{TOOLING}:user/airflow",), policies=(COPY_POLICY,))
            for account in ids
        ),
        users=(
            User(TOOLING, "airflow", "AKIATOOLING000000000", "secret-of-tooling", (ALLOW_ALL,)),
            User(DR, "airflow", "AKIADR00000000000000", "secret-of-dr", (DR_POLICY,)),
            RESTORE,
            KEY_ADMIN,
        ),
        keys=tuple(keys),
        snapshots=tuple(seeds),
        behaviour=Behaviour(**{"copy_seconds": 1.0, "refusal_seconds": 0.2, "clock": NOW, **behaviour}),
    )


def settings(world: World, **changes: Any) -> dict[str, Any]:
    """Write the settings that go with a world."""
    members = [a for o in world.organizations if o.id == ORG_A for a in o.accounts if a.id != TOOLING]
    return {
        "organization_id": ORG_A,
        "dr_account": {"account_id": DR, "aws_conn_id": "aws_dr"},
        "destinations": {REGION: {"kms_b": kms_arn(DR, KMS_B_ID), "kms_c": kms_arn(DR, KMS_C_ID)}},
        "source_regions": {REGION: REGION},
        "accounts": {"static": [{"account_id": member.id, "name": member.name} for member in members]},
        "source_connection": {"aws_conn_id": "aws_tooling", "role_name": "SnapshotDr"},
        "tuning": {"settle_seconds": 1, "poll_seconds": 0.3, "first_fire_seconds": 0, "max_attempts": 2},
        **changes,
    }


def managed_window(**tuning: Any) -> dict[str, Any]:
    """Write the settings under which each run opens KMS-B and locks it, with waits as short as a sandbox allows."""
    dr_account = {"account_id": DR, "aws_conn_id": "aws_dr", "key_admin_aws_conn_id": "aws_dr_key_admin"}
    fast = {"settle_seconds": 0.5, "poll_seconds": 0.1, "first_fire_seconds": 0, "max_attempts": 2}
    waits = {"policy_settle_seconds": 0.2, "lock_down_wait_seconds": 0}
    return {"kms_b_window": "per_run", "dr_account": dr_account, "tuning": {**fast, **waits, **tuning}}


def connections(world: World) -> Mapping[str, str]:
    """Write the Airflow connections that go with a world, as environment variables."""
    names = {"aws_tooling": TOOLING, "aws_dr": DR}
    users = {name: next(user for user in world.users if user.account_id == i) for name, i in names.items()}
    if KEY_ADMIN in world.users:
        users["aws_dr_key_admin"] = KEY_ADMIN
    return {
        f"AIRFLOW_CONN_{name.upper()}": f"aws://{user.access_key_id}:{user.secret_access_key}@/"
        for name, user in users.items()
    }


def forbid(control: SandboxControl, account: str, action: str) -> None:
    """Take a permission from the role by which the DAG enters an account."""
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
    control.put_role_policies(account, "SnapshotDr", [COPY_POLICY, deny])


def permit(control: SandboxControl, account: str) -> None:
    """Give that role its permissions back."""
    control.put_role_policies(account, "SnapshotDr", [COPY_POLICY])


def write_settings(path: Any, document: Mapping[str, Any]) -> str:
    """Write a settings file and answer its path."""
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
    return str(path)
