"""Rendered key policies do what their names say, by the evaluator's own judgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from snapshot_dr_provider.domain.key_policy.facts import KeyFacts, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Verdict
from snapshot_dr_provider.domain.key_policy.questions import answers
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.domain.key_policy.rules import KeyExpectations, judge_key
from snapshot_dr_provider.domain.key_policy.statements import (
    COPY_ACTIONS,
    Trust,
    copy_statements,
    kms_b_locked_policy,
    kms_b_policy,
    kms_b_wide_policy,
    kms_c_policy,
    write_json,
)

AROUND = Surroundings("o-orga000000001", "999999999999", "us-east-1", datetime(2026, 11, 22, tzinfo=UTC))
TRUST = Trust.around(AROUND)
RESTORE = "arn:aws:iam::111111111111:role/Restore"
RESTORING = replace(TRUST, restore_role_arns=(RESTORE,))
PINNED = replace(TRUST, role_name="backup/SnapshotDr")


def ask(document, around=AROUND):
    """Give the answers to the five questions as one word each."""
    return {
        question: each.answer.value for question, each in answers([parse_policy(write_json(document))], around).items()
    }


def breaches(document, kind="kms-b", *, window_managed=False):
    """Give the rules that a policy does not keep, with their severities."""
    facts = KeyFacts("a file", kind, {"default": write_json(document)})
    found = judge_key(facts, AROUND, KeyExpectations(window_managed=window_managed))
    return {each.rule: each.severity.label for each in found if each.verdict in (Verdict.FAIL, Verdict.UNDECIDED)}


@pytest.mark.parametrize(
    ("document", "copy", "administer"),
    [
        (kms_b_policy(TRUST), "yes", "no"),
        (kms_b_wide_policy(TRUST), "yes", "yes"),
        (kms_b_locked_policy(TRUST), "no", "no"),
        (kms_b_locked_policy(RESTORING), "no", "no"),
        (kms_b_policy(PINNED), "undecided", "no"),
        (kms_c_policy(TRUST), "no", "no"),
    ],
    ids=["open", "wide", "locked", "locked, with restores", "pinned", "kms-c"],
)
def test_each_form_gives_the_organization_what_it_is_for(document, copy, administer):
    """Nobody outside gets in, the organization only through EC2 and only where the form is for that, and B keeps it."""
    assert ask(document) == {
        "outside_org_can_use": "no",
        "org_can_use_outside_ec2": "no",
        "org_can_copy": copy,
        "org_can_administer": administer,
        "root_statement": "yes",
    }


def test_pinned_policy_is_for_the_role_that_it_names():
    """Who says which role copies gets a yes for that role, and a no for another."""
    document = kms_b_policy(PINNED)
    assert ask(document, replace(AROUND, role_name="backup/SnapshotDr"))["org_can_copy"] == "yes"
    assert ask(document, replace(AROUND, role_name="SnapshotDr"))["org_can_copy"] == "no"


def test_least_privilege_keeps_every_rule():
    """The audit finds nothing in the open, in the locked and in KMS-C's policy, each where it belongs."""
    assert breaches(kms_b_policy(TRUST)) == {}
    assert breaches(kms_b_locked_policy(TRUST), window_managed=True) == {}
    assert breaches(kms_c_policy(TRUST), "kms-c") == {}


def test_wide_form_is_found_wider_than_needed():
    """What the user's document has works; the findings on it are low."""
    assert set(breaches(kms_b_wide_policy(TRUST)).values()) == {"low"}


def test_restores_are_reported_and_no_more_than_that():
    """A locked key from which some roles may restore breaks one rule, of medium severity."""
    assert list(breaches(kms_b_locked_policy(RESTORING), window_managed=True).values()) == ["medium"]


def test_restore_roles_are_named_in_each_of_their_statements():
    """What is for restores is pinned to the roles by ARN, whatever the copies are pinned to."""
    both = kms_b_policy(replace(RESTORING, role_name="SnapshotDr"))["Statement"]
    restoring = [each for each in both if each["Sid"].startswith("RestoreRoles")]
    assert len(restoring) == 2
    for statement in restoring:
        assert statement["Condition"]["ArnEquals"] == {"aws:PrincipalArn": [RESTORE]}
        assert "ArnLike" not in statement["Condition"]
        assert statement["Condition"]["StringEquals"]["kms:ViaService"] == "ec2.us-east-1.amazonaws.com"


@pytest.mark.parametrize("document", [kms_b_policy(PINNED), kms_b_locked_policy(RESTORING)])
def test_condition_of_grants_stands_with_grants_alone(document):
    """No other request has kms:GrantIsForAWSResource, so a statement with it allows nothing else (aws 2.4)."""
    for statement in document["Statement"]:
        has_it = "kms:GrantIsForAWSResource" in statement.get("Condition", {}).get("Bool", {})
        assert has_it == (statement["Action"] == "kms:CreateGrant")


def test_three_statements_allow_all_that_a_copy_needs():
    """Each action of a copy is in one of the three statements, and none beside them."""
    allowed: list[str] = []
    for statement in copy_statements(TRUST):
        actions = statement["Action"]
        allowed += [actions] if isinstance(actions, str) else actions
    assert sorted(allowed) == sorted(COPY_ACTIONS)


def test_partition_is_that_of_the_region():
    """Outside of the commercial partition the ARNs are of that partition, and EC2's name ends as everywhere."""
    text = write_json(kms_b_policy(replace(PINNED, partition="aws-cn", region="cn-north-1")))
    assert "arn:aws:" not in text
    assert "arn:aws-cn:iam::999999999999:root" in text
    assert "arn:aws-cn:iam::*:role/backup/SnapshotDr" in text
    assert '"ec2.cn-north-1.amazonaws.com"' in text
