"""The one message about a red run: which accounts, in which tasks, why, and where to look; of bounded size."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from snapshot_dr_provider.domain.audit_report import AuditReport, in_a_message
from snapshot_dr_provider.domain.key_policy.findings import Finding
from snapshot_dr_provider.domain.key_policy.run_rules import SUCCEEDED

MAX_TASKS: Final = 10
"""Red tasks that a message names; the rest is counted."""

MAX_FINDINGS: Final = 5
"""Findings that it names beside them."""

MAX_WHY: Final = 400
"""Characters of each reason."""

MAX_SUBJECT: Final = 99
"""Characters of a subject: SNS takes less than 100, of ASCII, in one line."""


@dataclass(frozen=True, slots=True)
class RedTask:
    """
    Name the first task of a route that has not succeeded, or a task around the routes.

    :param place: label of the route; the id of the DAG for a task that is of no account.
    :param map_index: of the mapped task; -1 for any other.
    :param why: what it said, if it did; in several lines at most.
    """

    place: str
    task_id: str
    map_index: int
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class FailureMessage:
    """
    Hold what is told.

    :param subject: one line of ASCII, short enough for any receiver.
    """

    subject: str
    text: str


def word_failure(
    report: AuditReport, red: Sequence[RedTask], audit_task: str, link: Callable[[str, int], str]
) -> FailureMessage:
    """
    Word why a run is red.

    :param red: all red tasks.
    :param link: makes the address of a task's log of its id and its map index.
    """
    named = {task.place for task in red}
    red = worth_telling(red)
    others = [finding for finding in report.blocking if not _is_told(finding, named)]
    what = _counted(len(red), "red task") if red else ""
    found = _counted(len(others), "further finding" if red else "finding") if others else ""
    head = ", ".join(part for part in (what, found) if part)
    lines = [f"{report.dag_id} is red: {head}.", f"Run: {report.run_id}", ""]
    for task in red[:MAX_TASKS]:
        lines += [*_worded(task, report), f"  log: {link(task.task_id, task.map_index)}"]
    if len(red) > MAX_TASKS:
        lines.append(f"and {len(red) - MAX_TASKS} more red tasks")
    lines += [_shortened(in_a_message(finding)) for finding in others[:MAX_FINDINGS]]
    if len(others) > MAX_FINDINGS:
        lines.append(f"and {len(others) - MAX_FINDINGS} more findings")
    remedy = (
        "Mend what they name, then clear each red task with its downstream tasks." if red else "Mend what they name."
    )
    lines += ["", f"{remedy} The audit lists everything: {link(audit_task, -1)}"]
    return FailureMessage(_subject(f"{report.dag_id} is red: {head}"), "\n".join(lines))


def worth_telling(red: Sequence[RedTask]) -> Sequence[RedTask]:
    """Leave out the tasks that could not run because of another, which is red itself."""
    return [task for task in red if task.state != "upstream_failed"] or red


def word_unknown(dag_id: str, run_id: str, task_id: str, why: str, link: str) -> FailureMessage:
    """Word that the task that judges a run has not come to an end itself, so that nothing is known of the run."""
    head = f"{dag_id} is red: {task_id} did not come to an end"
    lines = [f"{head}, so that nobody knows what the run has done.", f"Run: {run_id}", ""]
    lines += [_shortened(why)] if why else ["It has left no reason; its worker may be gone."]
    return FailureMessage(_subject(head), "\n".join([*lines, f"  log: {link}"]))


def _is_told(finding: Finding, named: set[str]) -> bool:
    """Whether a finding follows from a red task that is named, or says just that."""
    if finding.rule == SUCCEEDED.rule_id or finding.subject in named:
        return True
    return any(finding.why.startswith(f"{place}: ") for place in named)


def _worded(task: RedTask, report: AuditReport) -> list[str]:
    count = next((route for route in report.routes if route.label == task.place), None)
    copied = f"; {count.verified} of {count.wanted} snapshots are copied" if count else ""
    why = [f"  {_shortened(line)}" for line in task.why.splitlines() if line.strip()]
    return [f"{task.place}: {task.task_id} is {task.state}{copied}", *(why or ["  its log says why"])]


def _shortened(text: str) -> str:
    return textwrap.shorten(text, MAX_WHY, placeholder=" ...")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _subject(text: str) -> str:
    line = " ".join(text.split()).encode("ascii", "replace").decode()
    return textwrap.shorten(line, MAX_SUBJECT, placeholder="...")
