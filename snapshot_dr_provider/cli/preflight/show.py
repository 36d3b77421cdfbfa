"""Show people what stands against a run: a line for each check, and below it what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rich.text import Text

from snapshot_dr_provider.domain.preflight import Check, Kind, Outcome, PreflightReport

if TYPE_CHECKING:
    from rich.console import Console

_MARKS: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.OK: ("✓", "green"),
    Outcome.WARNING: ("!", "yellow"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.UNKNOWN: ("?", "bold magenta"),
}
_WIDTH: Final = max(len(kind.value) for kind in Kind)

_ENDS: Final = (
    "Nothing stands against a run that can be seen without one.",
    "A run would fail. Mend what has failed and ask again.",
    "Something could not be found out; a run may fail.",
)


def show(report: PreflightReport, console: Console) -> None:
    """Print all checks, how many ended how, and what that means."""
    for check in report.checks:
        # Not wrapped: what is to be copied from here has to stay in one piece.
        console.print(_line(check), soft_wrap=True)
    counted = ", ".join(f"{number} {outcome.value}" for outcome in Outcome if (number := report.counts.get(outcome)))
    console.print(Text(f"\n{len(report.checks)} checks: {counted}. {_ENDS[report.status]}"))


def _line(check: Check) -> Text:
    mark, style = _MARKS[check.outcome]
    line = Text.assemble((f"{mark} {check.outcome.value:<8}", style), f"{check.kind.value:<{_WIDTH}}  {check.subject}")
    if check.outcome is Outcome.OK:
        return line.append(f": {check.detail}")
    line.append(f"\n    {check.detail}")
    if check.remedy:
        line.append(f"\n    Remedy: {check.remedy}")
    return line
