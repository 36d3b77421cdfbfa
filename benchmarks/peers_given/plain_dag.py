"""
Copy the snapshots of a day into the DR account, as written in an afternoon: mapped tasks and boto3's waiters.

Entering an account is the AWS profile's business. The group is mapped over the snapshots, so that one that fails does
not hold up the others.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import Any, Final

import boto3
from airflow.sdk import dag, task, task_group

ACCOUNTS: Final = os.environ["ACCOUNTS"].split()
DR: Final = os.environ["DR"]
REGION: Final = os.environ["REGION"]
KMS_B: Final = os.environ["KMS_B"]
KMS_C: Final = os.environ["KMS_C"]
COPY_SECONDS: Final = float(os.environ["COPY_SECONDS"])
WAIT: Final = {"Delay": max(1, round(COPY_SECONDS / 10)), "MaxAttempts": 600}
"""Asks some ten times a copy, and long enough for a copy that takes sixty times as long."""

# Airflow's default delay is 5 minutes: a third of what a copy of a quarter of an hour takes.
RETRIES: Final = {"retries": 2, "retry_delay": timedelta(seconds=COPY_SECONDS / 3)}
AT_ONCE: Final = int(os.environ["AT_ONCE"]) if os.environ.get("AT_ONCE") else None
"""How many copies may be started and awaited at a time in the DR account; without it, as many as there are slots."""


@cache
def client(profile: str) -> Any:
    """Enter an account, once in each process."""
    return boto3.Session(profile_name=profile, region_name=REGION).client("ec2")


def create_copy(profile: str, key: str, snapshot_id: str, source: str) -> str:
    """Start a copy that names its source, and return its id."""
    copy: str = client(profile).copy_snapshot(
        SourceRegion=REGION,
        SourceSnapshotId=snapshot_id,
        Encrypted=True,
        KmsKeyId=key,
        Description=f"copy of {source}",
        TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": "SourceSnapshotId", "Value": source}]},
        ],
    )["SnapshotId"]
    return copy


def wait_for(profile: str, snapshot_id: str) -> None:
    """Wait until a copy is completed."""
    client(profile).get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot_id], WaiterConfig=WAIT)


@task
def list_snapshots(day: str, next_day: str) -> list[dict[str, str]]:
    """List what was taken on the day in all accounts, without the copies and what the DR account has already."""
    found = []
    pages = client("dr-account").get_paginator("describe_snapshots").paginate(OwnerIds=["self"])
    there = {tag["Value"] for page in pages for each in page["Snapshots"] for tag in each.get("Tags", ())}
    for account in ACCOUNTS:
        pages = client(account).get_paginator("describe_snapshots").paginate(OwnerIds=["self"])
        found += [
            {"account": account, "id": each["SnapshotId"]}
            for page in pages
            for each in page["Snapshots"]
            if day <= each["StartTime"].isoformat() < next_day
            and each.get("KmsKeyId") != KMS_B
            and each["SnapshotId"] not in there
        ]
    return found


@task
def copy_to_kms_b(snapshot: dict[str, str]) -> str:
    """Start the copy that the DR account can read."""
    return create_copy(snapshot["account"], KMS_B, snapshot["id"], snapshot["id"])


@task
def wait_for_kms_b(snapshot: dict[str, str], copy: str) -> str:
    """Wait for it."""
    wait_for(snapshot["account"], copy)
    return copy


@task
def share(snapshot: dict[str, str], copy: str) -> str:
    """Let the DR account see it."""
    client(snapshot["account"]).modify_snapshot_attribute(
        SnapshotId=copy, Attribute="createVolumePermission", OperationType="add", UserIds=[DR]
    )
    return copy


@task
def copy_to_kms_c(snapshot: dict[str, str], copy: str) -> str:
    """Start the DR account's own copy."""
    return create_copy("dr-account", KMS_C, copy, snapshot["id"])


@task
def wait_for_kms_c(copy: str) -> str:
    """Wait for it."""
    wait_for("dr-account", copy)
    return copy


@task(max_active_tis_per_dag=AT_ONCE)
def copy_to_kms_c_and_wait(snapshot: dict[str, str], copy: str) -> str:
    """Do both in one task, so that a cap on its instances is one on the copies in flight."""
    started = create_copy("dr-account", KMS_C, copy, snapshot["id"])
    wait_for("dr-account", started)
    return started


@task
def delete(snapshot: dict[str, str], copy: str) -> None:
    """Delete what the DR account has its own copy of."""
    client(snapshot["account"]).delete_snapshot(SnapshotId=copy)


@task_group
def chain(snapshot: dict[str, str]) -> None:
    """Take one snapshot all the way."""
    copied: Any = copy_to_kms_b(snapshot)
    completed: Any = wait_for_kms_b(snapshot, copied)
    shared: Any = share(snapshot, completed)
    there: Any = copy_to_kms_c_and_wait(snapshot, shared) if AT_ONCE else copy_to_kms_c(snapshot, shared)
    (there if AT_ONCE else wait_for_kms_c(there)) >> delete(snapshot, shared)


@dag(schedule=None, default_args=RETRIES)
def plain() -> None:
    """Copy the snapshots of a day."""
    chain.expand(snapshot=list_snapshots(os.environ["DAY"], os.environ["NEXT_DAY"]))


DAG: Final = plain()
