"""What an audit has found, as data: its verdict, its JSON, and the lines that people read in a log."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict, overall_verdict

MAX_LISTED: Final = 200
"""Findings that an XCom and a log list one by one; the files of the report have them all."""

MAX_IN_MESSAGE: Final = 20
"""Findings that the message of a failed task names."""

MAX_REMEDY: Final = 400
"""Characters of each remedy in that message; some are whole policies."""

OPEN: Final = (Verdict.FAIL, Verdict.UNDECIDED)
"""Verdicts that somebody has to do something about, at some severity."""

ORDER: Final = (Verdict.FAIL, Verdict.UNDECIDED, Verdict.PASS, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class RouteCount:
    """Count what a route wanted and what it has verified copies of."""

    label: str
    wanted: int
    verified: int

    def to_json(self) -> dict[str, Any]:
        """Write the counts as JSON primitives."""
        return {"route": self.label, "wanted": self.wanted, "verified": self.verified}


@dataclass(frozen=True, slots=True)
class AuditReport:
    """
    Hold the outcome of one audit.

    :param written_at: when it was made, UTC.
    :param findings: all of them, those that passed too, in the order of :func:`in_order`.
    :param fail_on: the severity from which a failed rule makes the audit fail.
    :param fail_on_undecided: whether a rule that could not be decided does so too.
    :param routes: empty in a dry run and in an audit without a run.
    """

    dag_id: str
    run_id: str
    written_at: datetime
    findings: tuple[Finding, ...]
    fail_on: Severity = Severity.HIGH
    fail_on_undecided: bool = True
    routes: tuple[RouteCount, ...] = ()
    dry_run: bool = False

    @property
    def verdict(self) -> Verdict:
        """Put all findings together."""
        return overall_verdict(self.findings, self.fail_on)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Name the findings that the audit fails on; it passes without them."""
        return tuple(finding for finding in self.findings if self.is_blocking(finding))

    def is_blocking(self, finding: Finding) -> bool:
        """Whether the audit fails on a finding."""
        if finding.verdict is Verdict.UNDECIDED:
            return self.fail_on_undecided
        return finding.verdict is Verdict.FAIL and finding.severity >= self.fail_on

    def to_json(self, *, brief: bool = False) -> dict[str, Any]:
        """
        Write the report as JSON primitives.

        :param brief: list only what was broken or left undecided, and no more of it than :func:`bounded` does; the
            rules that hold are counted. So it fits an XCom whatever was found.
        """
        findings = bounded([f for f in self.findings if f.verdict in OPEN]) if brief else self.findings
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "written_at": self.written_at.isoformat(),
            "verdict": self.verdict.value,
            "is_red": bool(self.blocking),
            "fail_on": self.fail_on.label,
            "fail_on_undecided": self.fail_on_undecided,
            "dry_run": self.dry_run,
            "routes": [route.to_json() for route in self.routes],
            "counts": count_by_verdict(self.findings),
            "findings": [finding.to_json() for finding in findings],
        }


def count_by_verdict(findings: Iterable[Finding]) -> dict[str, int]:
    """Count findings by the name of their verdict."""
    counted = Counter(finding.verdict for finding in findings)
    return {verdict.value: counted[verdict] for verdict in ORDER}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order findings as they are read: failures first, the gravest of them first, then by rule and place."""
    return tuple(sorted(findings, key=lambda f: (ORDER.index(f.verdict), -f.severity, f.rule, f.subject)))


def bounded(findings: Sequence[Finding], most: int = MAX_LISTED) -> tuple[Finding, ...]:
    """
    List no more than so many findings, each rule with its share of them, and sum up the rest by rule and verdict.

    The sums come on top: one for each rule, verdict and severity of which something was left out.
    """
    if len(findings) <= most:
        return tuple(findings)
    listed = set(_fair_choice(findings, most))
    rest = [finding for index, finding in enumerate(findings) if index not in listed]
    sums: dict[tuple[str, Verdict, Severity], list[Finding]] = {}
    for finding in rest:
        sums.setdefault((finding.rule, finding.verdict, finding.severity), []).append(finding)
    return in_order([*(findings[index] for index in listed), *map(_sum_up, sums.values())])


def table(findings: Iterable[Finding]) -> Iterator[str]:
    """Write one line for each finding, then why and what to do for those that did not pass."""
    rows = list(findings)
    width = min(80, max((len(finding.subject) for finding in rows), default=0))
    for finding in rows:
        yield (
            f"{finding.verdict.value:<14} {finding.severity.label:<8} {finding.rule:<6} "
            f"{finding.subject:<{width}} {finding.title}"
        ).rstrip()
    for finding in rows:
        if finding.verdict in OPEN:
            yield from _explained(finding)


def complaint(report: AuditReport) -> str:
    """Word why an audit fails: how much was found, and the rules with what to do about the first of them."""
    found = report.blocking
    named = [in_a_message(found[index]) for index in sorted(_fair_choice(found, MAX_IN_MESSAGE))]
    if len(found) > len(named):
        named.append(f"and {len(found) - len(named)} more; the log and the report have them")
    undecided = " or undecided" if report.fail_on_undecided else ""
    head = (
        f"{len(found)} findings of severity {report.fail_on.label} or above{undecided}. Mend them, clear the red tasks "
        "with their downstream tasks, or this one alone where no other is red."
    )
    return "\n  ".join([head, *named])


def file_stem(dag_id: str, run_id: str) -> str:
    """
    Name the files of a report: the same for every try of a run, different for any two runs, and safe in any store.

    Ids of runs have colons and pluses in them and may be chosen by whoever triggers the run.
    """
    plain = f"{dag_id}__{run_id}"
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", plain)[:120]
    return safe if safe == plain else f"{safe}_{hashlib.sha256(plain.encode()).hexdigest()[:10]}"


def _fair_choice(findings: Sequence[Finding], most: int) -> list[int]:
    """Choose so many by their place: the first of each rule, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int]] = []
    for index, finding in enumerate(findings):
        turns.append((seen[finding.rule], index))
        seen[finding.rule] += 1
    return [index for _, index in sorted(turns)[:most]]


def _sum_up(rest: Sequence[Finding]) -> Finding:
    first = rest[0]
    some = ", ".join(finding.subject for finding in rest[:5])
    return Finding(
        rule=first.rule,
        verdict=first.verdict,
        severity=first.severity,
        title=first.title,
        why=f"{len(rest)} more of this kind are not listed here: {some}{', ...' if len(rest) > 5 else ''}",  # noqa: PLR2004  # as many as are named
        remedy="The files of the report list all of them; set audit_report_path to have them written.",
        subject=f"and {len(rest)} more",
    )


def _explained(finding: Finding) -> Iterator[str]:
    where = f" ({finding.statement})" if finding.statement else ""
    yield f"{finding.rule} {finding.verdict.value} {finding.severity.label}, {finding.subject}{where}"
    for name, text in (("why", finding.why), ("remedy", finding.remedy)):
        first, *more = text.splitlines() or [""]
        if text:
            yield f"  {name + ':':<7} {first}"
            yield from (f"          {line}" for line in more)


def in_a_message(finding: Finding) -> str:
    """Word a finding and its remedy in one line."""
    undecided = ", undecided" if finding.verdict is Verdict.UNDECIDED else ""
    where = f" ({finding.statement})" if finding.statement else ""
    remedy = textwrap.shorten(finding.remedy, MAX_REMEDY, placeholder=" ... (the whole of it is in the log)")
    what = f"{finding.title}: {finding.why or 'it does not hold'}"
    return (
        f"{finding.rule} ({finding.severity.label}{undecided}) {finding.subject}{where}: {what.rstrip('.')}. {remedy}"
    )
