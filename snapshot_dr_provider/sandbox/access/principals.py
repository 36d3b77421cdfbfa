"""Name who makes a request."""

import hashlib
from dataclasses import dataclass


class UnknownCredentials(Exception):
    """Refuse a request whose access key the sandbox never issued, or issued before its last reset.

    AWS answers ``AuthFailure``, ``InvalidClientTokenId`` or ``UnrecognizedClientException``, by service. Plain moto
    lets such a request act as a default account instead (moto 3).
    """


class ExpiredCredentials(UnknownCredentials):
    """Refuse a request whose temporary credentials have expired."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Identify a caller.

    *arn* is what policies name (``arn:aws:iam::111111111111:role/Copy``, ``...:user/x`` or ``...:root``), or the name
    of an AWS service. *session_arn* is what GetCallerIdentity answers: the assumed-role ARN, or *arn* again.
    *organization_id* is the organization of the account, ``None`` when it is in none. *session_policies* are the JSON
    texts given to AssumeRole; they only take away.
    """

    account_id: str
    arn: str
    session_arn: str
    organization_id: str | None
    session_policies: tuple[str, ...] = ()

    @property
    def root_arn(self) -> str:
        """Return the ARN that stands for the principal's whole account in a policy."""
        return f"arn:aws:iam::{self.account_id}:root"

    @property
    def is_root(self) -> bool:
        """Tell whether this is the root user of its account, which identity policies do not limit."""
        return self.arn == self.root_arn

    @property
    def is_service(self) -> bool:
        """Tell whether this is an AWS service such as ``ec2.us-east-1.amazonaws.com``."""
        return not self.arn.startswith("arn:")

    @property
    def kind(self) -> str:
        """Return ``aws:PrincipalType``: ``Account``, ``User``, ``AssumedRole`` or ``Service``."""
        if self.is_service:
            return "Service"
        if self.is_root:
            return "Account"
        return "User" if ":user/" in self.arn else "AssumedRole"

    @property
    def name(self) -> str:
        """Return the last part of the ARN: the user's or the role's name without its path."""
        return self.arn.rsplit("/", 1)[-1]


def user_arn(account_id: str, name: str) -> str:
    """Return the ARN of the IAM user *name*."""
    return f"arn:aws:iam::{account_id}:user/{name}"


def role_arn(account_id: str, name: str) -> str:
    """Return the ARN of the IAM role *name*."""
    return f"arn:aws:iam::{account_id}:role/{name}"


def root_arn(account_id: str) -> str:
    """Return the ARN that stands for the account in policies."""
    return f"arn:aws:iam::{account_id}:root"


def user_id(principal: Principal) -> str:
    """Return the unique id that ``UserId`` and ``aws:userid`` show; the same ARN always has the same."""
    digest = hashlib.sha256(principal.arn.encode()).hexdigest().upper()[:17]
    match principal.kind:
        case "AssumedRole":
            return f"AROA{digest}:{principal.session_arn.rsplit('/', 1)[-1]}"
        case "User":
            return f"AIDA{digest}"
        case _:
            return principal.account_id
