"""What was looked at before a run, and what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

READY: Final = 0
NOT_READY: Final = 1
UNKNOWN: Final = 2


class Outcome(Enum):
    """Say what became of a check. A warning stops nothing."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Kind(Enum):
    """Name what is checked; machines may rely on these names."""

    SOURCE_ACCOUNTS = "source-accounts"
    SIGN_IN = "sign-in"
    PERMISSION = "permission"
    SOURCE_KEY = "source-key"
    KEY_STATE = "key-state"
    KEY_POLICY = "key-policy"
    DR_ROOM = "dr-room"
    PUBLIC_ACCESS = "public-access"
    EVENT_QUEUE = "event-queue"
    QUEUE_POLICY = "queue-policy"


@dataclass(frozen=True, slots=True)
class Check:
    """
    State what became of one check.

    :param subject: what was looked at: a route, an account, the ARN of a key, the URL of a queue.
    :param detail: what was found; of what has failed, or is not known, also why.
    :param remedy: what to do, where there is something to do and ``detail`` does not say it.
    """

    kind: Kind
    subject: str
    outcome: Outcome
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Write the check as JSON primitives."""
        return {
            "check": self.kind.value,
            "subject": self.subject,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """
    Put all checks together.

    :param checked_at: when, UTC.
    """

    checked_at: datetime
    checks: tuple[Check, ...]

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """Count the checks by what became of them."""
        return Counter(check.outcome for check in self.checks)

    @property
    def status(self) -> int:
        """Decide the exit status. 0: nothing stands against a run. 1: something does. 2: something is not known."""
        if self.counts.get(Outcome.FAILED):
            return NOT_READY
        return UNKNOWN if self.counts.get(Outcome.UNKNOWN) else READY

    def to_json(self) -> dict[str, Any]:
        """Write the report as JSON primitives."""
        return {
            "checked_at": self.checked_at.isoformat(timespec="seconds"),
            "status": self.status,
            "counts": {outcome.value: self.counts.get(outcome, 0) for outcome in Outcome},
            "checks": [check.to_json() for check in self.checks],
        }
