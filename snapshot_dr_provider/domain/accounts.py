"""An account of the organization whose snapshots are copied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Account:
    """
    Name one AWS account.

    :param account_id: its 12 digits.
    :param state: of its life in the organization, such as ``ACTIVE``, ``SUSPENDED``, ``PENDING_CLOSURE``.
    :param joined: when it joined the organization, UTC; ``None`` for an account that is listed by hand.
    """

    account_id: str
    name: str
    state: str = "ACTIVE"
    joined: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether it can be entered."""
        return self.state == "ACTIVE"

    def __str__(self) -> str:
        return f"{self.name} ({self.account_id})"
