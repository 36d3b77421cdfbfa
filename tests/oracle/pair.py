"""One question to an evaluator: a key policy and a request, as JSON holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

KEY_ACCOUNT = "999999999999"
KEY_ID = "b0b0b0b0-0000-4000-8000-000000000001"
KEY_ARN = f"arn:aws:kms:us-east-1:{KEY_ACCOUNT}:key/{KEY_ID}"


@dataclass(frozen=True, slots=True)
class Who:
    """
    Identify the caller.

    :param account: 12 digits; empty for a service.
    :param arn: of the root, user or role; the name of a service.
    :param session: ARN of the assumed role's session; empty for everybody else.
    """

    account: str
    arn: str
    session: str = ""

    @property
    def is_service(self) -> bool:
        """Whether an AWS service calls as itself."""
        return not self.account

    @property
    def root(self) -> str:
        """Name the caller's whole account."""
        return f"arn:aws:iam::{self.account}:root"


@dataclass(frozen=True, slots=True)
class Pair:
    """
    Hold a key policy and a request.

    :param family: the feature that the pair was made for.
    :param context: condition keys with their values; a key that has several as a list.
    """

    family: str
    policy: dict[str, Any]
    who: Who
    action: str
    context: dict[str, str | list[str]]
    resource: str = KEY_ARN

    def to_json(self) -> dict[str, Any]:
        """Write the pair as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Pair:
        """Read what :meth:`to_json` has written; further entries are left aside."""
        who = Who(**value["who"])
        return cls(value["family"], value["policy"], who, value["action"], value["context"], value["resource"])
