"""Decisions: who, what, where and under which conditions a key policy permits."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.evaluation import UNKNOWN, Caller, Request, evaluate, is_caller
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest, Policy, PrincipalEntry, Statement
from snapshot_dr_provider.domain.key_policy.reading import parse_policy

YES, NO, UNDECIDED = Answer.YES, Answer.NO, Answer.UNDECIDED
ACCOUNT = "111111111111"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/copy"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/copy/i-1"
KEY = "arn:aws:kms:us-east-1:999999999999:key/b0b0b0b0-0000-4000-8000-000000000001"
TRAIL = "cloudtrail.amazonaws.com"
COPIER = Caller(ACCOUNT, ROLE, SESSION)
SOMEBODY = Caller(ACCOUNT, ROLE)
USER = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann")
SERVICE = Caller(service=TRAIL)
NOBODY = Caller()
ASKED = Request(COPIER, "kms:Decrypt", KEY, {"aws:PrincipalOrgID": ("o-1",)})

ALLOW: dict[str, object] = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny"}
HOLDS = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
FAILS = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-2"}}}
OPEN = {"Condition": {"StringEquals": {"aws:PrincipalOrgIdentifier": "o-1"}}}


def policy(*statements: object, version: str = "2012-10-17") -> Policy:
    """Read a policy of these statements."""
    return parse_policy(json.dumps({"Version": version, "Statement": list(statements)}))


def without(statement: dict[str, object], *names: str) -> dict[str, object]:
    """Leave elements out of a statement."""
    return {name: value for name, value in statement.items() if name not in names}


def answer(*statements: object, request: Request = ASKED) -> Answer:
    """Decide by one policy of these statements."""
    return evaluate([policy(*statements)], request).answer


@pytest.mark.parametrize(
    ("statements", "expected", "deciding"),
    [
        ([{**ALLOW, **HOLDS}], YES, [0]),
        ([{**ALLOW, **FAILS}], NO, []),
        ([{**ALLOW, **OPEN}], UNDECIDED, [0]),
        ([ALLOW, {**ALLOW, **OPEN}], YES, [0]),
        ([ALLOW, {**DENY, **HOLDS}], NO, [1]),
        ([ALLOW, {**DENY, **FAILS}], YES, [0]),
        ([ALLOW, {**DENY, **OPEN}], UNDECIDED, [1]),
        ([ALLOW, {**DENY, **OPEN}, DENY], NO, [2]),
        ([{**ALLOW, **OPEN}, DENY], NO, [1]),
        ([{**ALLOW, **OPEN}, {**DENY, **OPEN}], UNDECIDED, [1, 0]),
        ([{**DENY, **OPEN}], NO, []),
        ([{**ALLOW, **FAILS}, {**DENY, **OPEN}], NO, []),
    ],
)
def test_an_explicit_deny_wins_and_what_is_open_stays_open(statements, expected, deciding):
    """A Deny that applies beats all, one that may apply leaves open what is allowed; the deciding ones are named."""
    decision = evaluate([policy(*statements)], ASKED)
    assert decision.answer is expected
    assert [each.index for each in decision.statements] == deciding


def test_all_policies_of_a_key_count():
    """A key has up to two policies: what one allows, the other may deny (aws 9.2)."""
    assert evaluate([policy(DENY), policy(ALLOW)], ASKED).answer is NO
    assert evaluate([policy({**ALLOW, **FAILS}), policy(ALLOW)], ASKED).answer is YES
    assert evaluate([], ASKED).answer is NO


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", YES),
        ("kms:*", YES),
        ("KMS:decrypt", YES),
        ("kms:De*", YES),
        ("kms:D?crypt", YES),
        ("kms:Encrypt", NO),
        ("kms:Decryp", NO),
        ("ec2:*", NO),
        (["kms:Encrypt", "kms:Decrypt"], YES),
        ([], NO),
    ],
)
def test_actions(pattern, expected):
    """An action is matched with wildcards and without regard to case."""
    assert answer({**ALLOW, "Action": pattern}) is expected


def test_not_action_covers_all_others():
    """NotAction covers what is not listed; an empty one is not documented."""
    assert answer({**without(ALLOW, "Action"), "NotAction": "kms:DECRYPT"}) is NO
    assert answer({**without(ALLOW, "Action"), "NotAction": ["kms:Get*", "kms:List*"]}) is YES
    assert answer({**without(ALLOW, "Action"), "NotAction": []}) is UNDECIDED


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("*", YES),
        ("**", YES),
        (KEY, YES),
        ("arn:aws:kms:*:*:key/*", YES),
        ("arn:aws:kms:us-east-1:999999999999:key/b0b0b0b0-*", YES),
        ("arn:aws:kms:us-east-1:999999999999:alias/*", NO),
        ("arn:aws:s3:::bucket", NO),
        ("arn:aws:kms:us-east-1:${aws:PrincipalTag/none, '999999999999'}:key/*", YES),
        ("arn:aws:kms:us-east-1:${aws:username}:key/*", NO),
        ("arn:aws:kms:us-east-1:${aws:nonsense}:key/*", UNDECIDED),
        ("arn:aws:kms:us-east-1:*", UNDECIDED),
        ("arn:aws:s3:*", NO),
        ("", NO),
    ],
)
def test_resources(resource, expected):
    """A resource is the asterisk or an ARN with wildcards and variables; a shortened ARN may be left open."""
    assert answer({**ALLOW, "Resource": resource}) is expected


def test_not_resource_covers_all_others():
    """NotResource covers what is not listed, and a variable without a value leaves it open."""
    assert answer({**without(ALLOW, "Resource"), "NotResource": KEY}) is NO
    assert answer({**without(ALLOW, "Resource"), "NotResource": "arn:aws:s3:::bucket"}) is YES
    assert answer({**without(ALLOW, "Resource"), "NotResource": "arn:aws:s3:::${aws:username}"}) is UNDECIDED


@pytest.mark.parametrize("missing", ["Action", "Resource"])
def test_a_statement_without_action_or_resource_has_no_effect(missing):
    """It neither allows nor denies (aws 9.1)."""
    assert answer(without(ALLOW, missing)) is NO
    assert answer(ALLOW, without(DENY, missing)) is YES


@pytest.mark.parametrize(
    ("kind", "value", "caller", "expected"),
    [
        ("AWS", "*", COPIER, True),
        ("AWS", "*", NOBODY, True),
        ("AWS", "*", SERVICE, True),
        ("AWS", ROOT, COPIER, True),
        ("AWS", ROOT, USER, True),
        ("AWS", ACCOUNT, COPIER, True),
        ("AWS", ROOT, NOBODY, False),
        ("AWS", ROOT, SERVICE, False),
        ("AWS", "arn:aws-cn:iam::111111111111:root", Caller(ACCOUNT), True),
        ("AWS", "222222222222", COPIER, False),
        ("AWS", ROLE, COPIER, True),
        ("AWS", ROLE, SOMEBODY, True),
        ("AWS", ROLE, USER, False),
        ("AWS", ROLE.replace("team/", ""), COPIER, False),
        ("AWS", ROLE.lower().replace("copy", "COPY"), COPIER, False),
        ("AWS", SESSION, COPIER, True),
        ("AWS", SESSION.replace("i-1", "i-2"), COPIER, False),
        ("AWS", SESSION, SOMEBODY, None),
        ("AWS", SESSION.replace("copy", "other"), SOMEBODY, False),
        ("AWS", SESSION, USER, False),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:role/*", COPIER, None),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:group/x", COPIER, None),
        ("AWS", "somebody", COPIER, None),
        ("AWS", "", COPIER, None),
        ("AWS", "AROAEXAMPLEEXAMPLE123", COPIER, False),
        ("Service", TRAIL, SERVICE, True),
        ("Service", TRAIL.upper(), SERVICE, True),
        ("Service", TRAIL, COPIER, False),
        ("Service", "ec2.amazonaws.com", SERVICE, False),
        ("Service", "*", SERVICE, None),
        ("Service", "*", COPIER, False),
        ("Federated", "cognito-identity.amazonaws.com", COPIER, None),
        ("CanonicalUser", "79a59d", COPIER, None),
    ],
)
def test_principals(kind, value, caller, expected):
    """Accounts stand for all in them, ARNs for exactly one, deleted principals for nobody; the rest is left open."""
    assert is_caller(PrincipalEntry(kind, value), caller) is expected


@pytest.mark.parametrize(
    ("effect", "listed", "caller", "expected"),
    [
        ("Deny", [ROOT, ROLE], COPIER, YES),
        ("Deny", ["*"], COPIER, YES),
        ("Deny", ["222222222222"], COPIER, NO),
        ("Deny", [ROLE], COPIER, UNDECIDED),
        ("Deny", [ROOT], COPIER, UNDECIDED),
        ("Deny", [ROOT], Caller(ACCOUNT, ROOT), YES),
        ("Deny", [ROLE], SERVICE, NO),
        ("Allow", [ROLE], COPIER, NO),
        ("Allow", [ROOT], COPIER, NO),
        ("Allow", ["222222222222"], COPIER, YES),
        ("Allow", ["222222222222"], NOBODY, YES),
        ("Allow", ["somebody"], COPIER, UNDECIDED),
    ],
)
def test_not_principal(effect, listed, caller, expected):
    """NotPrincipal covers who is not listed; a Deny surely spares a role only when its account is listed with it."""
    statement = {**without(ALLOW, "Principal"), "Effect": effect, "NotPrincipal": {"AWS": listed}}
    statements = [ALLOW, statement] if effect == "Deny" else [statement]
    assert answer(*statements, request=replace(ASKED, caller=caller)) is expected


def test_a_definite_no_beats_what_is_unknown():
    """One part that surely does not fit decides, whatever is not understood beside it and in whatever order."""
    fails, opens = FAILS["Condition"]["StringEquals"], OPEN["Condition"]["StringEquals"]
    for tests in ({**fails, **opens}, {**opens, **fails}):
        assert answer({**ALLOW, "Condition": {"StringEquals": tests}}) is NO
        assert answer(ALLOW, {**DENY, "Condition": {"StringEquals": tests}}) is YES
    assert answer({**ALLOW, **OPEN, "Action": "kms:Encrypt"}) is NO
    assert answer({**ALLOW, **OPEN, "Principal": {"AWS": "222222222222"}}) is NO


def test_an_unknown_value_matters_only_where_it_is_asked_for():
    """What is not known of a request leaves open those statements alone that test it."""
    request = replace(ASKED, context={"aws:PrincipalOrgID": UNKNOWN})
    assert answer({**ALLOW, **HOLDS}, request=request) is UNDECIDED
    assert answer({**ALLOW, **HOLDS}, ALLOW, request=request) is YES


def test_variables_work_in_the_newer_language_alone():
    """In a policy of Version 2008-10-17 a variable is a plain text."""
    written = {**ALLOW, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "${aws:PrincipalTag/org, 'o-1'}"}}}
    assert evaluate([policy(written)], ASKED).answer is YES
    assert evaluate([policy(written, version="2008-10-17")], ASKED).answer is NO


EFFECTS = st.sampled_from(["Allow", "Deny"])
PRINCIPALS = st.sampled_from(["*", {"AWS": ROOT}, {"AWS": ["222222222222", ROLE]}, {"Service": TRAIL}, {"AWS": "x"}])
ACTIONS = st.sampled_from(["kms:*", "kms:Decrypt", "KMS:D*", "kms:Encrypt", "*"])
TESTS = st.sampled_from(
    [
        ("StringEquals", "aws:PrincipalOrgID", ("o-1",)),
        ("StringNotEquals", "aws:PrincipalOrgID", ("o-1",)),
        ("StringEqualsIfExists", "kms:ViaService", ("ec2.us-east-1.amazonaws.com",)),
        ("ForAllValues:StringEquals", "aws:CalledVia", ("ec2.amazonaws.com",)),
        ("Bool", "kms:GrantIsForAWSResource", ("true",)),
        ("StringEquals", "aws:Nothing", ("o-1",)),
        ("StringAlike", "aws:PrincipalOrgID", ("o-1",)),
        ("Null", "aws:PrincipalOrgID", ("false",)),
    ]
)
STATEMENTS = st.builds(
    lambda effect, principal, action, tests: {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": "*",
        "Condition": {operator: {key: list(values)} for operator, key, values in tests},
    },
    EFFECTS,
    PRINCIPALS,
    ACTIONS,
    st.lists(TESTS, max_size=2),
)
CALLERS = st.sampled_from([COPIER, SOMEBODY, USER, SERVICE, NOBODY])
CONTEXTS = st.dictionaries(
    st.sampled_from(["aws:PrincipalOrgID", "kms:ViaService", "aws:CalledVia", "kms:GrantIsForAWSResource"]),
    st.sampled_from([("o-1",), ("o-2",), ("true",), ("ec2.us-east-1.amazonaws.com",), UNKNOWN]),
)
REQUESTS = st.builds(Request, CALLERS, st.sampled_from(["kms:Decrypt", "kms:Encrypt"]), st.just(KEY), CONTEXTS)


@given(st.lists(STATEMENTS, min_size=1, max_size=4), STATEMENTS, REQUESTS)
def test_another_statement_only_moves_its_own_way(statements, another, request_made):
    """A further Deny never opens anything, and a further Allow never closes anything."""
    ranks = {NO: 0, UNDECIDED: 1, YES: 2}
    before = ranks[answer(*statements, request=request_made)]
    after = ranks[answer(*statements, another, request=request_made)]
    assert after <= before if another["Effect"] == "Deny" else after >= before


@given(st.lists(STATEMENTS, min_size=1, max_size=5), st.randoms(), REQUESTS)
def test_the_order_of_statements_does_not_matter(statements, random, request_made):
    """Statements may stand in any order, and in one policy or in two."""
    shuffled = random.sample(statements, len(statements))
    expected = answer(*statements, request=request_made)
    assert answer(*shuffled, request=request_made) is expected
    assert evaluate([policy(each) for each in shuffled], request_made).answer is expected


@given(st.lists(STATEMENTS, min_size=1, max_size=3), REQUESTS, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_the_case_of_keys_and_actions_does_not_matter(statements, request_made, change):
    """Condition keys and actions are the same in any case, in the policy and in the request."""
    expected = answer(*statements, request=request_made)
    read = policy(*statements)
    changed = replace(
        read,
        statements=tuple(
            replace(
                each,
                actions=tuple(change(action) for action in each.actions or ()),
                conditions=tuple(replace(test, key=change(test.key)) for test in each.conditions),
            )
            for each in read.statements
        ),
    )
    other = replace(
        request_made,
        action=change(request_made.action),
        context={change(key): value for key, value in request_made.context.items()},
    )
    assert evaluate([changed], request_made).answer is expected
    assert evaluate([read], other).answer is expected


@given(st.lists(STATEMENTS, min_size=1, max_size=4), REQUESTS)
def test_what_is_decided_does_not_hang_on_what_is_unknown(statements, request_made):
    """An answer with unknown values stays the same whatever they turn out to be, unless it was undecided."""
    decided = answer(*statements, request=request_made)
    for value in ((), ("o-1",), ("true",), ("x", "o-1")):
        known = {key: value if held is UNKNOWN else held for key, held in request_made.context.items()}
        found = answer(*statements, request=replace(request_made, context=known))
        assert decided in {UNDECIDED, found} or found is UNDECIDED


@given(st.lists(STATEMENTS, min_size=1, max_size=4), REQUESTS)
def test_the_deciding_statements_decide(statements, request_made):
    """The statements that are named give the same answer alone, unless what they leave open is allowed elsewhere."""
    decision = evaluate([policy(*statements)], request_made)
    assert bool(decision.statements) or decision.answer is NO
    alone = evaluate([Policy(decision.statements, "2012-10-17")], request_made)
    assert alone.answer in {decision.answer, NO}


@pytest.mark.parametrize(
    "statement",
    [
        {**ALLOW, "Condition": {"StringLike": {"aws:PrincipalOrgID": ["a*" * 16_000]}}},
        {**ALLOW, "Condition": {"StringLike": {"aws:PrincipalOrgID": [f"o-{n}*" for n in range(3500)]}}},
        {**ALLOW, "Condition": {"StringLike": {"aws:PrincipalOrgID": "${aws:PrincipalTag/a, '*'}" * 1200}}},
        {**ALLOW, "Action": [f"kms:*{n}*" for n in range(2500)]},
        {**ALLOW, "Principal": {"AWS": [f"arn:aws:iam::{n:012}:root" for n in range(900)]}},
        {**ALLOW, "Resource": ["*:" * 16_000]},
    ],
)
def test_a_policy_of_32_kb_is_decided_quickly(statement):
    """A policy at the size limit takes less than a second of the processor, whatever it is filled with (aws 9.3)."""
    read = policy(statement)
    assert read.size > 30_000
    began = time.process_time()
    evaluate([read], ASKED)
    assert time.process_time() - began < 1


def test_thousands_of_statements_are_decided_quickly():
    """Many statements cost no more than their number."""
    tests = (ConditionTest("StringEquals", "aws:PrincipalOrgID", ("o-2",)),)
    many = tuple(
        Statement(index, 1, "Allow", "", (PrincipalEntry("AWS", "*"),), None, ("kms:*",), None, ("*",), None, tests)
        for index in range(5000)
    )
    began = time.process_time()
    assert evaluate([Policy(many)], ASKED).answer is NO
    assert time.process_time() - began < 5
