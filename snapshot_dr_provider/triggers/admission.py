"""How many copies may be started now into one account and Region, of which others make use as well."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import Final

from snapshot_dr_provider.triggers.clock import Clock

MAX_BACKOFF_SECONDS: Final = 120.0

MAX_DOUBLINGS: Final = 10
"""Doublings of the poll interval that a back-off counts; a quota may be used up for days."""

MAX_PACE: Final = 40
"""Copies that are started on one look; the bucket of CopySnapshot holds 50 (aws 3.4)."""

SHARE: Final = 4
"""Part of the spare slots that is taken at once where others may take them, too: a quarter."""

LEAST_SHARE: Final = 7
"""Part of all slots below which one competes for any slot that becomes free: a seventh, so that nobody starves."""

PATIENCE: Final = (1.5, 3.0)
"""Poll intervals that slots of others have to stay free, by chance: longer than whoever is refused usually waits."""

IMPATIENCE: Final = (0.3, 0.9)
"""Poll intervals until the next part of them, by chance: long enough to see that somebody else takes them, too."""


class Admission:
    """
    Keep the starts of one process below a quota that other processes, runs and people share (aws 3.1).

    AWS tells what is in flight and nothing of those who wait. So whoever had a slot fills it again at once, and slots
    of others are taken over only after they have stayed free for a while, a part at a time, and not while others take
    more than they had; a refusal gives one's claim up. Alone, one takes what there is.

    :param slots: copies that may be in flight at once, whoever started them.
    :param settle: how long a copy that was started may be invisible.
    :param poll: time between two looks at a copy of which nothing is known; all waiting here is a multiple of it.
    :param is_contested: whether other processes of ours start copies there: in the DR account all of them do.
    """

    def __init__(
        self,
        *,
        slots: int,
        settle: timedelta,
        poll: timedelta,
        clock: Clock,
        random: Random,
        is_contested: bool,
    ) -> None:
        self._slots = slots
        self._settle = settle
        self._poll = poll
        self._clock = clock
        self._random = random
        self._is_contested = is_contested
        self._in_flight: frozenset[str] = frozenset()
        self._own: frozenset[str] = frozenset()
        self._started: dict[str, datetime] = {}
        self._reserved = 0
        self._unanswered = 0
        self._claim = 0
        self._foreign: frozenset[str] = frozenset()
        self._others = 0
        """Slots that are left to others: as many as they had of late."""
        self._others_since = 0
        self._ripe_at: datetime | None = None
        """When they are left no more than they had since that moment was settled; ``None`` while they use them all."""
        self._refusals = 0
        self._pace = MAX_PACE
        self._closed_until: datetime | None = None
        self.is_filling = False
        """Whether more may be taken as soon as another look shows that nobody else has begun."""

    def observe(self, in_flight: Collection[str], own: Collection[str], at: datetime, *, wanting: bool) -> None:
        """
        Take over what a look has shown to be in flight.

        :param in_flight: ids of all copies in flight.
        :param own: those of them that this process waits for.
        :param at: when the look began, UTC.
        :param wanting: whether anything waits for a slot; whoever wants nothing gives unused slots up.
        """
        self._in_flight = frozenset(in_flight)
        self._own = self._in_flight & frozenset(own)
        # A copy may be in flight though reads do not show it, or showed it and do so no more.
        self._started = {i: moment for i, moment in self._started.items() if at < moment + self._settle}
        foreign = self._in_flight - self._mine
        self._leave_to_others(len(foreign), len(foreign | self._foreign))
        self._foreign = foreign
        self._claim = min(self._claim, max(0, self._slots - len(foreign)))
        if not wanting:
            self.give_up()

    def give_up(self) -> None:
        """Claim no more slots than are in use: nothing waits for one."""
        self._claim = len(self._mine) + self._reserved

    def _leave_to_others(self, used: int, used_of_late: int) -> None:
        """Take slots that others used of late for theirs until they have stayed free for a while."""
        now = self._clock.now()
        self._others_since = max(self._others_since, used)
        if self._ripe_at is not None and now >= self._ripe_at:
            # Whoever had a copy that has just ended is about to start the next one.
            self._others, self._ripe_at = max(self._others_since, used_of_late), None
        if used > self._others:
            # They may be taking more at this moment.
            self._others = self._slots
            self._wait_for_slots(used, IMPATIENCE)
        elif used == self._others:
            self._ripe_at = None
        elif self._ripe_at is None:
            self._wait_for_slots(used, PATIENCE)

    def _wait_for_slots(self, used: int, polls: tuple[float, float]) -> None:
        self._others_since = used
        self._ripe_at = self._clock.now() + self._random.uniform(*polls) * self._poll

    def ended(self, copy_ids: Iterable[str]) -> None:
        """Take over which copies are known to be in flight no more."""
        for copy_id in copy_ids:
            self._started.pop(copy_id, None)

    @property
    def free_slots(self) -> int:
        """Slots that nobody is known to use; 0 for a while after a refusal."""
        return self._free(())

    def _free(self, gone: Collection[str]) -> int:
        if self._closed_until is not None and self._clock.now() < self._closed_until:
            return 0
        taken = (self._in_flight | self._started.keys()) - set(gone)
        return max(0, self._slots - len(taken) - self._reserved)

    @property
    def _mine(self) -> frozenset[str]:
        return self._own | self._started.keys()

    def offer(self, gone: Collection[str]) -> int:
        """
        Tell how many copies may be started on what was just seen.

        :param gone: ids of copies that have ended, as far as the look can tell.
        """
        self.is_filling = False
        free = min(self._free(gone), self._pace)
        if not self._is_contested or not free:
            return free
        held = len(self._mine - set(gone)) + self._reserved
        refill = min(free, max(0, self._claim - held))
        return refill + self._growth(free - refill, held + refill)

    def _growth(self, spare: int, held: int) -> int:
        """Tell how many slots may be taken that one did not have before."""
        left = min(spare, self._slots - self._others - held)
        if left <= 0:
            return min(spare, 1) if held < self._slots / LEAST_SHARE else 0
        if not self._others:
            part = ceil(self._slots / SHARE)
            self.is_filling = left > part
            return min(left, part)
        part = ceil(left / SHARE)
        if left > part:
            self._others = self._slots - held - part
            self._wait_for_slots(len(self._foreign), IMPATIENCE)
        return part

    @property
    def next_moment(self) -> datetime | None:
        """When more may be admitted without anything having ended; ``None`` when only an end helps."""
        now = self._clock.now()
        if self._closed_until is not None and now < self._closed_until:
            return self._closed_until
        if not self.free_slots:
            return None
        return self._ripe_at or now

    def reserve(self, number: int = 1) -> None:
        """Keep slots for starts to come."""
        self._reserved += number

    def release(self, number: int = 1) -> None:
        """Give kept slots back: the start was made, or is not made after all."""
        self._reserved -= number

    def started(self, copy_id: str) -> None:
        """Count a copy that was started, though reads may not show it yet."""
        self._started[copy_id] = self._clock.now()
        self._claim = max(self._claim, len(self._mine))
        self._refusals = 0
        self._pace = min(MAX_PACE, self._pace + 1)

    def unanswered(self) -> None:
        """Count a copy that may be on its way though nobody knows its id, until reads would show it."""
        self._unanswered += 1
        self.started(f"unanswered start {self._unanswered}")

    def refused(self, *, is_throttled: bool) -> None:
        """
        Start nothing for a while: others share the quota, and they shall not all come back at once (aws 3.7).

        Of the starts of one look the first refusal counts.
        """
        self._claim = min(self._claim, len(self._mine))
        now = self._clock.now()
        if self._closed_until is not None and now < self._closed_until:
            return
        self._refusals += 1
        if is_throttled:
            self._pace = max(1, self._pace // 2)
        longest = min(MAX_BACKOFF_SECONDS, self._poll.total_seconds() * 2 ** min(self._refusals, MAX_DOUBLINGS))
        self._closed_until = now + timedelta(seconds=self._random.uniform(0, longest))

    @property
    def closed_for(self) -> timedelta:
        """Tell how long nothing is started."""
        return max(timedelta(0), (self._closed_until or self._clock.now()) - self._clock.now())
