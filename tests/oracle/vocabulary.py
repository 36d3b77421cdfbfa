"""What generated policies and requests are made of: callers, actions, and condition keys with their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.oracle.pair import KEY_ACCOUNT, KEY_ID, Who

MEMBERS = ("111111111111", "222222222222")
FOREIGN = "888888888888"
ORGANIZATION = "o-orga000000001"
SERVICES = ("cloudtrail.amazonaws.com", "ec2.amazonaws.com", "logs.us-east-1.amazonaws.com")


def role(account: str, name: str = "dr-copy") -> str:
    """Name a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def user(account: str, name: str = "alice") -> str:
    """Name a user."""
    return f"arn:aws:iam::{account}:user/{name}"


def session(account: str, name: str = "dr-copy", of: str = "run-1") -> str:
    """Name a session of a role; its ARN leaves out the role's path."""
    return f"arn:aws:sts::{account}:assumed-role/{name}/{of}"


ACCOUNTS = (*MEMBERS, KEY_ACCOUNT, FOREIGN)
CALLERS = (
    *(Who(account, role(account), session(account)) for account in ACCOUNTS),
    *(Who(account, role(account, "backup/restore"), session(account, "restore")) for account in MEMBERS),
    *(Who(account, role(account, "dr-copy-2"), session(account, "dr-copy-2", "x@y.z")) for account in MEMBERS),
    *(Who(account, user(account)) for account in ACCOUNTS),
    *(Who(account, user(account, "team/bob")) for account in MEMBERS),
    *(Who(account, f"arn:aws:iam::{account}:root") for account in ACCOUNTS),
    *(Who("", service) for service in SERVICES),
)

CRYPTOGRAPHY = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
GRANTS = ("kms:CreateGrant", "kms:RevokeGrant", "kms:ListGrants")
ADMINISTRATION = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:GetKeyPolicy")
ACTIONS = ("kms:DescribeKey", *CRYPTOGRAPHY, *GRANTS, *ADMINISTRATION)

Kind = Literal["string", "arn", "bool", "date", "epoch", "numeric", "ip"]


@dataclass(frozen=True, slots=True)
class Key:
    """
    Describe a condition key.

    :param values: what a request may have, a condition may compare with.
    :param actions: those whose requests have the key.
    :param is_multi: whether it has several values, so that conditions need a set operator.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]
    actions: tuple[str, ...] = ACTIONS
    is_multi: bool = False


PATHS = tuple(f"{organization}/r-ab12/{rest}" for organization in (ORGANIZATION, "o-orgx000000001") for rest in (
    "", "ou-ab12-11111111/", "ou-ab12-11111111/ou-ab12-22222222/", "ou-ab12-33333333/",
))  # fmt: skip
TIMES = (
    "2026-03-11T00:30:00Z",
    "2026-03-11T00:30:00.500Z",
    "2026-03-11T02:30:00+02:00",
    "2026-03-11T00:29:59Z",
    "2026-03-11T00:30Z",
    "2026-03-11",
    "2026-03-12T00:00:00Z",
    "2025-12-31T23:59:59-05:00",
)
ADDRESSES = ("10.1.2.3", "10.1.3.4", "10.2.0.1", "192.0.2.77", "203.0.113.9", "2001:db8::1", "2001:db8:1::5")
OPERATIONS = ("Decrypt", "Encrypt", "GenerateDataKeyWithoutPlaintext", "CreateGrant", "DescribeKey")
AGES = ("0", "1", "300", "3600", "3600.5", "86400", "-1", "07")

KEYS = (
    Key("aws:PrincipalOrgID", "string", (ORGANIZATION, "o-orga000000002", "o-orgx000000001")),
    Key("kms:ViaService", "string", tuple(f"{name}.amazonaws.com" for name in (
        "ec2.us-east-1", "ec2.eu-west-1", "rds.us-east-1", "ec2xus-east-1"))),
    Key("kms:CallerAccount", "string", ACCOUNTS),
    Key("aws:PrincipalTag/Team", "string", ("core", "Core", "core.infra+1", "c*re", "co?e", "pay(ments)$", "${core}")),
    Key("aws:PrincipalTag/Owner", "string", ("core", "care", "c*re", "alice", "Alice", "al?ce")),
    Key("aws:ResourceOrgID", "string", (ORGANIZATION, "o-orgb000000001")),
    Key("aws:RequestedRegion", "string", ("us-east-1", "us-east-2", "eu-west-1")),
    Key("aws:SourceVpce", "string", ("vpce-0a1b2c3d", "vpce-0a1b2c3e")),
    Key("aws:SourceAccount", "string", ACCOUNTS),
    Key("kms:KeyOrigin", "string", ("AWS_KMS", "EXTERNAL")),
    Key("aws:PrincipalOrgPaths", "string", PATHS, is_multi=True),
    Key("aws:CalledVia", "string", ("ec2.amazonaws.com", "backup.amazonaws.com", "rds.amazonaws.com"), is_multi=True),
    Key("kms:GrantOperations", "string", OPERATIONS, ("kms:CreateGrant",), is_multi=True),
    Key("kms:EncryptionContextKeys", "string", ("aws:ebs:id", "Team", "team"), CRYPTOGRAPHY, is_multi=True),
    Key("aws:PrincipalArn", "arn", (*(caller.arn for caller in CALLERS if caller.account),)),
    Key("aws:SourceArn", "arn", (
        "arn:aws:ec2:us-east-1:111111111111:snapshot/snap-1",
        "arn:aws:ec2:us-east-1::snapshot/snap-1",
        "arn:aws:logs:us-east-1:111111111111:log-group:a:b",
        "arn:aws-cn:ec2:cn-north-1:111111111111:snapshot/snap-1",
    )),
    Key("kms:GrantIsForAWSResource", "bool", ("true", "false"), GRANTS),
    Key("aws:MultiFactorAuthPresent", "bool", ("true", "false")),
    Key("aws:SecureTransport", "bool", ("true", "false")),
    Key("aws:ViaAWSService", "bool", ("true", "false")),
    Key("aws:PrincipalIsAWSService", "bool", ("true", "false")),
    Key("aws:CurrentTime", "date", TIMES),
    Key("aws:TokenIssueTime", "date", TIMES),
    Key("aws:EpochTime", "epoch", ("1773188999", "1773189000", "1773189001", "0")),
    Key("aws:MultiFactorAuthAge", "numeric", AGES),
    Key("kms:ScheduleKeyDeletionPendingWindowInDays", "numeric", ("7", "8", "30"), ("kms:ScheduleKeyDeletion",)),
    Key("aws:SourceIp", "ip", ADDRESSES),
    Key("aws:VpcSourceIp", "ip", ADDRESSES),
)  # fmt: skip

#: Keys whose values are alike, so that one may be compared with a variable of another.
ALIKE = (
    ("aws:PrincipalAccount", "kms:CallerAccount", "aws:SourceAccount"),
    ("aws:PrincipalTag/Team", "aws:PrincipalTag/Owner", "aws:username"),
    ("aws:PrincipalOrgID", "aws:ResourceOrgID"),
)
KEY_IDS = (KEY_ID, "c0c0c0c0-0000-4000-8000-000000000001")
