"""Judge key policies that lie in files, without AWS: ``airflow snapshot-dr policy audit``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from snapshot_dr_provider.cli.terminal import terminal
from snapshot_dr_provider.domain.key_policy.documents import MOST_BYTES
from snapshot_dr_provider.domain.key_policy.facts import KeyFacts, KeyKind, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Answer, Finding, Severity, Verdict, overall_verdict
from snapshot_dr_provider.domain.key_policy.questions import answers
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.domain.key_policy.rules import KeyExpectations, judge_key
from snapshot_dr_provider.domain.key_policy.searching import QuestionAnswer
from snapshot_dr_provider.exceptions import KeyPolicyError
from snapshot_dr_provider.settings.names import partition_of

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

STDIN: Final = "-"

_STATUS: Final[Mapping[Verdict, int]] = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNDECIDED: 2}
_QUESTIONS: Final = {
    "outside_org_can_use": "Can anybody outside use the key?",
    "org_can_use_outside_ec2": "Can the organization use it other than through EC2 here?",
    "org_can_copy": "Can the organization copy under it?",
    "org_can_administer": "Is the organization allowed to administer it?",
    "root_statement": "Does Account-B's root statement stand?",
}
_STYLES: Final = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNDECIDED: "yellow"}
_NOT_KNOWN: Final = QuestionAnswer(Answer.UNDECIDED)


@dataclass(frozen=True, slots=True)
class FileReport:
    """
    Say what became of one file.

    :param findings: what is wrong or could not be decided, worst first.
    :param error: why the file could not be judged; empty when it was.
    """

    file: str
    verdict: Verdict
    answers: Mapping[str, QuestionAnswer]
    findings: tuple[Finding, ...] = ()
    error: str = ""

    def to_json(self) -> dict[str, object]:
        """Write the report as JSON primitives; ``error`` is there only if there is one."""
        findings = [{k: v for k, v in each.to_json().items() if k != "subject"} for each in self.findings]
        report: dict[str, object] = {
            "file": self.file,
            "verdict": self.verdict.value,
            "answers": {question: each.answer.value for question, each in self.answers.items()},
            "findings": findings,
        }
        return {**report, "error": self.error} if self.error else report


def audit_files(args: argparse.Namespace) -> None:
    """
    Judge the files, each for itself, and print what was found.

    :raises SystemExit: with 0 when all pass, 1 when one fails, 2 when one is undecided or cannot be read.
    """
    around = Surroundings(
        organization_id=args.org_id,
        dr_account_id=args.account_id,
        region=args.region,
        now=datetime.now(UTC),
        partition=partition_of(args.region),
        role_name=args.role,
    )
    expectations = KeyExpectations(window_managed=args.window_managed)
    status = 0
    for file in args.files:
        report = audit_file(file, args.kind, around, expectations, Severity.of(args.fail_on))
        status = max(status, _STATUS[report.verdict])
        if args.json:
            print(json.dumps(report.to_json()), flush=True)
        else:
            _show(report, terminal())
    raise SystemExit(status)


def audit_file(
    file: str, kind: KeyKind, around: Surroundings, expectations: KeyExpectations, fail_on: Severity
) -> FileReport:
    """Judge one file; one that cannot be read is undecided."""
    try:
        text = _read(file)
        policy = parse_policy(text)
    except OSError as error:
        return _unreadable(file, f"cannot be read: {error.strerror or error}")
    except KeyPolicyError as error:
        return _unreadable(file, f"is no key policy that KMS would take: {error}")
    facts = KeyFacts(file, kind, {"default": text})
    found = judge_key(facts, around, expectations)
    findings = [each for each in found if each.verdict in (Verdict.FAIL, Verdict.UNDECIDED)]
    findings.sort(key=lambda each: (-each.severity, each.rule))
    return FileReport(file, overall_verdict(findings, fail_on), answers([policy], around), tuple(findings))


def _read(file: str) -> str:
    """
    Read a file, or stdin for ``-``, no further than a policy can be long.

    :raises OSError: when it cannot be read.
    :raises KeyPolicyError: when it is too long or no text.
    """
    if file == STDIN:
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        with Path(file).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        msg = f"it has more than {MOST_BYTES} bytes"
        raise KeyPolicyError(msg)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        msg = f"byte {error.start} is {error.reason}; save the file as UTF-8"
        raise KeyPolicyError(msg, line) from error


def _name(file: str) -> str:
    return "the standard input" if file == STDIN else file


def _unreadable(file: str, reason: str) -> FileReport:
    return FileReport(file, Verdict.UNDECIDED, dict.fromkeys(_QUESTIONS, _NOT_KNOWN), error=f"{_name(file)} {reason}")


def _show(report: FileReport, console: Console) -> None:
    """Show a report to people; what comes from the file is text, whatever is in it."""
    verdict = (report.verdict.value, f"bold {_STYLES[report.verdict]}")
    console.print(Text.assemble(verdict, " ", _printable(_name(report.file))))
    if report.error:
        console.print(Text(_printable(report.error)))
    else:
        _show_answers(report, console)
        _show_findings(report, console)
    console.print()


def _show_answers(report: FileReport, console: Console) -> None:
    for question, words in _QUESTIONS.items():
        answer = report.answers[question]
        by = f" ({', '.join(answer.statements)})" if answer.statements else ""
        console.print(Text(_printable(f"  {words} {answer.answer.value}{by}")))


def _show_findings(report: FileReport, console: Console) -> None:
    if not report.findings:
        return
    table = Table("Rule", "Severity", "Statement", "What is wrong and what to do", show_lines=True)
    for finding in report.findings:
        said = Text(finding.title, style="bold")
        said.append(f"\n{_printable(finding.why)}", style="not bold")
        said.append(f"\n{_printable(finding.remedy)}", style="not bold italic")
        verdict = "" if finding.verdict is Verdict.FAIL else "\nundecided"
        severity = f"{finding.severity.label}{verdict}"
        table.add_row(finding.rule, severity, Text(_printable(finding.statement)), said)
    console.print(table)


def _printable(text: str) -> str:
    """Keep control characters of a file or of its name from the terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
