from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from snapshot_dr_provider.sandbox.access.authority import Authority, denial_message
from snapshot_dr_provider.sandbox.access.context import via_service_context
from snapshot_dr_provider.sandbox.access.principals import ExpiredCredentials, Principal, UnknownCredentials
from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.world import Account, Key, Lag, Organization, Role, User, World

A, B, OUTSIDER = "111111111111", "222222222222", "333333333333"
ORG = "o-aaaaaaaaaa"
COPY = f"arn:aws:iam::{A}:role/Copy"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
VIA_EC2 = {"aws:PrincipalOrgID": ORG, "kms:ViaService": "ec2.us-east-1.amazonaws.com"}
PINNED = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Copy"}}


def _allow(action, condition):
    return {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": action, "Resource": "*", "Condition": condition}


#: The statements of aws 2.7.
KEY_B = Key(
    B,
    "us-east-1",
    "k-b",
    policy={
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{B}:root"}, "Action": "kms:*", "Resource": "*"},
            _allow("kms:DescribeKey", {"StringEquals": {"aws:PrincipalOrgID": ORG}}),
            _allow(
                ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
                {"StringEquals": VIA_EC2, **PINNED},
            ),
            _allow(
                "kms:CreateGrant",
                {"StringEquals": VIA_EC2, "Bool": {"kms:GrantIsForAWSResource": "true"}, **PINNED},
            ),
        ],
    },
)
WORLD = World(
    organizations=(Organization(ORG, A, (Account(A, "a", ou="Root/Prod"),)),),
    accounts=(Account(B, "b"), Account(OUTSIDER, "c")),
    roles=(
        Role(A, "Copy", policies=(ALL,)),
        Role(A, "Other", policies=(ALL,)),
        Role(A, "Powerless"),
        Role(B, "Dr", policies=(ALL,)),
        Role(OUTSIDER, "Copy", policies=(ALL,)),
    ),
    users=(User(A, "ann", "AKIAANN0000000000000", "secret", (ALL,)),),
    keys=(KEY_B,),
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.time = NOON

    def __call__(self):
        """Return the time."""
        return self.time


@pytest.fixture
def clock():
    """Give a clock at noon."""
    return Clock()


@pytest.fixture
def lag():
    """Give the policy lag in seconds, in a list to change it."""
    return [0.0]


@pytest.fixture
def authority(clock, lag):
    """Give an authority over the world."""
    made = Authority(clock, lambda: Lag(policy=lag[0]))
    made.seed(WORLD)
    return made


def session(account_id, name, organization_id):
    """Return a session of the role *name*."""
    arn = f"arn:aws:iam::{account_id}:role/{name}"
    return Principal(account_id, arn, f"arn:aws:sts::{account_id}:assumed-role/{name}/x", organization_id)


CALLERS = {
    "copy": session(A, "Copy", ORG),
    "other": session(A, "Other", ORG),
    "powerless": session(A, "Powerless", ORG),
    "dr": session(B, "Dr", None),
    "outsider": session(OUTSIDER, "Copy", None),
}


@pytest.mark.parametrize(
    ("action", "region", "grant", "allowed"),
    [
        ("kms:DescribeKey", "us-east-1", False, {"copy", "other", "dr"}),
        ("kms:GenerateDataKeyWithoutPlaintext", "us-east-1", False, {"copy", "dr"}),
        ("kms:ReEncryptFrom", "us-east-1", False, {"copy", "dr"}),
        ("kms:GenerateDataKeyWithoutPlaintext", "us-west-2", False, {"dr"}),
        ("kms:CreateGrant", "us-east-1", True, {"copy", "dr"}),
        ("kms:CreateGrant", "us-east-1", False, {"dr"}),
        ("kms:CreateGrant", None, False, {"dr"}),
        ("kms:Decrypt", None, False, {"dr"}),
        ("kms:DescribeKey", None, False, {"copy", "other", "dr"}),
        ("kms:PutKeyPolicy", None, False, {"dr"}),
        ("kms:PutKeyPolicy", "us-east-1", False, {"dr"}),
    ],
)
def test_the_minimal_policy_of_kms_b(authority, action, region, grant, allowed):
    """The organization's copy role may what EC2 needs, through EC2 in the Region alone (aws 2.4, 2.7, 2.8)."""
    found = set()
    for name, caller in CALLERS.items():
        context = via_service_context(caller, region, NOON, grant=grant) if region else {}
        if authority.may_use_key(caller, action, KEY_B.arn, context).allowed:
            found.add(name)
    assert found == allowed


def test_the_key_of_ebs_is_for_its_account_through_ec2(authority):
    """Everybody of the account may use aws/ebs through EC2 without a KMS permission, and no other account (aws 2.8)."""
    key = authority.key("aws/ebs", account_id=A, region="us-east-1")
    assert (key.manager, key.account_id, key.enabled) == ("AWS", A, True)
    assert authority.key("alias/aws/ebs", account_id=A, region="us-east-1") == key
    assert authority.key("aws/ebs", account_id=B, region="us-east-1") != key
    assert authority.key(f"arn:aws:kms:us-east-1:{OUTSIDER}:alias/aws/ebs", account_id=A, region="us-east-1") is None
    for name, expected in (("copy", True), ("powerless", True), ("dr", False)):
        context = via_service_context(CALLERS[name], "us-east-1", NOON, grant=True)
        assert authority.may_use_key(CALLERS[name], "kms:CreateGrant", key.arn, context).allowed is expected
        assert not authority.may_use_key(CALLERS[name], "kms:CreateGrant", key.arn, {}).allowed


@pytest.mark.parametrize(
    ("reference", "found"),
    [("k-b", True), (KEY_B.arn, True), ("alias/none", False), ("arn:aws:kms:us-east-1:222222222222", False)],
)
def test_looking_up_keys(authority, reference, found):
    """A key is found by id in its account and by ARN from everywhere (aws 1.2)."""
    assert (authority.key(reference, account_id=B, region="us-east-1") is not None) is found
    elsewhere = authority.key(reference, account_id=A, region="us-west-2")
    assert (elsewhere is not None) is (reference == KEY_B.arn)


def test_keys_that_are_not_there_cannot_be_used(authority):
    """A missing key is denied, not an error of the sandbox."""
    decision = authority.may_use_key(CALLERS["dr"], "kms:DescribeKey", f"{KEY_B.arn}x", {})
    assert not decision.allowed
    assert "does not exist in this Region" in denial_message(CALLERS["dr"], "kms:DescribeKey", "x", decision)


def test_policies_put_during_a_lag_take_effect_in_turn(authority, clock, lag):
    """Each policy counts from its own time on, the last put wins, and one put without lag counts at once (aws 9.4)."""
    dr = CALLERS["dr"]
    key = authority.keys.find(KEY_B.arn, B, "us-east-1", NOON)
    shut = '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}}'
    opened = shut.replace("Deny", "Allow")

    def is_open():
        return authority.may_use_key(dr, "kms:DescribeKey", KEY_B.arn, {}).allowed

    lag[0] = 10
    authority.put_policy(key, shut)
    clock.time += timedelta(seconds=5)
    authority.put_policy(key, opened)
    seen = []
    for _ in range(11):
        seen.append(is_open())
        clock.time += timedelta(seconds=1)
    assert seen == [True] * 5 + [False] * 5 + [True]
    authority.put_policy(key, shut)
    lag[0] = 0
    authority.put_policy(key, opened)
    clock.time += timedelta(seconds=60)
    assert is_open()


def test_disabling_from_outside(authority):
    """The control API disables and enables keys, and knows when there is none."""
    authority.disable_key(KEY_B.arn)
    key = authority.key(KEY_B.arn, account_id=B, region="us-east-1")
    assert (key.enabled, key.state) == (False, "Disabled")
    authority.enable_key(KEY_B.arn)
    assert authority.key(KEY_B.arn, account_id=B, region="us-east-1").enabled
    for unknown in ("k-b", f"{KEY_B.arn}x"):
        with pytest.raises(KeyError):
            authority.disable_key(unknown)


@pytest.mark.parametrize(
    ("policies", "resources", "allowed"),
    [
        ([ALL], ["arn:aws:ec2:us-east-1::snapshot/*"], True),
        ([], ["*"], False),
        ([{"Statement": {"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": "arn:a"}}], ["arn:a"], True),
        (
            [{"Statement": {"Effect": "Allow", "Action": "ec2:CopySnapshot", "Resource": "arn:a"}}],
            ["arn:a", "arn:b"],
            False,
        ),
        ([ALL, {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "arn:b"}}], ["arn:a", "arn:b"], False),
    ],
)
def test_a_call_is_allowed_on_each_resource(authority, policies, resources, allowed):
    """A call about several resources needs an Allow for each and no Deny for any (aws 2.14)."""
    authority.put_role_policies(A, "Copy", policies)
    assert authority.may_call(CALLERS["copy"], "ec2:CopySnapshot", resources, {}).allowed is allowed


def test_who_an_access_key_stands_for(authority):
    """Users and roots have keys that last; an unknown key, and no key, are nobody's (moto 3)."""
    assert authority.principal_of("AKIAANN0000000000000").arn == f"arn:aws:iam::{A}:user/ann"
    root = authority.principal_of(authority.root_credentials(A)[0])
    assert (root.arn, root.organization_id, root.is_root) == (f"arn:aws:iam::{A}:root", ORG, True)
    for unknown in (None, "", "AKIAANN0000000000001", "AKIAROOT999999999999", "ASIAANN0000000000000"):
        with pytest.raises(UnknownCredentials):
            authority.principal_of(unknown)
    with pytest.raises(UnknownCredentials):
        authority.principal_of("AKIAANN0000000000000", "somebody's token")


def test_sessions_end(authority):
    """A session is good until its end, has its own token, ends with its role and is forgotten by a reset."""
    role = authority.identities.role(COPY)

    def opened(seconds=900):
        return authority.identities.open_session(role, "x", (), seconds)

    given = opened()
    assert authority.principal_of(given.access_key_id, given.session_token) == CALLERS["copy"]
    with pytest.raises(UnknownCredentials):
        authority.principal_of(given.access_key_id, "")
    authority.expire_sessions()
    for ended in (given, opened(seconds=0)):
        with pytest.raises(ExpiredCredentials):
            authority.principal_of(ended.access_key_id, ended.session_token)
    given = opened()
    authority.delete_role(A, "Copy")
    authority.put_role(role)
    with pytest.raises(UnknownCredentials):
        authority.principal_of(given.access_key_id)
    given = opened()
    authority.seed(WORLD)
    with pytest.raises(UnknownCredentials):
        authority.principal_of(given.access_key_id)


def test_organization_paths(authority):
    """aws:PrincipalOrgPaths names organization, root and units of the caller's account."""
    path = authority.global_context(CALLERS["copy"])["aws:PrincipalOrgPaths"][0]
    assert path.startswith(f"{ORG}/r-")
    assert path.endswith("/")
    assert path.count("/") == 3
    assert "aws:PrincipalOrgPaths" not in authority.global_context(CALLERS["outsider"])


def test_a_session_policy_limits_a_role_that_a_key_policy_names(authority):
    """Policies given to AssumeRole take away from what a key policy gives the role."""
    narrow = replace(CALLERS["dr"], session_policies=('{"Statement": []}',))
    assert authority.may_use_key(CALLERS["dr"], "kms:DescribeKey", KEY_B.arn, {}).allowed
    assert not authority.may_use_key(narrow, "kms:DescribeKey", KEY_B.arn, {}).allowed
    assert not authority.may_call(narrow, "ec2:CopySnapshot", ["*"], {}).allowed


def test_a_world_with_a_malformed_key_policy_is_refused(authority):
    """A seeded policy is checked as PutKeyPolicy would, and the error names the key (aws 9.1)."""
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:role/Typo"}, "Action": "kms:*"}
    world = replace(WORLD, keys=(replace(KEY_B, policy={"Statement": [statement]}),))
    with pytest.raises(WorldError, match=r"key/k-b.*invalid principals"):
        authority.seed(world)
