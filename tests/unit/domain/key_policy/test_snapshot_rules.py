"""The rules KP101 to KP109 on copies: what each of them fires on, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.findings import Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rules import RULES
from snapshot_dr_provider.domain.key_policy.run_rules import RUN_RULES
from snapshot_dr_provider.domain.key_policy.snapshot_facts import (
    DrRegionFacts,
    KmsBCopy,
    read_kms_b_copies,
    state_kms_b_copy,
    write_kms_b_copies,
)
from snapshot_dr_provider.domain.key_policy.snapshot_rules import (
    SNAPSHOT_RULES,
    judge_dr_region,
    judge_kms_b_copies,
    kms_b_rules_do_not_apply,
)
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.routes import Route
from tests.builders import DR, FORMER_KMS_C, KMS_B, KMS_C, ORG_A, at, copy, lineage

NOW = at(days=10)
C1 = copy("snap-c1", lineage("snap-1", Stage.KMS_C))
C2 = copy("snap-c2", lineage("snap-2", Stage.KMS_C), start_time=at(26))
SOUND = DrRegionFacts(
    account_id=DR,
    region="us-east-1",
    kms_c_arns=frozenset({KMS_C, FORMER_KMS_C}),
    copies=(C1, C2),
    public=frozenset(),
    shared_with={"snap-c1": (), "snap-c2": ()},
    public_access="block-all-sharing",
)
ROUTE = Route(ORG_A, "payments", "us-east-1", "us-east-1", KMS_B, KMS_C, DR, "aws_payments", "aws_dr")
B1 = KmsBCopy("snap-b1", "snap-1", NOW - timedelta(hours=5), "completed", KMS_B, "vol-1", encrypted=True)


def with_copy(**changes):
    """Give sound facts with one copy more, changed like that."""
    other = copy("snap-x", lineage("snap-3", Stage.KMS_C), **changes)
    return replace(SOUND, copies=(C1, C2, other), shared_with={**SOUND.shared_with, "snap-x": ()})


def broken(findings):
    """Give what did not pass, as rule, verdict, severity and subject."""
    return [
        (each.rule, each.verdict, each.severity.label, each.subject)
        for each in findings
        if each.verdict in (Verdict.FAIL, Verdict.UNDECIDED)
    ]


def judge_b(*copies, route=ROUTE, days=2):
    """Judge KMS-B copies of one route."""
    return judge_kms_b_copies({route: copies}, max_age=timedelta(days=days), now=NOW)


def test_sound_copies_pass_every_rule():
    """Copies under KMS-C that nobody else may use pass each rule on what the DR account has, once."""
    findings = judge_dr_region(SOUND)
    assert {each.verdict for each in findings} == {Verdict.PASS}
    assert [each.rule for each in findings] == ["KP101", "KP102", "KP103", "KP106", "KP107", "KP109", "KP108"]


def test_no_copies_at_all_pass():
    """An account that has no copies yet has none that is wrong."""
    empty = replace(SOUND, copies=(), shared_with={})
    assert broken(judge_dr_region(empty)) == []


DR_CASES = {
    "public": (replace(SOUND, public=frozenset({"snap-c2"})), ("KP101", "critical", "snap-c2")),
    "public by its attribute alone": (
        replace(SOUND, shared_with={"snap-c1": ("all",), "snap-c2": ()}),
        ("KP101", "critical", "snap-c1"),
    ),
    "shared with an account": (
        replace(SOUND, shared_with={"snap-c1": ("222222222222",), "snap-c2": ()}),
        ("KP102", "high", "snap-c1"),
    ),
    "one that was not asked": (replace(SOUND, shared_with={"snap-c2": ()}), ("KP103", "low", f"{DR} us-east-1")),
    "under a key that is not listed": (with_copy(kms_key_arn=f"{KMS_C}-other"), ("KP106", "high", "snap-x")),
    "under the account's aws/ebs": (
        with_copy(kms_key_arn=f"arn:aws:kms:us-east-1:{DR}:key/ebs"),
        ("KP106", "high", "snap-x"),
    ),
    "under a key that EC2 does not name": (with_copy(kms_key_arn=None), ("KP106", "high", "snap-x")),
    "unencrypted": (with_copy(encrypted=False, kms_key_arn=None), ("KP107", "critical", "snap-x")),
    "description of another source": (with_copy(description="my copy"), ("KP109", "medium", "snap-x")),
    "tags edited": (with_copy(tags={"snapshot-dr:stage": "kms-c"}), ("KP109", "medium", "snap-x")),
    "public access unblocked": (replace(SOUND, public_access="unblocked"), ("KP108", "medium", f"{DR} us-east-1")),
    "old public access stays": (
        replace(SOUND, public_access="block-new-sharing"),
        ("KP108", "low", f"{DR} us-east-1"),
    ),
}


@pytest.mark.parametrize(("facts", "expected"), DR_CASES.values(), ids=DR_CASES)
def test_each_wrong_thing_breaks_its_rule_alone(facts, expected):
    """Each fault in the DR account breaks one rule, at the place where it is, with what follows and what to do."""
    findings = judge_dr_region(facts)
    rule, severity, subject = expected
    assert broken(findings) == [(rule, Verdict.FAIL, severity, subject)]
    finding = next(each for each in findings if each.verdict is Verdict.FAIL)
    assert finding.why
    assert "aws ec2 " in finding.remedy or "audit_share_checks" in finding.remedy


@pytest.mark.parametrize(
    "facts",
    [
        with_copy(kms_key_arn=FORMER_KMS_C),
        with_copy(state="pending", encrypted=False, kms_key_arn=None),
        with_copy(state="error", encrypted=False, kms_key_arn=None),
    ],
    ids=["under a former KMS-C", "fresh", "failed"],
)
def test_what_is_not_wrong_is_left_alone(facts):
    """A former KMS-C counts, and fresh or failed copies say nothing of their key that could be trusted (aws 1.8)."""
    assert broken(judge_dr_region(facts)) == []


def test_what_was_not_read_is_undecided():
    """Without copies, sharing and block public access nothing on them passes, and each finding says why."""
    unread = {"copies": "no list", "sharing": "no shares", "public_access": "no state"}
    findings = judge_dr_region(DrRegionFacts(DR, "us-east-1", frozenset({KMS_C}), unread=unread))
    assert {each.verdict for each in findings} == {Verdict.UNDECIDED}
    assert {each.rule for each in findings} == {"KP101", "KP102", "KP103", "KP106", "KP107", "KP108", "KP109"}
    assert {each.why for each in findings} == set(unread.values())


def test_only_sharing_that_was_refused_leaves_the_rest_judged():
    """When the role may not read shares, the rules on keys are still judged."""
    facts = replace(SOUND, public=None, shared_with={}, unread={"sharing": "UnauthorizedOperation"})
    undecided = {each.rule for each in judge_dr_region(facts) if each.verdict is Verdict.UNDECIDED}
    assert undecided == {"KP101", "KP102", "KP103"}


def test_the_newest_completed_copies_are_asked_first():
    """Copies that can be shared are the completed ones, the newest first."""
    facts = with_copy(state="pending")
    assert [each.snapshot_id for each in facts.shareable] == ["snap-c2", "snap-c1"]


KMS_B_CASES = {
    "too old": (replace(B1, start_time=NOW - timedelta(days=2, seconds=1)), ("KP104", "medium")),
    "failed and too old": (
        replace(B1, start_time=at(), state="error", encrypted=False, kms_key_arn=None),
        ("KP104", "medium"),
    ),
    "under aws/ebs of its account": (
        replace(B1, kms_key_arn=f"arn:aws:kms:us-east-1:{ORG_A}:key/ebs"),
        ("KP105", "high"),
    ),
    "under KMS-C": (replace(B1, kms_key_arn=KMS_C), ("KP105", "high")),
    "unencrypted": (replace(B1, encrypted=False, kms_key_arn=None), ("KP107", "critical")),
    "tags of another": (replace(B1, is_ours=False), ("KP109", "medium")),
}


@pytest.mark.parametrize(("left", "expected"), KMS_B_CASES.values(), ids=KMS_B_CASES)
def test_each_wrong_kms_b_copy_breaks_its_rule_alone(left, expected):
    """Each fault of a KMS-B copy breaks one rule at that copy, and names its route."""
    findings = judge_b(left)
    rule, severity = expected
    assert broken(findings) == [(rule, Verdict.FAIL, severity, "snap-b1")]
    finding = next(each for each in findings if each.verdict is Verdict.FAIL)
    assert "aws ec2 " in finding.remedy


@pytest.mark.parametrize(
    "left",
    [
        B1,
        replace(B1, start_time=NOW - timedelta(days=2)),
        replace(B1, start_time=at(), kept=True),
        replace(B1, state="pending", encrypted=False, kms_key_arn=None),
        replace(B1, start_time=at(), kms_key_arn=None, encrypted=False, is_ours=False, kept=False),
    ],
    ids=["young", "just old enough", "kept on purpose", "under way", "not ours"],
)
def test_kms_b_copies_that_may_be_there(left):
    """A copy is too old only past the limit, never when it is kept; what is not ours is judged as that alone."""
    assert [each[0] for each in broken(judge_b(left))] == ([] if left.is_ours else ["KP109"])


def test_kms_b_rules_pass_over_no_copies():
    """Accounts that reported that nothing is left pass each rule once."""
    assert [(each.rule, each.verdict) for each in judge_b()] == [
        ("KP104", Verdict.PASS),
        ("KP105", Verdict.PASS),
        ("KP107", Verdict.PASS),
        ("KP109", Verdict.PASS),
    ]


def test_without_a_run_the_rules_on_kms_b_copies_do_not_apply():
    """An audit without a run does not claim to know KMS-B copies."""
    assert {(each.rule, each.verdict) for each in kms_b_rules_do_not_apply("no run")} == {
        ("KP104", Verdict.NOT_APPLICABLE),
        ("KP105", Verdict.NOT_APPLICABLE),
    }


def test_every_rule_has_an_id_of_its_own():
    """The rules on keys, on copies and on runs have different ids and titles."""
    catalogues = (RULES, SNAPSHOT_RULES, RUN_RULES)
    everything = [rule for catalogue in catalogues for rule in catalogue.values()]
    assert len({rule.rule_id for rule in everything}) == len(everything)
    assert len({rule.title for rule in everything}) == len(everything)
    assert all(key == rule.rule_id for catalogue in catalogues for key, rule in catalogue.items())
    assert all(isinstance(rule.severity, Severity) for rule in everything)


def test_a_snapshot_is_stated_with_the_source_that_its_tags_name():
    """What the last stage tells of a copy is read from its tags; one whose description disagrees is not ours."""
    good = copy("snap-b", lineage("snap-1"), start_time=at(25).replace(microsecond=7))
    stated = state_kms_b_copy(good, kept=True)
    assert (stated.source_snapshot_id, stated.volume_id, stated.kms_key_arn) == ("snap-1", "vol-1", KMS_B)
    assert (stated.kept, stated.is_ours, stated.start_time) == (True, True, at(25))
    assert not state_kms_b_copy(replace(good, description="by hand"), kept=False).is_ours


COPIES = st.builds(
    KmsBCopy,
    snapshot_id=st.text(max_size=20),
    source_snapshot_id=st.text(max_size=20),
    start_time=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # hypothesis adds the zone
        lambda moment: moment.replace(microsecond=0)
    ),
    state=st.sampled_from(["pending", "completed", "error"]),
    kms_key_arn=st.none() | st.sampled_from([KMS_B, KMS_C]),
    volume_id=st.text(max_size=20),
    encrypted=st.booleans(),
    kept=st.booleans(),
    is_ours=st.booleans(),
)


@given(st.lists(COPIES, max_size=8))
def test_the_report_of_an_account_is_read_as_it_was_written(copies):
    """What one task tells another of KMS-B copies comes out as it went in."""
    assert read_kms_b_copies(write_kms_b_copies(copies)) == tuple(copies)


def test_the_page_lists_the_rules_as_they_are():
    """The table of the page names each rule on copies and runs with its severity and title, and no other."""
    page = (Path(__file__).parents[4] / "docs" / "audit.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| `KP")]
    rules = [*SNAPSHOT_RULES.values(), *RUN_RULES.values()]
    assert listed == [f"| `{rule.rule_id}` | {rule.severity.label} | {rule.title} |" for rule in rules]
