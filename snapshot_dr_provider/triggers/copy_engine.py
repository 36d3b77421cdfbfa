"""
The rounds in which copies are started and awaited, for one route and one hop.

The engine observes, has :func:`~snapshot_dr_provider.domain.copying.plan_round` decide, and acts on the difference. It
may be killed at any point and begun again elsewhere: the next look finds less to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.copying import (
    FIRST_REFUSALS_FORGIVEN,
    CopyRequest,
    Failure,
    Limits,
    Memory,
    Round,
    plan_round,
)
from snapshot_dr_provider.domain.lineage import SOURCE_SNAPSHOT_ID
from snapshot_dr_provider.domain.pacing import HASTE
from snapshot_dr_provider.domain.refusals import KEY_NOT_ACCESSIBLE
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import AmbiguousAnswerError, AwsError, ServiceError, ThrottledError
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.desk import CopyDesk
from snapshot_dr_provider.triggers.seats import Copies, Seat
from snapshot_dr_provider.triggers.supplies import Supply
from snapshot_dr_provider.triggers.threads import in_thread
from snapshot_dr_provider.triggers.window_keeper import WindowKeeper

MAX_AT_ONCE: Final = 40
"""Snapshots shared or deleted in one round: their buckets hold 100 and refill at 5 a second (aws 3.4)."""

POLL: Final = timedelta(seconds=15)

MAX_PATIENCE: Final = 7
"""Doublings of the time until a source that is not ready is read again: some six minutes at the usual poll interval."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say how each source ended: its one completed copy, or why there is none."""

    finished: dict[str, Snapshot] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)


class CopyEngine:
    """
    Copy the sources of one route, round by round, until each has exactly one completed copy or is given up.

    :param desk: of the account and Region that receive the copies; shared with other engines.
    :param memory: what an earlier look of this try has found out.
    :param poll: time between two looks at sources that are not ready; it grows while they stay so.
    :param keeper: of the window that the key is open in; ``None`` where it is open all the time.
    :param ranks: of sources that go before others, of other routes as well: the lowest first; 0 where none is given.
    """

    def __init__(
        self,
        desk: CopyDesk,
        supply: Supply,
        limits: Limits,
        clock: Clock,
        memory: Memory,
        *,
        poll: timedelta = POLL,
        keeper: WindowKeeper | None = None,
        ranks: Mapping[str, int] | None = None,
    ) -> None:
        self._desk = desk
        self._supply = supply
        self._limits = limits
        self._clock = clock
        self._memory = memory
        self._poll = poll
        self._keeper = keeper
        self._ranks = ranks or {}
        self._outcome = Outcome()
        self._requests: dict[str, CopyRequest] = {}
        self._surveys: dict[str, datetime] = {}
        self._impatience: Counter[str] = Counter()
        self._open: dict[str, None] = {}
        self._reported: tuple[int, ...] = ()

    async def run(self, sources: Sequence[str]) -> Outcome:
        """
        Copy the sources, the first ones first.

        :raises SnapshotDrError: when nothing can be read, for example without a connection.
        """
        self._open = dict.fromkeys(sources)
        if not sources:
            return self._outcome
        self._surveys = dict.fromkeys(sources, self._clock.now())
        try:
            await self._survey()
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; looking again later", error)
            self._put_off(self._clock.now() + self._limits.settle / 4)
        with self._desk.seat(sources) as seat:
            # Nothing is known of copies yet: what may be started is put in line, and looked at before it is.
            await self._round(seat, dict.fromkeys(sources, ()))
            while self._open:
                await self._round(seat, await self._news(seat))
        return self._outcome

    def _rank(self, source: str) -> int:
        return self._ranks.get(source, 0)

    async def _news(self, seat: Seat) -> Copies:
        """Wait for news, or until a source that was not ready is to be looked at again."""
        if not self._surveys:
            await seat.wait()
            return seat.take_news()
        seconds = (min(self._surveys.values()) - self._clock.now()).total_seconds()
        waiting = [asyncio.ensure_future(seat.wait()), asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        return seat.take_news()

    async def _round(self, seat: Seat, news: Copies) -> None:
        """Take over what is new, decide, act."""
        sources = {source for source in news if source in self._open}
        self._learn(self._desk.known(sources))
        self._excuse(self._desk.known(sources))
        self._survey_soon(sources)
        try:
            sources |= await self._survey()
            plan = await self._confirm(self._plan([source for source in self._open if source in sources]))
        except (ThrottledError, ServiceError) as error:
            # Nothing was seen, so nothing is decided; the next look is as good.
            log.warning("%s; looking again later", error)
            self._desk.decline(seat)
            later = self._clock.now() + self._limits.settle / 4
            self._put_off(later)
            for source in sources:
                seat.expect(source, later)
            return
        self._settle(seat, plan)
        self._expect(seat, sources, plan)
        await self._start(seat, plan.start)
        await self._prepare(plan.prepare)
        await self._remove(seat, plan.remove)
        self._report(seat)

    def _settle(self, seat: Seat, plan: Round) -> None:
        self._outcome.finished.update(plan.finished)
        self._outcome.failures.update((failure.source_snapshot_id, failure) for failure in plan.given_up)
        settled = [*plan.finished, *(failure.source_snapshot_id for failure in plan.given_up)]
        seat.settle(settled)
        for source in settled:
            self._open.pop(source, None)
            self._surveys.pop(source, None)

    def _expect(self, seat: Seat, sources: Collection[str], plan: Round) -> None:
        """Put in line what may be started, and have news of the rest when time alone may change it."""
        to_start = {request.source_snapshot_id: None for request in plan.start}
        for source in sources:
            if source in self._open:
                moment = plan.changes_at.get(source)
                if source not in to_start:
                    seat.queue.pop(source, None)
                    moment = moment or self._in_any_case(source)
                seat.expect(source, moment)
        seat.line_up({source: self._rank(source) for source in to_start})

    def _in_any_case(self, source: str) -> datetime | None:
        """Say when to have news of a source that nothing else brings any of; the desk watches pending copies itself."""
        copies = self._desk.known([source])[source]
        is_watched = source in self._surveys or any(copy.state == "pending" for copy in copies)
        return None if is_watched else self._clock.now() + max(self._limits.settle, self._poll)

    def _plan(self, sources: Sequence[str]) -> Round:
        """Decide by what was last seen, on the sources of which it is known what they are like."""
        requests = [self._requests[source] for source in sources if source in self._requests]
        return plan_round(requests, self._desk.known(sources), self._memory, self._limits, self._clock.now())

    def _learn(self, copies: Copies) -> None:
        """
        Forget starts that reads show by now, or would.

        A copy that is seen after an answer was lost may be somebody else's, so that one is waited out.
        """
        oldest = self._clock.now() - self._limits.settle
        ids = {copy.snapshot_id for found in copies.values() for copy in found}
        started = {s: start for s, start in self._memory.started.items() if start[1] > oldest and start[0] not in ids}
        unclear = {s: moment for s, moment in self._memory.unclear.items() if moment > oldest}
        self._memory = replace(self._memory, started=started, unclear=unclear)

    @property
    def _is_lenient(self) -> bool:
        """Whether the window may not have taken effect everywhere yet, so that no refusal counts for good (aws 9.4)."""
        return self._keeper is not None and self._clock.now() < self._keeper.lenient_until

    def _excuse(self, copies: Copies) -> None:
        """Take copies that failed for want of the key like first refusals, as long as the window is that young."""
        if not self._is_lenient:
            return
        for source, found in copies.items():
            failed = [copy for copy in found if KEY_NOT_ACCESSIBLE in (copy.state_message or "")]
            ids = {copy.snapshot_id for copy in failed if copy.state == "error"} - self._memory.earlier_errors
            if ids:
                self._memory = replace(self._memory, earlier_errors=self._memory.earlier_errors | ids)
                self._refused(source, f"{', '.join(sorted(ids))} failed with {failed[-1].state_message!r}")

    def _put_off(self, until: datetime) -> None:
        """Read no source before a moment."""
        self._surveys = {source: max(moment, until) for source, moment in self._surveys.items()}

    def _survey_soon(self, sources: Iterable[str]) -> None:
        """Have sources read again of which a copy was refused or has failed: they may have changed since."""
        for source in sources:
            errors = {copy.snapshot_id for copy in self._desk.known([source])[source] if copy.state == "error"}
            if source in self._memory.refused or not errors <= self._memory.earlier_errors:
                self._surveys[source] = self._clock.now()
                self._supply.forget(source)

    async def _survey(self) -> set[str]:
        """Read what the sources are like for which it is time; answer which ones have been read."""
        now = self._clock.now()
        due = [source for source, moment in self._surveys.items() if moment <= now]
        if not due:
            return set()
        for request in await self._supply.survey(due):
            source = request.source_snapshot_id
            self._requests[source] = request
            if request.readiness in ("ready", "unusable"):
                self._surveys.pop(source, None)
                self._impatience.pop(source, None)
            else:
                self._surveys[source] = now + self._poll / HASTE * 2 ** min(self._impatience[source], MAX_PATIENCE)
                self._impatience[source] += 1
        return set(due)

    async def _confirm(self, plan: Round) -> Round:
        """Look up once more what would be given up for want of something to copy: another may have copied it since."""
        doubtful = [failure.source_snapshot_id for failure in plan.given_up if failure.copy is None]
        if not doubtful:
            return plan
        self._learn(await self._desk.look_up(doubtful))
        again = self._plan(doubtful)
        sure = tuple(failure for failure in plan.given_up if failure.copy is not None)
        return Round(
            finished={**plan.finished, **again.finished},
            prepare=plan.prepare + again.prepare,
            start=plan.start + again.start,
            awaited=plan.awaited + again.awaited,
            given_up=sure + again.given_up,
            remove=plan.remove + again.remove,
            changes_at={**plan.changes_at, **again.changes_at},
        )

    async def _remove(self, seat: Seat, copies: Sequence[Snapshot]) -> None:
        """Look up once more what is about to be deleted: another may have deleted the survivor since."""
        sources = sorted({copy.tags[SOURCE_SNAPSHOT_ID] for copy in copies[:MAX_AT_ONCE]})
        if not sources:
            return
        try:
            self._learn(await self._desk.look_up(sources))
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; removing nothing in this round", error)
        else:
            plan = self._plan(sources)
            await asyncio.gather(*(self._remove_one(copy) for copy in plan.remove))
        for copy in copies:
            if copy.tags[SOURCE_SNAPSHOT_ID] in self._open:
                seat.expect(copy.tags[SOURCE_SNAPSHOT_ID], self._clock.now())

    async def _remove_one(self, copy: Snapshot) -> None:
        why = "a failed copy" if copy.state == "error" else "a duplicate of an older copy"
        try:
            await in_thread(self._desk.hook.delete, copy.snapshot_id, why)
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; trying again in the next round", error)
            return
        except AwsError as error:
            self._could_not_remove(copy, error)
        self._memory = replace(self._memory, removed=self._memory.removed | {copy.snapshot_id})

    def _could_not_remove(self, copy: Snapshot, error: AwsError) -> None:
        if copy.state == "error":
            log.warning("the failed copy %s stays: %s", copy.snapshot_id, error)
            return
        source = copy.tags[SOURCE_SNAPSHOT_ID]
        self._outcome.failures[source] = Failure(source, f"its duplicate copy {copy.snapshot_id} stays: {error}")
        self._open.pop(source, None)
        self._surveys.pop(source, None)

    async def _prepare(self, requests: Sequence[CopyRequest]) -> None:
        await asyncio.gather(*(self._prepare_one(request) for request in requests[:MAX_AT_ONCE]))
        for request in requests[MAX_AT_ONCE:]:
            self._surveys[request.source_snapshot_id] = self._clock.now()

    async def _prepare_one(self, request: CopyRequest) -> None:
        source = request.source_snapshot_id
        try:
            await self._supply.prepare(request)
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; trying again later", error)
        except AwsError as error:
            self._refused(source, error)
        self._memory = replace(self._memory, prepared={**self._memory.prepared, source: self._clock.now()})
        self._surveys[source] = self._clock.now()

    async def _start(self, seat: Seat, requests: Sequence[CopyRequest]) -> None:
        """Start what slots are kept for; the look that they were granted on has shown no copy of it."""
        granted = [request for request in requests if request.source_snapshot_id in seat.granted]
        if granted and not await self._may_start():
            seat.pause(self._clock.now() + self._poll)
            granted = []
        try:
            await asyncio.gather(*(self._start_one(seat, request) for request in granted))
        finally:
            self._desk.decline(seat)

    async def _may_start(self) -> bool:
        return self._keeper is None or await self._keeper.may_start()

    async def _start_one(self, seat: Seat, request: CopyRequest) -> None:
        source = request.source_snapshot_id
        seat.queue.pop(source, None)
        try:
            copy_id = await self._desk.start(seat, request, self._supply.region)
        except AmbiguousAnswerError as error:
            log.warning("%s; looking for the copy before it is tried again", error)
            self._memory = replace(self._memory, unclear={**self._memory.unclear, source: self._clock.now()})
        except ServiceError as error:
            log.warning("%s; trying again later", error)
            seat.line_up({source: self._rank(source)})
            seat.pause(self._clock.now() + self._poll)
            return
        except AwsError as error:
            self._refused(source, error)
        else:
            if copy_id is None:
                seat.line_up({source: self._rank(source)})
                return
            started = {**self._memory.started, source: (copy_id, self._clock.now())}
            self._memory = replace(self._memory, started=started)
        # In case that nothing is seen of it by then.
        seat.expect(source, self._clock.now() + self._limits.settle)

    def _refused(self, source: str, error: AwsError | str) -> None:
        log.warning("%s", error)
        times = self._memory.refused.get(source, (0,))[0] + 1
        if self._is_lenient:
            times = min(times, FIRST_REFUSALS_FORGIVEN)
        refused = {**self._memory.refused, source: (times, self._clock.now(), str(error))}
        self._memory = replace(self._memory, refused=refused)

    def _report(self, seat: Seat) -> None:
        """Say how far it is, whenever that has changed."""
        finished, failed, waiting = len(self._outcome.finished), len(self._outcome.failures), len(seat.queue)
        progress = (finished, failed, len(self._open) - waiting, waiting)
        if progress == self._reported:
            return
        self._reported = progress
        message = "%s copies %s: %d completed, %d given up, %d under way, %d waiting for a slot%s"
        log.info(message, self._desk.stage.value, self._desk.hook.where, *progress, _in_words(self._desk.outlook))


def _in_words(outlook: timedelta | None) -> str:
    """Say how long it will take until the last one in line has been copied."""
    if outlook is None:
        return ""
    minutes = round(outlook.total_seconds() / 60)
    return f"; all who wait there are done in about {minutes // 60} h {minutes % 60} min" if minutes else ""
