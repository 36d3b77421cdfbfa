"""What a case of the corpus is made of, and the statements that its policies are put together from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

ORGANIZATION = "o-orga000000001"
"""Org-A, whose accounts copy."""

FOREIGN_ORGANIZATION = "o-orgx000000001"
DR = "999999999999"
"""Account-B, which owns the key and is in an organization of its own."""

MEMBER = "111111111111"
"""An account that is in Org-A, unless a case says that nobody knows."""

FOREIGN = "888888888888"
"""An account that is in nobody's organization."""

REGION = "us-east-1"
EC2 = f"ec2.{REGION}.amazonaws.com"
ROLE = "dr-copy"
NOW = datetime(2026, 3, 11, 0, 30, tzinfo=UTC)
"""The time of asking."""

USE = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*")
ADMINISTRATION_TOO = ("kms:*",)

Topic = Literal[
    "administration",
    "copy-permissions",
    "documented-permissions",
    "foreign-organization",
    "grant-not-for-aws-resource",
    "kms-c-outside",
    "loose-match",
    "outside-access",
    "root-statement",
    "size",
    "via-service",
]
"""What a rule is about. ``loose-match`` is IfExists or ForAllValues where a hard match is needed."""

Reply = Literal["yes", "no", "undecided"]
Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """Hold the true answers; the defaults are those of the policy that everybody should have."""

    outside_org_can_use: Reply = "no"
    org_can_use_outside_ec2: Reply = "no"
    org_can_copy: Reply = "yes"
    org_can_administer: Reply = "no"
    root_statement: Reply = "yes"

    def to_json(self) -> dict[str, str]:
        """Write the answers as ``airflow snapshot-dr policy audit --json`` does."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Case:
    """
    Hold a key policy and what is true of it.

    :param about: one sentence: what the policy does right or wrong.
    :param rules: what the rules have to fail (or leave undecided) on; they may also find more.
    :param verdict: of the whole, failing from high severity on; ``None`` where it depends on how the key is run.
    :param role: name of the role that copies, where it is known.
    :param members: accounts that are known to be in Org-A.
    """

    name: str
    about: str
    policy: dict[str, Any]
    answers: Answers
    rules: frozenset[Topic] = frozenset()
    verdict: Literal["PASS", "FAIL", "UNDECIDED"] | None = "PASS"
    kind: Literal["kms-b", "kms-c"] = "kms-b"
    role: str | None = None
    members: frozenset[str] = field(default=frozenset({MEMBER}))

    @property
    def text(self) -> str:
        """Write the policy as a file holds it."""
        return json.dumps(self.policy)


def document(*statements: Statement, version: str = "2012-10-17") -> dict[str, Any]:
    """Put statements together; no version writes none."""
    return {**({"Version": version} if version else {}), "Statement": list(statements)}


def allow(
    actions: str | tuple[str, ...],
    *conditions: dict[str, Any],
    principal: object = "*",
    sid: str = "Organization",
    effect: str = "Allow",
) -> Statement:
    """Allow actions to everybody whom the conditions leave; ``principal`` is an AWS principal or a whole element."""
    merged: dict[str, Any] = {}
    for condition in conditions:
        for operator, keys in condition.items():
            merged.setdefault(operator, {}).update(keys)
    return {
        "Sid": sid,
        "Effect": effect,
        "Principal": principal if isinstance(principal, dict) else {"AWS": principal},
        "Action": actions if isinstance(actions, str) else list(actions),
        "Resource": "*",
        **({"Condition": merged} if merged else {}),
    }


def deny(
    actions: str | tuple[str, ...], *conditions: dict[str, Any], principal: object = "*", sid: str = "Closed"
) -> Statement:
    """Deny actions to everybody whom the conditions leave."""
    return allow(actions, *conditions, principal=principal, sid=sid, effect="Deny")


def root_arn(account: str) -> str:
    """Name a whole account."""
    return f"arn:aws:iam::{account}:root"


ROOT = allow("kms:*", principal=root_arn(DR), sid="AccountB")
IN_ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}
THROUGH_EC2 = {"StringEquals": {"kms:ViaService": EC2}}
FOR_AWS = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
BY_ROLE = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{ROLE}"}}


def least(
    organization: dict[str, Any] | None = IN_ORGANIZATION,
    through: dict[str, Any] | None = THROUGH_EC2,
    grant: dict[str, Any] | None = FOR_AWS,
    also: dict[str, Any] | None = None,
) -> tuple[Statement, Statement, Statement]:
    """Write the three least-privilege statements (aws 2.7), each condition replaced or left out as a case has it."""
    who, via, grants, more = ([each] if each else [] for each in (organization, through, grant, also))
    return (
        allow("kms:DescribeKey", *who, *more, sid="OrganizationMayDescribe"),
        allow(USE, *who, *via, *more, sid="OrganizationMayUse"),
        allow("kms:CreateGrant", *who, *via, *grants, *more, sid="OrganizationMayGrant"),
    )


def until(moment: str) -> dict[str, dict[str, str]]:
    """End an Allow at a moment."""
    return {"DateLessThan": {"aws:CurrentTime": moment}}
