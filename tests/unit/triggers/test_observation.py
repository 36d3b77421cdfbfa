import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.hooks.ebs import MAX_FILTER_VALUES
from snapshot_dr_provider.triggers.observation import Observation, fits_one_call
from tests.builders import lineage
from tests.unit.triggers.simulation import Ec2, Simulation

SETTLE = timedelta(seconds=60)


@pytest.fixture
def loop():
    """Give a loop that the test drives."""
    return Simulation()


@pytest.fixture
def aws(loop):
    """Give the account that is observed."""
    return Ec2(loop.clock, Random(7))


@pytest.fixture
def observed(aws):
    """Give an observation of it."""
    return Observation(aws, Stage.KMS_B, SETTLE)


async def done(loop: Simulation, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Let all calls of a look happen, and answer what it has shown."""
    task = loop.create_task(coroutine)
    await loop.happen_all()
    return await asyncio.wait_for(task, 1)


def test_a_copy_that_is_no_longer_pending_is_gone_and_doubtful(loop, aws, observed):
    """The list of pending copies tells that one of ours has ended, and of which source to read how."""

    async def story():
        copy_id = aws.add(lineage("snap-1"), seconds=100)
        await done(loop, observed.read(["snap-1"], loop.clock.now()))
        loop.clock.advance(100)
        look = observed.look_at_pending(["snap-1"], loop.clock.now())
        assert await done(loop, look) == ({copy_id}, {"snap-1"})

    loop.play(story())


def test_a_start_that_is_not_seen_is_looked_for_until_settle(loop, observed):
    """A source of which a copy was started is read at each look, until reads would show the copy."""

    async def story():
        observed.expect("snap-1", loop.clock.now(), "snap-unseen")
        loop.clock.advance(SETTLE.total_seconds() - 1)
        assert await done(loop, observed.look_at_pending(["snap-1"], loop.clock.now())) == (set(), {"snap-1"})
        loop.clock.advance(1)
        assert await done(loop, observed.look_at_pending(["snap-1"], loop.clock.now())) == (set(), set())
        assert not observed.expected

    loop.play(story())


def test_a_change_is_told_once(loop, aws, observed):
    """A source is named as changed when its copies have come or changed their state, and not a second time."""

    async def story():
        aws.add(lineage("snap-1"), seconds=100)
        for expected in ({"snap-1"}, set()):
            await done(loop, observed.read(["snap-1"], loop.clock.now()))
            assert observed.take_changed() == expected
        loop.clock.advance(100)
        await done(loop, observed.read(["snap-1"], loop.clock.now()))
        assert observed.take_changed() == {"snap-1"}

    loop.play(story())


def test_what_is_typical_is_what_was_seen_to_take_so_long(loop, aws, observed):
    """The typical duration is that of copies that were pending at one look and completed at a later one."""

    async def story():
        aws.add(lineage("snap-0"), seconds=0)
        aws.add(lineage("snap-1"), seconds=100)
        await done(loop, observed.read(["snap-0", "snap-1"], loop.clock.now()))
        assert observed.typical == timedelta(0)
        loop.clock.advance(110)
        await done(loop, observed.read(["snap-0", "snap-1"], loop.clock.now()))
        assert observed.typical == timedelta(seconds=110)

    loop.play(story())


def test_whatever_is_forgotten_leaves_nothing_behind(loop, aws, observed):
    """Of a source that nobody asks for nothing is known, awaited, expected or told as changed."""

    async def story():
        aws.add(lineage("snap-1"))
        await done(loop, observed.read(["snap-1"], loop.clock.now()))
        observed.expect("snap-1", loop.clock.now())
        observed.forget("snap-1")
        assert observed.known(["snap-1"]) == {"snap-1": ()}
        assert not observed.awaited | observed.take_changed()
        assert not observed.own_pending

    loop.play(story())


def test_one_call_holds_so_many_sources():
    """The copies of as many sources as one filter takes are read with one call."""
    sources = [f"snap-{number}" for number in range(MAX_FILTER_VALUES + 1)]
    assert fits_one_call(sources[1:])
    assert not fits_one_call(sources)
