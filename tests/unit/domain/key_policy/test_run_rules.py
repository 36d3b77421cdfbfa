from datetime import timedelta

from snapshot_dr_provider.domain.key_policy.findings import Severity, Verdict
from snapshot_dr_provider.domain.key_policy.run_rules import judge_duration

DAY = timedelta(days=1)


def test_a_run_within_its_interval_keeps_up():
    """A run that takes as long as its interval leaves no other one waiting."""
    assert judge_duration("a run", DAY, DAY, 1900).verdict is Verdict.PASS


def test_a_run_beyond_its_interval_says_how_long_it_took():
    """A run of a backlog that takes days is no failure, but it says how long, for how much, and what to do."""
    finding = judge_duration("a run", timedelta(hours=125), DAY, 10_000)
    assert (finding.rule, finding.verdict, finding.severity) == ("KP117", Verdict.FAIL, Severity.LOW)
    assert "10000 snapshots took 125.0 hours" in finding.why
    assert "copy_slots" in finding.remedy
