from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.integration.sandbox.access_world import (
    COPY,
    COPY_2,
    DR_COPY,
    EXTERNAL,
    KEY_A,
    POWERLESS,
    STRANGER,
    WORLD,
    A,
    B,
    as_role,
    as_text,
    as_user,
    client,
    document,
    session_of,
)

INVALID = {"sts": "InvalidClientTokenId", "kms": "UnrecognizedClientException", "ec2": "AuthFailure"}
EXPIRED = {"sts": "ExpiredToken", "kms": "ExpiredTokenException", "ec2": "RequestExpired"}
CALLS = {
    "sts": lambda sts: sts.get_caller_identity(),
    "kms": lambda kms: kms.list_keys(),
    "ec2": lambda ec2: ec2.describe_snapshots(OwnerIds=["self"]),
}


@pytest.fixture
def url(sandbox):
    """Give the endpoint of a sandbox with the shared world."""
    sandbox.control.reset(WORLD)
    return sandbox.endpoint_url


def refused(call, **parameters):
    """Return code and message with which *call* is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_caller_is_told_who_it_is(url):
    """GetCallerIdentity names users by their ARN and sessions by the assumed-role ARN, and needs no permission."""
    user = as_user(url, "sts", f"{A}/plain").get_caller_identity()
    assert (user["Account"], user["Arn"]) == (A, f"arn:aws:iam::{A}:user/plain")
    session = as_role(url, "sts", COPY).get_caller_identity()
    assert (session["Account"], session["Arn"]) == (A, f"arn:aws:sts::{A}:assumed-role/Copy/test")
    assert session["UserId"].startswith("AROA")
    assert session["UserId"].endswith(":test")


@pytest.mark.parametrize("arn", [COPY, COPY_2])
def test_a_trusted_caller_assumes_a_role_in_another_account(url, arn):
    """A role may trust a user or a whole account; across accounts the caller's own policies have to allow it too."""
    answer = as_user(url, "sts", "100000000000/tooling").assume_role(RoleArn=arn, RoleSessionName="airflow")
    assert (
        answer["AssumedRoleUser"]["Arn"]
        == f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/airflow"
    )
    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(minutes=58) < left <= timedelta(hours=1, seconds=2)


@pytest.mark.parametrize(
    ("user", "arn"),
    [
        ("100000000000/tooling", f"arn:aws:iam::{A}:role/Untrusting"),
        ("100000000000/tooling", f"arn:aws:iam::{A}:role/Missing"),
        ("100000000000/tooling", "arn:aws:iam::999999999999:role/Copy"),
        ("100000000000/tooling", EXTERNAL),
        ("100000000000/tooling", DR_COPY),
        (f"{A}/plain", COPY),
        (f"{A}/admin", COPY),
        (f"{B}/admin", STRANGER),
    ],
)
def test_roles_that_are_missing_or_do_not_trust_the_caller(url, user, arn):
    """A missing role, one that trusts somebody else, and one that wants an external id are refused alike (moto 1.8)."""
    code, message = refused(as_user(url, "sts", user).assume_role, RoleArn=arn, RoleSessionName="airflow")
    assert code == "AccessDenied"
    assert message.endswith(
        f":user/{user.split('/')[1]} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )


def test_an_external_id_has_to_be_the_agreed_one(url):
    """A role with an external id is assumed with that id alone."""
    sts = as_user(url, "sts", "100000000000/tooling")
    assert (
        refused(sts.assume_role, RoleArn=EXTERNAL, RoleSessionName="airflow", ExternalId="guess")[0] == "AccessDenied"
    )
    sts.assume_role(RoleArn=EXTERNAL, RoleSessionName="airflow", ExternalId="shared-secret")


def test_a_role_that_names_a_user_of_its_own_account_asks_for_no_more(url):
    """Inside one account a trust policy that names the caller is enough; one that names the account is not."""
    plain = as_user(url, "sts", f"{A}/plain")
    plain.assume_role(RoleArn=f"arn:aws:iam::{A}:role/Local", RoleSessionName="airflow")


def test_root_users_assume_no_roles(url, sandbox):
    """AWS never lets a root user assume a role [M]."""
    root = client(url, "sts", (f"AKIAROOT{B}", "root"))
    assert root.get_caller_identity()["Arn"] == f"arn:aws:iam::{B}:root"
    assert refused(root.assume_role, RoleArn=DR_COPY, RoleSessionName="airflow")[0] == "AccessDenied"


@pytest.mark.parametrize("service", sorted(CALLS))
@pytest.mark.parametrize("credentials", [("AKIANOBODY0000000000", "x"), ("ASIANOBODY0000000000", "x", "token")])
def test_unknown_keys_are_refused_by_every_service(url, service, credentials):
    """A key that nobody has does not turn into a default account (moto 3)."""
    assert refused(lambda: CALLS[service](client(url, service, credentials)))[0] == INVALID[service]


@pytest.mark.parametrize("service", sorted(CALLS))
def test_sessions_from_before_a_reset_are_refused(url, sandbox, service):
    """A reset makes temporary credentials worthless instead of turning them into a default account's (moto 3)."""
    stale = as_role(url, service, COPY)
    CALLS[service](stale)
    sandbox.control.reset(WORLD)
    assert refused(lambda: CALLS[service](stale))[0] == INVALID[service]


@pytest.mark.parametrize("service", sorted(CALLS))
def test_sessions_expire(url, sandbox, service):
    """An expired session is refused with the service's own code; advancing the sandbox clock expires none."""
    sandbox.control.freeze()
    session = as_role(url, service, COPY, DurationSeconds=900)
    sandbox.control.advance(7200)
    CALLS[service](session)
    sandbox.control.expire_sessions()
    assert refused(lambda: CALLS[service](session))[0] == EXPIRED[service]
    CALLS[service](as_role(url, service, COPY))


def test_a_session_key_needs_its_own_token(url):
    """A session's key without its token, or with another session's, is refused, as is a user's key with one."""
    one, other = session_of(url, COPY), session_of(url, COPY)
    for credentials in (one[:2], (*one[:2], other[2]), ("AKIATOOLING000000000", "tooling", one[2])):
        assert refused(client(url, "sts", credentials).get_caller_identity)[0] == "InvalidClientTokenId"


def test_the_caller_cannot_choose_its_account(url):
    """The header with which plain moto lets a client pick an account changes nothing (moto 3)."""
    sts = as_user(url, "sts", f"{A}/plain")
    sts.meta.events.register("before-sign.sts", lambda request, **_: request.headers.add_header("x-moto-account-id", B))
    assert sts.get_caller_identity()["Account"] == A


def test_deleting_a_role_ends_its_sessions(url, sandbox):
    """The credentials of a role that is gone are worth nothing [M]."""
    session = as_role(url, "sts", POWERLESS)
    session.get_caller_identity()
    sandbox.control.delete_role(A, "Powerless")
    assert refused(session.get_caller_identity)[0] == "InvalidClientTokenId"


def test_session_policies_only_take_away(url):
    """A session may do what both its role's policies and the policy given to AssumeRole allow."""
    narrow = as_role(url, "kms", COPY, Policy=as_text(document({"Action": "kms:DescribeKey"})))
    narrow.describe_key(KeyId=KEY_A.key_id)
    code, message = refused(narrow.list_keys)
    assert code == "AccessDeniedException"
    assert message.endswith("because no session policy allows the kms:ListKeys action")
    wide = as_role(url, "kms", POWERLESS, Policy=as_text(document({"Action": "*"})))
    assert refused(wide.list_keys)[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    "parameters",
    [
        {"DurationSeconds": 899},
        {"DurationSeconds": 3601},
        {"RoleSessionName": "x" * 65},
        {"RoleSessionName": "with space"},
        {"RoleArn": "arn:aws:iam::111111111111:user/Copy"},
        {"Policy": "not json"},
    ],
)
def test_parameters_are_checked(url, parameters):
    """Durations outside 900 to 3600 s, odd session names, ARNs of no role and malformed policies are refused."""
    given = {"RoleArn": COPY, "RoleSessionName": "airflow", **parameters}
    code = refused(as_user(url, "sts", "100000000000/tooling").assume_role, **given)[0]
    assert code == ("MalformedPolicyDocument" if "Policy" in parameters else "ValidationError")


def test_what_is_not_modelled_is_refused(url):
    """An operation that the sandbox does not know is an error that names it, not an answer made up."""
    code, message = refused(as_user(url, "sts", f"{A}/admin").get_session_token)
    assert (code, message) == ("InvalidAction", "The sandbox does not model sts:GetSessionToken")
