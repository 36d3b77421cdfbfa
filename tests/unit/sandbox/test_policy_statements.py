import pytest

from snapshot_dr_provider.sandbox.access.policy import Reach, combine, evaluate
from snapshot_dr_provider.sandbox.access.principals import Principal

A, B = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{A}:role/Copy"
SESSION = f"arn:aws:sts::{A}:assumed-role/Copy/airflow"
ROOT = f"arn:aws:iam::{A}:root"
KEY = f"arn:aws:kms:us-east-1:{B}:key/k-1"
CALLER = Principal(A, ROLE, SESSION, "o-aaaaaaaaaa")
EC2 = Principal("", "ec2.us-east-1.amazonaws.com", "ec2.us-east-1.amazonaws.com", None)


def statement(effect="Allow", **elements):
    """Return a statement; ``Action`` and ``Resource`` are everything unless *elements* say otherwise."""
    given = {"Effect": effect, **elements}
    for element in ("Action", "Resource"):
        if element not in given and f"Not{element}" not in given:
            given[element] = "*"
    return given


def judge(*statements, principal=CALLER, action="kms:CreateGrant", resource=KEY, context=None):
    """Return the decision of one policy made of *statements*."""
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return evaluate([document], principal=principal, action=action, resource=resource, context=context or {})


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"Action": "*"}, True),
        ({"Action": "kms:*"}, True),
        ({"Action": "KMS:creategrant"}, True),
        ({"Action": "kms:Create*"}, True),
        ({"Action": "kms:?reateGran?"}, True),
        ({"Action": ["kms:DescribeKey", "kms:CreateGrant"]}, True),
        ({"Action": "kms:DescribeKey"}, False),
        ({"Action": "ec2:*"}, False),
        ({"Action": "kms:CreateGrantX"}, False),
        ({"Action": []}, False),
        ({"NotAction": "kms:DescribeKey"}, True),
        ({"NotAction": ["kms:Create*", "ec2:*"]}, False),
        ({"Resource": KEY}, True),
        ({"Resource": f"arn:aws:kms:*:{B}:key/*"}, True),
        ({"Resource": "arn:aws:kms:us-east-?:*"}, True),
        ({"Resource": KEY.upper()}, False),
        ({"Resource": f"arn:aws:kms:*:{A}:key/*"}, False),
        ({"Resource": ["arn:aws:s3:::x", KEY]}, True),
        ({"NotResource": "arn:aws:s3:::*"}, True),
        ({"NotResource": [KEY]}, False),
        ({"Resource": "arn:aws:kms:us-east-1:${aws:ResourceAccount}:key/*"}, True),
        ({"Resource": "arn:aws:kms:us-east-1:${absent}:key/*"}, False),
    ],
)
def test_actions_and_resources(elements, expected):
    """Actions match without regard to case, resources with regard to it, both with wildcards and a Not form."""
    assert judge(statement(**elements), context={"AWS:resourceaccount": B}).allowed is expected


@pytest.mark.parametrize("element", ["Action", "Resource"])
def test_a_statement_without_action_or_resource_has_no_effect(element):
    """A statement that names no action, or no resource, neither allows nor denies (aws 9.1)."""
    lame = {name: value for name, value in statement("Deny").items() if name != element}
    assert judge(statement(), lame).allowed
    assert not judge({**lame, "Effect": "Allow"}).allowed


@pytest.mark.parametrize("effect", ["allow", "ALLOW", "Permit", None])
def test_an_unknown_effect_allows_nothing(effect):
    """Only Allow, spelt so, allows."""
    assert not judge(statement(effect)).allowed


def test_an_explicit_deny_wins_wherever_it_stands():
    """One Deny in any document outweighs every Allow."""
    allow, deny = {"Statement": statement()}, {"Statement": statement("Deny", Action="kms:Create*")}
    for documents in ([allow, deny], [deny, allow]):
        decision = evaluate(documents, principal=CALLER, action="kms:CreateGrant", resource=KEY, context={})
        assert (decision.allowed, decision.explicit_deny) == (False, True)
        assert evaluate(documents, principal=CALLER, action="kms:DescribeKey", resource=KEY, context={}).allowed


def test_nothing_is_allowed_without_an_allow():
    """Without documents a call is denied, though not explicitly."""
    decision = evaluate([], principal=CALLER, action="kms:CreateGrant", resource=KEY, context={})
    assert (decision.allowed, decision.explicit_deny) == (False, False)
    assert decision.reason == "because no identity-based policy allows the kms:CreateGrant action"


def test_an_unknown_operator_fails_closed():
    """A statement with an unknown condition operator cannot allow, and denies if it is a Deny."""
    strange = {"Condition": {"StringMatches": {"aws:PrincipalOrgID": "o-aaaaaaaaaa"}}}
    assert not judge(statement(**strange)).allowed
    assert judge(statement(), statement("Deny", **strange)).explicit_deny


@pytest.mark.parametrize(
    ("element", "principal", "reach"),
    [
        ("*", CALLER, Reach.IDENTITY),
        ({"AWS": "*"}, CALLER, Reach.IDENTITY),
        ({"AWS": A}, CALLER, Reach.ACCOUNT),
        ({"AWS": ROOT}, CALLER, Reach.ACCOUNT),
        ({"AWS": [f"arn:aws:iam::{B}:root", ROOT]}, CALLER, Reach.ACCOUNT),
        ({"AWS": ROLE}, CALLER, Reach.IDENTITY),
        ({"AWS": [ROOT, ROLE]}, CALLER, Reach.IDENTITY),
        ({"AWS": SESSION}, CALLER, Reach.SESSION),
        ({"AWS": ROOT}, Principal(A, ROOT, ROOT, None), Reach.IDENTITY),
        ({"AWS": B}, CALLER, Reach.NOBODY),
        ({"AWS": f"arn:aws:iam::{A}:role/Other"}, CALLER, Reach.NOBODY),
        ({"AWS": f"arn:aws:iam::{A}:role/*"}, CALLER, Reach.NOBODY),
        ({"AWS": ROLE.lower()}, CALLER, Reach.NOBODY),
        ({"AWS": f"{SESSION}2"}, CALLER, Reach.NOBODY),
        ({"Service": "ec2.us-east-1.amazonaws.com"}, EC2, Reach.IDENTITY),
        ({"Service": "ec2.us-east-1.amazonaws.com"}, CALLER, Reach.NOBODY),
        ({"Service": "ec2.eu-west-1.amazonaws.com"}, EC2, Reach.NOBODY),
        ({"AWS": "ec2.us-east-1.amazonaws.com"}, EC2, Reach.NOBODY),
        ({"Federated": "*"}, CALLER, Reach.NOBODY),
        ("*", None, Reach.IDENTITY),
        ({"AWS": ROLE}, None, Reach.NOBODY),
        ({}, CALLER, Reach.NOBODY),
    ],
)
def test_principals(element, principal, reach):
    """A Principal names everybody, an account, a user or role, a session or a service, and has no partial wildcards."""
    decision = judge(statement(Principal=element), principal=principal)
    assert (decision.allowed, decision.reach) == (reach is not Reach.NOBODY, reach)
    assert judge(statement("Deny", Principal=element), principal=principal).explicit_deny is decision.allowed


@pytest.mark.parametrize(
    ("listed", "denied", "allowed"),
    [
        ([ROOT, ROLE], False, False),
        ([A, ROLE], False, False),
        ([ROOT, SESSION], False, False),
        (["*"], False, False),
        ([ROLE], True, False),
        ([ROOT], True, False),
        ([f"arn:aws:iam::{B}:root"], True, True),
        ([ROOT, f"arn:aws:iam::{A}:role/Other"], True, False),
    ],
)
def test_not_principal(listed, denied, allowed):
    """NotPrincipal spares from a Deny who is listed with the account, from an Allow who is listed at all [M]."""
    spared = {"NotPrincipal": {"AWS": listed}}
    assert judge(statement(), statement("Deny", **spared)).explicit_deny is denied
    assert judge(statement(**spared)).allowed is allowed


ALLOW_ROOT = {"Statement": statement(Principal={"AWS": ROOT})}
ALLOW_ROLE = {"Statement": statement(Principal={"AWS": ROLE})}
ALLOW_SESSION = {"Statement": statement(Principal={"AWS": SESSION})}
ALLOW_ALL = {"Statement": statement(Principal="*")}
DENY_ALL = {"Statement": statement("Deny", Principal="*")}
YES = {"Statement": statement()}
NO: dict = {"Statement": []}
NEVER = {"Statement": statement("Deny")}


@pytest.mark.parametrize(
    ("resource", "identity", "session", "inside", "across"),
    [
        (ALLOW_ROOT, YES, None, True, True),
        (ALLOW_ROOT, NO, None, False, False),
        (ALLOW_ROLE, NO, None, True, False),
        (ALLOW_ROLE, YES, None, True, True),
        (ALLOW_ALL, NO, None, True, False),
        (ALLOW_ALL, YES, None, True, True),
        (ALLOW_SESSION, NO, None, True, False),
        (NO, YES, None, False, False),
        (DENY_ALL, YES, None, False, False),
        (ALLOW_ROLE, NEVER, None, False, False),
        (ALLOW_ROLE, YES, NO, False, False),
        (ALLOW_ROLE, YES, YES, True, True),
        (ALLOW_ROLE, YES, NEVER, False, False),
        (ALLOW_SESSION, YES, NO, True, True),
        (ALLOW_SESSION, YES, NEVER, False, False),
    ],
)
def test_how_policies_combine(resource, identity, session, inside, across):
    """In one account naming the caller is enough and naming the account delegates; across both allow (aws 2.5, 9.9)."""

    def verdict(document, kind):
        return evaluate([document], principal=CALLER, action="kms:CreateGrant", resource=KEY, context={}, kind=kind)

    for same_account, expected in ((True, inside), (False, across)):
        decision = combine(
            verdict(identity, "identity-based"),
            verdict(resource, "resource-based"),
            session=verdict(session, "session") if session else None,
            same_account=same_account,
        )
        assert decision.allowed is expected, same_account
