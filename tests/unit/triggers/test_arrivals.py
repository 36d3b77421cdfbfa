import asyncio

import pytest

from snapshot_dr_provider.exceptions import ThrottledError
from snapshot_dr_provider.triggers.arrivals import GATHER_SECONDS, Arrivals
from tests.unit.triggers.simulation import Simulation


class Hook:
    """See some snapshots, and remember how often it was asked."""

    def __init__(self) -> None:
        self.seen = {"snap-a1", "snap-b1"}
        self.calls: list[tuple[tuple[str, ...], int]] = []
        self.error: Exception | None = None

    def visible_from(self, owner_ids, snapshot_ids):
        """Answer which of them are seen."""
        self.calls.append((tuple(owner_ids), len(list(snapshot_ids))))
        if self.error:
            raise self.error
        return frozenset(self.seen & set(snapshot_ids))


@pytest.fixture
def hook():
    """Give the hook of the account that sees."""
    return Hook()


@pytest.fixture
def loop():
    """Give a loop that the test drives."""
    return Simulation()


async def ask(loop, arrivals, **questions):
    """Ask for the snapshots of some owners at once."""
    tasks = [loop.create_task(arrivals.visible(owner, ids)) for owner, ids in questions.items()]
    await loop.breathe()
    loop.clock.advance(GATHER_SECONDS)
    await loop.happen_all()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_who_asks_together_is_answered_by_one_call(loop, hook):
    """Questions for several owners at once take one call, and each is answered with its own snapshots alone."""

    async def story():
        found = await ask(loop, Arrivals(hook, loop.clock), a=["snap-a1", "snap-a2"], b=["snap-b1"])
        assert found == [{"snap-a1"}, {"snap-b1"}]
        assert hook.calls == [(("a", "b"), 3)]

    loop.play(story())


def test_more_than_a_call_can_hold_takes_several(loop, hook):
    """Questions are put together up to what one call takes."""

    async def story():
        many = {f"owner{number}": [f"snap-{number}-{i}" for i in range(150)] for number in range(3)}
        await ask(loop, Arrivals(hook, loop.clock), **many)
        assert [number for _, number in hook.calls] == [150, 150, 150]

    loop.play(story())


def test_nothing_asked_takes_no_call(loop, hook):
    """Who has no snapshots to ask for is answered without a call."""

    async def story():
        assert await ask(loop, Arrivals(hook, loop.clock), a=[]) == [frozenset()]
        assert not hook.calls

    loop.play(story())


def test_who_is_cancelled_takes_nothing_away(loop, hook):
    """The others are answered though one of those who asked together was cancelled."""

    async def story():
        arrivals = Arrivals(hook, loop.clock)
        first, second = (loop.create_task(arrivals.visible(owner, [f"snap-{owner}1"])) for owner in "ab")
        await loop.breathe()
        first.cancel()
        loop.clock.advance(GATHER_SECONDS)
        await loop.happen_all()
        assert first.cancelled()
        assert await second == {"snap-b1"}

    loop.play(story())


def test_a_failed_call_is_everybodys_and_the_next_one_is_new(loop, hook):
    """All who asked together learn that it failed; who asks again is answered."""

    async def story():
        arrivals = Arrivals(hook, loop.clock)
        hook.error = ThrottledError("could not read")
        failed = await ask(loop, arrivals, a=["snap-a1"], b=["snap-b1"])
        assert [type(result) for result in failed] == [ThrottledError, ThrottledError]
        hook.error = None
        assert await ask(loop, arrivals, a=["snap-a1"]) == [{"snap-a1"}]

    loop.play(story())
