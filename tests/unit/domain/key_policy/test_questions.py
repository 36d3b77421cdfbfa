from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy import questions
from snapshot_dr_provider.domain.key_policy.evaluation import Caller, Request, evaluate
from snapshot_dr_provider.domain.key_policy.facts import Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.policy import Policy
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from tests.key_policies import case as cases
from tests.key_policies.corpus import CASES

AROUND = Surroundings(cases.ORGANIZATION, cases.DR, cases.REGION, cases.NOW)


def policy(*statements: dict[str, Any]) -> list[Policy]:
    """Read statements as the policy of a key."""
    return [parse_policy(json.dumps(cases.document(*statements)))]


def around(case: cases.Case) -> Surroundings:
    """Say who is who in a case of the corpus."""
    return Surroundings(
        cases.ORGANIZATION, cases.DR, cases.REGION, cases.NOW, role_name=case.role, member_accounts=case.members
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answers_are_the_true_ones(case: cases.Case) -> None:
    """Every question is answered as somebody who knows IAM has answered it, for sound and broken policies alike."""
    found = questions.answers([parse_policy(case.text)], around(case))
    assert {name: answer.answer.value for name, answer in found.items()} == asdict(case.answers)


CONDITIONS = [
    {},
    cases.IN_ORGANIZATION,
    cases.THROUGH_EC2,
    {"StringNotEquals": {"aws:PrincipalOrgID": cases.ORGANIZATION}},
    {"StringEqualsIfExists": {"aws:PrincipalOrgID": cases.ORGANIZATION}},
    {"StringLike": {"aws:PrincipalOrgID": ["o-o*", "o-*1"]}},
    {"StringLike": {"kms:ViaService": ["ec2.*.amazonaws.com", "*.us-east-1.amazonaws.com"]}},
    {"StringNotEqualsIfExists": {"kms:ViaService": cases.EC2}},
    {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/dr-*", "arn:aws:iam::888888888888:*/a*"]}},
    {"StringEquals": {"aws:PrincipalAccount": [cases.FOREIGN, cases.DR]}},
    {"StringEquals": {"aws:PrincipalTag/team": ["dr", "${aws:PrincipalAccount}"]}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}},
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{cases.ORGANIZATION}/r-*/ou-*"}},
    {"Null": {"aws:PrincipalOrgID": "true"}},
]
PRINCIPALS = [
    "*",
    cases.root_arn(cases.FOREIGN),
    f"arn:aws:iam::{cases.FOREIGN}:role/dr-copy",
    cases.root_arn(cases.DR),
]
ACTIONS = ["kms:*", "kms:Decrypt", "kms:CreateGrant", "kms:Generate*"]

statements = st.builds(
    lambda effect, principal, action, first, second: {
        **cases.allow(action, first, second, principal=principal),
        "Effect": effect,
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.sampled_from(PRINCIPALS),
    st.sampled_from(ACTIONS),
    st.sampled_from(CONDITIONS),
    st.sampled_from(CONDITIONS),
)

organizations = st.sampled_from(["o-zzzzzzzzzz1", "o-otherother", "o-o23456789a", None])
contexts = st.fixed_dictionaries(
    {},
    optional={
        "kms:ViaService": st.sampled_from(
            ["ec2.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "ec2.x.amazonaws.com"]
        ),
        "aws:PrincipalTag/team": st.sampled_from(["dr", "ops", cases.FOREIGN]),
        "aws:MultiFactorAuthPresent": st.sampled_from(["true", "false"]),
        "aws:MultiFactorAuthAge": st.sampled_from(["1", "3600", "99999"]),
    },
)


arns = st.builds(
    "arn:aws:iam::{}:{}".format,
    st.sampled_from([cases.FOREIGN, "777777777777"]),
    st.sampled_from(["role/dr-copy", "role/other", "user/a", "user/ops"]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(statements, min_size=1, max_size=4),
    arns,
    organizations,
    contexts,
    st.sampled_from(["kms:Decrypt", "kms:CreateGrant", "kms:GenerateDataKey"]),
)
def test_nobody_gets_in_where_the_answer_is_no(
    written: list[dict[str, Any]], arn: str, organization: str | None, chosen: dict[str, str], action: str
) -> None:
    """No request of anybody outside is permitted by a policy of which it was said that nobody outside can use it."""
    policies = policy(*written)
    account = arn.split(":")[4]
    context: dict[str, str] = {
        **chosen,
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": account,
        "kms:CallerAccount": account,
        **({"aws:PrincipalOrgID": organization} if organization else {}),
        **(
            {"kms:GrantIsForAWSResource": str("kms:ViaService" in chosen).lower()}
            if action == "kms:CreateGrant"
            else {}
        ),
    }
    filled = {key: (value,) for key, value in context.items()}
    if organization:
        filled["aws:PrincipalOrgPaths"] = (f"{organization}/r-ab12/ou-ab12-11111111/",)
    key = f"arn:aws:kms:{cases.REGION}:{cases.DR}:key/any"
    if evaluate(policies, Request(Caller(account, arn), action, key, filled)).answer is Answer.YES:
        assert questions.can_outside_use(policies, AROUND).answer is Answer.YES


@settings(deadline=None)
@given(st.permutations(cases.least()))
def test_order_of_statements_does_not_matter(shuffled: list[dict[str, Any]]) -> None:
    """The same statements in another order have the same answers."""
    found = questions.answers(policy(cases.ROOT, *shuffled), AROUND)
    assert [each.answer for each in found.values()] == [Answer.NO, Answer.NO, Answer.YES, Answer.NO, Answer.YES]


def test_role_decides_about_a_pinned_policy() -> None:
    """A policy for one role name is undecided until somebody says which role copies."""
    policies = policy(cases.ROOT, *cases.least(also=cases.BY_ROLE))
    assert questions.can_organization_copy(policies, AROUND).answer is Answer.UNDECIDED
    for role, answer in ((cases.ROLE, Answer.YES), ("another", Answer.NO)):
        said = Surroundings(cases.ORGANIZATION, cases.DR, cases.REGION, cases.NOW, role_name=role)
        assert questions.can_organization_copy(policies, said).answer is answer


def test_window_is_open_until_its_end() -> None:
    """The time of asking decides whether a statement with an end still counts."""
    end = cases.NOW + timedelta(hours=1)
    policies = policy(cases.ROOT, *cases.least(also=cases.until(end.strftime("%Y-%m-%dT%H:%M:%SZ"))))
    for now, answer in ((cases.NOW, Answer.YES), (end, Answer.NO)):
        then = Surroundings(cases.ORGANIZATION, cases.DR, cases.REGION, now)
        assert questions.can_organization_copy(policies, then).answer is answer


def test_yes_names_who_and_by_which_statement() -> None:
    """An answer names the statement that decides, and an example of who gets in and how."""
    policies = policy(cases.ROOT, *cases.least(None, None))
    found = questions.can_outside_use(policies, AROUND)
    assert found.statements == ("OrganizationMayUse",)
    assert "may kms:Decrypt directly" in found.why
    assert "of no organization" in found.why


def test_owner_is_nobody_outside() -> None:
    """What only the account that owns the key passes, by whatever pattern, lets nobody else in."""
    for value in (cases.DR, f"{cases.DR[:4]}*"):
        condition = {"StringLike": {"kms:CallerAccount": value}}
        denied = cases.deny("kms:*", {"StringNotEquals": {"aws:PrincipalAccount": cases.DR}})
        policies = policy(cases.ROOT, cases.allow("kms:Decrypt", condition), denied)
        assert questions.can_anybody_but_owner_use(policies, AROUND).answer is Answer.NO
    found = questions.can_outside_use(policy(cases.ROOT, *cases.least(None, None)), AROUND)
    assert cases.DR not in found.why


def test_account_that_is_written_out_counts_as_outside_unless_it_is_known() -> None:
    """Naming an account trusts it wherever it belongs; one that is known to be a member is the organization's."""
    policies = policy(cases.ROOT, cases.allow("kms:Decrypt", principal=cases.root_arn(cases.MEMBER)))
    known = Surroundings(
        cases.ORGANIZATION, cases.DR, cases.REGION, cases.NOW, member_accounts=frozenset({cases.MEMBER})
    )
    assert questions.can_outside_use(policies, AROUND).answer is Answer.YES
    assert questions.can_organization_use_outside_ec2(policies, AROUND).answer is Answer.NO
    assert questions.can_outside_use(policies, known).answer is Answer.NO
    assert questions.can_organization_use_outside_ec2(policies, known).answer is Answer.YES


def test_policy_that_tells_too_much_apart_is_undecided() -> None:
    """Where more kinds of requests would have to be tried than are, nobody is said to be kept out."""
    tags = {f"aws:PrincipalTag/{n}": [f"a{n}", f"b{n}"] for n in range(12)}
    allowed = cases.allow("kms:Decrypt", {"StringEquals": tags})
    denied = cases.deny("kms:Decrypt", {"StringLike": {"aws:PrincipalTag/0": "*"}})
    assert questions.can_outside_use(policy(cases.ROOT, allowed, denied), AROUND).answer is Answer.UNDECIDED
