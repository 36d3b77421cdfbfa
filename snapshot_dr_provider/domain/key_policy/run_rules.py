"""The rules KP110 to KP118: what must be true of a run, beside its keys and copies, for it to be green."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.volume_coverage import State, VolumeCoverage

SUCCEEDED: Final = Rule("KP110", "Every task of the run has succeeded", Severity.CRITICAL)
COPIED: Final = Rule("KP111", "Every wanted snapshot has a verified KMS-C copy", Severity.CRITICAL)
CLAIMED: Final = Rule("KP112", "Every snapshot that the run was asked for has a route", Severity.CRITICAL)
REPORTED: Final = Rule("KP113", "Every account has reported the KMS-B copies that are left", Severity.HIGH)
SETTINGS: Final = Rule("KP114", "The settings file says what is to be audited", Severity.CRITICAL)
ENTERED: Final = Rule("KP115", "Every account of the run can be entered", Severity.MEDIUM)
UNCHANGED: Final = Rule("KP116", "The settings file is the one that the run began with", Severity.MEDIUM)
IN_TIME: Final = Rule("KP117", "The run has taken no longer than its interval", Severity.LOW)
WITHIN_RPO: Final = Rule(
    "KP118", "Every account has snapshots, and every volume a verified KMS-C copy within rpo_hours", Severity.HIGH
)

RUN_RULES: Final[Mapping[str, Rule]] = {
    rule.rule_id: rule
    for rule in (SUCCEEDED, COPIED, CLAIMED, REPORTED, SETTINGS, ENTERED, UNCHANGED, IN_TIME, WITHIN_RPO)
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


def judge_coverage(route: Route, volumes: Sequence[VolumeCoverage], rpo: timedelta, now: datetime) -> list[Finding]:
    """Name the volumes of a route that have a gap; none is a pass."""
    gaps = [volume for volume in volumes if volume.state.is_gap]
    if not gaps:
        return [WITHIN_RPO.finding(Verdict.PASS, route.label, f"{len(volumes)} volumes")]
    return [
        WITHIN_RPO.finding(
            Verdict.FAIL, volume.volume, f"{route.label}: {_what_is_wrong(volume, rpo, now)}", _REMEDIES[volume.state]
        )
        for volume in gaps
    ]


def judge_backups(name: str) -> Finding:
    """Name an account that has no snapshot at all."""
    return WITHIN_RPO.finding(
        Verdict.FAIL,
        name,
        "it has no snapshot in any of its source Regions, so that there is nothing to copy",
        "See to its backups. If it needs none, exclude it in the settings (exclude_accounts, or leave it out).",
    )


_REMEDIES: Final[Mapping[State, str]] = {
    State.MISSING: (
        "See why its snapshots are not copied: the run's other findings and the log of plan say so. One that is older "
        "than the lookback is copied by a run with the param snapshot_ids; what needs no copy is left out by "
        "selection.exclude_tags."
    ),
    State.BEHIND: (
        "See why its newer snapshots are not copied: the run's other findings and the log of plan say so. If runs take "
        "too long for rpo_hours, see the speed of copies in docs/performance.md."
    ),
    State.STALE: (
        "See why the source account takes no snapshots of it any more. If the volume is gone and its last snapshot "
        "stays, leave that out by a tag (selection.exclude_tags)."
    ),
}


def _what_is_wrong(volume: VolumeCoverage, rpo: timedelta, now: datetime) -> str:
    newest = volume.sources.newest if volume.sources else None
    if volume.point is None:
        since = volume.sources.oldest if volume.sources else now
        usable = "" if newest else ", all of them failed"
        return f"it has snapshots since {since:%Y-%m-%d %H:%M} UTC{usable} and no verified KMS-C copy"
    hours = timedelta(hours=1)
    what = (
        f"its newest KMS-C copy {volume.point.copy_id} has the data of {volume.point.taken:%Y-%m-%d %H:%M} UTC, "
        f"{(now - volume.point.taken) / hours:.1f} hours ago, where rpo_hours is {rpo / hours:g}"
    )
    if volume.state is State.STALE or newest is None or volume.sources is None:
        return f"{what}; no newer snapshot was there to be copied"
    return f"{what}; {volume.sources.newest_id} of {newest:%Y-%m-%d %H:%M} UTC has no verified copy"
