"""The report of an audit: its verdict, its bounds, its words and its page."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.audit_page import render_page
from snapshot_dr_provider.domain.audit_report import (
    MAX_IN_MESSAGE,
    MAX_LISTED,
    AuditReport,
    RouteCount,
    bounded,
    complaint,
    file_stem,
    in_order,
    table,
)
from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.snapshot_rules import PUBLIC, SHARED, TOO_OLD
from tests.builders import at

EVIL = "<script>alert('x')</script>\"&$title"


def fail(rule=SHARED, subject="snap-1", **changes):
    """Give a finding that failed."""
    return replace(rule.finding(Verdict.FAIL, subject, "it is shared", "Take it back."), **changes)


def report(*findings, **changes):
    """Give a report of those findings."""
    return replace(AuditReport("dag", "run 1", at(), in_order(findings)), **changes)


@pytest.mark.parametrize(
    ("finding", "changes", "is_red"),
    [
        (fail(severity=Severity.HIGH), {}, True),
        (fail(severity=Severity.MEDIUM), {}, False),
        (fail(severity=Severity.MEDIUM), {"fail_on": Severity.MEDIUM}, True),
        (fail(severity=Severity.HIGH), {"fail_on": Severity.CRITICAL}, False),
        (fail(verdict=Verdict.UNDECIDED, severity=Severity.LOW), {}, True),
        (fail(verdict=Verdict.UNDECIDED, severity=Severity.CRITICAL), {"fail_on_undecided": False}, False),
        (fail(verdict=Verdict.PASS), {}, False),
        (fail(verdict=Verdict.NOT_APPLICABLE), {}, False),
    ],
)
def test_what_makes_a_report_red(finding, changes, is_red):
    """A failure from the threshold on makes a report red, and what is undecided at any severity unless told not to."""
    found = report(finding, **changes)
    assert bool(found.blocking) is is_red
    assert found.to_json()["is_red"] is is_red


def test_findings_are_ordered_as_they_are_read():
    """Failures come first, the gravest of them first; then what is undecided, then what holds."""
    findings = [
        fail(verdict=Verdict.PASS),
        fail(TOO_OLD, "snap-2"),
        fail(verdict=Verdict.UNDECIDED),
        fail(PUBLIC, "snap-9"),
    ]
    assert [(f.rule, f.verdict.value) for f in in_order(findings)] == [
        ("KP101", "FAIL"),
        ("KP104", "FAIL"),
        ("KP102", "UNDECIDED"),
        ("KP102", "PASS"),
    ]


def test_the_json_has_every_finding_and_the_brief_one_only_what_is_open():
    """The file lists what holds too; the XCom counts it."""
    found = report(fail(), fail(verdict=Verdict.PASS), fail(verdict=Verdict.NOT_APPLICABLE))
    assert len(found.to_json()["findings"]) == 3
    brief = found.to_json(brief=True)
    assert [each["verdict"] for each in brief["findings"]] == ["FAIL"]
    assert brief["counts"] == {"FAIL": 1, "UNDECIDED": 0, "PASS": 1, "NOT_APPLICABLE": 1}
    assert json.loads(json.dumps(brief)) == brief


def test_thousands_of_findings_fit_an_xcom():
    """Of 5,000 findings of one rule some 200 are listed and the rest is summed up, and other rules are not lost."""
    many = [fail(subject=f"snap-{number:05}") for number in range(5000)]
    found = report(*many, fail(TOO_OLD, "snap-old"))
    brief = found.to_json(brief=True)
    assert len(brief["findings"]) == MAX_LISTED + 1
    assert len(json.dumps(brief)) < 100_000
    assert "snap-old" in {each["subject"] for each in brief["findings"]}
    rest = next(each for each in brief["findings"] if each["subject"].startswith("and "))
    assert rest["subject"] == "and 4801 more"
    assert "4801 more of this kind are not listed here" in rest["why"]
    assert "audit_report_path" in rest["remedy"]


@given(st.lists(st.sampled_from([SHARED, PUBLIC, TOO_OLD]), max_size=60), st.integers(1, 20))
def test_bounding_keeps_count(rules, most):
    """Whatever is left out is counted: listed findings and sums together make up all of them."""
    findings = in_order([fail(rule, f"snap-{place}") for place, rule in enumerate(rules)])
    kept = bounded(findings, most)
    sums = [int(each.subject.split()[1]) for each in kept if each.subject.startswith("and ")]
    assert len(kept) - len(sums) + sum(sums) == len(findings)
    assert {each.rule for each in kept} == {each.rule for each in findings}
    assert bounded(kept, len(kept)) == kept


def test_the_message_names_rules_and_remedies_and_counts_the_rest():
    """The message of the failed task names the first of each rule with its remedy, and how many more there are."""
    many = [fail(subject=f"snap-{number:03}") for number in range(100)]
    message = complaint(report(*many, fail(TOO_OLD, "snap-old", severity=Severity.HIGH)))
    assert message.startswith("101 findings of severity high or above or undecided.")
    assert "KP102 (high) snap-000: No KMS-C copy is shared with another account: it is shared. Take it back." in message
    assert "KP104 (high) snap-old" in message
    assert f"and {101 - MAX_IN_MESSAGE} more" in message


def test_the_message_leaves_out_what_does_not_block():
    """What is below the threshold is in the report and not in the message."""
    message = complaint(report(fail(), fail(TOO_OLD, "snap-old")))
    assert "snap-old" not in message
    assert message.startswith("1 findings of severity high")


def test_a_remedy_that_is_a_policy_is_cut_in_the_message_and_not_in_the_log():
    """A whole policy as a remedy does not fill the message; the table has it in full."""
    policy = json.dumps({"Statement": [{"Sid": f"S{number}"} for number in range(200)]}, indent=1)
    found = report(fail(remedy=policy))
    assert len(complaint(found)) < 900
    assert "the whole of it is in the log" in complaint(found)
    assert "S199" in "\n".join(table(found.findings))


def test_the_table_explains_what_did_not_pass():
    """Each finding has its line; of what did not pass why and what to do follow, with the statement that decides."""
    lines = list(table(in_order([fail(statement="Oops"), fail(PUBLIC, verdict=Verdict.PASS)])))
    assert [line.split()[:3] for line in lines[:2]] == [["FAIL", "high", "KP102"], ["PASS", "critical", "KP101"]]
    assert lines[2:] == [
        "KP102 FAIL high, snap-1 (Oops)",
        "  why:    it is shared",
        "  remedy: Take it back.",
    ]


def test_file_names_are_safe_and_different_for_each_run():
    """No id of a run leaves its folder, and two runs never share a file though their safe names were the same."""
    assert file_stem("dag", "plain-run_1") == "dag__plain-run_1"
    scheduled = file_stem("dag", "scheduled__2026-03-10T00:00:00+00:00")
    assert scheduled.startswith("dag__scheduled__2026-03-10T00_00_00_00_00_")
    for evil in ("../../etc/passwd", "a/b", "a\\b", "..", "x" * 300, "a\nb", "é"):
        stem = file_stem("dag", evil)
        assert len(stem) <= 140
        assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert file_stem("dag", "a/b") != file_stem("dag", "a:b")


class Page(HTMLParser):
    """Read the elements of a page and what they refer to."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.open = []
        self.links = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note an element and what it refers to."""
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "data", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Expect the end of the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collect the text."""
        self.text += data


def test_the_page_is_self_contained_and_well_formed():
    """The page has no script, loads nothing, and each of its elements ends."""
    found = report(fail(), fail(TOO_OLD), fail(PUBLIC, verdict=Verdict.PASS), routes=(RouteCount("a", 2, 1),))
    text = render_page(found)
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "@media print" in text


def test_whatever_comes_from_outside_is_escaped_in_the_page():
    """Ids, statements, reasons and remedies are text to the page, and dollar signs are not its placeholders."""
    finding = Finding(EVIL, Verdict.FAIL, Severity.HIGH, EVIL, EVIL, EVIL, EVIL, EVIL)
    kept = replace(finding, verdict=Verdict.PASS)
    found = report(finding, kept, dag_id=EVIL, run_id=EVIL, routes=(RouteCount(EVIL, 1, 1),))
    page = Page(render_page(found))
    assert "script" not in page.tags
    assert page.open == []
    # Title and head have two each, the route one, what failed six, what holds four.
    assert page.text.count(EVIL) == 15


def test_the_page_says_what_is_to_be_done():
    """Red and green look different; what is below the threshold is marked, and a dry run says so."""
    red = render_page(report(fail(), fail(TOO_OLD)))
    assert '<header class="red">' in red
    assert red.count("below the threshold") == 1
    green = render_page(report(fail(PUBLIC, verdict=Verdict.PASS), dry_run=True))
    assert '<header class="green">' in green
    assert "No rule was broken" in green
    assert "Dry run" in green
