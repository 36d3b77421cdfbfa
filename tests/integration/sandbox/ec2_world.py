"""The world that the tests of EC2 share, and short ways to call it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from snapshot_dr_provider.sandbox import Sandbox, World
from snapshot_dr_provider.sandbox.world import (
    ALLOW_ALL,
    Account,
    Behaviour,
    Key,
    Organization,
    Role,
    SnapshotSeed,
    User,
    VolumeSeed,
)

A, A2, DR, OUTSIDER = "111111111111", "222222222222", "999999999999", "555555555555"
ORG_A = "o-aaaaaaaaaa"
EAST, WEST = "us-east-1", "us-west-2"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
GIB = 1024**3

VOLUME, VOLUME_EBS, VOLUME_PLAIN = "vol-000000000000000a1", "vol-000000000000000a2", "vol-000000000000000a3"
SNAP, SNAP_EBS, SNAP_PLAIN = "snap-000000000000000a1", "snap-000000000000000a2", "snap-000000000000000a3"
SNAP_PENDING, SNAP_ARCHIVED = "snap-000000000000000a4", "snap-000000000000000a5"
UNKNOWN = "snap-00000000000000fff"


def allow(principal: str, *actions: str, **conditions: Mapping[str, str]) -> dict[str, Any]:
    """Return a key policy's statement that allows *actions* to *principal*."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": list(actions),
        "Resource": "*",
    }
    return {**statement, "Condition": conditions} if conditions else statement


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def deny(action: str, resource: str = "*") -> dict[str, Any]:
    """Return an identity policy that allows everything but *action* on *resource*."""
    return policy(
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": resource},
    )


def _kms_b(region: str) -> Key:
    via = {"aws:PrincipalOrgID": ORG_A, "kms:ViaService": f"ec2.{region}.amazonaws.com"}
    statements = (
        allow(f"arn:aws:iam::{DR}:root", "kms:*"),
        allow("*", "kms:DescribeKey", StringEquals={"aws:PrincipalOrgID": ORG_A}),
        allow("*", "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", StringEquals=via),
        allow("*", "kms:CreateGrant", StringEquals=via, Bool={"kms:GrantIsForAWSResource": "true"}),
    )
    return Key(DR, region, "bbbbbbbb-0000-4000-8000-000000000001", ("alias/kms-b",), policy(*statements))


KMS_A = Key(A, EAST, "aaaaaaaa-0000-4000-8000-000000000001", ("alias/app",))
KMS_B, KMS_B_WEST = _kms_b(EAST), replace(_kms_b(WEST), key_id="bbbbbbbb-0000-4000-8000-000000000002")
KMS_C = Key(DR, EAST, "cccccccc-0000-4000-8000-000000000001", ("alias/kms-c",))
KMS_C2 = Key(DR, EAST, "cccccccc-0000-4000-8000-000000000002")
DISABLED = Key(DR, EAST, "dddddddd-0000-4000-8000-000000000001", policy=KMS_B.policy, enabled=False)


def seed(snapshot_id: str, **changes: Any) -> SnapshotSeed:
    """Return a snapshot of account A under its own key, started three hours before the clock."""
    plain = SnapshotSeed(A, EAST, snapshot_id, VOLUME, 8, NOW - timedelta(hours=3), 3 * GIB, "alias/app")
    return replace(plain, **changes)


def make_world(**behaviour: Any) -> World:
    """Return the world, on a clock that stands still."""
    member = tuple(Account(each, f"account-{each[0]}") for each in (A, A2))
    users = tuple(User(each, "admin", f"AKIA{each}ADMN", "secret", (ALLOW_ALL,)) for each in (A, A2, DR, OUTSIDER))
    return World(
        organizations=(Organization(ORG_A, A, member), Organization("o-bbbbbbbbbb", DR, (Account(DR, "dr"),))),
        accounts=(Account(OUTSIDER, "outsider"),),
        users=users,
        keys=(KMS_A, KMS_B, KMS_B_WEST, KMS_C, KMS_C2, DISABLED),
        volumes=(
            VolumeSeed(A, EAST, VOLUME, 8, kms_key="alias/app", tags={"Name": "app"}),
            VolumeSeed(A, EAST, VOLUME_EBS, 20, kms_key="aws/ebs"),
            VolumeSeed(A, EAST, VOLUME_PLAIN, 4),
        ),
        snapshots=(
            seed(SNAP, tags={"Name": "app", "Tier": "gold"}, description="nightly app"),
            seed(SNAP_EBS, volume_id=VOLUME_EBS, size_gib=20, kms_key="aws/ebs", start_time=NOW - timedelta(days=1)),
            seed(SNAP_PLAIN, volume_id=VOLUME_PLAIN, size_gib=4, kms_key=None, tags={"Tier": "silver"}),
            seed(SNAP_PENDING, state="pending", completes_at=NOW + timedelta(hours=1)),
            seed(SNAP_ARCHIVED, storage_tier="archive"),
        ),
        behaviour=Behaviour(clock=NOW, clock_rate=0.0, **behaviour),
    )


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@cache
def _client(service: str, region: str, endpoint_url: str, credentials: tuple[str, str, str | None]) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20, max_pool_connections=40)
    return _session().client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
        aws_session_token=credentials[2],
        config=config,
    )


class Cloud:
    """Call the sandbox as one account or another, without the SDK's retries."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.control = sandbox, sandbox.control

    def client(self, service: str, account_id: str = A, region: str = EAST) -> Any:
        """Return a client of the account's administrator."""
        return _client(service, region, self.sandbox.endpoint_url, (f"AKIA{account_id}ADMN", "secret", None))

    def ec2(self, account_id: str = A, region: str = EAST) -> Any:
        """Return an EC2 client of the account's administrator."""
        return self.client("ec2", account_id, region)

    def ec2_with(self, *policies: Mapping[str, Any], account_id: str = A) -> Any:
        """Return an EC2 client of a role that has exactly these identity policies."""
        admin = f"arn:aws:iam::{account_id}:user/admin"
        self.control.put_role(Role(account_id, "Worker", (admin,), tuple(policies)))
        arn = f"arn:aws:iam::{account_id}:role/Worker"
        answer = self.client("sts", account_id).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        keys = answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]
        return _client("ec2", EAST, self.sandbox.endpoint_url, keys)

    def copy(self, source: str = SNAP, *, client: Any = None, key: str | None = KMS_B.arn, **more: Any) -> str:
        """Start a copy, by account A under KMS-B unless said otherwise, and return its id."""
        keys = {"KmsKeyId": key, "Encrypted": True} if key else {}
        request = {"SourceSnapshotId": source, "SourceRegion": EAST, **keys, **more}
        answer: str = (client or self.ec2()).copy_snapshot(**request)["SnapshotId"]
        return answer

    def copied(self, source: str = SNAP, **more: Any) -> str:
        """Make a copy and let it complete."""
        snapshot_id = self.copy(source, **more)
        self.control.advance(60)
        return snapshot_id

    def share(self, snapshot_id: str, *accounts: str) -> None:
        """Share a snapshot of account A."""
        self.ec2().modify_snapshot_attribute(
            SnapshotId=snapshot_id,
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=list(accounts),
        )

    def show(self, snapshot_id: str, account_id: str = A, region: str = EAST) -> dict[str, Any]:
        """Return a snapshot as DescribeSnapshots shows it."""
        found: dict[str, Any] = self.ec2(account_id, region).describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][
            0
        ]
        return found

    def truth(self, snapshot_id: str) -> dict[str, Any]:
        """Return a snapshot as the sandbox knows it."""
        return next(each for each in self.control.snapshots() if each["id"] == snapshot_id)


def refusal(call: Any, **arguments: Any) -> tuple[str, int, str]:
    """Return code, status and message of the error that *call* ends with."""
    try:
        call(**arguments)
    except ClientError as error:
        status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"], status, error.response["Error"]["Message"]
    message = f"{call} was not refused"
    raise AssertionError(message)
