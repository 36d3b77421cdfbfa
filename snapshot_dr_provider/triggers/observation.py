"""What is known of the copies in one account and Region, and how it is read with few calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.lineage import Stage, copies_by_source, is_copy_in_flight, seniority
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.hooks.ebs import MAX_FILTER_VALUES, EbsSnapshotHook
from snapshot_dr_provider.triggers.threads import in_thread

REMEMBERED: Final = 20
"""Copies whose durations tell how long one takes."""


class Observation:
    """
    Read copies, and remember what was read.

    One call lists all pending snapshots. Only of a source whose copy is no longer among them, or may not be among them
    yet, are the copies themselves read.

    :param hook: of the account and Region that own the copies.
    :param settle: how long a copy that was started may be invisible.
    """

    def __init__(self, hook: EbsSnapshotHook, stage: Stage, settle: timedelta) -> None:
        self.hook = hook
        self.stage = stage
        self.pending: tuple[Snapshot, ...] = ()
        """What the last look has shown to be pending: all of it, or only our own copies."""
        self._settle = settle
        self._copies: dict[str, tuple[Snapshot, ...]] = {}
        self._awaited: set[str] = set()
        self._expected: dict[str, tuple[datetime, str]] = {}
        self._began: dict[str, datetime] = {}
        self._changed: set[str] = set()
        self._durations: deque[timedelta] = deque(maxlen=REMEMBERED)
        self._reading = asyncio.Lock()

    def known(self, sources: Iterable[str]) -> dict[str, tuple[Snapshot, ...]]:
        """Recall the copies of some sources, oldest first."""
        return {source: self._copies.get(source, ()) for source in sources}

    def forget(self, source: str) -> None:
        """Drop what nobody asks for any more."""
        self._copies.pop(source, None)
        self._expected.pop(source, None)
        self._awaited.discard(source)
        self._changed.discard(source)

    def expect(self, source: str, moment: datetime, copy_id: str = "") -> None:
        """Count on a copy that was started, or may have been, and that reads may not show yet."""
        self._expected[source] = (moment, copy_id)
        if copy_id:
            self._began[copy_id] = moment

    def expects_none(self, source: str) -> None:
        """Count on no copy of a source any more: the start was refused."""
        self._expected.pop(source, None)

    @property
    def expected(self) -> Collection[str]:
        """Sources of which a copy has just been started."""
        return self._expected.keys()

    @property
    def awaited(self) -> frozenset[str]:
        """Sources that a copy is pending of, or may be."""
        return frozenset(self._awaited | self._expected.keys())

    @property
    def own_pending(self) -> tuple[Snapshot, ...]:
        """Those of our copies that are pending."""
        return tuple(copy for s in self._awaited for copy in self._copies.get(s, ()) if copy.state == "pending")

    def timed(self, copies: Iterable[Snapshot]) -> list[Snapshot]:
        """Give copies with the moments at which we started them, where we did: AWS tells whole seconds."""
        return [replace(copy, start_time=self._start_of(copy)) for copy in copies]

    def _start_of(self, copy: Snapshot) -> datetime:
        return self._began.get(copy.snapshot_id, copy.start_time)

    @property
    def in_flight(self) -> frozenset[str]:
        """Ids of the pending snapshots that take a slot."""
        return frozenset(snapshot.snapshot_id for snapshot in self.pending if is_copy_in_flight(snapshot))

    @property
    def typical(self) -> timedelta:
        """How long copies have taken of late; zero where that is not known."""
        return sorted(self._durations)[len(self._durations) // 2] if self._durations else timedelta(0)

    def take_changed(self) -> set[str]:
        """Name the sources of which copies have come, gone or changed their state since this was last asked."""
        changed, self._changed = self._changed, set()
        return changed

    async def look_at_pending(self, watched: Collection[str], began: datetime) -> tuple[set[str], set[str]]:
        """
        Read what is pending, by whomever.

        :returns: ids of our copies that were pending and are not in the list, and the sources of which the copies have
            to be read to know more.
        """
        async with self._reading:
            self.pending = tuple(await in_thread(self.hook.pending_snapshots))
        by_source = self._by_source(self.pending)
        gone: set[str] = set()
        doubtful: set[str] = set()
        for source in list(self._awaited):
            there = {copy.snapshot_id for copy in by_source.get(source, ())}
            missing = {c.snapshot_id for c in self._copies.get(source, ()) if c.state == "pending"} - there
            if missing:
                gone |= missing
                doubtful.add(source)
        for source in by_source.keys() & watched:
            if source not in self._copies:
                doubtful.add(source)
            elif source not in doubtful:
                self._add_pending(source, by_source[source])
        return gone, doubtful | self._still_expected(began)

    def _add_pending(self, source: str, pending: tuple[Snapshot, ...]) -> None:
        there = {copy.snapshot_id for copy in pending}
        others = (copy for copy in self._copies[source] if copy.snapshot_id not in there)
        self._keep(source, tuple(sorted((*others, *pending), key=seniority)))

    def _still_expected(self, began: datetime) -> set[str]:
        """Name sources of which a copy was started that has not been seen; those that have settled are dropped."""
        for source, (moment, copy_id) in list(self._expected.items()):
            seen = any(copy.snapshot_id == copy_id for copy in self._copies.get(source, ()))
            if seen or began >= moment + self._settle:
                del self._expected[source]
        return {source for source, (moment, _) in self._expected.items() if moment < began}

    async def read(self, sources: Collection[str], began: datetime) -> Mapping[str, tuple[Snapshot, ...]]:
        """Read the copies of some sources, in any state, and answer them."""
        if not sources:
            return {}
        async with self._reading:
            found = await in_thread(self.hook.copies_of, sorted(sources), self.stage)
        by_source = self._by_source(found)
        for source in sources:
            self._note_durations(source, by_source.get(source, ()), began)
            self._keep(source, by_source.get(source, ()))
        self._still_expected(began)
        return self.known(sources)

    async def look_at_own(self, more: Collection[str], began: datetime) -> Mapping[str, tuple[Snapshot, ...]]:
        """Read our awaited copies, and those of some more sources, alone: what else is pending stays unknown."""
        fresh = await self.read(self.awaited | set(more), began)
        self.pending = self.own_pending
        return fresh

    def _keep(self, source: str, copies: tuple[Snapshot, ...]) -> None:
        if _states(copies) != _states(self._copies.get(source, ())):
            self._changed.add(source)
        self._copies[source] = copies
        if any(copy.state == "pending" for copy in copies):
            self._awaited.add(source)
        else:
            self._awaited.discard(source)

    def _note_durations(self, source: str, copies: Sequence[Snapshot], now: datetime) -> None:
        were_pending = {copy.snapshot_id for copy in self._copies.get(source, ()) if copy.state == "pending"}
        ended = [copy for copy in copies if copy.state == "completed" and copy.snapshot_id in were_pending]
        self._durations.extend(now - self._start_of(copy) for copy in ended)
        for copy in copies:
            if copy.state != "pending":
                self._began.pop(copy.snapshot_id, None)

    def _by_source(self, snapshots: Iterable[Snapshot]) -> dict[str, tuple[Snapshot, ...]]:
        owner = self.hook.expected_account_id or self.hook.account_id
        return copies_by_source(snapshots, owner_id=owner, stage=self.stage)


def fits_one_call(sources: Collection[str]) -> bool:
    """Whether the copies of some sources are read with one call."""
    return len(sources) <= MAX_FILTER_VALUES


def _states(copies: Iterable[Snapshot]) -> list[tuple[str, str]]:
    return [(copy.snapshot_id, copy.state) for copy in copies]
