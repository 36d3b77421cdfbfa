import json
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
    KEY_B_POLICY,
    KEY_C,
    POWERLESS,
    WORLD,
    A,
    B,
    as_role,
    as_text,
    as_user,
    document,
    root_of,
)

MISSING = "99999999-0000-0000-0000-000000000009"


@pytest.fixture
def url(sandbox):
    """Give the endpoint of a sandbox with the shared world."""
    sandbox.control.reset(WORLD)
    return sandbox.endpoint_url


@pytest.fixture
def kms_a(url):
    """Give a client of the copy role of account A."""
    return as_role(url, "kms", COPY)


@pytest.fixture
def key_admin(url):
    """Give a client of the role that administers account B's keys."""
    return as_role(url, "kms", KEY_ADMIN)


def refused(call, **parameters):
    """Return code and message with which *call* is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    "reference",
    [
        KEY_A.key_id,
        KEY_A.arn,
        "alias/payments",
        f"arn:aws:kms:us-east-1:{A}:alias/payments",
    ],
)
def test_an_own_key_has_four_names(kms_a, reference):
    """DescribeKey takes key id, key ARN, alias and alias ARN of the caller's own keys."""
    metadata = kms_a.describe_key(KeyId=reference)["KeyMetadata"]
    assert (metadata["Arn"], metadata["AWSAccountId"], metadata["KeyState"]) == (KEY_A.arn, A, "Enabled")
    assert metadata["KeyManager"] == "CUSTOMER"


def test_a_key_of_another_account_is_named_by_arn_only(kms_a):
    """Key ids and aliases are looked up in the caller's account, ARNs in their own (aws 1.2, 2.6)."""
    for reference in (KEY_B.arn, f"arn:aws:kms:us-east-1:{B}:alias/kms-b"):
        assert kms_a.describe_key(KeyId=reference)["KeyMetadata"]["Arn"] == KEY_B.arn
    for reference in (KEY_B.key_id, "alias/kms-b"):
        assert refused(kms_a.describe_key, KeyId=reference)[0] == "NotFoundException"


def test_a_missing_key(kms_a):
    """An own key that is missing is not found; a foreign one looks like one without access [M]."""
    own = f"arn:aws:kms:us-east-1:{A}:key/{MISSING}"
    assert refused(kms_a.describe_key, KeyId=MISSING) == ("NotFoundException", f"Key '{own}' does not exist")
    assert (
        refused(kms_a.describe_key, KeyId="alias/none")[1]
        == f"Alias {own.removesuffix(f'key/{MISSING}')}alias/none is not found."
    )
    code, message = refused(kms_a.describe_key, KeyId=f"arn:aws:kms:us-east-1:{B}:key/{MISSING}")
    assert code == "AccessDeniedException"
    assert "because the resource does not exist in this Region" in message


def test_keys_live_in_one_region(url):
    """A key ARN of another Region than the endpoint's is refused [M], and lists name the Region's keys alone."""
    west = as_role(url, "kms", COPY, region="us-west-2")
    assert refused(west.describe_key, KeyId=KEY_A.arn) == ("NotFoundException", "Invalid arn us-east-1")
    assert west.list_keys()["Keys"] == []
    assert refused(west.describe_key, KeyId="nonsense/arn")[0] == "NotFoundException"
    assert refused(west.describe_key, KeyId="arn:aws:s3:::bucket")[0] == "InvalidArnException"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_key_policy", {}),
        ("put_key_policy", {"Policy": as_text(KEY_B_POLICY)}),
        ("list_key_policies", {}),
        ("disable_key", {}),
        ("enable_key", {}),
        ("schedule_key_deletion", {}),
        ("cancel_key_deletion", {}),
        ("list_resource_tags", {}),
    ],
)
def test_administration_never_crosses_accounts(url, sandbox, operation, parameters):
    """A key policy that gives another account everything still gives it no administration (aws 2.6)."""
    sandbox.control.put_key_policy(KEY_B.arn, document({"Principal": {"AWS": [A, B]}, "Action": "kms:*"}))
    call = getattr(as_role(url, "kms", COPY), operation)
    code, message = refused(call, KeyId=KEY_B.arn, **parameters)
    assert code == "AccessDeniedException"
    assert f"on resource: {KEY_B.arn}" in message
    as_role(url, "kms", COPY).describe_key(KeyId=KEY_B.arn)


def test_a_policy_comes_back_byte_for_byte(key_admin):
    """GetKeyPolicy returns the very text that was put, blanks and order included (moto 1.7)."""
    text = json.dumps(KEY_B_POLICY, indent=3).replace("OrgGrant", "Org  Grant") + "\n"
    key_admin.put_key_policy(KeyId=KEY_B.arn, Policy=text)
    answer = key_admin.get_key_policy(KeyId=KEY_B.arn, PolicyName="default")
    assert (answer["Policy"], answer["PolicyName"]) == (text, "default")


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("not json", "MalformedPolicyDocumentException"),
        (
            as_text(document({"Principal": root_of("999999999999"), "Action": "kms:*"})),
            "MalformedPolicyDocumentException",
        ),
        (as_text({**KEY_B_POLICY, "Id": "x" * 32_768}), "LimitExceededException"),
    ],
)
def test_a_policy_is_checked_before_it_is_put(key_admin, policy, code):
    """A refused policy leaves the one in force alone (aws 9.1, 9.3)."""
    assert refused(key_admin.put_key_policy, KeyId=KEY_B.arn, Policy=policy)[0] == code
    assert json.loads(key_admin.get_key_policy(KeyId=KEY_B.arn)["Policy"]) == KEY_B_POLICY


def test_the_lock_out_check(key_admin, url):
    """A policy under which the caller could not put another is refused, unless the check is bypassed (aws 9.1)."""
    shut = as_text(document({"Principal": {"AWS": DR_COPY}, "Action": "kms:*"}))
    code, message = refused(key_admin.put_key_policy, KeyId=KEY_B.arn, Policy=shut)
    assert code == "MalformedPolicyDocumentException"
    assert message == "The new key policy will not allow you to update the key policy in the future."
    key_admin.put_key_policy(KeyId=KEY_B.arn, Policy=shut, BypassPolicyLockoutSafetyCheck=True)
    assert refused(key_admin.get_key_policy, KeyId=KEY_B.arn)[0] == "AccessDeniedException"
    as_user(url, "sts", f"{B}/admin").get_caller_identity()


def test_a_policy_takes_effect_late(sandbox, url, key_admin):
    """With lag a new policy is read back at once and judged by only after the lag (aws 9.4)."""
    sandbox.control.freeze()
    sandbox.control.set_lag(policy=90)
    kms_a, key_admin = as_role(url, "kms", COPY), as_role(url, "kms", KEY_ADMIN)
    shut = as_text(document({"Principal": root_of(B), "Action": "kms:*"}))
    key_admin.put_key_policy(KeyId=KEY_B.arn, Policy=shut)
    assert key_admin.get_key_policy(KeyId=KEY_B.arn)["Policy"] == shut
    sandbox.control.advance(89)
    kms_a.describe_key(KeyId=KEY_B.arn)
    sandbox.control.advance(1)
    assert refused(kms_a.describe_key, KeyId=KEY_B.arn)[0] == "AccessDeniedException"


def test_states_of_a_key(kms_a, sandbox):
    """A disabled key cannot be used, one that is to be deleted not even enabled, and after the wait it is gone."""
    sandbox.control.freeze()
    key = {"KeyId": KEY_A.key_id}

    def state():
        return kms_a.describe_key(**key)["KeyMetadata"]["KeyState"]

    kms_a.disable_key(**key)
    assert state() == "Disabled"
    assert refused(kms_a.generate_data_key_without_plaintext, **key, KeySpec="AES_256")[0] == "DisabledException"
    assert refused(kms_a.cancel_key_deletion, **key)[0] == "KMSInvalidStateException"
    kms_a.enable_key(**key)
    assert state() == "Enabled"
    assert refused(kms_a.schedule_key_deletion, **key, PendingWindowInDays=6)[0] == "ValidationException"
    answer = kms_a.schedule_key_deletion(**key, PendingWindowInDays=7)
    assert answer["KeyState"] == state() == "PendingDeletion"
    for call in (kms_a.enable_key, kms_a.disable_key, kms_a.schedule_key_deletion):
        assert refused(call, **key)[0] == "KMSInvalidStateException"
    kms_a.cancel_key_deletion(**key)
    assert state() == "Disabled"


def test_a_deleted_key_is_gone(url, sandbox):
    """When its waiting time on the sandbox clock is over, a key does not exist any more."""
    sandbox.control.freeze()
    as_role(url, "kms", COPY).schedule_key_deletion(KeyId=KEY_A.key_id, PendingWindowInDays=7)
    sandbox.control.advance(timedelta(days=7).total_seconds())
    late = as_role(url, "kms", COPY)
    assert refused(late.describe_key, KeyId=KEY_A.key_id)[0] == "NotFoundException"
    assert late.list_keys()["Keys"] == []


def test_creating_a_key(kms_a, url):
    """A new key has the default policy of its account, tags and description as given, and is listed."""
    metadata = kms_a.create_key(Description="new", Tags=[{"TagKey": "env", "TagValue": "prod"}])["KeyMetadata"]
    key = {"KeyId": metadata["KeyId"]}
    assert (metadata["Description"], metadata["AWSAccountId"], metadata["Enabled"]) == ("new", A, True)
    (statement,) = json.loads(kms_a.get_key_policy(**key)["Policy"])["Statement"]
    assert statement["Principal"] == root_of(A)
    assert kms_a.list_resource_tags(**key)["Tags"] == [{"TagKey": "env", "TagValue": "prod"}]
    kms_a.tag_resource(**key, Tags=[{"TagKey": "env", "TagValue": "dev"}, {"TagKey": "x", "TagValue": ""}])
    kms_a.untag_resource(**key, TagKeys=["x"])
    assert kms_a.list_resource_tags(**key)["Tags"] == [{"TagKey": "env", "TagValue": "dev"}]
    assert metadata["Arn"] in {each["KeyArn"] for each in kms_a.list_keys()["Keys"]}
    locked_out = as_text(document({"Principal": {"AWS": POWERLESS}, "Action": "kms:*"}))
    assert refused(kms_a.create_key, Policy=locked_out)[0] == "MalformedPolicyDocumentException"
    code, message = refused(as_role(url, "kms", POWERLESS).create_key)
    assert code == "AccessDeniedException"
    assert message.endswith("because no identity-based policy allows the kms:CreateKey action")
    assert refused(kms_a.create_key, KeySpec="RSA_2048")[0] == "UnsupportedOperationException"


def test_lists_come_in_pages(kms_a):
    """Keys and aliases are listed page by page, each once."""
    for number in range(4):
        key_id = kms_a.create_key()["KeyMetadata"]["KeyId"]
        kms_a.create_alias(AliasName=f"alias/n{number}", TargetKeyId=key_id)
    for operation, name, field in (("list_keys", "Keys", "KeyId"), ("list_aliases", "Aliases", "AliasName")):
        pages = list(kms_a.get_paginator(operation).paginate(PaginationConfig={"PageSize": 2}))
        assert [len(page[name]) for page in pages] == [2, 2, 1]
        assert len({each[field] for page in pages for each in page[name]}) == 5
    assert refused(kms_a.list_keys, Marker="nonsense")[0] == "InvalidMarkerException"
    assert refused(kms_a.list_keys, Limit=1001)[0] == "ValidationException"


def test_aliases(kms_a):
    """An alias is made once, named properly, taken away, and not taken where AWS wants a key."""
    assert (
        refused(kms_a.create_alias, AliasName="alias/payments", TargetKeyId=KEY_A.key_id)[0] == "AlreadyExistsException"
    )
    assert refused(kms_a.create_alias, AliasName="payments", TargetKeyId=KEY_A.key_id)[0] == "InvalidAliasNameException"
    assert refused(kms_a.create_alias, AliasName="alias/aws/x", TargetKeyId=KEY_A.key_id)[0] == "NotAuthorizedException"
    assert refused(kms_a.get_key_policy, KeyId="alias/payments")[0] == "NotFoundException"
    (alias,) = kms_a.list_aliases(KeyId=KEY_A.key_id)["Aliases"]
    assert (alias["AliasName"], alias["TargetKeyId"]) == ("alias/payments", KEY_A.key_id)
    kms_a.delete_alias(AliasName="alias/payments")
    assert refused(kms_a.describe_key, KeyId="alias/payments")[0] == "NotFoundException"


def test_the_key_of_ebs(kms_a, url):
    """alias/aws/ebs is made when its account first names it, one for each, and cannot be administered or shared."""
    metadata = kms_a.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert (metadata["KeyManager"], metadata["AWSAccountId"]) == ("AWS", A)
    assert kms_a.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"] == metadata["Arn"]
    other = as_role(url, "kms", COPY_2)
    assert other.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["AWSAccountId"] == A2
    assert refused(other.describe_key, KeyId=metadata["Arn"])[0] == "AccessDeniedException"
    policy = as_text(document({"Principal": root_of(A), "Action": "kms:*"}))
    assert refused(kms_a.put_key_policy, KeyId=metadata["Arn"], Policy=policy)[0] == "AccessDeniedException"
    assert "kms:ViaService" in kms_a.get_key_policy(KeyId=metadata["Arn"])["Policy"]
    direct = refused(kms_a.generate_data_key, KeyId="alias/aws/ebs", KeySpec="AES_256")
    assert direct[0] == "AccessDeniedException"


def test_grants(url, kms_a):
    """A grant lets its grantee do what it names and nothing else, until it is revoked."""
    powerless = as_role(url, "kms", POWERLESS)
    key = {"KeyId": KEY_A.key_id}
    assert refused(powerless.describe_key, **key)[0] == "AccessDeniedException"
    grant = kms_a.create_grant(**key, GranteePrincipal=POWERLESS, Operations=["DescribeKey", "Decrypt"], Name="once")
    assert powerless.describe_key(**key)["KeyMetadata"]["Arn"] == KEY_A.arn
    assert refused(powerless.generate_data_key, **key, KeySpec="AES_256")[0] == "AccessDeniedException"
    again = kms_a.create_grant(**key, GranteePrincipal=POWERLESS, Operations=["DescribeKey", "Decrypt"], Name="once")
    assert again["GrantId"] == grant["GrantId"]
    (listed,) = kms_a.list_grants(**key)["Grants"]
    assert (listed["KeyId"], listed["GranteePrincipal"]) == (KEY_A.arn, POWERLESS)
    assert listed["IssuingAccount"] == f"arn:aws:iam::{A}:root"
    assert datetime.now(UTC) - listed["CreationDate"] < timedelta(minutes=1)
    kms_a.revoke_grant(**key, GrantId=grant["GrantId"])
    assert refused(powerless.describe_key, **key)[0] == "AccessDeniedException"
    assert refused(kms_a.revoke_grant, **key, GrantId=grant["GrantId"])[0] == "NotFoundException"


def test_listing_grants(kms_a):
    """Grants are filtered by id and grantee, and come in pages."""
    key = {"KeyId": KEY_A.key_id}
    ids = [
        kms_a.create_grant(**key, GranteePrincipal=grantee, Operations=["Decrypt"])["GrantId"]
        for grantee in (COPY, POWERLESS, POWERLESS)
    ]
    assert [each["GrantId"] for each in kms_a.list_grants(**key, GranteePrincipal=COPY)["Grants"]] == ids[:1]
    assert [each["GrantId"] for each in kms_a.list_grants(**key, GrantId=ids[2])["Grants"]] == ids[2:]
    pages = list(kms_a.get_paginator("list_grants").paginate(**key, PaginationConfig={"PageSize": 2}))
    assert [each["GrantId"] for page in pages for each in page["Grants"]] == ids


def test_retiring_grants(url, kms_a):
    """A grant is retired by its retiring principal or by whoever has the permission, by token or by id."""
    key = {"KeyId": KEY_A.key_id, "Operations": ["Decrypt"], "GranteePrincipal": COPY}
    grants = [kms_a.create_grant(**key, RetiringPrincipal=POWERLESS) for _ in range(2)]
    foreign = kms_a.create_grant(**key)
    powerless = as_role(url, "kms", POWERLESS)
    assert refused(powerless.retire_grant, GrantToken=foreign["GrantToken"])[0] == "AccessDeniedException"
    powerless.retire_grant(GrantToken=grants[0]["GrantToken"])
    powerless.retire_grant(KeyId=KEY_A.arn, GrantId=grants[1]["GrantId"])
    assert [each["GrantId"] for each in kms_a.list_grants(KeyId=KEY_A.key_id)["Grants"]] == [foreign["GrantId"]]
    kms_a.retire_grant(GrantToken=foreign["GrantToken"])
    assert refused(kms_a.retire_grant, GrantToken=foreign["GrantToken"])[0] == "InvalidGrantTokenException"
    assert refused(kms_a.retire_grant, KeyId=KEY_A.key_id, GrantId="x")[0] == "InvalidArnException"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Operations": ["Fly"]}, "ValidationException"),
        ({"Operations": []}, "ValidationException"),
        ({"GranteePrincipal": "arn:aws:iam::999999999999:root"}, "InvalidArnException"),
        ({"GranteePrincipal": "Copy"}, "InvalidArnException"),
        ({"DryRun": True}, "DryRunOperationException"),
        ({"KeyId": MISSING}, "NotFoundException"),
    ],
)
def test_grants_are_checked(kms_a, parameters, code):
    """Unknown operations and principals are refused, and a dry run makes nothing (moto 1.7)."""
    given = {"KeyId": KEY_A.key_id, "GranteePrincipal": COPY, "Operations": ["Decrypt"], **parameters}
    assert refused(kms_a.create_grant, **given)[0] == code
    assert kms_a.list_grants(KeyId=KEY_A.key_id)["Grants"] == []


def test_a_grant_may_be_bound_to_an_encryption_context(url, kms_a):
    """A constrained grant counts for calls with its encryption context alone."""
    key = {"KeyId": KEY_A.key_id}
    context = {"aws:ebs:id": "vol-1"}
    blob = kms_a.encrypt(**key, Plaintext=b"data", EncryptionContext=context)["CiphertextBlob"]
    kms_a.create_grant(
        **key, GranteePrincipal=POWERLESS, Operations=["Decrypt"], Constraints={"EncryptionContextEquals": context}
    )
    powerless = as_role(url, "kms", POWERLESS)
    assert powerless.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"data"
    assert refused(powerless.decrypt, CiphertextBlob=blob)[0] == "AccessDeniedException"


def test_cryptography(kms_a, url):
    """What a key encrypted it decrypts, with the same context alone, for callers who may."""
    context = {"purpose": "test"}
    answer = kms_a.generate_data_key(KeyId=KEY_B.arn, KeySpec="AES_256", EncryptionContext=context)
    assert (len(answer["Plaintext"]), answer["KeyId"]) == (32, KEY_B.arn)
    blob = {"CiphertextBlob": answer["CiphertextBlob"]}
    assert refused(kms_a.decrypt, **blob, EncryptionContext=context)[0] == "AccessDeniedException"
    dr = as_role(url, "kms", DR_COPY)
    assert dr.decrypt(**blob, EncryptionContext=context)["Plaintext"] == answer["Plaintext"]
    assert refused(dr.decrypt, **blob)[0] == "InvalidCiphertextException"
    assert refused(dr.decrypt, **blob, EncryptionContext=context, KeyId=KEY_C.arn)[0] == "IncorrectKeyException"
    hidden = kms_a.generate_data_key_without_plaintext(KeyId=KEY_A.key_id, NumberOfBytes=64)
    assert "Plaintext" not in hidden
    assert len(kms_a.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 64
    assert refused(kms_a.encrypt, KeyId=KEY_A.key_id, Plaintext=b"x", DryRun=True)[0] == "DryRunOperationException"
    assert refused(kms_a.generate_data_key, KeyId=KEY_A.key_id)[0] == "ValidationException"
    assert refused(kms_a.decrypt, CiphertextBlob=b"nonsense")[0] == "InvalidCiphertextException"


def test_what_is_not_modelled_is_refused(kms_a):
    """An operation that the sandbox does not know is an error that names it."""
    code, message = refused(kms_a.get_key_rotation_status, KeyId=KEY_A.key_id)
    assert (code, message) == ("UnsupportedOperationException", "The sandbox does not model kms:GetKeyRotationStatus")
