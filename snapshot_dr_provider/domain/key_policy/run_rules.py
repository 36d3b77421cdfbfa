"""The rules KP110 to KP117: what must be true of a run, beside its keys and copies, for it to be green."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rule import Rule

SUCCEEDED: Final = Rule("KP110", "Every task of the run has succeeded", Severity.CRITICAL)
COPIED: Final = Rule("KP111", "Every wanted snapshot has a verified KMS-C copy", Severity.CRITICAL)
CLAIMED: Final = Rule("KP112", "Every snapshot that the run was asked for has a route", Severity.CRITICAL)
REPORTED: Final = Rule("KP113", "Every account has reported the KMS-B copies that are left", Severity.HIGH)
SETTINGS: Final = Rule("KP114", "The settings file says what is to be audited", Severity.CRITICAL)
ENTERED: Final = Rule("KP115", "Every account of the run can be entered", Severity.MEDIUM)
UNCHANGED: Final = Rule("KP116", "The settings file is the one that the run began with", Severity.MEDIUM)
IN_TIME: Final = Rule("KP117", "The run has taken no longer than its interval", Severity.LOW)

RUN_RULES: Final[Mapping[str, Rule]] = {
    rule.rule_id: rule for rule in (SUCCEEDED, COPIED, CLAIMED, REPORTED, SETTINGS, ENTERED, UNCHANGED, IN_TIME)
}
"""The rules on runs by their ids."""


def judge_duration(run_id: str, took: timedelta, interval: timedelta, wanted: int) -> Finding:
    """
    Say whether runs keep up with the snapshots of their intervals.

    :param took: time since the run began, or since it was last cleared.
    :param wanted: snapshots of all routes.
    """
    if took <= interval:
        return IN_TIME.finding(Verdict.PASS, run_id)
    hours = timedelta(hours=1)
    return IN_TIME.finding(
        Verdict.FAIL,
        run_id,
        f"{wanted} snapshots took {took / hours:.1f} hours, and a run comes due each {interval / hours:g}: those that "
        "came due meanwhile could not begin",
        "If this is no single backlog, have AWS raise the copies in flight of the DR account and set copy_slots, or "
        "select fewer snapshots. What came due meanwhile is wanted by the next run.",
    )
