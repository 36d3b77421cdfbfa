from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.pacing import CLUSTER, HASTE, LONGEST, PATIENCE, next_look
from snapshot_dr_provider.domain.snapshots import Snapshot
from tests.builders import at, lineage
from tests.builders import copy as build_copy

POLL = timedelta(seconds=15)
BEGAN = at(24)
SECOND = timedelta(seconds=1)


def pending(progress: int = 0, *, began: datetime = BEGAN, copy_id: str = "snap-b1") -> Snapshot:
    """Build a copy in flight."""
    return build_copy(copy_id, lineage(), state="pending", start_time=began, progress_percent=progress)


def looks(duration: timedelta, poll: timedelta = POLL, *, tells: bool = True) -> list[timedelta]:
    """Tell at which ages a copy with even progress is looked at, up to the look that shows its end."""
    ages: list[timedelta] = []
    now = BEGAN
    while not ages or ages[-1] < duration:
        progress = int(100 * (now - BEGAN) / duration) if tells else 0
        due = next_look([pending(progress)], now, poll)
        assert due is not None
        now = due
        ages.append(now - BEGAN)
    return ages


def test_nothing_pending_needs_no_look():
    """Where no copy is pending there is nothing to look for."""
    assert next_look([], BEGAN, POLL) is None


def test_the_first_look_is_a_poll_after_the_start():
    """A copy of which nothing is known is looked at a poll interval after its start."""
    assert next_look([pending()], BEGAN, POLL) == BEGAN + POLL


@given(st.integers(60, 100_000), st.integers(1, 60))
def test_an_end_is_noticed_soon_with_few_looks(seconds, poll_seconds):
    """With even progress an end is noticed within a poll interval or a few percent, after some twenty looks."""
    duration, poll = timedelta(seconds=seconds), timedelta(seconds=poll_seconds)
    ages = looks(duration, poll)
    assert ages[-1] - duration <= max(poll, duration * 0.03)
    assert len(ages) <= 25 + duration / LONGEST


@pytest.mark.parametrize("minutes", [15, 60])
def test_a_long_copy_is_not_asked_for_every_few_seconds(minutes):
    """A copy of many minutes with even progress takes a dozen looks, and its end is noticed within two percent."""
    duration = timedelta(minutes=minutes)
    ages = looks(duration)
    assert len(ages) <= 12
    assert ages[-1] <= 1.02 * duration


def test_a_copy_that_tells_no_progress_is_looked_at_less_and_less():
    """Without progress the looks are half the age apart: the slot is idle for half of the copy's time at most."""
    ages = looks(timedelta(hours=1), tells=False)
    assert ages[-1] <= 1.5 * timedelta(hours=1)
    assert len(ages) <= 16


@given(st.integers(0, 99), st.integers(0, 10_000), st.integers(1, 60))
def test_looks_keep_a_distance(progress, age_seconds, poll_seconds):
    """Two looks are never closer than a part of the poll interval, or of the copy's age where that is less."""
    poll, age = timedelta(seconds=poll_seconds), timedelta(seconds=age_seconds)
    now = BEGAN + age
    due = next_look([pending(progress)], now, poll)
    assert due is not None
    assert due - now >= min(poll / HASTE, age * CLUSTER)


def test_a_copy_that_takes_longer_than_expected_is_asked_for_by_its_age():
    """At 100 percent and still pending, the time between two looks is a small part of what it has taken so far."""
    now = BEGAN + timedelta(hours=2)
    assert next_look([pending(100)], now, POLL) == now + PATIENCE * timedelta(hours=2)


def test_what_is_usual_spares_early_looks():
    """Where copies usually take hours, one that tells no progress is left alone for a quarter of that."""
    now = BEGAN + POLL
    assert next_look([pending()], now, POLL, timedelta(hours=1)) == BEGAN + timedelta(minutes=15)


def test_ends_that_lie_close_together_are_noticed_together():
    """The ends of several copies within a few percent of their duration take one look; a later one takes its own."""
    now = BEGAN + timedelta(seconds=500)
    close = [pending(50, began=BEGAN + number * SECOND, copy_id=f"snap-b{number}") for number in range(5)]
    late = pending(10, copy_id="snap-b9")
    ends = sorted(copy.start_time + 2 * (now - copy.start_time) for copy in close)
    due = next_look([*close, late], now, POLL)
    assert due is not None
    assert ends[-1] <= due < ends[-1] + 10 * SECOND


def test_who_needs_no_slot_waits_for_the_last_one():
    """Where nobody waits for a slot only the last end counts."""
    now = BEGAN + timedelta(seconds=500)
    early, late = pending(90), replace(pending(50), snapshot_id="snap-b2")
    assert next_look([early, late], now, POLL, for_the_first=False) == BEGAN + timedelta(seconds=1000)


def test_clocks_that_disagree_do_not_make_it_wait_for_days():
    """A pending copy that seems to be months old is looked at every poll interval."""
    now = BEGAN + timedelta(days=250)
    assert next_look([pending(50)], now, POLL) == now + POLL
