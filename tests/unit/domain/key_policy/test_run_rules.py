from datetime import timedelta

import pytest

from snapshot_dr_provider.domain.key_policy.findings import Severity, Verdict
from snapshot_dr_provider.domain.key_policy.run_rules import judge_backups, judge_coverage, judge_duration
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.volume_coverage import RecoveryPoint, State, VolumeCoverage, VolumeSources
from tests.builders import KMS_B, KMS_C, at

DAY = timedelta(days=1)
NOW = at(48)
ROUTE = Route("111111111111", "team", "us-east-1", "us-east-1", KMS_B, KMS_C, "999999999999", "aws", "aws_dr")


def test_a_run_within_its_interval_keeps_up():
    """A run that takes as long as its interval leaves no other one waiting."""
    assert judge_duration("a run", DAY, DAY, 1900).verdict is Verdict.PASS


def test_a_run_beyond_its_interval_says_how_long_it_took():
    """A run of a backlog that takes days is no failure, but it says how long, for how much, and what to do."""
    finding = judge_duration("a run", timedelta(hours=125), DAY, 10_000)
    assert (finding.rule, finding.verdict, finding.severity) == ("KP117", Verdict.FAIL, Severity.LOW)
    assert "10000 snapshots took 125.0 hours" in finding.why
    assert "copy_slots" in finding.remedy


def volume(state: State, copy_hours_ago: float | None, newest: str = "snap-2") -> VolumeCoverage:
    """Build a volume that stands so, whose newest snapshot was taken an hour ago."""
    taken = None if copy_hours_ago is None else NOW - timedelta(hours=copy_hours_ago)
    point = None if taken is None else RecoveryPoint("snap-c", "snap-1", taken)
    return VolumeCoverage("vol-1", state, VolumeSources(at(0), at(47) if newest else None, newest), point)


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (volume(State.MISSING, None), ("snapshots since 2026-11-22 00:00 UTC and no verified KMS-C copy",)),
        (volume(State.MISSING, None, newest=""), ("all of them failed", "no verified KMS-C copy")),
        (
            volume(State.BEHIND, 30.5),
            (
                "snap-c has the data of 2026-11-22 17:30 UTC, 30.5 hours ago, where rpo_hours is 24",
                "snap-2 of 2026-11-23",
            ),
        ),
        (volume(State.STALE, 30), ("30.0 hours ago", "no newer snapshot was there to be copied")),
        (volume(State.STALE, 30, newest=""), ("no newer snapshot was there to be copied",)),
    ],
)
def test_a_gap_is_named_with_its_account_its_age_and_its_remedy(gap, said):
    """Each volume beyond its RPO is a finding of high severity that says what is old or missing, and what to do."""
    (finding,) = judge_coverage(ROUTE, [volume(State.COVERED, 1), gap], DAY, NOW)
    assert (finding.rule, finding.verdict, finding.severity) == ("KP118", Verdict.FAIL, Severity.HIGH)
    assert finding.subject == "vol-1"
    assert finding.remedy
    for part in ("team (111111111111) us-east-1: ", *said):
        assert part in finding.why


def test_a_route_without_a_gap_passes_whatever_is_not_judged():
    """Volumes that are covered, new, gone or excluded are no findings."""
    rest = [State.COVERED, State.NEW, State.GONE, State.EXCLUDED]
    (finding,) = judge_coverage(ROUTE, [volume(state, 30) for state in rest], DAY, NOW)
    assert (finding.verdict, finding.subject) == (Verdict.PASS, ROUTE.label)


def test_an_account_without_snapshots_is_named():
    """Nothing to copy is no good news: the finding names the account and how it is left out on purpose."""
    finding = judge_backups("team (111111111111)")
    assert (finding.rule, finding.verdict, finding.subject) == ("KP118", Verdict.FAIL, "team (111111111111)")
    assert "exclude_accounts" in finding.remedy
