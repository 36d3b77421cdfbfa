from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from snapshot_dr_provider.domain.key_policy.facts import GrantFacts, KeyFacts, KeyKind, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict, overall_verdict
from snapshot_dr_provider.domain.key_policy.rules import RULES, KeyExpectations, judge_key
from snapshot_dr_provider.domain.key_policy.window import Terms, Window, open_window
from tests.key_policies import case as cases
from tests.key_policies.corpus import CASES

KEY = f"arn:aws:kms:{cases.REGION}:{cases.DR}:key/b0b0b0b0-0000-4000-8000-000000000001"
AROUND = Surroundings(cases.ORGANIZATION, cases.DR, cases.REGION, cases.NOW, member_accounts=frozenset({cases.MEMBER}))
OPEN = json.dumps(cases.document(cases.ROOT, *cases.least()))
LOCKED = json.dumps(cases.document(cases.ROOT, cases.least()[0]))

TOPICS = {
    "administration": "KP017",
    "copy-permissions": "KP015",
    "documented-permissions": "KP016",
    "foreign-organization": "KP013",
    "grant-not-for-aws-resource": "KP014",
    "kms-c-outside": "KP022",
    "loose-match": "KP012",
    "outside-access": "KP010",
    "root-statement": "KP018",
    "size": "KP006",
    "via-service": "KP011",
}


def judge(text: str = OPEN, kind: KeyKind = "kms-b", *, managed: bool = False, **facts: Any) -> dict[str, Finding]:
    """Judge a key and answer what its rules have found that is not as it should be."""
    key = KeyFacts(
        **{"arn": KEY, "kind": kind, "policies": {"default": text}, "state": "Enabled", "grants": (), **facts}
    )
    found = judge_key(key, AROUND, KeyExpectations(window_managed=managed))
    assert all(finding.subject == key.arn for finding in found)
    return {each.rule: each for each in found if each.verdict in (Verdict.FAIL, Verdict.UNDECIDED)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_policies_are_judged_right(case: cases.Case) -> None:
    """Each policy of the corpus has the verdict it deserves, and the rules that it breaks are named."""
    around = replace(AROUND, role_name=case.role, member_accounts=case.members)
    found = judge_key(KeyFacts("a file", case.kind, {"default": case.text}), around, KeyExpectations())
    assert case.verdict in (None, overall_verdict(found, Severity.HIGH).value)
    named = {each.rule for each in found if each.verdict in (Verdict.FAIL, Verdict.UNDECIDED)}
    assert {TOPICS[topic] for topic in case.rules} <= named


def test_sound_keys_have_no_finding() -> None:
    """The least-privilege KMS-B, the locked one where runs open it, and a KMS-C of Account-B alone are all in order."""
    assert judge() == {}
    assert judge(LOCKED, managed=True) == {}
    assert judge(json.dumps(cases.document(cases.ROOT)), "kms-c") == {}


def test_every_finding_says_why_and_what_to_do() -> None:
    """Whatever is not passed says what was found and how to mend it."""
    for case in CASES:
        for finding in judge(case.text, case.kind).values():
            assert finding.why, finding
            assert finding.remedy, finding


def test_users_reference_policy_works_and_is_wider_than_needed() -> None:
    """The kms:* form of the reference has low findings only, with the narrower policy named as their remedy."""
    wide = cases.allow("kms:*", cases.IN_ORGANIZATION, cases.THROUGH_EC2)
    found = judge(json.dumps(cases.document(cases.ROOT, wide)))
    assert {finding.severity for finding in found.values()} == {Severity.LOW}
    assert "it works, but is wider than needed" in found["KP017"].why
    assert "policy show kms-b" in found["KP017"].remedy


@pytest.mark.parametrize(("state", "severity"), [("Disabled", Severity.HIGH), ("PendingDeletion", Severity.CRITICAL)])
def test_key_that_cannot_be_used_is_named(state: str, severity: Severity) -> None:
    """A disabled key fails, and one that is about to be deleted is critical: every copy under it is lost with it."""
    found = judge(state=state)
    assert found["KP002"].severity is severity
    assert "aws kms" in found["KP002"].remedy


@pytest.mark.parametrize("arn", [KEY.replace(cases.REGION, "eu-west-1"), KEY.replace(cases.DR, cases.FOREIGN)])
def test_key_in_the_wrong_place_is_named(arn: str) -> None:
    """A key of another Region or another account fails."""
    assert "KP003" in judge(arn=arn)


def test_policy_by_which_a_key_is_shared_is_judged_too() -> None:
    """A second policy is a finding by itself, and what it allows counts as what the first one allows."""
    ram = json.dumps(cases.document(cases.allow("kms:Decrypt", principal=cases.root_arn(cases.FOREIGN))))
    found = judge(policies={"default": OPEN, "AWS_RAM": ram})
    assert found["KP004"].statement == "AWS_RAM"
    assert found["KP010"].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("grantee", "kind", "named"),
    [
        (f"arn:aws:iam::{cases.FOREIGN}:role/any", "kms-b", True),
        (f"arn:aws:iam::{cases.MEMBER}:role/any", "kms-b", False),
        (f"arn:aws:iam::{cases.MEMBER}:role/any", "kms-c", True),
        (f"arn:aws:iam::{cases.DR}:role/any", "kms-c", False),
        (f"ec2.{cases.REGION}.amazonaws.com", "kms-b", False),
    ],
)
def test_grants_outside_are_named(grantee: str, kind: KeyKind, named: bool) -> None:  # noqa: FBT001  # a table
    """A grant to anybody but Account-B, an AWS service and, of KMS-B, the organization is found with its revocation."""
    text = OPEN if kind == "kms-b" else json.dumps(cases.document(cases.ROOT))
    found = judge(text, kind, grants=(GrantFacts("g1", grantee, ("Decrypt",)),))
    assert ("KP005" in found) == named
    assert not named or "revoke-grant" in found["KP005"].remedy


def test_what_cannot_be_read_is_undecided() -> None:
    """A key whose policies could not be read, or not be understood as a document, is not passed."""
    for found in (judge(policies={}, unread=("its policies: refused",)), judge("{")):
        assert found["KP001"].verdict is Verdict.UNDECIDED


def test_window_left_behind_is_named() -> None:
    """A window whose end has passed without its run's lock-down is found, and one that is live is not."""
    terms = Terms(cases.ORGANIZATION, cases.REGION)
    for hours, named in ((-1, True), (1, False)):
        window = Window(terms, "a run", cases.NOW + timedelta(hours=hours))
        assert ("KP007" in judge(open_window(LOCKED, window), managed=True)) == named


def test_open_standing_policy_is_named_where_runs_open_the_key() -> None:
    """Under a managed window a policy that lets the organization copy all the time fails, live windows aside."""
    found = judge(OPEN, managed=True)
    assert "KP019" in found
    assert "policy show kms-b-locked" in found["KP019"].remedy


def test_restores_by_the_organization_are_a_medium_finding() -> None:
    """A role of the organization that may grant the locked key is named: that is enough to copy in some cases."""
    restore = cases.allow("kms:CreateGrant", cases.IN_ORGANIZATION, cases.THROUGH_EC2, cases.FOR_AWS, cases.BY_ROLE)
    found = judge(json.dumps(cases.document(cases.ROOT, cases.least()[0], restore)), managed=True)
    assert {rule: finding.severity for rule, finding in found.items()} == {"KP020": Severity.MEDIUM}


def test_rule_ids_are_stable() -> None:
    """The ids of the rules are what reports and suppressions refer to: none is renumbered."""
    assert list(RULES) == [f"KP0{number:02}" for number in (*range(1, 8), *range(10, 23))]
