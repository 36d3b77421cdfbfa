"""What the audit of key policies and the window rest on: both policies, grants, the clock, lag and faults."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from snapshot_dr_provider.sandbox import Sandbox
from snapshot_dr_provider.sandbox.client import SandboxControlError
from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.world import GrantSeed, World
from tests.integration.sandbox.access_world import (
    COPY,
    DR_COPY,
    KEY_A,
    KEY_ADMIN,
    KEY_B,
    KEY_B_POLICY,
    KEY_C,
    ORG_A,
    POWERLESS,
    STRANGER,
    WORLD,
    A,
    B,
    as_role,
    as_text,
    document,
    root_of,
)

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
#: What the fixture ``admin`` may do with keys, and no more.
LEAST = document({"Action": ["kms:GetKeyPolicy", "kms:PutKeyPolicy"], "Resource": KEY_B.arn})
RAM_POLICY = document(
    {"Principal": {"AWS": STRANGER}, "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]}
)


@pytest.fixture
def url(sandbox: Sandbox) -> str:
    """Give the endpoint of a sandbox with the shared world, on a clock that stands still."""
    sandbox.control.reset(WORLD)
    sandbox.control.freeze(NOW)
    return sandbox.endpoint_url


@pytest.fixture
def admin(url: str, sandbox: Sandbox) -> Any:
    """Give a client of the key administration role with the least permissions."""
    sandbox.control.put_role_policies(B, "KeyAdmin", [LEAST])
    return as_role(url, "kms", KEY_ADMIN)


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    """Return the code of the error that *call* ends with, or an empty text."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def window(until: datetime) -> dict[str, Any]:
    """Return KMS-B's policy with the organization's use of the key ending at *until*."""
    ends = {"DateLessThan": {"aws:CurrentTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    mine = {"StringEquals": {"aws:PrincipalOrgID": ORG_A}}
    return document(
        {"Principal": root_of(B), "Action": "kms:*"},
        {"Principal": {"AWS": "*"}, "Action": "kms:GenerateDataKey*", "Condition": {**mine, **ends}},
    )


def test_a_key_has_one_policy_unless_ram_shares_it(url: str, sandbox: Sandbox) -> None:
    """AWS_RAM is listed and read beside default once it is there, and gone when it is taken away (aws 9.2)."""
    kms = as_role(url, "kms", KEY_ADMIN)

    def names() -> list[str]:
        pages = kms.get_paginator("list_key_policies").paginate(KeyId=KEY_B.arn, PaginationConfig={"PageSize": 1})
        return [name for page in pages for name in page["PolicyNames"]]

    ram = {"KeyId": KEY_B.arn, "PolicyName": "AWS_RAM"}
    assert (names(), code_of(kms.get_key_policy, **ram)) == (["default"], "NotFoundException")
    sandbox.control.put_ram_policy(KEY_B.arn, RAM_POLICY)
    assert sorted(names()) == ["AWS_RAM", "default"]
    answer = kms.get_key_policy(**ram)
    assert (json.loads(answer["Policy"]), answer["PolicyName"]) == (RAM_POLICY, "AWS_RAM")
    assert json.loads(kms.get_key_policy(KeyId=KEY_B.arn)["Policy"]) == KEY_B_POLICY
    sandbox.control.put_ram_policy(KEY_B.arn, None)
    assert (names(), code_of(kms.get_key_policy, **ram)) == (["default"], "NotFoundException")


def test_both_policies_count(url: str, sandbox: Sandbox) -> None:
    """A call is allowed by either policy of a key, and refused by a Deny of either (aws 9.2)."""
    stranger, dr = as_role(url, "kms", STRANGER), as_role(url, "kms", DR_COPY)
    describe = {"KeyId": KEY_C.arn}
    assert code_of(stranger.describe_key, **describe) == "AccessDeniedException"
    sandbox.control.put_ram_policy(KEY_C.arn, RAM_POLICY)
    assert code_of(stranger.describe_key, **describe) == ""
    assert code_of(dr.describe_key, **describe) == ""
    sandbox.control.put_ram_policy(KEY_C.arn, document({"Effect": "Deny", "Principal": "*", "Action": "kms:Describe*"}))
    assert code_of(dr.describe_key, **describe) == "AccessDeniedException"


def test_ram_policy_cannot_be_put(url: str, sandbox: Sandbox) -> None:
    """PutKeyPolicy writes the default policy alone, and another name does not exist (aws 9.2)."""
    kms = as_role(url, "kms", KEY_ADMIN)
    sandbox.control.put_ram_policy(KEY_B.arn, RAM_POLICY)
    put = {"KeyId": KEY_B.arn, "Policy": as_text(KEY_B_POLICY)}
    assert code_of(kms.put_key_policy, **put, PolicyName="AWS_RAM") == "UnsupportedOperationException"
    assert code_of(kms.put_key_policy, **put, PolicyName="other") == "NotFoundException"
    assert json.loads(kms.get_key_policy(KeyId=KEY_B.arn, PolicyName="AWS_RAM")["Policy"]) == RAM_POLICY


def test_lock_out_check_ignores_the_ram_policy(url: str, sandbox: Sandbox) -> None:
    """That RAM's policy would allow another PutKeyPolicy does not save a default policy that does not (aws 9.2)."""
    kms = as_role(url, "kms", KEY_ADMIN)
    sandbox.control.put_ram_policy(KEY_B.arn, document({"Principal": {"AWS": KEY_ADMIN}, "Action": "kms:*"}))
    shut = as_text(document({"Principal": {"AWS": DR_COPY}, "Action": "kms:*"}))
    assert code_of(kms.put_key_policy, KeyId=KEY_B.arn, Policy=shut) == "MalformedPolicyDocumentException"


def test_a_policy_name_may_be_a_condition(url: str, sandbox: Sandbox) -> None:
    """kms:PolicyName is the policy that is asked for (aws 9.2)."""
    sandbox.control.put_ram_policy(KEY_B.arn, RAM_POLICY)
    only_default = {"StringEquals": {"kms:PolicyName": "default"}}
    sandbox.control.put_role_policies(B, "KeyAdmin", [document({"Action": "kms:*", "Condition": only_default})])
    kms = as_role(url, "kms", KEY_ADMIN)
    assert code_of(kms.get_key_policy, KeyId=KEY_B.arn) == ""
    assert code_of(kms.get_key_policy, KeyId=KEY_B.arn, PolicyName="AWS_RAM") == "AccessDeniedException"


def test_world_seeds_ram_policies_and_grants(sandbox: Sandbox) -> None:
    """A key of the world, also of one in YAML, may have a RAM policy and grants to whoever it says."""
    foreign, service = "arn:aws:iam::123456789012:role/gone", "ec2.us-east-1.amazonaws.com"
    grants = (
        GrantSeed(("Decrypt", "CreateGrant"), foreign, name="old", created=NOW - timedelta(days=400)),
        GrantSeed(("Decrypt",), service, retiring=service),
        GrantSeed(("Encrypt",), grantee_service=service),
    )
    keys = tuple(replace(key, ram_policy=RAM_POLICY, grants=grants) if key == KEY_C else key for key in WORLD.keys)
    sandbox.control.reset(World.from_yaml(replace(WORLD, keys=keys).to_yaml()))
    kms = as_role(sandbox.endpoint_url, "kms", DR_COPY)
    assert set(kms.list_key_policies(KeyId=KEY_C.arn)["PolicyNames"]) == {"default", "AWS_RAM"}
    first, second, third = kms.list_grants(KeyId=KEY_C.arn)["Grants"]
    assert (first["GranteePrincipal"], first["Name"], first["KeyId"]) == (foreign, "old", KEY_C.arn)
    assert (first["CreationDate"], first["Operations"]) == (NOW - timedelta(days=400), ["Decrypt", "CreateGrant"])
    assert (second["GranteePrincipal"], second["RetiringPrincipal"]) == (service, service)
    assert (third["GranteeServicePrincipal"], "GranteePrincipal" in third) == (service, False)
    assert first["IssuingAccount"] == root_of(B)["AWS"]
    kms.revoke_grant(KeyId=KEY_C.arn, GrantId=first["GrantId"])
    assert len(kms.list_grants(KeyId=KEY_C.arn)["Grants"]) == 2
    with pytest.raises(WorldError, match="either a grantee or a grantee_service"):
        GrantSeed(("Decrypt",))


def test_grants_to_principals_outside(url: str, sandbox: Sandbox) -> None:
    """Grants to other accounts are made by the API or from outside, listed with all filters, and count."""
    dr, stranger = as_role(url, "kms", DR_COPY), as_role(url, "kms", STRANGER)
    key = {"KeyId": KEY_C.arn}
    made = dr.create_grant(**key, GranteePrincipal=STRANGER, Operations=["DescribeKey"])["GrantId"]
    given = sandbox.control.add_grant(KEY_C.arn, GrantSeed(("Decrypt",), COPY))
    assert code_of(stranger.describe_key, **key) == ""

    def listed(**filters: Any) -> list[str]:
        pages = dr.get_paginator("list_grants").paginate(**key, **filters, PaginationConfig={"PageSize": 1})
        return [grant["GrantId"] for page in pages for grant in page["Grants"]]

    assert listed() == [made, given]
    assert listed(GranteePrincipal=COPY) == listed(GrantId=given) == [given]
    assert listed(GranteePrincipal=COPY, GrantId=made) == []
    first = dr.list_grants(**key, Limit=1)
    assert first["Truncated"]
    rest = dr.list_grants(**key, Marker=first["NextMarker"])
    assert (rest["Truncated"], [grant["GrantId"] for grant in rest["Grants"]]) == (False, [given])
    assert code_of(dr.list_grants, **key, Limit=101) == "ValidationException"
    service = {"GranteeServicePrincipal": "ec2.us-east-1.amazonaws.com"}
    assert code_of(dr.list_grants, **key, **service) == "ValidationException"
    with pytest.raises(SandboxControlError, match="there is no key"):
        sandbox.control.add_grant(f"{KEY_C.arn}x", GrantSeed(("Decrypt",), COPY))


def test_constraints_do_not_concern_describing(url: str) -> None:
    """The encryption context of a grant limits neither DescribeKey nor RetireGrant, which have none."""
    bound = {"EncryptionContextEquals": {"aws:ebs:id": "vol-1"}}
    grant = {"GranteePrincipal": POWERLESS, "Operations": ["DescribeKey", "Decrypt"], "Constraints": bound}
    as_role(url, "kms", COPY).create_grant(KeyId=KEY_A.arn, **grant)
    assert code_of(as_role(url, "kms", POWERLESS).describe_key, KeyId=KEY_A.arn) == ""


def test_constraint_of_a_grant_may_be_a_condition(url: str, sandbox: Sandbox) -> None:
    """kms:GrantConstraintType and the encryption context tell what kind of grant is asked for."""
    wanted = {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset", "kms:EncryptionContext:a": "b"}}
    sandbox.control.put_role_policies(A, "Copy", [document({"Action": "kms:CreateGrant", "Condition": wanted})])
    kms = as_role(url, "kms", COPY)
    grant = {"KeyId": KEY_A.arn, "GranteePrincipal": POWERLESS, "Operations": ["Decrypt"]}
    assert code_of(kms.create_grant, **grant) == "AccessDeniedException"
    assert code_of(kms.create_grant, **grant, Constraints={"EncryptionContextSubset": {"a": "b"}}) == ""
    source = {"SourceArn": "arn:aws:ec2:us-east-1:111111111111:x"}
    assert code_of(kms.create_grant, **grant, Constraints=source) == "AccessDeniedException"


def test_a_statement_ends_with_the_clock(url: str, sandbox: Sandbox, admin: Any) -> None:
    """DateLessThan aws:CurrentTime goes by the sandbox clock: allowed to the last second, and no longer (aws 9.7)."""
    until = NOW + timedelta(hours=6)
    admin.put_key_policy(KeyId=KEY_B.arn, Policy=as_text(window(until)))
    kms = as_role(url, "kms", COPY)
    request = {"KeyId": KEY_B.arn, "KeySpec": "AES_256"}
    sandbox.control.advance(6 * 3600 - 1)
    assert code_of(kms.generate_data_key, **request) == ""
    sandbox.control.advance(1)
    assert sandbox.control.now() == until
    assert code_of(kms.generate_data_key, **request) == "AccessDeniedException"
    assert code_of(admin.put_key_policy, KeyId=KEY_B.arn, Policy=as_text(window(until))) == ""


def test_administration_takes_both_policies(url: str, sandbox: Sandbox, admin: Any) -> None:
    """The key administrator needs its identity policy and the key's root statement, and may do no more (aws 9.9)."""
    key = {"KeyId": KEY_B.arn}
    text = admin.get_key_policy(**key)["Policy"]
    assert code_of(admin.put_key_policy, **key, Policy=text) == ""
    for call in (admin.list_key_policies, admin.describe_key, admin.disable_key, admin.list_grants):
        assert code_of(call, **key) == "AccessDeniedException"
    assert code_of(admin.get_key_policy, KeyId=KEY_C.arn) == "AccessDeniedException"
    sandbox.control.put_role_policies(B, "KeyAdmin", [])
    assert code_of(admin.put_key_policy, **key, Policy=text) == "AccessDeniedException"


def test_another_writer_replaces_the_whole_policy(url: str, admin: Any) -> None:
    """PutKeyPolicy knows no version: the last writer wins, and what was written before is lost (aws 9.1)."""
    other = as_role(url, "kms", DR_COPY)
    admin.put_key_policy(KeyId=KEY_B.arn, Policy=as_text(window(NOW + timedelta(hours=1))))
    other.put_key_policy(KeyId=KEY_B.arn, Policy=as_text(KEY_B_POLICY))
    assert json.loads(admin.get_key_policy(KeyId=KEY_B.arn)["Policy"]) == KEY_B_POLICY


def test_a_policy_may_read_back_late(url: str, sandbox: Sandbox, admin: Any) -> None:
    """With the lag of reads GetKeyPolicy shows the policy before, while calls are judged by the new one (aws 9.4)."""
    sandbox.control.set_lag(policy_read=30)
    text = as_text(window(NOW - timedelta(hours=1)))
    admin.put_key_policy(KeyId=KEY_B.arn, Policy=text)
    assert json.loads(admin.get_key_policy(KeyId=KEY_B.arn)["Policy"]) == KEY_B_POLICY
    assert code_of(as_role(url, "kms", COPY).describe_key, KeyId=KEY_B.arn) == "AccessDeniedException"
    sandbox.control.advance(30)
    assert admin.get_key_policy(KeyId=KEY_B.arn)["Policy"] == text


def test_a_policy_from_outside_is_kept_byte_for_byte(sandbox: Sandbox, admin: Any) -> None:
    """The control API takes a policy as a text of its own layout, and refuses one that is no JSON object."""
    text = json.dumps(KEY_B_POLICY, indent=5)
    sandbox.control.put_key_policy(KEY_B.arn, text)
    assert admin.get_key_policy(KeyId=KEY_B.arn)["Policy"] == text
    for put in (sandbox.control.put_key_policy, sandbox.control.put_ram_policy):
        with pytest.raises(SandboxControlError, match="Expecting value"):
            put(KEY_B.arn, "nonsense")
        with pytest.raises(SandboxControlError, match="not a JSON object"):
            put(KEY_B.arn, "[]")


def test_faults_hit_the_key_policy_calls(sandbox: Sandbox, admin: Any) -> None:
    """PutKeyPolicy and GetKeyPolicy can be throttled, and lose their answer after the effect."""
    key, text = {"KeyId": KEY_B.arn}, as_text(window(NOW))
    sandbox.control.add_fault(service="kms", action="PutKeyPolicy", kind="throttle")
    sandbox.control.add_fault(service="kms", action="GetKeyPolicy", kind="server_error")
    assert code_of(admin.put_key_policy, **key, Policy=text) == "ThrottlingException"
    assert code_of(admin.get_key_policy, **key) == "InternalFailure"
    assert json.loads(admin.get_key_policy(**key)["Policy"]) == KEY_B_POLICY
    sandbox.control.add_fault(service="kms", action="PutKeyPolicy", kind="lost_answer")
    with pytest.raises(ConnectionClosedError):
        admin.put_key_policy(**key, Policy=text)
    assert admin.get_key_policy(**key)["Policy"] == text
