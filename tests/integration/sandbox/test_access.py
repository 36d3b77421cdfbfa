from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.integration.sandbox.access_world import (
    A2,
    COPY,
    COPY_2,
    DR_COPY,
    KEY_A,
    KEY_ADMIN,
    KEY_B,
    KEY_C,
    ORG_A,
    ORG_B,
    OUTSIDER,
    POWERLESS,
    STRANGER,
    WORLD,
    A,
    B,
    as_role,
    as_user,
    client,
    document,
    root_of,
)

ROLES = {"copy": COPY, "copy 2": COPY_2, "powerless": POWERLESS, "dr copy": DR_COPY, "stranger": STRANGER}


@pytest.fixture
def url(sandbox):
    """Give the endpoint of a sandbox with the shared world."""
    sandbox.control.reset(WORLD)
    return sandbox.endpoint_url


def describes(url, arn, key):
    """Return whether a session of the role *arn* may describe *key*, and the message if not."""
    kms = as_role(url, "kms", arn)
    try:
        kms.describe_key(KeyId=key.arn)
    except kms.exceptions.ClientError as error:
        refusal = error.response["Error"]
        return refusal["Code"] != "AccessDeniedException", refusal["Message"]
    return True, ""


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Principal": root_of(A)}, {"copy"}),
        ({"Principal": {"AWS": A}}, {"copy"}),
        ({"Principal": root_of(B)}, {"dr copy"}),
        ({"Principal": {"AWS": COPY}}, {"copy"}),
        ({"Principal": {"AWS": f"arn:aws:sts::{A}:assumed-role/Copy/test"}}, {"copy"}),
        ({"Principal": {"AWS": f"arn:aws:sts::{A}:assumed-role/Copy/else"}}, set()),
        ({"Principal": {"AWS": POWERLESS}}, set()),
        ({"Principal": {"AWS": "*"}}, {"copy", "copy 2", "dr copy", "stranger"}),
        (
            {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": ORG_A}}},
            {"copy", "copy 2"},
        ),
        (
            {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": [ORG_A, ORG_B]}}},
            {"copy", "copy 2", "dr copy"},
        ),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": ORG_A}}}, {"dr copy", "stranger"}),
        (
            {"Principal": "*", "Condition": {"StringEqualsIfExists": {"aws:PrincipalOrgID": ORG_A}}},
            {"copy", "copy 2", "stranger"},
        ),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:CallerAccount": [A, OUTSIDER]}}}, {"copy", "stranger"}),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": A2}}}, {"copy 2"}),
        (
            {"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Copy"}}},
            {"copy", "copy 2"},
        ),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}}, set()),
        (
            {
                "Principal": "*",
                "Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG_A}/*"}},
            },
            {"copy", "copy 2"},
        ),
    ],
)
def test_who_a_key_policy_reaches_across_accounts(url, sandbox, statement, allowed):
    """Across accounts a caller needs the key policy and its own identity policy, however it is named (aws 2.5)."""
    sandbox.control.put_key_policy(KEY_B.arn, document({"Action": "kms:DescribeKey", **statement}))
    assert {name for name, arn in ROLES.items() if describes(url, arn, KEY_B)[0]} == allowed


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Principal": root_of(A)}, {"copy"}),
        ({"Principal": {"AWS": POWERLESS}}, {"powerless"}),
        ({"Principal": {"AWS": [COPY, POWERLESS]}}, {"copy", "powerless"}),
        ({"Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"kms:CallerAccount": A}}}, {"copy", "powerless"}),
        ({"Principal": root_of(B)}, {"dr copy"}),
    ],
)
def test_who_a_key_policy_reaches_inside_its_account(url, sandbox, statement, allowed):
    """Inside the key's account naming the caller is enough, and naming the account leaves it to IAM (aws 9.9)."""
    sandbox.control.put_key_policy(KEY_A.arn, document({"Action": "kms:DescribeKey", **statement}))
    assert {name for name, arn in ROLES.items() if describes(url, arn, KEY_A)[0]} == allowed


def test_a_key_that_does_not_delegate_to_iam(url):
    """Without the root statement an administrator's identity policy is worth nothing on the key (aws 9.9)."""
    assert describes(url, DR_COPY, KEY_C) == (True, "")
    allowed, message = describes(url, KEY_ADMIN, KEY_C)
    assert not allowed
    assert message.endswith("because no resource-based policy allows the kms:DescribeKey action")


def test_messages_say_who_what_and_why(url, sandbox):
    """A refusal names principal, action and resource, and which kind of policy is to blame, as AWS's do."""
    user = f"arn:aws:sts::{A}:assumed-role/Powerless/test"
    start = f"User: {user} is not authorized to perform: kms:DescribeKey on resource: "
    assert describes(url, POWERLESS, KEY_B)[1] == (
        f"{start}{KEY_B.arn} because no identity-based policy allows the kms:DescribeKey action"
    )
    sandbox.control.put_key_policy(KEY_B.arn, document({"Principal": root_of(B), "Action": "kms:*"}))
    assert describes(url, COPY, KEY_B)[1].endswith("because no resource-based policy allows the kms:DescribeKey action")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Describe*"}
    sandbox.control.put_key_policy(KEY_B.arn, document({"Principal": "*", "Action": "kms:*"}, deny))
    assert describes(url, COPY, KEY_B)[1].endswith("with an explicit deny in a resource-based policy")
    denied = document({"Action": "*"}, {"Effect": "Deny", "Action": "kms:*"})
    sandbox.control.put_key_policy(KEY_B.arn, document({"Principal": "*", "Action": "kms:*"}))
    sandbox.control.put_role_policies(A, "Copy", [denied])
    assert describes(url, COPY, KEY_B)[1].endswith("with an explicit deny in an identity-based policy")


def test_a_window_closes_by_itself(url, sandbox):
    """A statement bounded by aws:CurrentTime stops to count at that moment of the sandbox clock (aws 9.7)."""
    sandbox.control.freeze(datetime(2026, 11, 23, 12, tzinfo=UTC))
    window = {
        "Principal": "*",
        "Action": "kms:DescribeKey",
        "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-11-23T13:00:00Z"}},
    }
    sandbox.control.put_key_policy(KEY_B.arn, document(window))
    assert describes(url, COPY, KEY_B)[0]
    sandbox.control.advance(timedelta(hours=1).total_seconds() - 1)
    assert describes(url, COPY, KEY_B)[0]
    sandbox.control.advance(1)
    assert not describes(url, COPY, KEY_B)[0]


def test_identity_policies_are_scoped_to_keys(url, sandbox):
    """An identity policy that names one key allows that key alone."""
    sandbox.control.put_role_policies(A, "Copy", [document({"Action": "kms:*", "Resource": KEY_B.arn})])
    assert describes(url, COPY, KEY_B)[0]
    assert not describes(url, COPY, KEY_A)[0]


def test_the_root_user_needs_no_identity_policy(url, sandbox):
    """A root user is limited by the key policy alone."""
    kms = client(url, "kms", (f"AKIAROOT{A}", "root"))
    assert kms.describe_key(KeyId=KEY_A.key_id)["KeyMetadata"]["Arn"] == KEY_A.arn
    sandbox.control.put_key_policy(KEY_A.arn, document({"Principal": {"AWS": COPY}, "Action": "kms:*"}))
    with pytest.raises(ClientError, match="no resource-based policy allows"):
        kms.describe_key(KeyId=KEY_A.key_id)


def test_users_may_use_policy_variables(url, sandbox):
    """aws:username stands for the calling user's name."""
    named = {
        "Principal": {"AWS": A},
        "Action": "kms:*",
        "Condition": {"StringEquals": {"aws:username": "${aws:username}"}},
    }
    sandbox.control.put_key_policy(KEY_A.arn, document(named))
    as_user(url, "kms", f"{A}/admin").describe_key(KeyId=KEY_A.key_id)
    assert not describes(url, COPY, KEY_A)[0]
