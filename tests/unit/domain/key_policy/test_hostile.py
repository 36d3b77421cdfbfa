from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.facts import KeyFacts, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Finding, Verdict
from snapshot_dr_provider.domain.key_policy.rules import KeyExpectations, judge_key
from tests.key_policies import case as cases

AROUND = Surroundings(cases.ORGANIZATION, cases.DR, cases.REGION, cases.NOW)
ACCOUNTS = [f"{111111111111 + number}" for number in range(500)]


def judge(text: str) -> list[Finding]:
    """Judge a text as the policy of KMS-B."""
    return judge_key(KeyFacts("a file", "kms-b", {"default": text}), AROUND, KeyExpectations())


def words(count: int, length: int = 8) -> list[str]:
    """Make up words, the same ones each time."""
    chance = random.Random(1)
    return ["".join(chance.choices("abcdefgh", k=length)) for _ in range(count)]


def like(key: str, *patterns: str) -> dict[str, Any]:
    """Compare a key with patterns."""
    return {"StringLike": {key: list(patterns)}}


HOSTILE = {
    "a list of accounts": cases.least({"StringEquals": {"aws:PrincipalAccount": ACCOUNTS}}),
    "a list of principals": [cases.allow("kms:Decrypt", principal=[cases.root_arn(each) for each in ACCOUNTS])],
    "patterns of roles": [cases.deny("kms:*", like("aws:PrincipalArn", *(f"arn:*:role/*{w}*" for w in words(400))))],
    "denials by tags": [cases.deny("kms:*", like(f"aws:PrincipalTag/{w}", f"*{w}*")) for w in words(100)],
    "allows by tags": [
        cases.allow("kms:Decrypt", cases.IN_ORGANIZATION, like(f"aws:PrincipalTag/{w}", f"*{w}*", "x"))
        for w in words(100)
    ],
    "patterns of services": cases.least(
        through=like("kms:ViaService", *(f"{w}*.{w}?.amazonaws.com" for w in words(60, 3)))
    ),
    "a pattern of many stars": [cases.deny("kms:*", like("aws:PrincipalTag/x", "*a*" * 3000 + "*b"))],
    "networks": [cases.deny("kms:*", {"NotIpAddress": {"aws:SourceIp": [f"10.{n}.0.0/16" for n in range(200)]}})],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_policy_is_answered(name: str) -> None:
    """A policy that is made to be hard is judged by every rule, undecided rather than for ever."""
    found = judge(json.dumps(cases.document(cases.ROOT, *HOSTILE[name])))
    assert {"KP010", "KP011", "KP015", "KP018"} <= {each.rule for each in found}


texts = st.text(max_size=6) | st.sampled_from(
    ["*", "kms:*", "kms:Decrypt", "o-*", "${aws:PrincipalOrgID}", cases.DR, ""]
)
names = st.sampled_from(
    [
        "aws:PrincipalOrgID",
        "kms:ViaService",
        "aws:PrincipalArn",
        "aws:CurrentTime",
        "aws:SourceIp",
        "aws:PrincipalOrgPaths",
    ]
)
operators = st.builds(
    lambda before, name, after: before + name + after,
    st.sampled_from(["", "ForAnyValue:", "ForAllValues:"]),
    st.sampled_from(
        ["StringLike", "StringNotEquals", "ArnLike", "Bool", "Null", "DateLessThan", "NumericEquals", "IpAddress"]
    ),
    st.sampled_from(["", "IfExists", "Else"]),
)
statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.just("*") | st.dictionaries(st.sampled_from(["AWS", "Service"]), st.lists(texts, max_size=2)),
    },
    optional={
        "Action": texts | st.lists(texts, max_size=3),
        "Resource": texts,
        "Condition": st.dictionaries(
            operators,
            st.dictionaries(names | texts, texts | st.lists(texts | st.booleans() | st.integers(), max_size=3)),
        ),
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(statements, min_size=1, max_size=4))
def test_whatever_is_written_is_judged_or_undecided(written: list[dict[str, Any]]) -> None:
    """Any statements at all get findings: judged, or unreadable and then undecided, never an error."""
    found = judge(json.dumps({"Version": "2012-10-17", "Statement": written}))
    readable = next(each for each in found if each.rule == "KP001")
    assert readable.verdict is Verdict.UNDECIDED or {"KP010", "KP018"} <= {each.rule for each in found}
