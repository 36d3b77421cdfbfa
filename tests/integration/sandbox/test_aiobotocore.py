"""The asynchronous SDK, which deferrable operators of other providers use, reaches the sandbox as boto3 does."""

from __future__ import annotations

import asyncio

from aiobotocore.session import get_session

from tests import worlds


async def _copy_all(endpoint_url, ids):
    session = get_session()
    arguments = {"region_name": worlds.REGION, "endpoint_url": endpoint_url}
    user = {"aws_access_key_id": "AKIATOOLING000000000", "aws_secret_access_key": "secret-of-tooling"}
    role = f"arn:aws:iam::{worlds.account_id(1)}:role/SnapshotDr"
    async with session.create_client("sts", **arguments, **user) as sts:
        given = (await sts.assume_role(RoleArn=role, RoleSessionName="test"))["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    async with session.create_client("ec2", **arguments, **keys) as ec2:
        started = [
            ec2.copy_snapshot(
                SourceSnapshotId=snapshot_id,
                SourceRegion=worlds.REGION,
                Encrypted=True,
                KmsKeyId=worlds.kms_arn(worlds.DR, worlds.KMS_B_ID),
            )
            for snapshot_id in ids
        ]
        copies = [answer["SnapshotId"] for answer in await asyncio.gather(*started)]
        waiter = ec2.get_waiter("snapshot_completed")
        await waiter.wait(SnapshotIds=copies, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], PaginationConfig={"PageSize": 5})
        return copies, [snapshot["SnapshotId"] async for page in pages for snapshot in page["Snapshots"]]


def test_copies_waiters_and_pages_work_through_aiobotocore(sandbox):
    """Assumed roles, copies at once, a waiter and a paginator of aiobotocore see what boto3 would see."""
    world = worlds.world(accounts=1, snapshots=6, copy_seconds=0.5)
    sandbox.control.reset(world)
    copies, listed = asyncio.run(_copy_all(sandbox.endpoint_url, [seed.snapshot_id for seed in world.snapshots]))
    assert len(set(copies)) == len(world.snapshots)
    assert sorted(listed) == sorted([*copies, *(seed.snapshot_id for seed in world.snapshots)])
