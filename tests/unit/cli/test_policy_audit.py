"""``airflow snapshot-dr policy audit`` judges files, each for itself, and ends with the worst of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.cli.cli_parser import get_parser

from snapshot_dr_provider.domain.key_policy.statements import (
    Trust,
    copy_statements,
    kms_b_locked_policy,
    kms_b_policy,
    kms_b_wide_policy,
    kms_c_policy,
    write_json,
)

AIRFLOW = Path(sys.executable).with_name("airflow")
TRUST = Trust("o-orga000000001", "999999999999", "us-east-1", role_name=None)
AROUND = ("--org-id", "o-orga000000001", "--account-id", "999999999999", "--region", "us-east-1")
QUESTIONS = {"outside_org_can_use", "org_can_use_outside_ec2", "org_can_copy", "org_can_administer", "root_statement"}
FINDING = {"rule", "verdict", "severity", "statement", "title", "why", "remedy"}


def pinned():
    """Write a policy that only the role SnapshotDr can copy under."""
    return kms_b_policy(Trust("o-orga000000001", "999999999999", "us-east-1", role_name="SnapshotDr"))


def open_to_everybody():
    """Write a policy whose statements have lost their conditions."""
    bare = [{k: v for k, v in each.items() if k != "Condition"} for each in copy_statements(TRUST)]
    return {**kms_c_policy(TRUST), "Statement": [*kms_c_policy(TRUST)["Statement"], *bare]}


@pytest.fixture
def write(tmp_path):
    """Write a policy, or any text, as a file; its path."""

    def to_file(content, name="policy.json"):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else write_json(content), encoding="utf-8")
        return str(file)

    return to_file


@pytest.fixture
def audit(capsys):
    """Run ``policy audit``: its status, and what it has printed."""

    def run(*arguments, kind="kms-b"):
        args = get_parser().parse_args(["snapshot-dr", "policy", "audit", *arguments, "--kind", kind, *AROUND])
        with pytest.raises(SystemExit) as ended:
            args.func(args)
        return ended.value.code, capsys.readouterr().out

    return run


def reports_in(printed):
    """Read one report from each line."""
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("policy", "options", "status"),
    [
        (kms_b_policy(TRUST), (), 0),
        (kms_b_wide_policy(TRUST), (), 0),
        (kms_b_wide_policy(TRUST), ("--fail-on", "low"), 1),
        (kms_b_locked_policy(TRUST), ("--window-managed", "--fail-on", "low"), 0),
        (kms_b_policy(TRUST), ("--window-managed",), 1),
        (pinned(), (), 2),
        (pinned(), ("--role", "SnapshotDr"), 0),
        (open_to_everybody(), (), 1),
    ],
)
def test_verdict_decides_the_status(audit, write, policy, options, status):
    """A file that passes ends with 0, one that fails with 1, one that is undecided with 2."""
    file = write(policy)
    ended, printed = audit(file, "--json", *options)
    (report,) = reports_in(printed)
    assert (ended, report["file"]) == (status, file)
    assert report["verdict"] == ("PASS", "FAIL", "UNDECIDED")[status]


def test_kind_decides_what_is_right(audit, write):
    """What KMS-B is for is wrong for KMS-C."""
    assert audit(write(kms_c_policy(TRUST)), kind="kms-c")[0] == 0
    assert audit(write(kms_b_policy(TRUST)), kind="kms-c")[0] == 1


def test_json_has_its_keys_always(audit, write, tmp_path):
    """Each file gets one line with the same keys and words, be it good, bad or unreadable."""
    files = [write(kms_b_policy(TRUST), "good"), write(open_to_everybody(), "bad"), write("{", "broken"), str(tmp_path)]
    status, printed = audit(*files, "--json")
    reports = reports_in(printed)
    assert status == 2
    assert [report["file"] for report in reports] == files
    assert [report["verdict"] for report in reports] == ["PASS", "FAIL", "UNDECIDED", "UNDECIDED"]
    for report in reports:
        assert report.keys() - {"error"} == {"file", "verdict", "answers", "findings"}
        assert report["answers"].keys() == QUESTIONS
        assert set(report["answers"].values()) <= {"yes", "no", "undecided"}
        assert all(each.keys() == FINDING for each in report["findings"])
    assert reports[1]["answers"]["outside_org_can_use"] == "yes"
    assert all(each["why"] and each["remedy"] for each in reports[1]["findings"])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\xff\xfe", "line 1: byte 0"),
        (b"[]", "line 1"),
        (b" " * 200_000, "more than 131072 bytes"),
        (None, "No such file"),
    ],
)
def test_unreadable_file_says_why(audit, tmp_path, content, named):
    """What cannot be read as a policy is undecided in all questions, with the reason."""
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_bytes(content)
    status, printed = audit(str(file), "--json")
    (report,) = reports_in(printed)
    assert (status, report["verdict"], set(report["answers"].values())) == (2, "UNDECIDED", {"undecided"})
    assert str(file) in report["error"]
    assert named in report["error"]


def test_the_highest_status_of_all_files_counts(audit, write):
    """A failure among passes is a failure, and what cannot be read outranks it; all are reported."""
    good, bad, broken = write(kms_b_policy(TRUST), "good"), write(open_to_everybody(), "bad"), write("{", "broken")
    assert audit(good, good)[0] == 0
    assert audit(bad, good)[0] == 1
    status, printed = audit(broken, bad, good)
    assert status == 2
    assert all(file in printed for file in (good, bad, broken))


def test_standard_input_is_a_file(audit, monkeypatch):
    """A dash reads the policy from the standard input."""
    text = io.TextIOWrapper(io.BytesIO(write_json(kms_b_policy(TRUST)).encode()))
    monkeypatch.setattr(sys, "stdin", text)
    status, printed = audit("-", "--json")
    assert (status, reports_in(printed)[0]["file"]) == (0, "-")


def test_people_get_a_table(audit, write):
    """Without --json the answers are sentences, and each finding has its reason and remedy."""
    _, printed = audit(write(open_to_everybody()))
    told = " ".join(printed.split())
    for part in ("FAIL", "Can anybody outside use the key? yes", "KP010", "critical", "aws:PrincipalOrgID"):
        assert part in told


def test_what_a_policy_says_does_not_reach_the_terminal_as_control(audit, write):
    """Control characters and markup in names and Sids are shown, not obeyed."""
    policy = open_to_everybody()
    policy["Statement"][-1]["Sid"] = "[red]\x1b[2J"
    _, printed = audit(write(policy))
    assert "\x1b" not in printed
    assert "[red]" in printed


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--account-id", "99999999999"),
        ("--account-id", "99999999999x"),
        ("--org-id", "orga"),
        ("--region", "us-east-1a"),
        ("--region", "Frankfurt"),
        ("--kind", "kms-a"),
        ("--role", "arn:aws:iam::111111111111:role/SnapshotDr"),
        ("--fail-on", "sometimes"),
    ],
)
def test_bad_arguments_are_refused_by_name(capsys, option, value):
    """An argument of the wrong form ends in status 2 with the option's name, before any file is read."""
    given = {"--kind": "kms-b", **dict(zip(AROUND[::2], AROUND[1::2], strict=True)), option: value}
    arguments = [part for pair in given.items() for part in pair]
    with pytest.raises(SystemExit) as ended:
        get_parser().parse_args(["snapshot-dr", "policy", "audit", "none.json", *arguments])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


@pytest.mark.smoke
def test_airflow_itself_hands_the_status_on(write, tmp_path):
    """The real command ends with the audit's status, and its standard output is JSON and nothing else."""
    command = [str(AIRFLOW), "snapshot-dr", "policy", "audit", write(open_to_everybody()), "--json", "--kind", "kms-b"]
    result = subprocess.run([*command, *AROUND], capture_output=True, text=True, check=False)
    assert (result.returncode, [each["verdict"] for each in reports_in(result.stdout)]) == (1, ["FAIL"])
    assert "Traceback" not in result.stderr
