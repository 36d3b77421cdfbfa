"""
Key policies that are ready to apply: KMS-B open, as the user's document has it, and locked, and KMS-C.

Documents are data in the order in which people read them. Account-B's root statement always comes first: without it the
key can become unmanageable (aws 9.9).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from snapshot_dr_provider.domain.key_policy.facts import Surroundings

Document = dict[str, Any]
"""A policy, or a part of one, as JSON has it."""


class Basis(Enum):
    """
    Say why an action is in a policy.

    *Evaluated*: AWS refuses without it. What EC2 asks of KMS for its caller was observed by a third party and is no
    promise of AWS (aws 2.2). *Documented only*: AWS's documentation lists it, and nobody saw it asked for (aws 2.1).
    """

    EVALUATED = "evaluated"
    DOCUMENTED = "documented only"


COPY_ACTIONS: Final[Mapping[str, Basis]] = {
    "kms:DescribeKey": Basis.EVALUATED,
    "kms:GenerateDataKeyWithoutPlaintext": Basis.EVALUATED,
    "kms:CreateGrant": Basis.EVALUATED,
    "kms:GenerateDataKey": Basis.DOCUMENTED,
    "kms:Encrypt": Basis.DOCUMENTED,
    "kms:Decrypt": Basis.DOCUMENTED,
    "kms:ReEncryptFrom": Basis.DOCUMENTED,
    "kms:ReEncryptTo": Basis.DOCUMENTED,
}
"""
What a copy needs of the key that it is under (aws 2.1, 2.2); of the key that it is read from, CreateGrant (aws 2.2).

AWS writes the last two as ``kms:ReEncrypt*``. ``kms:Encrypt`` is among what it lists for the EBS direct APIs alone, and
incremental copies use a grant for it (aws 2.1, 2.3).
"""

ACTIONS_OF_EC2: Final = tuple(action for action in COPY_ACTIONS if action not in {"kms:DescribeKey", "kms:CreateGrant"})
"""Those that may only come through EC2. CreateGrant is told apart, since its condition is its own (aws 2.4)."""


@dataclass(frozen=True, slots=True)
class Trust:
    """
    Say whom a key is for.

    :param organization_id: Org-A, which copies under KMS-B.
    :param dr_account_id: Account-B, which owns the key.
    :param region: of the key; the one whose EC2 may use it (aws 2.8).
    :param role_name: pins the organization's copies to the roles of this name, with its path if it has one (aws 2.7).
    :param restore_role_arns: roles of the organization that may restore volumes from KMS-B copies.
    """

    organization_id: str
    dr_account_id: str
    region: str
    partition: str = "aws"
    role_name: str | None = None
    restore_role_arns: tuple[str, ...] = ()

    @classmethod
    def around(cls, key: Surroundings, *, pin: bool = False) -> Trust:
        """Take over what is known around a key, and the pin only if it is asked for."""
        role = key.role_name if pin else None
        return cls(key.organization_id, key.dr_account_id, key.region, key.partition, role)


def kms_b_policy(trust: Trust) -> Document:
    """Let the organization copy under KMS-B through EC2, and nothing else."""
    return _policy(trust, *copy_statements(trust), *restore_statements(trust))


def kms_b_wide_policy(trust: Trust) -> Document:
    """
    Write KMS-B's policy with ``kms:*`` for the organization through EC2.

    It works, and grants more than a copy needs: grants for others than AWS services too. What administers a key has
    no effect across accounts (aws 2.6).
    """
    return _policy(trust, administer_statement(trust), *restore_statements(trust))


def kms_b_locked_policy(trust: Trust) -> Document:
    """Let the organization see KMS-B and do nothing with it; hop 2 and B's restores live on B's own (aws 9.10)."""
    return _policy(trust, describe_statement(trust), *restore_statements(trust))


def kms_c_policy(trust: Trust) -> Document:
    """Let nobody but Account-B, and within it whom IAM lets."""
    return _policy(trust)


def root_statement(trust: Trust) -> Document:
    """Hand the key to its own account (aws 9.9)."""
    root = f"arn:{trust.partition}:iam::{trust.dr_account_id}:root"
    return {"Sid": "AccountB", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}


def copy_statements(trust: Trust) -> tuple[Document, Document, Document]:
    """
    Write the three statements that a copy under KMS-B needs (aws 2.7).

    Three, because DescribeKey is called directly before a copy, and because no request but those about grants says
    whether it is for an AWS resource (aws 2.4).
    """
    return describe_statement(trust), use_statement(trust), grant_statement(trust)


def describe_statement(trust: Trust) -> Document:
    """Let the organization read state and ARN of the key, as a copy and a share do (aws 1.10, 2.2)."""
    return _for_organization(trust, "OrganizationMayDescribe", "kms:DescribeKey", through_ec2=False)


def use_statement(trust: Trust) -> Document:
    """Let EC2 use the key in the name of the organization."""
    return _for_organization(trust, "OrganizationMayCopyThroughEc2", list(ACTIONS_OF_EC2))


def grant_statement(trust: Trust) -> Document:
    """Let EC2 make grants of the key in the name of the organization, for AWS resources only (aws 2.4)."""
    statement = _for_organization(trust, "OrganizationMayGrantToEc2", "kms:CreateGrant")
    return _for_aws_resources(statement)


def administer_statement(trust: Trust) -> Document:
    """Let the organization do everything through EC2, as the user's document has it."""
    return _for_organization(trust, "OrganizationMayUseThroughEc2", "kms:*")


def restore_statements(trust: Trust) -> tuple[Document, ...]:
    """
    Let some roles of the organization restore volumes from KMS-B copies; nothing where there are none.

    Each of them can copy as well, the window notwithstanding, once an earlier copy under the key lends its data key:
    CreateGrant is enough then (aws 2.2). What a restore needs is documented, not observed (aws 2.1).
    """
    if not trust.restore_role_arns:
        return ()
    statements = (
        _for_organization(trust, "RestoreRolesMayReadThroughEc2", ["kms:Decrypt", "kms:ReEncryptFrom"]),
        _for_aws_resources(_for_organization(trust, "RestoreRolesMayGrantToEc2", "kms:CreateGrant")),
    )
    for statement in statements:
        statement["Condition"]["ArnEquals"] = {"aws:PrincipalArn": list(trust.restore_role_arns)}
        # A restore role has a name of its own: the pin of the copies would shut it out.
        statement["Condition"].pop("ArnLike", None)
    return statements


def via_ec2(*regions: str) -> str | list[str]:
    """Name EC2 in some Regions as ``kms:ViaService`` does; its names end alike in all partitions (aws 2.8)."""
    names = [f"ec2.{region}.amazonaws.com" for region in regions]
    return names[0] if len(names) == 1 else names


def write_json(document: Document) -> str:
    """Write a policy as a text that can be applied and reviewed."""
    return json.dumps(document, indent=2) + "\n"


def _policy(trust: Trust, *statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": [root_statement(trust), *statements]}


def _for_organization(trust: Trust, sid: str, action: str | list[str], *, through_ec2: bool = True) -> Document:
    """Allow an action to everybody who is in the organization, and who comes through EC2 unless it does not matter."""
    equals: Document = {"aws:PrincipalOrgID": trust.organization_id}
    condition: Document = {"StringEquals": equals}
    if through_ec2:
        equals["kms:ViaService"] = via_ec2(trust.region)
        if trust.role_name:
            role = f"arn:{trust.partition}:iam::*:role/{trust.role_name}"
            condition["ArnLike"] = {"aws:PrincipalArn": role}
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": action,
        "Resource": "*",
        "Condition": condition,
    }


def _for_aws_resources(statement: Document) -> Document:
    return {**statement, "Condition": {**statement["Condition"], "Bool": {"kms:GrantIsForAWSResource": "true"}}}
