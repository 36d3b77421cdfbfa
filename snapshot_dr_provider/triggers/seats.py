"""Who waits at a desk, for which copies, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime

from snapshot_dr_provider.domain.snapshots import Snapshot

Copies = Mapping[str, tuple[Snapshot, ...]]


class Seat:
    """
    Wait at a desk for the copies of some sources.

    :param sources: ids of the sources that it is about.
    :param on_change: called when the time of the next look may have changed.
    """

    def __init__(self, sources: Collection[str], on_change: Callable[[], None]) -> None:
        self.sources = dict.fromkeys(sources)
        self.queue: dict[str, int] = {}
        """Sources that wait for a slot, in their order, each with its rank: lower ones go first."""
        self.last_served = 0
        self.busy = 0
        """Copies of this seat that are in flight or have just been started: who has fewest is served next."""
        self._alarms: dict[str, datetime] = {}
        self._next_alarm: datetime | None = None
        self._paused_until: datetime | None = None
        self.granted: set[str] = set()
        """Sources that a slot is kept for, until the copy is started or the slot declined."""
        self._copies: dict[str, tuple[Snapshot, ...]] = {}
        self._error: BaseException | None = None
        self._woken = asyncio.Event()
        self._on_change = on_change

    # What the engine says

    def expect(self, source: str, moment: datetime | None) -> None:
        """Have news of a source from a moment on, whether anything has changed or not; ``None``: only if it has."""
        earlier = self._alarms.pop(source, None)
        if moment is not None:
            self._alarms[source] = moment
        if earlier == self._next_alarm or moment is None:
            self._next_alarm = min(self._alarms.values(), default=None)
        elif self._next_alarm is None or moment < self._next_alarm:
            self._next_alarm = moment
        self._on_change()

    def line_up(self, ranks: Mapping[str, int]) -> None:
        """Wait for a slot for each of some sources, behind those that do already."""
        self.queue.update(ranks)
        self._on_change()

    def settle(self, sources: Iterable[str]) -> None:
        """Expect nothing of some sources any more."""
        for source in sources:
            self.queue.pop(source, None)
            self.expect(source, None)

    def pause(self, until: datetime) -> None:
        """Take no slot for a while."""
        self._paused_until = until
        self._on_change()

    # What the desk asks

    @property
    def next_alarm(self) -> datetime | None:
        """When the engine wants the next news in any case."""
        return self._next_alarm

    def due_at(self, now: datetime) -> list[str]:
        """Name the sources that news is due of."""
        if self._next_alarm is None or now < self._next_alarm:
            return []
        return [source for source, moment in self._alarms.items() if moment <= now]

    def drop_alarms(self, sources: Collection[str]) -> None:
        """Owe no news of some sources any more: they have been read."""
        if self._alarms.keys() & sources:
            self._alarms = {source: moment for source, moment in self._alarms.items() if source not in sources}
            self._next_alarm = min(self._alarms.values(), default=None)

    def pause_at(self, now: datetime) -> datetime | None:
        """Say until when it takes no slot though something waits for one; ``None`` when it would take one."""
        return self._paused_until if self.queue and self._paused_until and now < self._paused_until else None

    def is_waiting_at(self, now: datetime) -> bool:
        """Whether a slot would be used."""
        in_line = len(self.queue) - sum(source in self.queue for source in self.granted)
        return in_line > 0 and self.pause_at(now) is None

    # What the desk tells

    def tell(self, copies: Copies, granted: Iterable[str] = ()) -> None:
        """Bring news; they are kept until they are heard."""
        self._copies.update(copies)
        self.granted.update(granted)
        self._woken.set()

    def fail(self, error: BaseException) -> None:
        """Bring the news that nothing can be read."""
        self._error = error
        self._woken.set()

    async def wait(self) -> None:
        """Wait until there are news."""
        await self._woken.wait()

    def take_news(self) -> Copies:
        """
        Hear our copies, oldest first, of each source that there is something new of.

        :raises SnapshotDrError: when nothing can be read, for example without a connection.
        """
        self._woken.clear()
        if self._error is not None:
            raise self._error
        news, self._copies = self._copies, {}
        return news


def choose(seats: Iterable[Seat], number: int, now: datetime, taken: Collection[str]) -> list[tuple[Seat, str]]:
    """
    Choose who may start next: the lowest rank, then who has fewest copies in flight, then who was served least lately.

    So accounts share the slots evenly, however many snapshots each of them has.

    :param taken: sources of which somebody has just started a copy.
    """
    gone = set(taken)
    queues = {seat: _waiting(seat, gone) for seat in seats if seat.is_waiting_at(now)}
    heads = {seat: source for seat, queue in queues.items() if (source := next(queue, None)) is not None}
    chosen: list[tuple[Seat, str]] = []
    while heads and len(chosen) < number:
        seat = min(heads, key=lambda each: (each.queue[heads[each]], each.busy, each.last_served))
        source = heads.pop(seat)
        if source not in gone:
            gone.add(source)
            seat.busy += 1
            chosen.append((seat, source))
        if (following := next(queues[seat], None)) is not None:
            heads[seat] = following
    return chosen


def _waiting(seat: Seat, gone: Collection[str]) -> Iterator[str]:
    """Name what a seat waits for: the lowest rank first, within a rank what has waited longest."""
    return (source for source in sorted(seat.queue, key=seat.queue.__getitem__) if source not in gone)
