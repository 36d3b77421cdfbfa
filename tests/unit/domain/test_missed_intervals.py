from datetime import UTC, datetime, timedelta

import pytest

from snapshot_dr_provider.domain.missed_intervals import EarlierRun, Gap, gap_before, made_up_for
from snapshot_dr_provider.domain.run_options import Period

DAY = timedelta(days=1)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
"""Start of the interval of the earlier run, which the scheduler made a day later."""


def period(days_later: int, lookback: timedelta = 3 * DAY) -> Period:
    """Name the period of a run so many days after the earlier one."""
    return Period(FIRST + days_later * DAY, FIRST + (days_later + 1) * DAY, lookback)


@pytest.mark.parametrize("days_later", [1, 2, 4])
def test_what_the_lookback_reaches_is_no_gap(days_later):
    """Up to three days that no run was made for are within the lookback, so that nothing has to be made up for."""
    earlier = EarlierRun(FIRST + DAY, FIRST + days_later * DAY)
    assert gap_before(period(days_later), earlier) is None
    assert made_up_for(period(days_later), earlier) == period(days_later)


def test_a_run_that_lasts_longer_than_the_lookback_loses_no_day():
    """After a run of 125 hours the next one, which is of the fifth day, wants the four days between, too."""
    earlier = EarlierRun(FIRST + DAY, FIRST + DAY + timedelta(hours=125))
    assert gap_before(period(5), earlier) == Gap(FIRST + DAY, FIRST + 2 * DAY)
    assert made_up_for(period(5), earlier) == period(5, 4 * DAY)


def test_a_run_that_is_still_active_loses_no_day():
    """Beside a backfill that is still active the intervals after it are made up for."""
    assert made_up_for(period(9), EarlierRun(FIRST + DAY, None)) == period(9, 8 * DAY)


def test_a_pause_is_left_to_a_backfill():
    """Intervals that the scheduler could have made runs for, and did not, are told of and not made up for."""
    earlier = EarlierRun(FIRST + DAY, FIRST + DAY + timedelta(hours=3))
    assert made_up_for(period(9), earlier) == period(9)
    assert gap_before(period(9), earlier) == Gap(FIRST + DAY, FIRST + 6 * DAY)
