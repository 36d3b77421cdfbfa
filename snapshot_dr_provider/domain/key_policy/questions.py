"""
Ask policies who can do what.

*Outside* is who is neither in the organization nor in the account that owns the key. *Use* is to decrypt, to get data
keys, to re-encrypt and to make grants. Identity policies of the callers are taken to allow everything: the question is
what the key's own policies leave possible (aws 2.5).

A question whether anybody can is answered by finding somebody: *yes* names him, *no* needs an example of every kind of
request that the policy can tell apart, and all else is *undecided*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from snapshot_dr_provider.domain.key_policy.facts import Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.policy import Policy, Statement
from snapshot_dr_provider.domain.key_policy.scenes import Path, Stage
from snapshot_dr_provider.domain.key_policy.searching import QuestionAnswer, anybody, everybody, statements_of

USE: Final = (
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:CreateGrant",
)

DESCRIBE: Final = "kms:DescribeKey"

COPY: Final = (DESCRIBE, "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant")
"""What a copy under a key was seen to need of it. Observed by a third party, not promised (aws 2.2)."""

ADMINISTER: Final = (
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:CancelKeyDeletion",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKeyRotation",
    "kms:DeleteImportedKeyMaterial",
    "kms:ReplicateKey",
    "kms:RevokeGrant",
    "kms:RetireGrant",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:CreateAlias",
    "kms:UpdateAlias",
    "kms:DeleteAlias",
    "kms:UpdateKeyDescription",
)

KEEP: Final = ("kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:DescribeKey", "kms:Decrypt", "kms:CreateGrant")
"""What the owner of a key has to be able to do with it, so that it stays manageable and hop 2 works (aws 9.9, 9.10)."""


def answers(policies: Sequence[Policy], around: Surroundings) -> dict[str, QuestionAnswer]:
    """Answer the questions that are asked of every key, by the names under which reports have them."""
    return {
        "outside_org_can_use": can_outside_use(policies, around),
        "org_can_use_outside_ec2": can_organization_use_outside_ec2(policies, around),
        "org_can_copy": can_organization_copy(policies, around),
        "org_can_administer": can_organization_administer(policies, around),
        "root_statement": does_root_statement_stand(policies, around),
    }


def can_outside_use(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """Ask whether anybody outside can use the key."""
    return anybody(policies, around, USE, Stage.outsiders, Stage.paths)


def can_anybody_but_owner_use(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """Ask whether anybody outside of the account that owns the key can use it, the organization included."""
    return anybody(policies, around, USE, lambda stage: stage.outsiders(members_too=True), Stage.paths)


def can_organization_use_outside_ec2(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """Ask whether anybody of the organization can use the key other than through EC2 in the Region of the key."""
    return anybody(
        policies, around, USE, Stage.members, lambda stage: [path for path in stage.paths() if path != stage.ec2]
    )


def can_organization_administer(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """
    Ask whether the policy allows administration to anybody of the organization.

    AWS gives most of it no effect across accounts; revoking and retiring grants has one (aws 2.6).
    """
    return anybody(policies, around, ADMINISTER, Stage.members, Stage.paths)


def can_organization_grant_directly(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """Ask whether anybody of the organization can grant the key by himself, not through an AWS service (aws 2.4)."""
    return anybody(policies, around, ("kms:CreateGrant",), Stage.members, lambda _: [Path()])


def can_organization_copy(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """
    Ask whether every role of every account of the organization can copy snapshots under the key, through EC2.

    *No* when one of the actions that a copy needs is out of reach of all roles; *undecided* when only some of them
    qualify, as under a condition on ``aws:PrincipalArn`` unless ``around`` names the role.
    """
    verdicts = {action: can_organization_do(policies, around, action) for action in COPY}
    for wanted in (Answer.NO, Answer.UNDECIDED):
        for action, verdict in verdicts.items():
            if verdict.answer is wanted:
                return replace(verdict, why=f"{action}: {verdict.why}")
    # To look at the key is allowed while it is locked, too: what lets copy is the rest.
    using = [verdict for action, verdict in verdicts.items() if action != DESCRIBE]
    labels = tuple(dict.fromkeys(label for verdict in using for label in verdict.statements))
    return QuestionAnswer(Answer.YES, labels, "every role of the organization may copy, through EC2 in this Region")


def can_organization_do(policies: Sequence[Policy], around: Surroundings, action: str) -> QuestionAnswer:
    """Ask whether every role of the organization can do one thing with the key through EC2 in its Region."""
    return everybody(policies, around, action, lambda stage: stage.members(roles_only=True), by_ec2=True)


def can_anybody_of_organization(policies: Sequence[Policy], around: Surroundings, action: str) -> QuestionAnswer:
    """Ask whether any role of the organization can do one thing with the key through EC2 in its Region."""
    return anybody(policies, around, (action,), lambda stage: stage.members(roles_only=True), lambda stage: [stage.ec2])


def can_owner_copy_from(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """Ask whether the account that owns the key can copy snapshots that are under it; CreateGrant decides (aws 2.2)."""
    return everybody(policies, around, "kms:CreateGrant", Stage.owners, by_ec2=True)


def does_root_statement_stand(policies: Sequence[Policy], around: Surroundings) -> QuestionAnswer:
    """Ask whether the account that owns the key keeps control of it, and can hand it on by IAM policies (aws 9.9)."""
    verdicts = {action: everybody(policies, around, action, Stage.owners, by_ec2=False) for action in KEEP}
    for action, verdict in verdicts.items():
        if verdict.answer is Answer.NO:
            return replace(verdict, why=f"{around.dr_account_id} has no {action}: {verdict.why}")
    stands = next((s.label for s in statements_of(policies) if _is_root_statement(s, around)), None)
    for verdict in verdicts.values():
        # A denial with a condition, such as one without MFA, leaves the account its key.
        if verdict.answer is Answer.UNDECIDED and not (stands and verdict.some_can):
            return verdict
    labels = (stands,) if stands else next(iter(verdicts.values())).statements
    return QuestionAnswer(Answer.YES, labels, f"{around.dr_account_id} may do everything with its key")


def _is_root_statement(statement: Statement, around: Surroundings) -> bool:
    owner = {around.dr_account_id, f"arn:{around.partition}:iam::{around.dr_account_id}:root"}
    named = {entry.value for entry in statement.principals or () if entry.kind == "AWS"}
    everything = any(action.lower() in ("kms:*", "*") for action in statement.actions or ())
    return statement.effect == "Allow" and bool(named & owner) and everything and not statement.conditions
