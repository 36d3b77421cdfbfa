"""
An EC2 in memory, a clock and an event loop that a test drives step by step.

Nothing happens by itself: a call to AWS takes effect when the test lets it happen, time passes when the test says so.
So each interleaving of several engines can be had, and had again from the same seed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar

from snapshot_dr_provider.domain.copying import CopyRequest
from snapshot_dr_provider.domain.lineage import Lineage, Stage, decode_tags, describe_copy, encode_tags, seniority
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot
from snapshot_dr_provider.exceptions import (
    AmbiguousAnswerError,
    QuotaExceededError,
    ServiceError,
    SnapshotDrError,
    ThrottledError,
)
from snapshot_dr_provider.triggers.threads import in_thread
from tests.builders import KMS_B, ORG_A, at, lineage

T = TypeVar("T")


@dataclass(eq=False)
class Call:
    """Hold one call to AWS back until it is let happen."""

    answer: asyncio.Future[Any]
    function: Callable[[], Any]
    asked_at: datetime

    def happen(self) -> None:
        """Take effect, and answer if somebody still waits: a thread does not stop with its waiter."""
        try:
            result = self.function()
        except SnapshotDrError as error:
            if not self.answer.done():
                self.answer.set_exception(error)
        else:
            if not self.answer.done():
                self.answer.set_result(result)


class SimulatedClock:
    """A clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = at(24)
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Tell the time, UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by so much."""
        if seconds > 0:
            waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.append((self._now + timedelta(seconds=seconds), waking))
            await waking

    def advance(self, seconds: float) -> None:
        """Let time pass and wake whoever has slept enough."""
        self._now += timedelta(seconds=seconds)
        for due, waking in self._sleepers:
            if due <= self._now and not waking.done():
                waking.set_result(None)
        self._sleepers = [(due, waking) for due, waking in self._sleepers if not waking.done()]

    def seconds_to_next(self) -> float:
        """Say how long the next sleeper still sleeps; 0 when nobody does."""
        waiting = [due for due, waking in self._sleepers if not waking.done()]
        return (min(waiting) - self._now).total_seconds() if waiting else 0.0


class Simulation(asyncio.SelectorEventLoop):
    """An event loop without threads, whose calls to AWS happen one by one in the order that a test chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SimulatedClock()
        self.calls: list[Call] = []

    def run_in_executor(  # type: ignore[override]  # narrower than the loop's: functions as in_thread passes them
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Hold the call back instead of handing it to a thread."""
        answer: asyncio.Future[T] = self.create_future()
        self.calls.append(Call(answer, partial(func, *args), self.clock.now()))
        return answer

    def play(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this loop and close it."""
        try:
            return self.run_until_complete(coroutine)
        finally:
            left = asyncio.all_tasks(self)
            for task in left:
                task.cancel()
            if left:
                self.run_until_complete(asyncio.wait(left))
            self.close()

    async def breathe(self) -> None:
        """Let every task run until it waits for a call, for the clock or for another task."""
        for _ in range(30):
            await asyncio.sleep(0)

    def happen(self, call: Call) -> None:
        """Let one call take effect."""
        self.calls.remove(call)
        call.happen()

    def lose(self, call: Call) -> None:
        """Let one call take effect and lose its answer."""
        self.calls.remove(call)
        call.function()
        call.answer.set_exception(AmbiguousAnswerError("no answer"))

    async def happen_all(self) -> None:
        """Let all calls happen that there are and that follow from them, in order."""
        await self.breathe()
        while self.calls:
            self.happen(self.calls[0])
            await self.breathe()


@dataclass(frozen=True)
class Weather:
    """
    Say what AWS is like.

    :param lag_seconds: how late creations and deletions may show in reads.
    :param flaps: whether a read within the lag may show them and the next one not.
    :param shortest_seconds: how long a copy takes at least.
    :param longest_seconds: how long a copy takes at most.
    :param failures: copies of one source that may end in ``error``.
    :param faults: probability that a call goes wrong.
    :param quota: copies in flight; ``None`` for any number.
    """

    lag_seconds: float = 0.0
    flaps: bool = False
    shortest_seconds: float = 60.0
    longest_seconds: float = 300.0
    failures: int = 0
    faults: float = 0.0
    quota: int | None = None


@dataclass
class Copy:
    """One copy as it really is."""

    snapshot: Snapshot
    lineage: Lineage
    visible_at: datetime
    ends_at: datetime
    fails: bool
    deleted_at: datetime | None = None
    invisible_at: datetime | None = None

    def at(self, now: datetime) -> Snapshot:
        """Report the copy at a moment."""
        if now < self.ends_at:
            return self.snapshot
        if self.fails:
            return replace(self.snapshot, state="error", state_message="Given key ID is not accessible")
        return replace(
            self.snapshot,
            state="completed",
            state_message=None,
            encrypted=True,
            kms_key_arn=self.lineage.kms_key_arn,
            volume_size_gib=8,
        )


@dataclass
class Ec2:
    """
    Model the copies of one account and Region: what is asked of an EbsSnapshotHook, with the laws watched.

    :param breaches: laws that a call has broken.
    :param peak: most copies that were ever in flight.
    :param needless: copies that were started beside a live one of the same source.
    :param deletions: ids that were asked to be deleted.
    """

    clock: SimulatedClock
    random: Random
    weather: Weather = Weather()
    copies: dict[str, Copy] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)
    peak: int = 0
    expected_account_id: str = ORG_A
    account_id: str = ORG_A
    where: str = f"in account {ORG_A}, us-east-1"
    log: logging.Logger = field(default_factory=partial(logging.getLogger, "simulation"))

    # What engines and desks ask

    def pending_snapshots(self) -> list[Snapshot]:
        """Read what is being copied."""
        self.reads.append("pending_snapshots")
        self._may_fail()
        return [snapshot for snapshot in self._seen() if snapshot.state == "pending"]

    def copies_of(self, source_snapshot_ids: Collection[str], stage: Stage) -> list[Snapshot]:
        """Read the copies of some sources."""
        self.reads.append(f"copies_of {' '.join(source_snapshot_ids)}")
        self._may_fail()
        return [s for s in self._seen() if self.copies[s.snapshot_id].lineage.source_snapshot_id in source_snapshot_ids]

    def start_copy(
        self, source_snapshot_id: str, source_region: str, of: Lineage, *, completion_duration_minutes: int = 0
    ) -> str:
        """Start a copy; the answer may be lost before and after the effect."""
        fault = self._fault("throttled", "not sent", "lost before", "lost after")
        if fault == "throttled":
            raise ThrottledError("could not start", "RequestLimitExceeded")
        if fault == "not sent":
            raise ServiceError("could not start: connection refused")
        if fault == "lost before":
            raise AmbiguousAnswerError("could not start: no answer")
        if self.weather.quota is not None and len(self.in_flight()) >= self.weather.quota:
            self._tell(f"quota for {of.source_snapshot_id}")
            raise QuotaExceededError("too many copies", "ResourceLimitExceeded")
        beside = self.live(of.source_snapshot_id)
        copy_id = self.add(of)
        self.needless += [copy_id] if beside else []
        if fault == "lost after":
            raise AmbiguousAnswerError("could not start: no answer")
        return copy_id

    def delete(self, snapshot_id: str, why: str) -> None:
        """Delete a copy; the answer may be lost."""
        self.deletions.append(snapshot_id)
        fault = self._fault("throttled", "lost before", "lost after")
        if fault == "throttled":
            raise ThrottledError("could not delete", "RequestLimitExceeded")
        if fault != "lost before":
            self._delete(snapshot_id)
        if fault:
            raise ServiceError("could not delete: no answer")

    # What is really there

    def add(self, of: Lineage, *, seconds: float | None = None) -> str:
        """Create a copy that takes so long, or as long as chance has it, and answer its id."""
        now = self.clock.now()
        weather = self.weather
        copy_id = f"snap-{self.random.randrange(16**6):06x}"
        takes = self.random.uniform(weather.shortest_seconds, weather.longest_seconds) if seconds is None else seconds
        failed = sum(c.fails for c in self.copies.values() if c.lineage.source_snapshot_id == of.source_snapshot_id)
        self.copies[copy_id] = Copy(
            snapshot=Snapshot(
                snapshot_id=copy_id,
                owner_id=self.account_id,
                volume_id=PLACEHOLDER_VOLUME_ID,
                state="pending",
                start_time=now,
                description=describe_copy(of),
                tags=encode_tags(of),
            ),
            lineage=of,
            visible_at=now + timedelta(seconds=self.random.uniform(0, weather.lag_seconds)),
            ends_at=now + timedelta(seconds=takes),
            fails=failed < weather.failures and self.random.random() < 0.5,
        )
        self.peak = max(self.peak, len(self.in_flight()))
        self._tell(f"create {copy_id} of {of.source_snapshot_id}, takes {takes:.0f} s")
        return copy_id

    def in_flight(self) -> list[Copy]:
        """List the copies that take a slot."""
        return [c for c in self.copies.values() if c.at(self.clock.now()).state == "pending"]

    def live(self, source: str) -> list[Snapshot]:
        """List the copies of a source that are there and usable, or may become so, the survivor first."""
        there = [c.at(self.clock.now()) for c in self.copies.values() if c.deleted_at is None]
        mine = [s for s in there if s.is_live and self.copies[s.snapshot_id].lineage.source_snapshot_id == source]
        return sorted(mine, key=seniority)

    def vanish(self, snapshot_id: str) -> None:
        """Delete a copy behind everybody's back, visible at once."""
        copy = self.copies[snapshot_id]
        copy.deleted_at = copy.invisible_at = self.clock.now()

    def show(self, snapshot_id: str, *, after_seconds: float = 0) -> None:
        """Settle when reads begin to show a copy, within the lag."""
        self.copies[snapshot_id].visible_at = self.clock.now() + timedelta(seconds=after_seconds)

    def _delete(self, snapshot_id: str) -> None:
        copy = self.copies[snapshot_id]
        if copy.deleted_at is not None:
            return
        now = self.clock.now()
        state = copy.at(now).state
        self._tell(f"delete {snapshot_id} ({state})")
        completed = [s for s in self.live(copy.lineage.source_snapshot_id) if s.state == "completed"]
        if state == "pending":
            self._breach(f"{snapshot_id} was deleted while it was pending")
        if state == "completed" and completed[0].snapshot_id == snapshot_id:
            self._breach(f"{snapshot_id} was deleted without an older completed copy, of {len(completed)}")
        copy.deleted_at = now
        copy.invisible_at = now + timedelta(seconds=self.random.uniform(0, self.weather.lag_seconds))

    def _seen(self) -> list[Snapshot]:
        now = self.clock.now()
        return [copy.at(now) for copy in self.copies.values() if self._is_seen(copy, now)]

    def _is_seen(self, copy: Copy, now: datetime) -> bool:
        lag = timedelta(seconds=self.weather.lag_seconds)
        if copy.deleted_at is not None and copy.invisible_at is not None:
            return now < copy.deleted_at + lag and self._flips(now < copy.invisible_at)
        return now >= copy.snapshot.start_time + lag or self._flips(now >= copy.visible_at)

    def _flips(self, steady: bool) -> bool:  # noqa: FBT001
        return self.random.random() < 0.5 if self.weather.flaps else steady

    def _may_fail(self) -> None:
        fault = self._fault("throttled", "unavailable")
        if fault:
            raise {"throttled": ThrottledError, "unavailable": ServiceError}[fault]("could not read")

    def _fault(self, *kinds: str) -> str:
        if self.random.random() >= self.weather.faults:
            return ""
        fault = self.random.choice(kinds)
        self._tell(fault)
        return fault

    def _tell(self, event: str) -> None:
        self.events.append(f"{(self.clock.now() - at(24)).total_seconds():6.0f} s  {event}")

    def _breach(self, what: str) -> None:
        self.breaches.append(what)
        self._tell(f"BREACH {what}")


@dataclass
class Sources:
    """
    Supply engines with sources, some of them not ready at once.

    :param pending_until: when a source completes, by id.
    :param unshared: ids of sources that have to be prepared first.
    """

    clock: SimulatedClock
    pending_until: dict[str, datetime] = field(default_factory=dict)
    unshared: set[str] = field(default_factory=set)
    region: str = "us-east-1"

    async def survey(self, sources: Sequence[str]) -> list[CopyRequest]:
        """Tell which sources can be copied."""
        return await in_thread(lambda: [self._request(source) for source in sources])

    def _request(self, source: str) -> CopyRequest:
        if self.clock.now() < self.pending_until.get(source, self.clock.now()):
            return CopyRequest(source, "pending", why="still pending")
        of = lineage(source, kms_key_arn=KMS_B)
        if source in self.unshared:
            return CopyRequest(source, "unprepared", source, of, "not visible")
        return CopyRequest(source, "ready", source, of)

    async def prepare(self, request: CopyRequest) -> None:
        """Share a source."""
        await in_thread(self.unshared.discard, request.source_snapshot_id)

    def forget(self, source: str) -> None:
        """Do nothing: each survey looks."""


def source_of(copy: Snapshot) -> str:
    """Name the source that a copy's tags name."""
    named = decode_tags(copy.tags)
    assert named is not None
    return named.source_snapshot_id
