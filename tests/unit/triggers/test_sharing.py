"""
Several triggerers that copy into one account, each with a desk of its own, while calls take their time.

Nothing tells them of each other but what AWS says is in flight. What they promise is that the slots are full, that next
to nothing is refused, and that nobody starves.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import cast

import pytest

from snapshot_dr_provider.domain.copying import CopyRequest, Limits, Memory
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.triggers.copy_engine import CopyEngine, Outcome
from snapshot_dr_provider.triggers.desk import CopyDesk
from tests.builders import KMS_C, lineage
from tests.unit.triggers.simulation import Call, Ec2, Simulation, Sources, Weather

SLOTS = 20
POLL = timedelta(seconds=15)
SETTLE = timedelta(seconds=60)
LATENCY_SECONDS = (0.1, 1.0)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Hundreds of rounds are not logged."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


class Dr(Ec2):
    """The DR account, whose copies tell how far they are."""

    def pending_snapshots(self) -> list[Snapshot]:
        """Read what is being copied, with even progress."""
        return [replace(copy, progress_percent=self._progress(copy)) for copy in super().pending_snapshots()]

    def _progress(self, copy: Snapshot) -> int:
        takes = self.copies[copy.snapshot_id].ends_at - copy.start_time
        return int(100 * (self.clock.now() - copy.start_time) / takes)


class SharedSources(Sources):
    """Sources that are ready for the second hop."""

    def _request(self, source: str) -> CopyRequest:
        return CopyRequest(source, "ready", source, lineage(source, Stage.KMS_C))


class Triggerers:
    """
    Set up triggerers, and let time pass for all of them.

    :param copy_seconds: how long a copy takes, from and to.
    """

    def __init__(self, seed: int, copy_seconds: tuple[float, float]) -> None:
        self.random = Random(seed)
        self.loop = Simulation()
        self.clock = self.loop.clock
        shortest, longest = copy_seconds
        weather = Weather(shortest_seconds=shortest, longest_seconds=longest, quota=SLOTS)
        self.aws = Dr(self.clock, self.random, weather)
        self.tasks: list[asyncio.Task[Outcome]] = []
        self._due: dict[Call, datetime] = {}

    def begin(self, name: str, *routes: int) -> None:
        """Begin a triggerer that copies so many snapshots of each of its routes."""
        hook = cast("EbsSnapshotHook", self.aws)
        desk = CopyDesk(
            hook,
            Stage.KMS_C,
            slots=SLOTS,
            poll_seconds=POLL.total_seconds(),
            settle=SETTLE,
            clock=self.clock,
            random=Random(name),
        )
        wait_until = self.clock.now() + timedelta(days=9)
        limits = Limits(frozenset({KMS_C}), max_attempts=1, settle=SETTLE, wait_until=wait_until)
        for route, snapshots in enumerate(routes):
            engine = CopyEngine(desk, SharedSources(self.clock), limits, self.clock, Memory(), poll=POLL)
            sources = [f"snap-{name}-{route}-{number}" for number in range(snapshots)]
            self.tasks.append(self.loop.create_task(engine.run(sources)))

    async def until(self, is_so: Callable[[], bool]) -> float:
        """Let time pass until something is so, and answer which part of the slots was in use."""
        began, used = self.clock.now(), 0.0
        await self.loop.breathe()
        while not is_so():
            seconds = self._seconds_to_next()
            used += seconds * len(self.aws.in_flight())
            self.clock.advance(seconds)
            for call in [call for call in self.loop.calls if self._due[call] <= self.clock.now()]:
                self.loop.happen(call)
                del self._due[call]
            await self.loop.breathe()
        return used / SLOTS / (self.clock.now() - began).total_seconds()

    def _seconds_to_next(self) -> float:
        for call in self.loop.calls:
            latency = timedelta(seconds=self.random.uniform(*LATENCY_SECONDS))
            self._due.setdefault(call, call.asked_at + latency)
        answers = [(self._due[call] - self.clock.now()).total_seconds() for call in self.loop.calls]
        sleeper = self.clock.seconds_to_next()
        return max(0.0, min([*answers, sleeper] if sleeper > 0 or not answers else answers))

    @property
    def starts(self) -> Counter[str]:
        """How many copies each triggerer has started."""
        return Counter(copy.lineage.source_snapshot_id.split("-")[1] for copy in self.aws.copies.values())

    @property
    def refusals(self) -> int:
        """How many starts were refused for want of a slot."""
        return sum("quota for" in event for event in self.aws.events)


@pytest.mark.parametrize("copy_seconds", [(300, 600), (800, 1000)])
def test_three_triggerers_keep_the_slots_full_without_a_herd_and_without_starvation(copy_seconds):
    """Of three with long queues each gets its part, next to nothing is refused, and the slots are in use."""
    play = Triggerers(1, copy_seconds)

    async def story() -> None:
        for name in "abc":
            play.begin(name, 60, 60)
        assert await play.until(lambda: play.starts.total() >= 240) >= 0.95
        assert min(play.starts[name] for name in "abc") >= 0.15 * 240
        assert play.refusals <= 0.03 * 240

    play.loop.play(story())


def test_who_comes_late_gets_its_part():
    """A triggerer that begins while another has all slots gets some as copies end, though that one wants them all."""
    play = Triggerers(2, (300, 600))

    async def story() -> None:
        play.begin("early", 100, 100)
        await play.until(lambda: play.starts["early"] >= SLOTS)
        play.begin("late", 100)
        before = play.starts.total()
        await play.until(lambda: play.starts.total() >= before + 120)
        assert play.starts["late"] >= 0.1 * 120
        assert play.refusals <= 0.05 * play.starts.total()

    play.loop.play(story())


def test_slots_that_a_triggerer_gives_up_are_used_by_the_others():
    """When one has finished, the other takes its slots over, and soon has all of them."""
    play = Triggerers(3, (300, 600))

    async def story() -> None:
        play.begin("brief", 10)
        play.begin("long", 100)
        await play.until(play.tasks[0].done)
        began = play.clock.now()
        assert await play.until(lambda: play.clock.now() >= began + timedelta(minutes=15)) >= 0.9

    play.loop.play(story())


def test_all_that_is_wanted_is_copied_once():
    """Three triggerers end with one copy of each source, and none was started in vain."""
    play = Triggerers(4, (30, 90))

    async def story() -> None:
        for name in "abc":
            play.begin(name, 10, 20)
        await play.until(lambda: all(task.done() for task in play.tasks))
        assert play.starts == {"a": 30, "b": 30, "c": 30}
        assert sum(len(task.result().finished) for task in play.tasks) == 90
        assert play.aws.peak <= SLOTS

    play.loop.play(story())
