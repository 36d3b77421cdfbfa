"""What a question about a policy is answered with, and what a rule makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum, IntEnum


class Answer(Enum):
    """Answer a question; *undecided* wherever the truth depends on what is not known or not understood."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


class Verdict(Enum):
    """Say what became of a rule."""

    PASS = "PASS"  # noqa: S105  # a verdict, no password
    FAIL = "FAIL"
    UNDECIDED = "UNDECIDED"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Severity(IntEnum):
    """Say how much a finding matters; a threshold takes itself and all above it."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """Name the severity as settings and reports write it."""
        return self.name.lower()

    @classmethod
    def of(cls, label: str) -> Severity:
        """
        Read what :attr:`label` has written.

        :raises KeyError: for a name that is none.
        """
        return cls[label.upper()]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    State what one rule found at one place.

    :param rule: stable id of the rule, such as ``KP001``.
    :param subject: what was judged: the ARN of a key, a snapshot id, an account or the name of a file.
    :param statement: Sid of the statement that decides, or ``Statement[n]`` (counted from 0) where it has none.
    :param title: the rule in one sentence, the same wherever it fires.
    :param why: what was found here and what follows from it.
    :param remedy: what to do, with the statement or the command to write.
    """

    rule: str
    verdict: Verdict
    severity: Severity
    title: str
    why: str = ""
    remedy: str = ""
    statement: str = ""
    subject: str = ""

    def to_json(self) -> dict[str, str]:
        """Write the finding as JSON primitives."""
        return {**asdict(self), "verdict": self.verdict.value, "severity": self.severity.label}


def overall_verdict(findings: Iterable[Finding], fail_on: Severity) -> Verdict:
    """
    Put findings together: one failure at or above the threshold fails; else one undecided rule leaves it undecided.

    A rule that could not be decided counts at any severity: nobody knows what it would have found.
    """
    found = list(findings)
    if any(each.verdict is Verdict.FAIL and each.severity >= fail_on for each in found):
        return Verdict.FAIL
    if any(each.verdict is Verdict.UNDECIDED for each in found):
        return Verdict.UNDECIDED
    return Verdict.PASS
