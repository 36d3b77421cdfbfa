"""One table from what AWS answers to what this package raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own name
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
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
    SnapshotInUseError,
    SnapshotLimitError,
    ThrottledError,
)

BY_CODE: Final[Mapping[str, type[AwsError]]] = {
    # EC2 says AuthFailure where a key's policy refuses DescribeKey (aws 2.2, 2.13).
    "AuthFailure": AccessDeniedError,
    "UnauthorizedOperation": AccessDeniedError,
    "AccessDenied": AccessDeniedError,
    "AccessDeniedException": AccessDeniedError,
    "InvalidClientTokenId": AccessDeniedError,
    "UnrecognizedClientException": AccessDeniedError,
    "ExpiredToken": AccessDeniedError,
    "ExpiredTokenException": AccessDeniedError,
    "RequestExpired": AccessDeniedError,
    "SignatureDoesNotMatch": AccessDeniedError,
    "OptInRequired": AccessDeniedError,
    "RegionDisabledException": AccessDeniedError,
    "InvalidSnapshot.NotFound": NotFoundError,
    "NotFoundException": NotFoundError,
    # What SQS says in its old protocol and in its new one.
    "AWS.SimpleQueueService.NonExistentQueue": NotFoundError,
    "QueueDoesNotExist": NotFoundError,
    "InvalidSnapshot.InUse": SnapshotInUseError,
    "SnapshotLocked": SnapshotInUseError,
    # aws 3.1, 3.3, 3.5: none of these is retried by the SDK (aws 3.7).
    "ResourceLimitExceeded": QuotaExceededError,
    "SnapshotLimitExceeded": SnapshotLimitError,
    "PendingSnapshotLimitExceeded": QuotaExceededError,
    "ConcurrentSnapshotLimitExceeded": QuotaExceededError,
    "RetryableError": ServiceError,
    "RequestLimitExceeded": ThrottledError,
    "EC2ThrottledException": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "RequestThrottled": ThrottledError,
    "SlowDown": ThrottledError,
}


_ENABLE: Final = (
    "Enable it in that account (aws account enable-region --region-name ...), or take it out of the settings file."
)
_OFF: Final = f"The Region is not enabled there. {_ENABLE}"
# A Region that is not enabled mostly only says that it does not know the credentials ([M]).
_PERHAPS_OFF: Final = f"If the same credentials work elsewhere, the Region is not enabled there. {_ENABLE}"

WHERE_A_REGION_IS_OFF: Final[Mapping[str, tuple[str, str]]] = {
    "OptInRequired": ("", _OFF),
    "RegionDisabledException": ("", _OFF),
    "AuthFailure": ("validate the provided access credentials", _PERHAPS_OFF),
    "InvalidClientTokenId": ("", _PERHAPS_OFF),
    "UnrecognizedClientException": ("", _PERHAPS_OFF),
}
"""Codes that a Region that is not enabled answers with: what the message has in it then, and what to do."""


@contextmanager
def translated(action: str, *, changes_something: bool = False) -> Iterator[None]:
    """
    Turn the SDK's errors into this package's.

    :param action: what was being asked, of whom, in words that can follow "could not".
    :param changes_something: whether a missing answer leaves open if the call took effect.
    :raises AwsError: of the class that the table names.
    :raises ConfigurationError: when the request could not even be built, for example without credentials.
    """
    unanswered = AmbiguousAnswerError if changes_something else ServiceError
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, action, unanswered) from error
    except SSLError as error:
        # A kind of ConnectionError there, but it may come while the answer is read.
        message = f"could not {action}, the connection broke: {error}"
        raise unanswered(message) from error
    except ConnectionError as error:
        # Refused, not resolved, no way through a proxy: nothing was sent.
        message = f"could not {action}: {error}"
        raise ServiceError(message) from error
    except (HTTPClientError, IncompleteReadError, ResponseParserError) as error:
        message = f"could not {action}, the answer was lost: {error}"
        raise unanswered(message) from error
    except CredentialRetrievalError as error:
        message = f"could not {action}: {error}"
        raise ServiceError(message) from error
    except BotoCoreError as error:
        message = f"could not {action}: {error}"
        raise ConfigurationError(message) from error


def _from_answer(error: ClientError, action: str, unanswered: type[AwsError]) -> AwsError:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    text = str(answer.get("Message") or "no message")
    message = f"could not {action}: {code}: {_with_remedy(code, text)}"
    # A 5xx does not say whether the call took effect.
    by_status = unanswered if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidRequestError
    return BY_CODE.get(code, by_status)(message, code)


def _with_remedy(code: str, text: str) -> str:
    """Add what to do to what AWS said where a Region is not enabled, or may not be."""
    part, remedy = WHERE_A_REGION_IS_OFF.get(code, ("", ""))
    return f"{text.rstrip('.')}. {remedy}" if remedy and part in text else text
