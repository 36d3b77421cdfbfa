"""
Several engines over one set of sources, in every interleaving that chance finds.

Each example is one seed: it decides which call happens next, how long it takes, when time passes, what AWS makes of it
and when an engine is killed and begun again with nothing but its order. A failing example prints what happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import cast

import pytest
from hypothesis import HealthCheck, currently_in_test_context, given, note, settings
from hypothesis import strategies as st

from snapshot_dr_provider.domain.copying import Limits, Memory
from snapshot_dr_provider.domain.lineage import Stage, seniority
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.triggers.copy_engine import CopyEngine, Outcome
from snapshot_dr_provider.triggers.desk import CopyDesk
from tests.builders import KMS_B, lineage
from tests.unit.triggers.simulation import Ec2, Simulation, Sources, Weather, source_of

SETTLE = timedelta(seconds=60)
LAG_SECONDS = 40.0
LATENCY_SECONDS = 5.0
"""Longest time from asking to taking effect. Lag and latency together stay well below settle, as they have to."""

PATIENCE = timedelta(hours=12)
"""Simulated time after the last fault in which all engines have to come to an end."""

SOURCES = [f"snap-s{i}" for i in range(3)]


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Thousands of rounds are not logged: a failing example tells its own story."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


class Play:
    """
    Set up engines over one account, and play.

    :param shared: whether the engines share a desk, as in one triggerer, or have one each, as in several.
    :param slots: copies in flight that the desks allow.
    """

    def __init__(self, seed: int, weather: Weather, *, engines: int, shared: bool, slots: int) -> None:
        self.random = Random(seed)
        self.loop = Simulation()
        self.clock = self.loop.clock
        self.aws = Ec2(self.clock, self.random, weather)
        self.supply = Sources(self.clock)
        self._slots = slots
        self._shared = self._new_desk() if shared else None
        self._engines = engines
        self.tasks: list[asyncio.Task[Outcome]] = []
        self.ended: list[asyncio.Task[Outcome]] = []

    def _new_desk(self) -> CopyDesk:
        hook = cast("EbsSnapshotHook", self.aws)
        return CopyDesk(
            hook, Stage.KMS_B, slots=self._slots, poll_seconds=5, settle=SETTLE, clock=self.clock, random=self.random
        )

    def _new_engine(self, sources: Sequence[str] = ()) -> asyncio.Task[Outcome]:
        limits = Limits(
            kms_key_arns=frozenset({KMS_B}),
            max_attempts=self.aws.weather.failures + 1,
            settle=SETTLE,
            wait_until=self.clock.now() + PATIENCE,
        )
        engine = CopyEngine(self._shared or self._new_desk(), self.supply, limits, self.clock, Memory())
        return self.loop.create_task(engine.run(sources or self.random.sample(SOURCES, len(SOURCES))))

    def play(self, steps: int, kills: int) -> None:
        """Let so many things happen in bad weather, with so many engines killed; then let it clear up."""
        try:
            self.loop.play(self._play(steps, kills))
        finally:
            if currently_in_test_context():
                note("\n".join(self.aws.events))

    async def _play(self, steps: int, kills: int) -> None:
        self.tasks = [self._new_engine() for _ in range(self._engines)]
        killing = set(self.random.sample(range(steps), min(kills, steps)))
        for step in range(steps):
            await self._step()
            if step in killing:
                await self._kill_one()
        self.aws.weather = replace(self.aws.weather, faults=0.0)
        until = self.clock.now() + PATIENCE
        while not all(task.done() for task in self.tasks):
            assert self.clock.now() < until, "the engines do not come to an end"
            await self._step()
        while self.loop.calls:
            await self._step()

    async def _step(self) -> None:
        """Let one thing happen: a call, or some time."""
        await self.loop.breathe()
        calls = self.loop.calls
        late = self.clock.now() - timedelta(seconds=LATENCY_SECONDS)
        overdue = [call for call in calls if call.asked_at <= late]
        if overdue or (calls and self.random.random() < 0.8):
            self.loop.happen(self.random.choice(overdue or calls))
        elif calls:
            self.clock.advance(self.random.uniform(0, LATENCY_SECONDS / 2))
        else:
            # Not a call is under way: time passes up to the next sleeper and sometimes beyond.
            self.clock.advance(self.clock.seconds_to_next() + self.random.choice([0.0, 0.0, 1.0, 20.0]))

    async def _kill_one(self) -> None:
        victim = self.random.randrange(len(self.tasks))
        self.tasks[victim].cancel()
        self.aws.events.append(f"          kill engine {victim}")
        await asyncio.wait([self.tasks[victim]])
        self.tasks[victim] = self._new_engine()

    def begin(self) -> asyncio.Task[Outcome]:
        """Begin an engine that copies the first source alone."""
        return self._new_engine(SOURCES[:1])

    async def let_happen(self, *names: str) -> None:
        """Let the next calls happen, one for each name, or one of whatever kind; that of a survey has none."""
        for name in names or [""]:
            await self.loop.breathe()
            before = len(self.aws.reads)
            self.loop.happen(self.loop.calls[0])
            assert any(name in read for read in self.aws.reads[before:]) or not name
        await self.loop.breathe()

    async def to_the_end(self, task: asyncio.Task[Outcome]) -> Outcome:
        """Let everything happen that follows."""
        while not task.done():
            await self.loop.happen_all()
            self.clock.advance(self.clock.seconds_to_next())
            await self.loop.breathe()
        return task.result()

    def check(self) -> None:
        """Check the laws: exactly one copy, the right one, and none deleted that should have stayed."""
        assert not self.aws.breaches
        for source in SOURCES:
            live = self.aws.live(source)
            good = [c.snapshot for c in self.aws.copies.values() if source_of(c.snapshot) == source and not c.fails]
            assert [copy.snapshot_id for copy in live] == [min(good, key=seniority).snapshot_id]
            assert live[0].state == "completed"
        for task in self.tasks:
            outcome = task.result()
            assert not outcome.failures
            assert outcome.finished.keys() == set(SOURCES)


SEEDS = st.integers(0, 2**32 - 1)
FAULTS = st.sampled_from([0.0, 0.1, 0.4])
STEPS = st.integers(0, 120)
KILLS = st.integers(0, 4)
FAILURES = st.integers(0, 2)
BAD_WEATHER = Weather(
    LAG_SECONDS, shortest_seconds=2 * (LAG_SECONDS + LATENCY_SECONDS) + 10, longest_seconds=600, quota=2
)
"""A copy takes longer than twice what reads and calls may lag: minutes against seconds, as on AWS."""

thorough = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@thorough
@given(
    seed=SEEDS,
    steps=STEPS,
    engines=st.integers(2, 3),
    shared=st.booleans(),
    failures=FAILURES,
    faults=FAULTS,
    flaps=st.booleans(),
    kills=KILLS,
    shortest=st.sampled_from([0.0, BAD_WEATHER.shortest_seconds]),
)
def test_killed_engines_converge_on_one_copy(*, seed, steps, engines, shared, failures, faults, flaps, kills, shortest):
    """Two or three engines, killed at any point and begun again without memory, end with one copy of each source."""
    weather = replace(BAD_WEATHER, flaps=flaps, failures=failures, faults=faults, shortest_seconds=shortest)
    play = Play(seed, weather, engines=engines, shared=shared, slots=3)
    play.play(steps, kills)
    play.check()


@thorough
@given(
    seed=SEEDS,
    steps=STEPS,
    engines=st.integers(2, 3),
    shared=st.booleans(),
    failures=FAILURES,
    faults=FAULTS,
    longest=st.sampled_from([0.0, 10.0, 90.0]),
)
def test_copies_faster_than_reads_converge(*, seed, steps, engines, shared, failures, faults, longest):
    """Engines that live on end with one copy of each source even if copies complete before reads show them."""
    weather = replace(BAD_WEATHER, shortest_seconds=0, longest_seconds=longest, failures=failures, faults=faults)
    play = Play(seed, weather, engines=engines, shared=shared, slots=3)
    play.play(steps, 0)
    play.check()


@thorough
@given(
    seed=SEEDS,
    steps=STEPS,
    engines=st.integers(1, 3),
    slots=st.integers(1, 3),
    faults=FAULTS,
    flaps=st.booleans(),
    kills=KILLS,
)
def test_a_shared_desk_stays_below_its_quota(*, seed, steps, engines, slots, faults, flaps, kills):
    """Engines at one desk never have more copies in flight than it has slots, whatever is lost or killed."""
    weather = replace(BAD_WEATHER, flaps=flaps, faults=faults, quota=None)
    play = Play(seed, weather, engines=engines, shared=True, slots=slots)
    play.play(steps, kills)
    play.check()
    assert play.aws.peak <= slots


@settings(thorough, max_examples=40)
@given(seed=SEEDS, steps=STEPS, engines=st.integers(1, 3), kills=st.integers(0, 2))
def test_sources_that_become_ready_late_are_copied(*, seed, steps, engines, kills):
    """A source that completes a while later, and one that has to be shared first, end with one copy, too."""
    play = Play(seed, replace(BAD_WEATHER, faults=0.1), engines=engines, shared=False, slots=3)
    play.supply.pending_until[SOURCES[0]] = play.clock.now() + timedelta(minutes=20)
    play.supply.unshared.add(SOURCES[1])
    play.play(steps, kills)
    play.check()


@thorough
@given(seed=SEEDS, steps=STEPS, failures=FAILURES, faults=FAULTS, longest=st.sampled_from([0.0, 10.0, 600.0]))
def test_a_lone_engine_never_starts_a_copy_beside_a_live_one(*, seed, steps, failures, faults, longest):
    """An engine without company, through lag and lost answers, starts nothing beside a copy that may be good."""
    weather = replace(BAD_WEATHER, shortest_seconds=0, longest_seconds=longest, failures=failures, faults=faults)
    play = Play(seed, weather, engines=1, shared=True, slots=3)
    play.play(steps, 0)
    play.check()
    assert not play.aws.needless
    assert all(play.aws.copies[copy_id].fails for copy_id in play.aws.deletions)


def test_a_copy_that_turns_up_at_the_last_moment_is_adopted():
    """What another starts between the look and the start is seen by the last look-up, and nothing is started."""
    play = Play(1, Weather(), engines=1, shared=True, slots=3)

    async def story() -> None:
        task = play.begin()
        await play.let_happen("", "pending_snapshots")
        ours = play.aws.add(lineage(SOURCES[0]))
        await play.to_the_end(task)
        assert [copy.snapshot_id for copy in play.aws.live(SOURCES[0])] == [ours]
        assert not play.aws.needless

    play.loop.play(story())


def test_a_survivor_that_goes_at_the_last_moment_takes_no_duplicate_along():
    """Before a duplicate is deleted its survivor is read once more: when that is gone, the duplicate stays."""
    play = Play(1, Weather(), engines=1, shared=True, slots=3)

    async def story() -> None:
        copies = [play.aws.add(lineage(SOURCES[0]), seconds=0) for _ in range(2)]
        survivor = play.aws.live(SOURCES[0])[0].snapshot_id
        task = play.begin()
        await play.let_happen("", "pending_snapshots", "copies_of")
        play.aws.vanish(survivor)
        await play.to_the_end(task)
        assert not play.aws.deletions
        assert [copy.snapshot_id for copy in play.aws.live(SOURCES[0])] == [c for c in copies if c != survivor]

    play.loop.play(story())


def test_a_deleted_duplicate_is_deleted_once():
    """A duplicate that reads still show after its deletion is not deleted again and holds nothing up."""
    play = Play(1, Weather(lag_seconds=LAG_SECONDS), engines=1, shared=True, slots=3)

    async def story() -> None:
        for _ in range(2):
            play.aws.add(lineage(SOURCES[0]), seconds=0)
        play.clock.advance(LAG_SECONDS)
        survivor, duplicate = (copy.snapshot_id for copy in play.aws.live(SOURCES[0]))
        task = play.begin()
        while not play.aws.deletions:
            await play.let_happen()
        play.aws.copies[duplicate].invisible_at = play.clock.now() + timedelta(seconds=LAG_SECONDS)
        outcome = await play.to_the_end(task)
        assert play.aws.deletions == [duplicate]
        assert outcome.finished[SOURCES[0]].snapshot_id == survivor

    play.loop.play(story())


def test_a_lost_answer_is_waited_out_though_another_copy_is_seen():
    """A completed copy of somebody else does not end the wait for a copy of our own that reads do not show yet."""
    play = Play(1, Weather(shortest_seconds=0, longest_seconds=0), engines=1, shared=True, slots=3)

    async def story() -> None:
        task = play.begin()
        await play.let_happen("", "pending_snapshots", "copies_of")
        play.aws.weather = Weather(lag_seconds=LAG_SECONDS, shortest_seconds=0, longest_seconds=0)
        for call in list(play.loop.calls):
            play.loop.lose(call)
        (ours,) = play.aws.copies
        play.aws.show(ours, after_seconds=LAG_SECONDS)
        await play.loop.breathe()
        play.clock.advance(1)
        theirs = play.aws.add(lineage(SOURCES[0]), seconds=0)
        play.aws.show(theirs)
        await play.to_the_end(task)
        assert theirs in play.aws.deletions
        assert len(play.aws.live(SOURCES[0])) == 1

    play.loop.play(story())


@pytest.mark.parametrize("seed", range(5))
def test_a_lone_engine_in_fair_weather_starts_each_copy_once(seed):
    """Without company, lag and faults each source is copied exactly once and nothing is deleted."""
    play = Play(seed, Weather(), engines=1, shared=True, slots=3)
    play.play(0, 0)
    play.check()
    assert len(play.aws.copies) == len(SOURCES)
    assert all(copy.deleted_at is None for copy in play.aws.copies.values())
