"""
When to look at copies again: soon after one has probably ended, and seldom before.

AWS tells no end, but how far a copy is, in percent; nothing says that copies progress evenly. So an estimate is trusted
for as long again as the copy has taken so far, and a copy of an hour is looked at a dozen times.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.snapshots import Snapshot

HASTE: Final = 10
"""How much closer than the poll interval two looks may be when something is about to happen."""

CLUSTER: Final = 0.07
"""Part of a copy's duration within which the ends of several are waited for together."""

PATIENCE: Final = 0.02
"""Share of a copy's age between two looks, once it takes longer than was expected: what is lost of its slot."""

LONGEST: Final = timedelta(minutes=15)
"""Between two looks, whatever is expected: progress may mislead, and so may a clock that goes wrong."""

OLDEST: Final = timedelta(days=3)
"""Age beyond which a pending copy says that clocks disagree rather than how far it is."""

NONE: Final = timedelta(0)


def next_look(
    pending: Iterable[Snapshot],
    seen_at: datetime,
    poll: timedelta,
    typical: timedelta = NONE,
    *,
    for_the_first: bool = True,
) -> datetime | None:
    """
    Say when pending copies are worth another look; ``None`` when there are none.

    :param seen_at: when they were as they are, UTC. The clocks of AWS and of this machine agree up to seconds.
    :param poll: time between two looks at a copy of which nothing is known.
    :param typical: how long copies into this account have taken of late; zero where that is not known.
    :param for_the_first: whether the first copy to end is waited for, since its slot is wanted; else for all of them.
    """
    waits = sorted((min(LONGEST, _wait(copy, seen_at, poll, typical)), copy.start_time) for copy in pending)
    if not waits:
        return None
    first, began = waits[0]
    together = first + CLUSTER * max(seen_at + first - began, NONE)
    return seen_at + max(wait for wait, _ in waits if wait <= together or not for_the_first)


def _wait(copy: Snapshot, seen_at: datetime, poll: timedelta, typical: timedelta) -> timedelta:
    age = max(seen_at - copy.start_time, NONE)
    if age > OLDEST:
        return poll
    if age < poll / 2 or (age < poll and not copy.progress_percent):
        # The first look tells the quick from the slow ones.
        return max(poll - age, poll / 2)
    if not copy.progress_percent:
        return max(poll, age / 2, typical / 4 - age)
    remaining = age * (100 / copy.progress_percent - 1)
    if remaining <= NONE:
        return max(poll, age * PATIENCE)
    return max(min(poll / HASTE, age * CLUSTER), min(remaining, max(poll, age)))
