"""The world that the tests of identities, organizations and keys share."""

import json
from typing import Any

import boto3
from botocore.config import Config

from snapshot_dr_provider.sandbox.world import Account, Key, Organization, Role, User, World

MANAGER, A, A2, SUSPENDED = "100000000000", "111111111111", "111111111112", "111111111113"
B, OUTSIDER = "222222222222", "333333333333"
ORG_A, ORG_B = "o-aaaaaaaaaa", "o-bbbbbbbbbb"
REGION = "us-east-1"

TOOLING = f"arn:aws:iam::{MANAGER}:user/tooling"
COPY, COPY_2 = f"arn:aws:iam::{A}:role/Copy", f"arn:aws:iam::{A2}:role/Copy"
POWERLESS = f"arn:aws:iam::{A}:role/Powerless"
EXTERNAL = f"arn:aws:iam::{A}:role/External"
DR_COPY, KEY_ADMIN = f"arn:aws:iam::{B}:role/DrCopy", f"arn:aws:iam::{B}:role/KeyAdmin"
STRANGER = f"arn:aws:iam::{OUTSIDER}:role/Stranger"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy; a statement allows and is about every resource unless it says otherwise."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements],
    }


def root_of(account_id: str) -> dict[str, str]:
    """Return the Principal element that names a whole account."""
    return {"AWS": f"arn:aws:iam::{account_id}:root"}


ALL = document({"Action": "*"})
KMS = document({"Action": "kms:*"})
KEY_A = Key(A, REGION, "aaaaaaaa-0000-0000-0000-000000000001", aliases=("alias/payments",))
KEY_B_POLICY = document(
    {"Sid": "Root", "Principal": root_of(B), "Action": "kms:*"},
    {
        "Sid": "OrgDescribe",
        "Principal": {"AWS": "*"},
        "Action": ["kms:DescribeKey", "kms:GenerateDataKey*"],
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": ORG_A}},
    },
    {
        "Sid": "OrgGrant",
        "Principal": {"AWS": "*"},
        "Action": "kms:CreateGrant",
        "Condition": {
            "StringEquals": {"aws:PrincipalOrgID": ORG_A, "kms:ViaService": f"ec2.{REGION}.amazonaws.com"},
            "Bool": {"kms:GrantIsForAWSResource": "true"},
        },
    },
)
KEY_B = Key(B, REGION, "bbbbbbbb-0000-0000-0000-000000000001", aliases=("alias/kms-b",), policy=KEY_B_POLICY)
KEY_C_POLICY = document({"Principal": {"AWS": DR_COPY}, "Action": "kms:*"})
KEY_C = Key(B, REGION, "cccccccc-0000-0000-0000-000000000001", aliases=("alias/kms-c",), policy=KEY_C_POLICY)

WORLD = World(
    organizations=(
        Organization(
            ORG_A,
            MANAGER,
            (
                Account(MANAGER, "management", "aws@example.com"),
                Account(A, "payments-prod", ou="Root/Workloads/Prod"),
                Account(A2, "payments-dev", ou="Root/Workloads/Dev"),
                Account(SUSPENDED, "closed", status="SUSPENDED", ou="Root/Graveyard"),
            ),
        ),
        Organization(ORG_B, B, (Account(B, "dr"),)),
    ),
    accounts=(Account(OUTSIDER, "outsider"),),
    roles=(
        Role(A, "Copy", trusts=(TOOLING,), policies=(ALL,)),
        Role(A2, "Copy", trusts=(MANAGER,), policies=(ALL,)),
        Role(A, "Powerless", trusts=(TOOLING,)),
        Role(A, "External", trusts=(TOOLING,), external_id="shared-secret"),
        Role(A, "Untrusting", trusts=(OUTSIDER,), policies=(ALL,)),
        Role(A, "Local", trusts=(f"arn:aws:iam::{A}:user/plain",)),
        Role(B, "DrCopy", trusts=(B,), policies=(ALL,)),
        Role(B, "KeyAdmin", trusts=(B,), policies=(KMS,)),
        Role(OUTSIDER, "Stranger", trusts=(OUTSIDER,), policies=(ALL,)),
    ),
    users=(
        User(MANAGER, "tooling", "AKIATOOLING000000000", "tooling", (ALL,)),
        User(A, "plain", "AKIAPLAIN00000000000", "plain"),
        User(A, "admin", "AKIAADMINA0000000000", "admin-a", (ALL,)),
        User(B, "admin", "AKIAADMINB0000000000", "admin-b", (ALL,)),
        User(OUTSIDER, "admin", "AKIAOUTSIDER00000000", "outsider", (ALL,)),
    ),
    keys=(KEY_A, KEY_B, KEY_C),
)

_KEYS = {f"{user.account_id}/{user.name}": (user.access_key_id, user.secret_access_key) for user in WORLD.users}
_ASSUMED_BY = {MANAGER: "tooling", A: "tooling", A2: "tooling", B: "admin", OUTSIDER: "admin"}


def client(url: str, service: str, credentials: tuple[str, ...], region: str = REGION) -> Any:
    """Return a client that signs with *credentials*: access key id, secret and, if there is one, session token."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
        aws_session_token=credentials[2] if len(credentials) > 2 else None,
        # The service's own checks are wanted, not those of the client.
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def as_user(url: str, service: str, name: str, region: str = REGION) -> Any:
    """Return a client of the user *name*, written ``account/user``."""
    return client(url, service, _KEYS[name], region)


def as_role(url: str, service: str, arn: str, region: str = REGION, **parameters: Any) -> Any:
    """Return a client of a session of the role *arn*, opened by a user whom it trusts."""
    return client(url, service, session_of(url, arn, **parameters), region)


def session_of(url: str, arn: str, **parameters: Any) -> tuple[str, str, str]:
    """Return the credentials of a new session of the role *arn*."""
    account_id = arn.split(":")[4]
    home = MANAGER if account_id in (A, A2) else account_id
    sts = as_user(url, "sts", f"{home}/{_ASSUMED_BY[account_id]}")
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="test", **parameters)["Credentials"]
    return answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]


def as_text(policy: dict[str, Any]) -> str:
    """Return *policy* as JSON."""
    return json.dumps(policy)
