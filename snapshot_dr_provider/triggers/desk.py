"""
The copies of one account and Region, looked at once for all who wait for them.

All triggers of a process that copy into the same account and Region sit at one :class:`CopyDesk`. It looks when a copy
has probably ended, tells those whom it concerns, and deals out the slots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from math import ceil
from random import Random
from typing import Final
from weakref import WeakValueDictionary

from snapshot_dr_provider.domain.copying import CopyRequest
from snapshot_dr_provider.domain.lineage import SOURCE_SNAPSHOT_ID, Stage
from snapshot_dr_provider.domain.pacing import HASTE, next_look
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import (
    AmbiguousAnswerError,
    QuotaExceededError,
    ServiceError,
    SnapshotDrError,
    ThrottledError,
)
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.triggers.admission import MAX_DOUBLINGS, Admission
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.observation import Observation, fits_one_call
from snapshot_dr_provider.triggers.seats import Seat, choose
from snapshot_dr_provider.triggers.threads import in_thread

LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two looks while AWS does not answer, or while somebody waits for a slot."""

IDLE_SECONDS: Final = 3600.0
"""Until a desk that nothing is to be looked at for thinks again by itself; whoever changes something pokes it."""


class CopyDesk:
    """
    Read copies and start them, on behalf of everybody who copies into one account and Region.

    :param hook: of the account and Region that own the copies.
    :param slots: copies that may be in flight at once, whoever started them (aws 3.1).
    :param poll_seconds: time between two looks at a copy of which nothing is known.
    :param settle: how long a copy that was started may be invisible.
    :param completion_duration_minutes: of time-based copies; ``None`` for standard ones (aws 5.10).
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
        completion_duration_minutes: int | None = None,
    ) -> None:
        self.hook = hook
        self.stage = stage
        self.terms = (slots, poll_seconds, settle, completion_duration_minutes)
        self._slots = slots
        duration = completion_duration_minutes
        self._time_based = {} if duration is None else {"completion_duration_minutes": duration}
        self._poll = timedelta(seconds=poll_seconds)
        self._clock = clock
        self._random = random
        self._observation = Observation(hook, stage, settle)
        self._admission = Admission(
            slots=slots,
            settle=settle,
            poll=self._poll,
            clock=clock,
            random=random,
            is_contested=stage is Stage.KMS_C,
        )
        self._seats: dict[Seat, None] = {}
        self._watchers: dict[str, list[Seat]] = {}
        self._turns = count(1)
        self._last_look: datetime | None = None
        self._failed_looks = 0
        self._is_blind = True
        self._poked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    # What engines ask

    @contextmanager
    def seat(self, sources: Collection[str]) -> Iterator[Seat]:
        """Take a place at the desk within a ``with`` block."""
        seat = Seat(sources, on_change=self._poked.set)
        for source in seat.sources:
            self._watchers.setdefault(source, []).append(seat)
        self._seats[seat] = None
        if self._looking is None or self._looking.done():
            # A task of its own: whoever is cancelled must not take the looks away from the others.
            self._looking = asyncio.ensure_future(self._look_as_long_as_anybody_waits())
            self._looking.add_done_callback(self._tell_of_a_mistake)
        try:
            yield seat
        finally:
            del self._seats[seat]
            self._admission.release(len(seat.granted))
            for source in seat.sources:
                self._watchers[source].remove(seat)
                if not self._watchers[source]:
                    del self._watchers[source]
                    self._observation.forget(source)
            self._poked.set()

    async def look_up(self, sources: Collection[str]) -> dict[str, tuple[Snapshot, ...]]:
        """Look some sources up at once: the last look before something is given up or deleted."""
        await self._observation.read(sources, self._clock.now())
        return self.known(sources)

    def known(self, sources: Iterable[str]) -> dict[str, tuple[Snapshot, ...]]:
        """Recall what was last seen of some sources: our copies, oldest first."""
        return self._observation.known(sources)

    async def start(self, seat: Seat, request: CopyRequest, source_region: str) -> str | None:
        """
        Start one copy that a slot was granted for, and answer its id; ``None`` when it has to wait for one after all.

        :raises AwsError: when the copy was refused for another reason than a quota.
        """
        source = request.source_snapshot_id
        if request.lineage is None or source not in seat.granted:
            return None
        seat.granted.remove(source)
        self._observation.expect(source, self._clock.now())
        try:
            copy_id = await in_thread(
                self.hook.start_copy, request.copy_from, source_region, request.lineage, **self._time_based
            )
        except (QuotaExceededError, ThrottledError) as error:
            self._observation.expects_none(source)
            self._admission.refused(is_throttled=isinstance(error, ThrottledError))
            pause = self._admission.closed_for.total_seconds()
            self.hook.log.info("%s; nothing is started %s for %.0f s", error, self.hook.where, pause)
            return None
        except (AmbiguousAnswerError, asyncio.CancelledError):
            # A copy may be on its way that nobody knows the id of.
            self._admission.unanswered()
            raise
        except SnapshotDrError:
            self._observation.expects_none(source)
            raise
        finally:
            self._admission.release()
            self._poked.set()
        self._admission.started(copy_id)
        self._observation.expect(source, self._clock.now(), copy_id)
        return copy_id

    def decline(self, seat: Seat) -> None:
        """Give the slots back that were granted and not used."""
        if seat.granted:
            self._admission.release(len(seat.granted))
            seat.granted.clear()
            self._poked.set()

    @property
    def outlook(self) -> timedelta | None:
        """Tell about how long it takes until all who wait have their copies; ``None`` where nothing is known yet."""
        typical = self._observation.typical
        rounds = ceil(sum(len(seat.queue) for seat in self._seats) / self._slots)
        return (rounds + 1) * typical if rounds and typical else None

    # When to look

    async def _look_as_long_as_anybody_waits(self) -> None:
        while self._seats:
            if not await self._is_due():
                continue
            try:
                await self._look()
            except (ThrottledError, ServiceError) as error:
                # Nothing was seen, so nothing is decided; the next look is as good.
                self._failed_looks += 1
                self.hook.log.warning("%s; looking again later", error)
            except SnapshotDrError as error:
                for seat in self._seats:
                    seat.fail(error)
            else:
                self._failed_looks = 0

    async def _is_due(self) -> bool:
        """Wait until the next look is due, or until something has changed that may make it due earlier."""
        self._poked.clear()
        due = self._next_look()
        seconds = IDLE_SECONDS if due is None else (due - self._clock.now()).total_seconds()
        if seconds <= 0:
            return True
        waiting = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._poked.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        return False

    def _tell_of_a_mistake(self, looking: asyncio.Task[None]) -> None:
        """Let nobody wait for looks that an unexpected error has ended."""
        if not looking.cancelled() and (error := looking.exception()) is not None:
            for seat in self._seats:
                seat.fail(error)

    def _next_look(self) -> datetime | None:
        now = self._clock.now()
        if self._last_look is None:
            return now
        soon = self._last_look + self._poll / HASTE
        if self._failed_looks:
            doubled: timedelta = self._poll * 2 ** min(self._failed_looks, MAX_DOUBLINGS)
            return soon + self._random.random() * min(LONGEST_PAUSE, doubled)
        moments = [*self._next_end(self._last_look), *self._next_admission(soon)]
        moments += [max(soon, seat.next_alarm) for seat in self._seats if seat.next_alarm is not None]
        moments += [pause for seat in self._seats if (pause := seat.pause_at(now)) is not None]
        return min(moments, default=None)

    def _next_end(self, last_look: datetime) -> list[datetime]:
        """Say when a copy has probably ended: whoever waits for a slot waits for anybody's, everybody else for his."""
        observed = self._observation
        pending = observed.own_pending
        moments = [last_look + self._poll] if observed.expected else []
        wanting = self._is_wanting
        if wanting:
            pending += observed.pending
            moments.append(last_look + LONGEST_PAUSE)
        end = next_look(observed.timed(pending), last_look, self._poll, observed.typical, for_the_first=wanting)
        return moments if end is None else [*moments, end]

    def _next_admission(self, soon: datetime) -> list[datetime]:
        """Say when more may be started than on the last look, without any copy having ended."""
        if not self._is_wanting:
            return []
        if self._is_blind:
            return [soon]
        if self._admission.is_filling:
            return [self._clock.now()]
        more = self._admission.next_moment
        return [] if more is None else [max(soon, more)]

    @property
    def _is_wanting(self) -> bool:
        now = self._clock.now()
        return any(seat.is_waiting_at(now) for seat in self._seats)

    # Looking

    async def _look(self) -> None:
        self._last_look = began = self._clock.now()
        observed = self._observation
        due = {source for seat in self._seats for source in seat.due_at(began)}
        self._is_blind = not self._is_wanting and fits_one_call(observed.awaited)
        if self._is_blind:
            # Nobody needs to know what else is in flight: one call tells all.
            self._admission.give_up()
            fresh, chosen = await observed.look_at_own(due, began), []
        else:
            gone, doubtful = await observed.look_at_pending(self._watchers.keys(), began)
            chosen = self._choose(gone, began)
            fresh = await observed.read(due | doubtful | {source for _, source in chosen}, began)
        self._admission.ended(
            copy.snapshot_id for copies in fresh.values() for copy in copies if copy.state != "pending"
        )
        for seat in self._seats:
            seat.drop_alarms(due)
        still_there = [(seat, source) for seat, source in chosen if seat in self._seats]
        self._tell(due, still_there[: self._admission.free_slots])

    def _choose(self, gone: Collection[str], began: datetime) -> list[tuple[Seat, str]]:
        """Choose who may start a copy, given that what is no longer pending gives its slot back."""
        own = self._observation.own_pending
        self._admission.observe(
            self._observation.in_flight, {copy.snapshot_id for copy in own}, began, wanting=self._is_wanting
        )
        for seat in self._seats:
            seat.busy = 0
        for source in [*(copy.tags[SOURCE_SNAPSHOT_ID] for copy in own), *self._observation.expected]:
            for seat in self._watchers.get(source, ()):
                seat.busy += 1
        taken = {*self._observation.expected, *(source for seat in self._seats for source in seat.granted)}
        return choose(self._seats, self._admission.offer(gone), began, taken)

    def _tell(self, due: Collection[str], granted: list[tuple[Seat, str]]) -> None:
        """Tell whoever sits here what has changed or was asked for, and for which copies a slot is kept."""
        self._admission.reserve(len(granted))
        news: dict[Seat, set[str]] = {}
        for source in {*due, *self._observation.take_changed()}:
            for seat in self._watchers.get(source, ()):
                news.setdefault(seat, set()).add(source)
        for seat, source in granted:
            seat.last_served = next(self._turns)
            seat.tell(self.known([source]), [source])
        for seat, sources in news.items():
            seat.tell(self.known(sources))


_DESKS: WeakValueDictionary[tuple[object, ...], CopyDesk] = WeakValueDictionary()


def shared_desk(desk: CopyDesk) -> CopyDesk:
    """
    Answer the desk that this event loop has for the same hook, stage and terms already, or this one.

    Triggers share their hooks, so that this is one desk for an account and Region; it goes with the hook. DAGs whose
    settings differ have a desk each, which share the quota as two triggerers do.
    """
    return _DESKS.setdefault((id(asyncio.get_running_loop()), id(desk.hook), desk.stage, desk.terms), desk)
