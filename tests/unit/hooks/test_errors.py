import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from snapshot_dr_provider.exceptions import (
    AccessDeniedError,
    AmbiguousAnswerError,
    AwsError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
    ServiceError,
    SnapshotDrError,
    SnapshotInUseError,
    SnapshotLimitError,
    ThrottledError,
)
from snapshot_dr_provider.hooks.errors import BY_CODE, translated

URL = "https://ec2.us-east-1.amazonaws.com"


def answer(code: str, status: int = 400, message: str = "no") -> ClientError:
    """Build the error that the SDK raises for an answer of AWS."""
    parsed = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(parsed, "CopySnapshot")


def raised_for(error: Exception, *, changes_something: bool = False) -> SnapshotDrError:
    """Translate an error of the SDK."""
    with (
        pytest.raises(SnapshotDrError) as caught,
        translated("copy snap-1 in account 1", changes_something=changes_something),
    ):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AuthFailure", 403, AccessDeniedError),
        ("UnauthorizedOperation", 403, AccessDeniedError),
        ("AccessDenied", 403, AccessDeniedError),
        ("AccessDeniedException", 400, AccessDeniedError),
        ("ExpiredToken", 400, AccessDeniedError),
        ("InvalidSnapshot.NotFound", 400, NotFoundError),
        ("NotFoundException", 400, NotFoundError),
        ("InvalidSnapshot.InUse", 400, SnapshotInUseError),
        ("ResourceLimitExceeded", 400, QuotaExceededError),
        ("SnapshotLimitExceeded", 400, SnapshotLimitError),
        ("RequestLimitExceeded", 503, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("InvalidParameterValue", 400, InvalidRequestError),
        ("SomethingNew", 400, InvalidRequestError),
        ("InternalError", 500, ServiceError),
        ("Unavailable", 503, ServiceError),
    ],
)
def test_each_answer_has_its_error(code, status, expected):
    """What AWS answers becomes the error of the table; what the table does not know is told by its status."""
    error = raised_for(answer(code, status))
    assert type(error) is expected
    assert isinstance(error, AwsError)
    assert error.code == code


@pytest.mark.parametrize("code", BY_CODE)
def test_a_known_code_is_never_ambiguous(code):
    """A code of the table says that the call took no effect, whatever its status and whatever the call."""
    assert type(raised_for(answer(code, 503), changes_something=True)) is BY_CODE[code]


@pytest.mark.parametrize(
    "error",
    [
        answer("InternalError", 500),
        answer("ServiceUnavailable", 503),
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        ResponseParserError("cut off"),
        SSLError(endpoint_url=URL, error="EOF"),
    ],
    ids=["500", "503", "read timeout", "connection closed", "unreadable", "TLS"],
)
def test_a_lost_answer_leaves_open_whether_the_call_took_effect(error):
    """A 5xx or a lost answer is ambiguous for a call that changes something, and a failure of AWS for a read."""
    assert type(raised_for(error, changes_something=True)) is AmbiguousAnswerError
    assert type(raised_for(error)) is ServiceError


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url=URL, error="refused"), ConnectTimeoutError(endpoint_url=URL)]
)
def test_what_was_not_sent_took_no_effect(error):
    """Where no connection came about nothing was sent: any call may be repeated."""
    assert type(raised_for(error, changes_something=True)) is ServiceError


@pytest.mark.parametrize("error", [NoCredentialsError(), ParamValidationError(report="SnapshotId is missing")])
def test_a_request_that_could_not_be_built_is_a_matter_of_configuration(error):
    """Without credentials or with impossible arguments nothing is asked at all."""
    assert type(raised_for(error, changes_something=True)) is ConfigurationError


def test_a_message_says_what_was_asked_and_what_was_answered():
    """The message names the request, where it went, the code and AWS's own words."""
    error = raised_for(answer("AuthFailure", 403, "Not authorized to use key arn:k"))
    assert str(error) == "could not copy snap-1 in account 1: AuthFailure: Not authorized to use key arn:k"
    assert str(raised_for(answer("Odd", message=""))) == "could not copy snap-1 in account 1: Odd: no message"


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        ("OptInRequired", "You are not subscribed to this service.", "The Region is not enabled there"),
        ("RegionDisabledException", "STS is not activated in this region", "The Region is not enabled there"),
        (
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
            "If the same credentials work elsewhere, the Region is not enabled there",
        ),
        ("InvalidClientTokenId", "The security token included in the request is invalid.", "If the same credentials"),
    ],
)
def test_a_region_that_is_not_enabled_is_told_with_its_remedy(code, text, remedy):
    """Where a Region is off, or may be, the message has AWS's words and what to do, and trying again does not help."""
    error = raised_for(answer(code, 403, text))
    assert type(error) is AccessDeniedError
    assert f"could not copy snap-1 in account 1: {code}: {text.rstrip('.')}. {remedy}" in str(error)
    assert "aws account enable-region" in str(error)
    assert "take it out of the settings file" in str(error)


def test_an_answer_without_anything_is_translated_too():
    """An error document without code and status raises an error of ours, not a KeyError."""
    assert type(raised_for(ClientError({}, "CopySnapshot"))) is InvalidRequestError


def test_errors_of_others_pass():
    """What the SDK did not raise is nobody's answer and passes untouched."""
    with pytest.raises(ValueError, match="mine"), translated("copy"):
        raise ValueError("mine")
