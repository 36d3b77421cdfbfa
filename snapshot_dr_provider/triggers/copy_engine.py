"""
The rounds in which copies are started and awaited, for one route and one hop.

The engine observes, has :func:`~snapshot_dr_provider.domain.copying.plan_round` decide, and acts on the difference. It
may be killed at any point and begun again elsewhere: the next look finds less to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from snapshot_dr_provider.domain.refusals import KEY_NOT_ACCESSIBLE
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import AmbiguousAnswerError, AwsError, ServiceError, ThrottledError
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.desk import CopyDesk
from snapshot_dr_provider.triggers.supplies import Supply
from snapshot_dr_provider.triggers.threads import in_thread
from snapshot_dr_provider.triggers.window_keeper import WindowKeeper

MAX_PREPARED_AT_ONCE: Final = 40
"""Snapshots shared in one round; ModifySnapshotAttribute refills at 5 a second (aws 3.4)."""

log = logging.getLogger(__name__)

Copies = Mapping[str, Sequence[Snapshot]]


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
    :param keeper: of the window that the key is open in; ``None`` where it is open all the time.
    """

    def __init__(
        self,
        desk: CopyDesk,
        supply: Supply,
        limits: Limits,
        clock: Clock,
        memory: Memory,
        *,
        keeper: WindowKeeper | None = None,
    ) -> None:
        self._desk = desk
        self._supply = supply
        self._limits = limits
        self._clock = clock
        self._memory = memory
        self._keeper = keeper
        self._outcome = Outcome()
        self._requests: dict[str, CopyRequest] = {}
        self._completed: frozenset[str] = frozenset()
        self._reported: tuple[int, ...] = ()

    async def run(self, sources: Sequence[str]) -> Outcome:
        """
        Copy the sources, the first ones first.

        :raises SnapshotDrError: when nothing can be read, for example without a connection.
        """
        open_sources = list(sources)
        while open_sources:
            await self.round(open_sources)
            open_sources = [source for source in open_sources if not self._is_settled(source)]
        self._desk.forget(sources)
        return self._outcome

    def _is_settled(self, source: str) -> bool:
        return source in self._outcome.finished or source in self._outcome.failures

    async def round(self, sources: Sequence[str]) -> None:
        """Look once, decide, act."""
        try:
            copies = await self._desk.look(sources, again=[s for s in sources if self._is_uncertain(s)])
            await self._survey(sources, copies)
            plan = await self._confirm(self._plan(sources, copies))
        except (ThrottledError, ServiceError) as error:
            # Nothing was seen, so nothing is decided; the next look is as good.
            log.warning("%s; looking again later", error)
            await self._clock.sleep(self._limits.settle.total_seconds() / 4)
            return
        self._outcome.finished.update(plan.finished)
        self._outcome.failures.update((failure.source_snapshot_id, failure) for failure in plan.given_up)
        await self._remove(plan.remove)
        await self._prepare(plan.prepare)
        started = await self._start(plan.start)
        self._report(sources, waiting=len(plan.start) - started)

    def _plan(self, sources: Sequence[str], copies: Copies) -> Round:
        self._learn(copies)
        self._excuse(copies)
        requests = [self._requests[source] for source in sources]
        return plan_round(requests, copies, self._memory, self._limits, self._clock.now())

    def _is_uncertain(self, source: str) -> bool:
        """Whether copies may come to light that were never seen pending."""
        return source in self._memory.started or source in self._memory.unclear or source in self._completed

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
        done = {source for source, found in copies.items() if any(copy.state == "completed" for copy in found)}
        self._completed = self._completed - copies.keys() | done

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

    async def _survey(self, sources: Sequence[str], copies: Copies) -> None:
        """Read what the sources are like: all of them once, and again those that are not ready or have failed since."""
        unready = [source for source in sources if self._is_to_be_surveyed(source, copies[source])]
        if unready:
            found = await in_thread(self._supply.survey, unready)
            self._requests.update((request.source_snapshot_id, request) for request in found)

    def _is_to_be_surveyed(self, source: str, copies: Sequence[Snapshot]) -> bool:
        known = self._requests.get(source)
        if known is None or known.readiness != "ready":
            return True
        errors = {copy.snapshot_id for copy in copies if copy.state == "error"}
        return source in self._memory.refused or not errors <= self._memory.earlier_errors

    async def _confirm(self, plan: Round) -> Round:
        """Look up once more what would be given up for want of something to copy: another may have copied it since."""
        doubtful = [failure.source_snapshot_id for failure in plan.given_up if failure.copy is None]
        if not doubtful:
            return plan
        again = self._plan(doubtful, await self._desk.look_up(doubtful))
        sure = tuple(failure for failure in plan.given_up if failure.copy is not None)
        return replace(plan, given_up=sure + again.given_up, finished={**plan.finished, **again.finished})

    async def _remove(self, copies: Sequence[Snapshot]) -> None:
        """Look up once more what is about to be deleted: another may have deleted the survivor since."""
        sources = sorted({copy.tags[SOURCE_SNAPSHOT_ID] for copy in copies})
        if not sources:
            return
        try:
            fresh = await self._desk.look_up(sources)
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; removing nothing in this round", error)
            return
        for copy in self._plan(sources, fresh).remove:
            why = "a failed copy" if copy.state == "error" else "a duplicate of an older copy"
            try:
                await in_thread(self._desk.hook.delete, copy.snapshot_id, why)
            except (ThrottledError, ServiceError) as error:
                log.warning("%s; trying again in the next round", error)
                continue
            except AwsError as error:
                self._could_not_remove(copy, error)
            self._memory = replace(self._memory, removed=self._memory.removed | {copy.snapshot_id})

    def _could_not_remove(self, copy: Snapshot, error: AwsError) -> None:
        if copy.state == "error":
            log.warning("the failed copy %s stays: %s", copy.snapshot_id, error)
            return
        source = copy.tags[SOURCE_SNAPSHOT_ID]
        self._outcome.failures[source] = Failure(source, f"its duplicate copy {copy.snapshot_id} stays: {error}")

    async def _prepare(self, requests: Sequence[CopyRequest]) -> None:
        await asyncio.gather(*(self._prepare_one(request) for request in requests[:MAX_PREPARED_AT_ONCE]))

    async def _prepare_one(self, request: CopyRequest) -> None:
        source = request.source_snapshot_id
        try:
            await in_thread(self._supply.prepare, request)
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; trying again later", error)
        except AwsError as error:
            self._refused(source, error)
        self._memory = replace(self._memory, prepared={**self._memory.prepared, source: self._clock.now()})

    async def _start(self, requests: Sequence[CopyRequest]) -> int:
        """Look up once more what is about to be started, then start as much as there are slots; answer how much."""
        next_ones = requests[: self._desk.free_slots]
        if not next_ones or not await self._may_start():
            return 0
        sources = [request.source_snapshot_id for request in next_ones]
        try:
            fresh = await self._desk.look_up(sources)
        except (ThrottledError, ServiceError) as error:
            log.warning("%s; starting nothing in this round", error)
            return 0
        plan = self._plan(sources, fresh)
        return sum(await asyncio.gather(*(self._start_one(request) for request in plan.start)))

    async def _may_start(self) -> bool:
        return self._keeper is None or await self._keeper.may_start()

    async def _start_one(self, request: CopyRequest) -> bool:
        """Start one copy; answer whether it was."""
        source = request.source_snapshot_id
        try:
            copy_id = await self._desk.start(request, self._supply.region)
        except AmbiguousAnswerError as error:
            log.warning("%s; looking for the copy before it is tried again", error)
            self._memory = replace(self._memory, unclear={**self._memory.unclear, source: self._clock.now()})
        except ServiceError as error:
            log.warning("%s; trying again later", error)
        except AwsError as error:
            self._refused(source, error)
        else:
            if copy_id is not None:
                started = {**self._memory.started, source: (copy_id, self._clock.now())}
                self._memory = replace(self._memory, started=started)
                return True
        return False

    def _refused(self, source: str, error: AwsError | str) -> None:
        log.warning("%s", error)
        times = self._memory.refused.get(source, (0,))[0] + 1
        if self._is_lenient:
            times = min(times, FIRST_REFUSALS_FORGIVEN)
        refused = {**self._memory.refused, source: (times, self._clock.now(), str(error))}
        self._memory = replace(self._memory, refused=refused)

    def _report(self, sources: Sequence[str], waiting: int) -> None:
        """Say how far it is, whenever that has changed."""
        finished, failed = len(self._outcome.finished), len(self._outcome.failures)
        under_way = sum(not self._is_settled(source) for source in sources) - waiting
        progress = (finished, failed, under_way, waiting)
        if progress != self._reported:
            self._reported = progress
            message = "%s copies %s: %d completed, %d given up, %d under way, %d waiting for a slot"
            log.info(message, self._desk.stage.value, self._desk.hook.where, *progress)
