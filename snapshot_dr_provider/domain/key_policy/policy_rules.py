"""Judge what the policies of a key allow, by the answers to questions about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from snapshot_dr_provider.domain.key_policy import questions
from snapshot_dr_provider.domain.key_policy.copy_rules import judge_copying
from snapshot_dr_provider.domain.key_policy.findings import Answer, Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.patterns import matches_pattern
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest, Policy, Statement
from snapshot_dr_provider.domain.key_policy.policy_case import PolicyCase, wrong_if_no, wrong_if_yes
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.searching import QuestionAnswer
from snapshot_dr_provider.domain.key_policy.statements import root_statement
from snapshot_dr_provider.domain.key_policy.vocabulary import operator_family

OUTSIDE: Final = Rule("KP010", "Nobody outside Account-B and the organization can use the key", Severity.CRITICAL)
THROUGH_EC2: Final = Rule("KP011", "The organization can use KMS-B through EC2 in its Region only", Severity.HIGH)
HARD_MATCH: Final = Rule("KP012", "What restrains everybody does not hold where its key is absent", Severity.HIGH)
ONE_ORGANIZATION: Final = Rule("KP013", "No organization but the source accounts' is named", Severity.CRITICAL)
GRANTS_TO_AWS: Final = Rule("KP014", "The organization makes grants for AWS resources only", Severity.HIGH)
ADMINISTRATION: Final = Rule("KP017", "The organization is allowed no administration of KMS-B", Severity.LOW)
ROOT: Final = Rule("KP018", "Account-B keeps control of its key", Severity.HIGH)
KMS_C_ALONE: Final = Rule("KP022", "Nobody outside Account-B can use KMS-C", Severity.CRITICAL)

POLICY_RULES: Final = (
    OUTSIDE,
    THROUGH_EC2,
    HARD_MATCH,
    ONE_ORGANIZATION,
    GRANTS_TO_AWS,
    ADMINISTRATION,
    ROOT,
    KMS_C_ALONE,
)

_RESTRAINTS: Final = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "kms:calleraccount",
    "kms:grantisforawsresource",
    "kms:viaservice",
)
"""Keys by which a statement for everybody says for whom it is, or by which way."""


def judge_kms_b_policies(case: PolicyCase) -> Iterator[Finding]:
    """Judge the policies of KMS-B, which the organization may use through EC2 and no further."""
    outside = questions.can_outside_use(case.policies, case.around)
    yield wrong_if_yes(OUTSIDE, case, outside, _REMEDY_OUTSIDE.format(organization=case.around.organization_id))
    elsewhere = questions.can_organization_use_outside_ec2(case.policies, case.around)
    yield wrong_if_yes(THROUGH_EC2, case, elsewhere, _REMEDY_VIA.format(region=case.around.region))
    yield from _judge_hard_matches(case)
    yield from _judge_organizations(case)
    yield from _judge_grants_to_aws(case)
    yield from judge_copying(case)
    yield from _judge_administration(case)
    yield from _judge_root(case)


def judge_kms_c_policies(case: PolicyCase) -> Iterator[Finding]:
    """Judge the policies of KMS-C, which is Account-B's alone."""
    others = questions.can_anybody_but_owner_use(case.policies, case.around)
    remedy = "Leave the root statement of Account-B alone: airflow snapshot-dr policy show kms-c"
    yield wrong_if_yes(KMS_C_ALONE, case, others, remedy)
    yield from _judge_root(case)


_REMEDY_OUTSIDE: Final = (
    'Give every Allow for others than Account-B the condition {{"StringEquals": {{"aws:PrincipalOrgID": '
    '"{organization}"}}}}, without IfExists and ForAllValues.'
)
_REMEDY_VIA: Final = (
    'Give every Allow of use for the organization the condition {{"StringEquals": {{"kms:ViaService": '
    '"ec2.{region}.amazonaws.com"}}}}.'
)


def _judge_hard_matches(case: PolicyCase) -> Iterator[Finding]:
    """Judge the tests of statements for everybody: one that an absent key passes restrains only who wants it."""
    loose = [
        (statement, test)
        for statement in _allows(case.policies)
        if _is_for_everybody(statement)
        for test in statement.conditions
        if _passes_when_absent(test) and test.key.lower() in _RESTRAINTS and not _is_tested_hard(statement, test)
    ]
    for statement, test in loose:
        hard = test.operator.removesuffix("IfExists").replace("ForAllValues:", "")
        why = f"{test.operator} on {test.key} holds for every request that does not have this key"
        remedy = f'Write "{hard}" instead of "{test.operator}".'
        yield HARD_MATCH.finding(
            Verdict.FAIL,
            case.subject,
            why,
            remedy,
            statement=statement.label,
            severity=_severity_of(statement, test, case),
        )
    if not loose:
        yield HARD_MATCH.finding(Verdict.PASS, case.subject)


def _passes_when_absent(test: ConditionTest) -> bool:
    operator = test.operator.lower()
    return operator.endswith("ifexists") or operator.startswith("forallvalues:")


def _severity_of(statement: Statement, test: ConditionTest, case: PolicyCase) -> Severity:
    """Weigh a loose match of a grant low where a service has to make the call anyway (aws 2.4)."""
    alone = [Policy((statement,), policy.version) for policy in case.policies if statement in policy.statements]
    is_about_grants = test.key.lower() == "kms:grantisforawsresource"
    if is_about_grants and questions.can_organization_grant_directly(alone, case.around).answer is Answer.NO:
        return Severity.LOW
    return HARD_MATCH.severity


def _is_tested_hard(statement: Statement, loose: ConditionTest) -> bool:
    """Whether another test of the same key does not pass when it is absent."""
    return any(
        test.key.lower() == loose.key.lower()
        and not _passes_when_absent(test)
        and operator_family(test.operator) != "null"
        and "not" not in test.operator.lower()
        for test in statement.conditions
    )


def _is_for_everybody(statement: Statement) -> bool:
    return any(entry.value == "*" for entry in statement.principals or ())


def _allows(policies: Sequence[Policy]) -> Iterator[Statement]:
    return (s for policy in policies for s in policy.statements if s.effect == "Allow")


def _judge_organizations(case: PolicyCase) -> Iterator[Finding]:
    """Look for other organizations by name; whether they get anywhere is the first rule's question."""
    ours = case.around.organization_id
    foreign = [
        (statement, value)
        for statement in _allows(case.policies)
        for test in statement.conditions
        if test.key.lower() in ("aws:principalorgid", "aws:principalorgpaths")
        and operator_family(test.operator) == "string"
        and "not" not in test.operator.lower()
        for value in test.values
        if value.split("/")[0] != ours and not value.startswith("${")
    ]
    for statement, value in foreign:
        why = f"it lets in {value}, which is not, or not only, {ours}"
        yield ONE_ORGANIZATION.finding(
            Verdict.FAIL, case.subject, why, f'Name "{ours}" alone.', statement=statement.label
        )
    if not foreign:
        yield ONE_ORGANIZATION.finding(Verdict.PASS, case.subject)


def _judge_grants_to_aws(case: PolicyCase) -> Iterator[Finding]:
    """Judge grants: direct ones are wrong; where only a service can ask, the missing condition is a second lock."""
    remedy = (
        'Put kms:CreateGrant into a statement of its own, with {"Bool": {"kms:GrantIsForAWSResource": "true"}}; in one '
        "with other actions it would keep these out as well."
    )
    direct = questions.can_organization_grant_directly(case.policies, case.around)
    if direct.answer is not Answer.NO:
        yield wrong_if_yes(GRANTS_TO_AWS, case, direct, remedy)
        return
    bare = [
        statement
        for statement in _allows(case.policies)
        if _is_for_everybody(statement)
        and _covers(statement, "kms:CreateGrant")
        and not any(test.key.lower() == "kms:grantisforawsresource" for test in statement.conditions)
        and not any(test.key.lower() in ("kms:calleraccount", "aws:principalaccount") for test in statement.conditions)
    ]
    for statement in bare:
        why = "it lacks kms:GrantIsForAWSResource; only kms:ViaService keeps people from granting the key themselves"
        yield GRANTS_TO_AWS.finding(
            Verdict.FAIL, case.subject, why, remedy, statement=statement.label, severity=Severity.LOW
        )
    if not bare:
        yield GRANTS_TO_AWS.finding(Verdict.PASS, case.subject)


def _covers(statement: Statement, action: str) -> bool:
    return any(matches_pattern(pattern.lower(), action.lower()) for pattern in statement.actions or ())


def _judge_administration(case: PolicyCase) -> Iterator[Finding]:
    answer = questions.can_organization_administer(case.policies, case.around)
    if answer.answer is Answer.YES:
        works = questions.can_organization_copy(case.policies, case.around).answer is Answer.YES
        why = (
            f"{'it works, but is ' if works else ''}wider than needed: {answer.why}. AWS gives most administration no "
            "effect across accounts, but not that of grants"
        )
        answer = QuestionAnswer(answer.answer, answer.statements, why)
    yield wrong_if_yes(ADMINISTRATION, case, answer, case.least_privilege)


def _judge_root(case: PolicyCase) -> Iterator[Finding]:
    remedy = f"Add {json.dumps(root_statement(case.trust))}; without it only AWS Support can give the key back."
    yield wrong_if_no(ROOT, case, questions.does_root_statement_stand(case.policies, case.around), remedy)
