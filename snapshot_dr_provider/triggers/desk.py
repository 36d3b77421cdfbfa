"""
The copies of one account and Region, looked at once for all who wait for them.

All triggers of a process that copy into the same account and Region share one :class:`CopyDesk`: one look serves
everybody, and one counter of slots keeps them together below the quota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Final
from weakref import WeakValueDictionary

from snapshot_dr_provider.domain.copying import CopyRequest
from snapshot_dr_provider.domain.lineage import Stage, copies_by_source, is_copy_in_flight, seniority
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import AmbiguousAnswerError, QuotaExceededError, ThrottledError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.threads import in_thread

MAX_BACKOFF_SECONDS: Final = 120.0

MAX_DOUBLINGS: Final = 10
"""Doublings of the poll interval that a back-off counts; a quota may be used up for days."""


class CopyDesk:
    """
    Read copies and start them, on behalf of everybody who copies into one account and Region.

    :param hook: of the account and Region that own the copies.
    :param slots: copies that may be in flight at once, whoever started them (aws 3.1).
    :param poll_seconds: time between two looks.
    :param settle: how long a copy that was started may be invisible.
    """

    def __init__(  # one caller
        self,
        hook: EbsSnapshotHook,
        stage: Stage,
        *,
        slots: int,
        poll_seconds: float,
        settle: timedelta,
        clock: Clock,
        random: Random,
    ) -> None:
        self.hook = hook
        self.stage = stage
        self._slots = slots
        self._poll_seconds = poll_seconds
        self._settle = settle
        self._clock = clock
        self._random = random
        self._copies: dict[str, tuple[Snapshot, ...]] = {}
        self._in_flight: frozenset[str] = frozenset()
        self._started: dict[str, datetime] = {}
        self._reserved = 0
        self._unanswered = 0
        self._refusals = 0
        self._closed_until: datetime | None = None
        self._next_look: asyncio.Future[None] | None = None
        self._asked: set[str] = set()
        self._again: set[str] = set()
        self._last_look: datetime | None = None
        self._looking = asyncio.Lock()

    async def look(self, sources: Collection[str], *, again: Collection[str] = ()) -> dict[str, tuple[Snapshot, ...]]:
        """
        Take part in the next look and answer our copies of the sources, oldest first.

        :param again: sources whose copies are looked up afresh even if nothing seems to have changed.
        """
        self._asked.update(sources)
        self._again.update(again)
        if self._next_look is None:
            self._next_look = asyncio.ensure_future(self._look_when_due())
        # Whoever is cancelled must not take the look away from the others.
        await asyncio.shield(self._next_look)
        return {source: self._copies.get(source, ()) for source in sources}

    async def look_up(self, sources: Collection[str]) -> dict[str, tuple[Snapshot, ...]]:
        """Look some sources up at once: the last look before a start."""
        self._copies |= await self._read(sources)
        return {source: self._copies.get(source, ()) for source in sources}

    def forget(self, sources: Iterable[str]) -> None:
        """Drop what nobody asks for any more."""
        for source in sources:
            self._copies.pop(source, None)

    async def _look_when_due(self) -> None:
        # One look at a time: a slow one must not overwrite what a later one has seen.
        async with self._looking:
            if self._last_look is not None:
                due = self._last_look + timedelta(seconds=self._poll_seconds)
                await self._clock.sleep(max(0.0, (due - self._clock.now()).total_seconds()))
            await self._look()

    async def _look(self) -> None:
        asked, again = self._asked, self._again
        self._asked, self._again, self._next_look = set(), set(), None
        self._last_look = began = self._clock.now()
        pending = await in_thread(self.hook.pending_snapshots)
        by_source = self._by_source(pending)
        changed = again | {source for source in asked if not self._update(source, by_source.get(source, ()))}
        if changed:
            self._copies |= await self._read(changed)
        self._count(pending, began)

    def _update(self, source: str, pending: tuple[Snapshot, ...]) -> bool:
        """
        Bring the known copies of a source up to date from the pending ones alone.

        :returns: ``False`` when that is not enough: the source is unknown, or a pending copy is pending no more.
        """
        known = self._copies.get(source)
        if known is None:
            return False
        now_pending = {copy.snapshot_id for copy in pending}
        if any(copy.state == "pending" and copy.snapshot_id not in now_pending for copy in known):
            return False
        settled = [copy for copy in known if copy.state != "pending" and copy.snapshot_id not in now_pending]
        self._copies[source] = tuple(sorted((*settled, *pending), key=seniority))
        return True

    async def _read(self, sources: Collection[str]) -> dict[str, tuple[Snapshot, ...]]:
        found = await in_thread(self.hook.copies_of, sorted(sources), self.stage)
        return dict.fromkeys(sources, ()) | self._by_source(found)

    def _by_source(self, snapshots: Iterable[Snapshot]) -> dict[str, tuple[Snapshot, ...]]:
        owner = self.hook.expected_account_id or self.hook.account_id
        return copies_by_source(snapshots, owner_id=owner, stage=self.stage)

    def _count(self, pending: Iterable[Snapshot], at: datetime) -> None:
        self._in_flight = frozenset(s.snapshot_id for s in pending if is_copy_in_flight(s))
        self._started = {
            copy_id: moment
            for copy_id, moment in self._started.items()
            if moment >= at or self._may_be_invisible(copy_id, moment, at)
        }

    def _may_be_invisible(self, copy_id: str, moment: datetime, at: datetime) -> bool:
        """Whether a copy may be in flight though reads do not show it, or showed it and do so no more."""
        ended = (c for copies in self._copies.values() for c in copies if c.state != "pending")
        return at < moment + self._settle and all(copy.snapshot_id != copy_id for copy in ended)

    @property
    def free_slots(self) -> int:
        """Copies that may be started now without passing the quota; 0 for a while after a refusal."""
        if self._closed_until is not None and self._clock.now() < self._closed_until:
            return 0
        taken = len(self._in_flight | self._started.keys()) + self._reserved
        return max(0, self._slots - taken)

    async def start(self, request: CopyRequest, source_region: str) -> str | None:
        """
        Start one copy if a slot is free, and answer its id; ``None`` when it has to wait for one.

        :raises AwsError: when the copy was refused for another reason than a quota.
        """
        if self.free_slots == 0 or request.lineage is None:
            return None
        self._reserved += 1
        try:
            copy_id = await in_thread(self.hook.start_copy, request.copy_from, source_region, request.lineage)
        except (QuotaExceededError, ThrottledError):
            self._back_off()
            return None
        except (AmbiguousAnswerError, asyncio.CancelledError):
            # A copy may be on its way that nobody knows the id of: its slot is taken until reads would show it.
            self._unanswered += 1
            self._started[f"unanswered start {self._unanswered}"] = self._clock.now()
            raise
        finally:
            self._reserved -= 1
        self._refusals = 0
        self._started[copy_id] = self._clock.now()
        return copy_id

    def _back_off(self) -> None:
        """Start nothing for a while: others share the quota, and they shall not all come back at once (aws 3.7)."""
        self._refusals += 1
        longest = min(MAX_BACKOFF_SECONDS, self._poll_seconds * 2 ** min(self._refusals, MAX_DOUBLINGS))
        wait = self._random.uniform(0, longest)
        self._closed_until = self._clock.now() + timedelta(seconds=wait)
        self.hook.log.info("no slot %s after all: nothing is started for %.0f s", self.hook.where, wait)


_DESKS: WeakValueDictionary[tuple[object, ...], CopyDesk] = WeakValueDictionary()


def shared_desk(desk: CopyDesk) -> CopyDesk:
    """
    Answer the desk that this event loop has for the same hook and stage already, or this one.

    Triggers share their hooks, so that this is one desk for an account and Region; it goes with the hook.
    """
    return _DESKS.setdefault((id(asyncio.get_running_loop()), id(desk.hook), desk.stage), desk)
