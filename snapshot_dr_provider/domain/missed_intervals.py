"""
Data intervals that no run was made for, and whether the next run makes up for them.

The scheduler makes no run while ``max_active_runs`` are active, and without catchup it then goes on with the latest
interval: a run of five days leaves out four, of which the lookback reaches three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from snapshot_dr_provider.domain.run_options import Period


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """
    The last run before one, scheduled or of a backfill, that was about all accounts.

    :param covered_until: end of its data interval, aware.
    :param ended_at: when it ended, aware; ``None`` while it is active, as beside a backfill.
    """

    covered_until: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Time before a period and its lookback that no run was about, aware, excluding its end."""

    start: datetime
    end: datetime


def gap_before(period: Period, earlier: EarlierRun) -> Gap | None:
    """Find the time between an earlier run and what a period reaches back to."""
    reaches_back_to = period.start - period.lookback
    return Gap(earlier.covered_until, reaches_back_to) if earlier.covered_until < reaches_back_to else None


def made_up_for(period: Period, earlier: EarlierRun) -> Period:
    """
    Reach back over intervals that were left out because the earlier run was still active when they were due.

    Those of a pause were left out on purpose: a backfill makes up for them.
    """
    if gap_before(period, earlier) is None:
        return period
    next_was_due = earlier.covered_until + (period.end - period.start)
    was_busy = earlier.ended_at is None or earlier.ended_at >= next_was_due
    return replace(period, lookback=period.start - earlier.covered_until) if was_busy else period
