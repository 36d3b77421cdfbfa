import asyncio
from datetime import timedelta
from random import Random

import pytest

from snapshot_dr_provider.domain.copying import CopyRequest
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.exceptions import (
    AccessDeniedError,
    AmbiguousAnswerError,
    QuotaExceededError,
    ServiceError,
    ThrottledError,
)
from snapshot_dr_provider.triggers.desk import MAX_BACKOFF_SECONDS, CopyDesk
from tests.builders import lineage
from tests.unit.triggers.simulation import Ec2, Simulation

POLL = 15.0
SETTLE = 60.0


class Wilful(Ec2):
    """An EC2 whose next answers a test can settle: exceptions are raised instead of starting or reading."""

    def __init__(self, loop: Simulation) -> None:
        super().__init__(loop.clock, Random(7))
        self.refusals: list[Exception] = []
        self.unreadable: list[Exception] = []

    def start_copy(self, source_snapshot_id, source_region, of):
        """Refuse, or start a copy that takes an hour."""
        if self.refusals:
            raise self.refusals.pop(0)
        return self.add(of, seconds=3600)

    def pending_snapshots(self):
        """Fail, or read what is being copied."""
        found = super().pending_snapshots()
        if self.unreadable:
            raise self.unreadable.pop(0)
        return found


@pytest.fixture
def loop():
    """Give a loop that the test drives."""
    return Simulation()


@pytest.fixture
def aws(loop):
    """Give the account that the desk works for."""
    return Wilful(loop)


@pytest.fixture
def desk(loop, aws):
    """Give a desk with two slots."""
    return CopyDesk(
        aws,
        Stage.KMS_B,
        slots=2,
        poll_seconds=POLL,
        settle=timedelta(seconds=SETTLE),
        clock=loop.clock,
        random=Random(1),
    )


def ask(source: str = "snap-1") -> CopyRequest:
    """Request a copy of a source."""
    return CopyRequest(source, "ready", source, lineage(source))


async def act(loop: Simulation, *coroutines, passing: float = 0.0):
    """Do some things at once, after some time, and answer what came of each."""
    loop.clock.advance(passing)
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    await loop.happen_all()
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)


async def look(loop: Simulation, desk: CopyDesk, *sources: str, passing: float = POLL, again=()):
    """Look once, after the time between two looks, and answer the ids of the copies by source."""
    (found,) = await act(loop, desk.look(sources or ["snap-1"], again=again), passing=passing)
    return {source: [copy.snapshot_id for copy in copies] for source, copies in found.items()}


# Looking


def test_one_look_serves_everybody(loop, aws, desk):
    """Two who look at once are answered from one pair of calls, each with what was asked for."""

    async def story():
        copy_id = aws.add(lineage("snap-1"))
        first, second = await act(loop, desk.look(["snap-1"]), desk.look(["snap-2"]))
        assert [copy.snapshot_id for copy in first["snap-1"]] == [copy_id]
        assert second == {"snap-2": ()}
        assert aws.reads == ["pending_snapshots", "copies_of snap-1 snap-2"]

    loop.play(story())


def test_looks_keep_their_distance(loop, aws, desk):
    """The next look is not taken before poll_seconds have passed since the last."""

    async def story():
        await look(loop, desk)
        task = loop.create_task(desk.look(["snap-1"]))
        loop.clock.advance(POLL - 1)
        await loop.happen_all()
        assert aws.reads.count("pending_snapshots") == 1
        loop.clock.advance(1)
        await loop.happen_all()
        assert aws.reads.count("pending_snapshots") == 2
        await task

    loop.play(story())


def test_while_copies_are_pending_one_call_is_enough(loop, aws, desk):
    """A look over pending copies takes one call, however many they are; those that ended are looked up once."""

    async def story():
        aws.add(lineage("snap-1"), seconds=100)
        copy_id = aws.add(lineage("snap-2"), seconds=40)
        await look(loop, desk, "snap-1", "snap-2")
        aws.reads.clear()
        await look(loop, desk, "snap-1", "snap-2")
        assert aws.reads == ["pending_snapshots"]
        aws.reads.clear()
        assert (await look(loop, desk, "snap-1", "snap-2"))["snap-2"] == [copy_id]
        assert aws.reads == ["pending_snapshots", "copies_of snap-2"]
        aws.reads.clear()
        await look(loop, desk, "snap-1", "snap-2")
        assert aws.reads == ["pending_snapshots"]

    loop.play(story())


def test_an_end_is_seen_with_its_state(loop, aws, desk):
    """A copy that was pending is reported completed at the look after it completed."""

    async def story():
        aws.add(lineage("snap-1"), seconds=20)
        (before,) = await act(loop, desk.look(["snap-1"]))
        (after,) = await act(loop, desk.look(["snap-1"]), passing=20)
        assert [copy.state for copy in (*before["snap-1"], *after["snap-1"])] == ["pending", "completed"]

    loop.play(story())


def test_a_copy_that_somebody_else_starts_is_seen(loop, aws, desk):
    """A pending copy that turns up after the first look is part of the next answer without being looked up."""

    async def story():
        assert await look(loop, desk) == {"snap-1": []}
        copy_id = aws.add(lineage("snap-1"))
        assert await look(loop, desk) == {"snap-1": [copy_id]}

    loop.play(story())


def test_what_is_uncertain_is_looked_up_again(loop, aws, desk):
    """A copy that completed between two looks is found if its source is named as one to look up again."""

    async def story():
        await look(loop, desk)
        copy_id = aws.add(lineage("snap-1"), seconds=1)
        assert await look(loop, desk) == {"snap-1": []}
        assert await look(loop, desk, again=["snap-1"]) == {"snap-1": [copy_id]}

    loop.play(story())


def test_what_is_forgotten_is_read_afresh(loop, aws, desk):
    """A source that was forgotten is looked up when it is asked for again."""

    async def story():
        await look(loop, desk)
        desk.forget(["snap-1"])
        aws.reads.clear()
        await look(loop, desk)
        assert "copies_of snap-1" in aws.reads

    loop.play(story())


def test_the_last_look_before_a_start_is_never_from_memory(loop, aws, desk):
    """look_up reads at once, whatever the desk remembers and however short ago the last look was."""

    async def story():
        await look(loop, desk)
        copy_id = aws.add(lineage("snap-1"))
        (found,) = await act(loop, desk.look_up(["snap-1", "snap-2"]))
        assert {source: [c.snapshot_id for c in copies] for source, copies in found.items()} == {
            "snap-1": [copy_id],
            "snap-2": [],
        }

    loop.play(story())


def test_whoever_is_cancelled_does_not_take_the_look_away(loop, aws, desk):
    """The look goes on for the others when one of those who wait for it is cancelled."""

    async def story():
        copy_id = aws.add(lineage("snap-1"))
        first, second = (loop.create_task(desk.look(["snap-1"])) for _ in range(2))
        await loop.breathe()
        first.cancel()
        await loop.happen_all()
        assert first.cancelled()
        assert [copy.snapshot_id for copy in (await second)["snap-1"]] == [copy_id]

    loop.play(story())


def test_a_failed_look_is_everybodys_and_the_next_one_is_new(loop, aws, desk):
    """Everybody learns that a look failed; the next look reads again and misses nothing."""

    async def story():
        aws.unreadable.append(ServiceError("could not read"))
        failed = await act(loop, desk.look(["snap-1"]), desk.look(["snap-2"]))
        assert [type(result) for result in failed] == [ServiceError, ServiceError]
        copy_id = aws.add(lineage("snap-2"))
        assert (await look(loop, desk, "snap-2"))["snap-2"] == [copy_id]

    loop.play(story())


def test_a_slow_look_does_not_overwrite_a_later_one(loop, aws, desk):
    """A look that takes longer than poll_seconds is waited for, so that no older answer comes after a newer one."""

    async def story():
        await look(loop, desk)
        slow = loop.create_task(desk.look(["snap-1"]))
        loop.clock.advance(POLL)
        await loop.breathe()
        late = loop.create_task(desk.look(["snap-1"]))
        loop.clock.advance(2 * POLL)
        await loop.breathe()
        assert len(loop.calls) == 1
        aws.add(lineage("snap-1"))
        await loop.happen_all()
        loop.clock.advance(POLL)
        await loop.happen_all()
        assert len((await slow)["snap-1"]) == len((await late)["snap-1"]) == 1
        assert desk.free_slots == 1

    loop.play(story())


# Slots


def test_slots_count_what_is_in_flight_whoever_started_it(loop, aws, desk):
    """Each pending copy that a look shows takes a slot and gives it back when it is completed."""

    async def story():
        aws.add(lineage("snap-8"), seconds=POLL + 5)
        aws.add(lineage("snap-9"), seconds=3600)
        await look(loop, desk)
        assert desk.free_slots == 0
        assert await act(loop, desk.start(ask(), "us-east-1")) == [None]
        await look(loop, desk)
        assert desk.free_slots == 1

    loop.play(story())


def test_a_start_takes_its_slot_before_it_is_seen(loop, aws, desk):
    """Of several who start at once no more than there are slots get through, and their slots stay taken."""

    async def story():
        await look(loop, desk)
        started = await act(loop, *(desk.start(ask(f"snap-{i}"), "us-east-1") for i in range(4)))
        assert sorted(started, key=str) == sorted([*aws.copies, None, None], key=str)
        assert desk.free_slots == 0
        await look(loop, desk)
        assert desk.free_slots == 0
        assert aws.peak == 2

    loop.play(story())


def test_a_start_under_way_takes_its_slot(loop, aws, desk):
    """While the answer to a start is awaited, its slot is taken: also through a look that cannot show it yet."""

    async def story():
        await look(loop, desk)
        starting = [loop.create_task(desk.start(ask(f"snap-{i}"), "us-east-1")) for i in range(2)]
        await loop.breathe()
        assert desk.free_slots == 0
        looking = loop.create_task(desk.look(["snap-1"]))
        loop.clock.advance(POLL)
        await loop.breathe()
        for call in [call for call in loop.calls if call not in loop.calls[:2]]:
            loop.happen(call)
            await loop.breathe()
        await looking
        assert desk.free_slots == 0
        await loop.happen_all()
        assert None not in await asyncio.gather(*starting)

    loop.play(story())


def test_a_copy_that_is_not_seen_keeps_its_slot_for_settle(loop, aws, desk):
    """A started copy that reads do not show takes its slot until settle has passed, and not longer."""

    async def story():
        await look(loop, desk)
        (copy_id,) = await act(loop, desk.start(ask(), "us-east-1"))
        del aws.copies[copy_id]
        await look(loop, desk, passing=SETTLE - 1)
        assert desk.free_slots == 1
        await look(loop, desk)
        assert desk.free_slots == 2

    loop.play(story())


def test_a_copy_that_ended_gives_its_slot_back_at_once(loop, aws, desk):
    """A started copy that a look shows completed takes no slot, though settle has not passed."""

    async def story():
        await look(loop, desk)
        (copy_id,) = await act(loop, desk.start(ask(), "us-east-1"))
        aws.copies[copy_id].ends_at = loop.clock.now()
        await look(loop, desk, again=["snap-1"])
        assert desk.free_slots == 2

    loop.play(story())


@pytest.mark.parametrize("error", [QuotaExceededError("too many copies"), ThrottledError("too fast")])
def test_no_slot_after_all_means_waiting(loop, aws, desk, error):
    """When AWS has no slot, nothing was started, nothing is raised, and nothing is started for a while."""

    async def story():
        await look(loop, desk)
        aws.refusals.append(error)
        assert await act(loop, desk.start(ask(), "us-east-1")) == [None]
        assert desk.free_slots == 0
        assert await act(loop, desk.start(ask(), "us-east-1")) == [None]
        assert not aws.copies
        loop.clock.advance(MAX_BACKOFF_SECONDS)
        assert desk.free_slots == 2
        assert await act(loop, desk.start(ask(), "us-east-1")) == list(aws.copies)

    loop.play(story())


def test_a_quota_may_be_used_up_for_days(loop, aws, desk):
    """However often AWS has no slot, the wait never exceeds its bound."""

    async def story():
        await look(loop, desk)
        for _ in range(1100):
            aws.refusals.append(QuotaExceededError("too many copies"))
            assert await act(loop, desk.start(ask(), "us-east-1")) == [None]
            loop.clock.advance(MAX_BACKOFF_SECONDS)
            assert desk.free_slots == 2

    loop.play(story())


def test_another_refusal_is_the_callers(loop, aws, desk):
    """A refusal that is no matter of quotas is raised, gives its slot back and closes nothing."""

    async def story():
        await look(loop, desk)
        aws.refusals.append(AccessDeniedError("could not start", "AuthFailure"))
        (raised,) = await act(loop, desk.start(ask(), "us-east-1"))
        assert isinstance(raised, AccessDeniedError)
        assert desk.free_slots == 2

    loop.play(story())


def test_a_lost_answer_takes_a_slot_until_settle(loop, aws, desk):
    """After a start without an answer a copy may be in flight that reads do not show yet: its slot is taken."""

    async def story():
        await look(loop, desk)
        aws.refusals.append(AmbiguousAnswerError("no answer"))
        (raised,) = await act(loop, desk.start(ask(), "us-east-1"))
        assert isinstance(raised, AmbiguousAnswerError)
        assert desk.free_slots == 1
        await look(loop, desk, passing=SETTLE - 1)
        assert desk.free_slots == 1
        await look(loop, desk)
        assert desk.free_slots == 2

    loop.play(story())


def test_a_start_whose_waiter_is_cancelled_takes_a_slot(loop, aws, desk):
    """A cancelled trigger does not stop the call that it made: the copy that may come of it keeps its slot."""

    async def story():
        await look(loop, desk)
        starting = loop.create_task(desk.start(ask(), "us-east-1"))
        await loop.breathe()
        starting.cancel()
        await loop.happen_all()
        assert starting.cancelled()
        assert len(aws.copies) == 1
        assert desk.free_slots == 1

    loop.play(story())


def test_a_request_without_lineage_is_never_started(loop, aws, desk):
    """What is not ready to be copied has no lineage and starts nothing."""

    async def story():
        assert await act(loop, desk.start(CopyRequest("snap-1", "pending"), "us-east-1")) == [None]
        assert not aws.copies

    loop.play(story())
