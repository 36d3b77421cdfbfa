"""
Every error that this package raises, in one tree.

::

    SnapshotDrError
    ├── ConfigurationError              what an operator, a connection or the settings file says cannot work
    │   ├── SettingsError               the settings file
    │   ├── KeyPolicyError              a text that is no key policy
    │   ├── MalformedEventError         a message that is no event of EventBridge
    │   ├── ReportError                 a report that could not be written
    │   ├── ConnectionMissingError      no Airflow connection of that id
    │   └── WrongAccountError           the credentials belong to another account than the route says
    └── AwsError                        AWS answered, and the answer was no
        ├── AccessDeniedError           an IAM or key policy refused
        │   └── RoleRefusedError        the role that enters an account cannot be assumed
        ├── NotFoundError               the snapshot or key is not there, or not visible to the caller
        ├── InvalidRequestError         AWS will refuse the same request again
        ├── SnapshotInUseError          locked, or registered with an AMI
        ├── SnapshotLimitError          the account has as many snapshots as it may have
        ├── QuotaExceededError          too many copies are in flight
        ├── ThrottledError              too many requests
        ├── ServiceError                5xx, or no answer to a call that changes nothing
        └── AmbiguousAnswerError        no answer to a call that may have taken effect

``permanent`` tells whether trying again without a change by a person can help: operators fail at once on
permanent errors and leave the others to Airflow's retries.
"""

from __future__ import annotations

from typing import ClassVar


class SnapshotDrError(Exception):
    """Root of all errors of this package."""

    permanent: ClassVar[bool] = True


class ConfigurationError(SnapshotDrError):
    """Name an argument, a connection or a setting that cannot work."""


class SettingsError(ConfigurationError):
    """Name the place in the settings file and its remedy."""


class KeyPolicyError(ConfigurationError):
    """
    Say where and why a text cannot be read as a key policy.

    :param reason: what is wrong and what to write instead.
    :param line: line of the text, from 1; 0 when it has no place.
    """

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason, line)
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


class MalformedEventError(ConfigurationError):
    """Say why a message cannot be read as an event of EventBridge."""


class ReportError(ConfigurationError):
    """
    Name the place that a report could not be written to.

    Not permanent: the store may be out of order for a while.
    """

    permanent = False


class ConnectionMissingError(ConfigurationError):
    """
    Name the Airflow connection that was not found.

    Not permanent: Airflow says the same when a secrets backend or its own API did not answer.
    """

    permanent = False


class WrongAccountError(ConfigurationError):
    """Name the account that the credentials belong to and the one that was expected."""


class AwsError(SnapshotDrError):
    """
    Carry what AWS said.

    :param message: what was asked, by whom, and what AWS answered.
    :param code: the error code of AWS, such as ``UnauthorizedOperation``; empty when there was no answer.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return self.message


class AccessDeniedError(AwsError):
    """Tell that an IAM policy or a key policy refused."""


class RoleRefusedError(AccessDeniedError):
    """Tell that a role is not there or may not be assumed: AWS does not say which of the two."""


class NotFoundError(AwsError):
    """Tell that an object is gone, or not visible to the caller."""


class InvalidRequestError(AwsError):
    """Tell that AWS will refuse the same request again."""


class SnapshotInUseError(AwsError):
    """Tell that a snapshot is locked or registered with an AMI."""


class SnapshotLimitError(AwsError):
    """Tell that the account has as many snapshots in the Region as it may have."""


class QuotaExceededError(AwsError):
    """Tell that a quota is used up for now."""

    permanent = False


class ThrottledError(AwsError):
    """Tell that requests come faster than AWS takes them."""

    permanent = False


class ServiceError(AwsError):
    """Tell that AWS failed, or did not answer a call that changes nothing."""

    permanent = False


class AmbiguousAnswerError(AwsError):
    """Tell that a call that may have taken effect was not answered."""

    permanent = False
