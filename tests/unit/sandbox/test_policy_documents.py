import json

import pytest

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.key_policies import MAX_BYTES, check_key_policy

ROOT = "arn:aws:iam::222222222222:root"
STATEMENT = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}


def check(document):
    """Check *document*, or the text that it is, in a world with one account."""
    text = document if isinstance(document, str) else json.dumps(document)
    return check_key_policy(text, exists=lambda name: name in (ROOT, "222222222222"))


def policy(*statements, **elements):
    """Return a policy of *statements*, or of the usual one changed by *elements*; ``None`` takes an element away."""
    changed = {name: value for name, value in {**STATEMENT, **elements}.items() if value is not None}
    return {"Version": "2012-10-17", "Statement": list(statements) or [changed]}


@pytest.mark.parametrize(
    "document",
    [
        policy(),
        {"Statement": STATEMENT},
        policy(Action=None),
        policy(Resource=None),
        policy(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-aaaaaaaaaa"}}),
        policy(Principal={"AWS": ["222222222222", "*"], "Service": "ec2.us-east-1.amazonaws.com"}),
        policy(Principal=None, NotPrincipal={"AWS": ROOT}, Effect="Deny"),
        policy(Condition={"ForAnyValue:StringLikeIfExists": {"k": ["a", True, 1]}, "Null": {"k": "true"}}),
        policy(Sid="Enable IAM User Permissions"),
    ],
)
def test_well_formed_policies_are_taken(document):
    """What AWS stores is stored, also statements without Action or Resource, which have no effect (aws 9.1)."""
    assert check(document) == document


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        {"Version": "2012-10-17"},
        {"Version": "2020-01-01", "Statement": STATEMENT},
        {"Statement": []},
        {"Statement": "x"},
        {"Statement": ["x"]},
        {"Statement": STATEMENT, "Comment": "x"},
        policy(Effect="allow"),
        policy(Effect=None),
        policy(Principal=None),
        policy(Principal=ROOT),
        policy(Principal={"AWS": "333333333333"}),
        policy(Principal={"AWS": "arn:aws:iam::*:role/Copy"}),
        policy(Principal={"Service": "ec2"}),
        policy(Principal={"Account": "222222222222"}),
        policy(NotPrincipal="*"),
        policy(NotAction="kms:*"),
        policy(NotResource="*"),
        policy(Action="DescribeKey"),
        policy(Action=[1]),
        policy(Resource={"x": 1}),
        policy(Condition="x"),
        policy(Condition={"StringMatches": {"k": "a"}}),
        policy(Condition={"StringEquals": "a"}),
        policy(Condition={"StringEquals": {"k": {"a": 1}}}),
        policy(Comment="x"),
    ],
)
def test_malformed_policies_are_refused(document):
    """A document that IAM cannot read, or that names a principal that does not exist, is malformed (aws 9.1)."""
    with pytest.raises(ApiError) as caught:
        check(document)
    assert caught.value.code == "MalformedPolicyDocumentException"


def test_the_size_limit_counts_bytes():
    """32,768 bytes are taken and one more is not (aws 9.3)."""
    room = MAX_BYTES - len(json.dumps(policy(Sid="")))
    check(policy(Sid="x" * room))
    with pytest.raises(ApiError) as caught:
        check(policy(Sid="x" * (room + 1)))
    assert caught.value.code == "LimitExceededException"


@pytest.mark.parametrize("text", ["", '{"Statement": "\u20ac"}', " " * 131_073])
def test_texts_that_the_api_does_not_take(text):
    """An empty text, one past the API's length, and characters beyond Latin-1 fail validation (aws 9.3)."""
    with pytest.raises(ApiError) as caught:
        check(text)
    assert caught.value.code == "ValidationException"
