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
from snapshot_dr_provider.triggers.admission import MAX_BACKOFF_SECONDS
from snapshot_dr_provider.triggers.desk import CopyDesk
from tests.builders import lineage
from tests.unit.triggers.simulation import Ec2, Simulation

POLL = 15.0
SETTLE = 60.0
REGION = "us-east-1"


class Wilful(Ec2):
    """An EC2 whose next answers a test can settle: exceptions are raised instead of starting or reading."""

    def __init__(self, loop: Simulation) -> None:
        super().__init__(loop.clock, Random(7))
        self.refusals: list[Exception] = []
        self.unreadable: list[Exception] = []
        self.nonsense = False
        self.asked: list[dict[str, int]] = []

    def start_copy(self, source_snapshot_id, source_region, of, **time_based):
        """Refuse, or start a copy that takes an hour."""
        self.asked.append(time_based)
        if self.refusals:
            raise self.refusals.pop(0)
        return self.add(of, seconds=3600)

    def pending_snapshots(self):
        """Fail, or read what is being copied."""
        found = super().pending_snapshots()
        if self.unreadable:
            raise self.unreadable.pop(0)
        return ["no snapshot"] if self.nonsense else found


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
    settle = timedelta(seconds=SETTLE)
    return CopyDesk(aws, Stage.KMS_B, slots=2, poll_seconds=POLL, settle=settle, clock=loop.clock, random=Random(1))


def ask(source: str = "snap-1") -> CopyRequest:
    """Request a copy of a source."""
    return CopyRequest(source, "ready", source, lineage(source))


async def pass_time(loop: Simulation, seconds: float) -> None:
    """Let some time pass, with everything that happens in it."""
    until = loop.clock.now() + timedelta(seconds=seconds)
    await loop.happen_all()
    while loop.clock.now() < until:
        left = (until - loop.clock.now()).total_seconds()
        loop.clock.advance(min(left, loop.clock.seconds_to_next() or left))
        await loop.happen_all()


async def act(loop: Simulation, *coroutines):
    """Do some things at once, and answer what came of each."""
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    await loop.happen_all()
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)


def line_up(seat, *sources):
    """Wait for slots for some sources of a seat."""
    seat.line_up(dict.fromkeys(sources, 0))


def heard(seat):
    """Tell the ids of copies that the news of a seat are about, by source."""
    return {source: [copy.snapshot_id for copy in copies] for source, copies in seat.take_news().items()}


# Looking


def test_one_look_serves_everybody(loop, aws, desk):
    """Who waits for a copy and who waits for a slot are told from one pair of calls, each of its own sources."""

    async def story():
        with desk.seat(["snap-1"]) as one, desk.seat(["snap-2"]) as other:
            one.expect("snap-1", loop.clock.now())
            line_up(other, "snap-2")
            copy_id = aws.add(lineage("snap-1"))
            await pass_time(loop, 1)
            assert heard(one) == {"snap-1": [copy_id]}
            assert heard(other) == {"snap-2": []}
        assert aws.reads == ["pending_snapshots", "copies_of snap-1 snap-2"]

    loop.play(story())


def test_a_copy_of_an_hour_is_not_asked_for_every_few_seconds(loop, aws, desk):
    """Whoever waits for one copy takes a dozen calls in an hour, and hears of its end within a few minutes."""

    async def story():
        aws.add(lineage("snap-1"), seconds=3600)
        with desk.seat(["snap-1"]) as seat:
            seat.expect("snap-1", loop.clock.now())
            await pass_time(loop, 3500)
            seat.take_news()
            assert len(aws.reads) <= 16
            await pass_time(loop, 2000)
            assert seat.take_news()["snap-1"][0].state == "completed"

    loop.play(story())


def test_a_look_is_not_taken_away_by_whoever_leaves(loop, aws, desk):
    """The look goes on for the others when one of those who wait for it is cancelled."""

    async def sit(told):
        with desk.seat(["snap-1"]) as seat:
            seat.expect("snap-1", loop.clock.now())
            await seat.wait()
            told.append(heard(seat))

    async def story():
        copy_id = aws.add(lineage("snap-1"))
        told: list = []
        first, second = (loop.create_task(sit(told)) for _ in range(2))
        await loop.breathe()
        first.cancel()
        await loop.happen_all()
        assert first.cancelled()
        await second
        assert told == [{"snap-1": [copy_id]}]

    loop.play(story())


def test_a_failed_look_is_repeated_and_loses_nothing(loop, aws, desk):
    """After looks that AWS did not answer, news come that were asked for before, and slots are dealt out."""

    async def story():
        aws.unreadable += [ServiceError("could not read"), ThrottledError("could not read")]
        with desk.seat(["snap-1", "snap-2"]) as seat:
            line_up(seat, "snap-1")
            seat.expect("snap-2", loop.clock.now())
            await pass_time(loop, 300)
            assert heard(seat) == {"snap-1": [], "snap-2": []}
            assert seat.granted == {"snap-1"}

    loop.play(story())


@pytest.mark.parametrize("mistake", [False, True])
def test_whatever_ends_the_looks_reaches_all_who_wait(loop, aws, desk, mistake):
    """A look that is refused, or fails for a mistake of ours, is an error for everybody: nobody waits for ever."""

    async def story():
        aws.nonsense = mistake
        aws.unreadable += [] if mistake else [AccessDeniedError("may not read", "UnauthorizedOperation")]
        with desk.seat(["snap-1"]) as one, desk.seat(["snap-2"]) as other:
            line_up(one, "snap-1")
            await pass_time(loop, 1)
            for seat in (one, other):
                with pytest.raises(AttributeError if mistake else AccessDeniedError):
                    seat.take_news()

    loop.play(story())


def test_a_look_up_is_never_from_memory(loop, aws, desk):
    """look_up reads at once, whatever the desk remembers and however short ago the last look was."""

    async def story():
        with desk.seat(["snap-1"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 1)
            copy_id = aws.add(lineage("snap-1"))
            (found,) = await act(loop, desk.look_up(["snap-1", "snap-2"]))
            ids = {source: [copy.snapshot_id for copy in copies] for source, copies in found.items()}
            assert ids == {"snap-1": [copy_id], "snap-2": []}

    loop.play(story())


def test_what_nobody_asks_for_is_forgotten(loop, aws, desk):
    """Once the last one has left who asked for a source, nothing is kept of it."""

    async def story():
        aws.add(lineage("snap-1"))
        with desk.seat(["snap-1"]) as seat:
            seat.expect("snap-1", loop.clock.now())
            await pass_time(loop, 1)
            assert desk.known(["snap-1"])["snap-1"]
        assert desk.known(["snap-1"]) == {"snap-1": ()}

    loop.play(story())


# Slots


def test_slots_count_what_is_in_flight_whoever_started_it(loop, aws, desk):
    """Each pending copy takes a slot; when it ends, the slot goes to who waits for one, soon."""

    async def story():
        aws.add(lineage("snap-8"), seconds=100)
        aws.add(lineage("snap-9"), seconds=3600)
        with desk.seat(["snap-1"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 90)
            assert not seat.granted
            await pass_time(loop, 100)
            assert seat.granted == {"snap-1"}

    loop.play(story())


def test_no_more_is_granted_than_there_are_slots(loop, aws, desk):
    """Of several who wait, as many are told to start as there are slots; a source without a slot starts nothing."""

    async def story():
        sources = [f"snap-{i}" for i in range(4)]
        with desk.seat(sources) as seat:
            line_up(seat, *sources)
            await pass_time(loop, 60)
            assert seat.granted == {"snap-0", "snap-1"}
            assert await act(loop, desk.start(seat, ask("snap-3"), REGION)) == [None]
            started = await act(loop, *(desk.start(seat, ask(source), REGION) for source in ("snap-0", "snap-1")))
            assert set(started) == set(aws.copies)
            for source in ("snap-0", "snap-1"):
                seat.queue.pop(source)
            await pass_time(loop, 600)
            assert not seat.granted
            assert aws.peak == 2

    loop.play(story())


def test_two_who_want_the_same_do_not_both_start_it(loop, aws, desk):
    """A source that two seats wait for is granted to one, and once it was started to nobody."""

    async def story():
        with desk.seat(["snap-1"]) as one, desk.seat(["snap-1"]) as other:
            line_up(one, "snap-1")
            line_up(other, "snap-1")
            await pass_time(loop, 60)
            assert [one.granted, other.granted] == [{"snap-1"}, set()]
            await act(loop, desk.start(one, ask(), REGION))
            await pass_time(loop, 1)
            assert not other.granted
            assert len(aws.copies) == 1

    loop.play(story())


def test_slots_kept_for_a_killed_engine_go_to_others(loop, aws, desk):
    """What was granted to somebody who has gone is granted anew."""

    async def story():
        with desk.seat(["snap-3"]) as patient:
            with desk.seat(["snap-1", "snap-2"]) as killed:
                line_up(killed, "snap-1", "snap-2")
                await pass_time(loop, 1)
                assert len(killed.granted) == 2
                line_up(patient, "snap-3")
                await pass_time(loop, 60)
                assert not patient.granted
            await pass_time(loop, 60)
            assert patient.granted == {"snap-3"}

    loop.play(story())


def test_a_declined_slot_goes_to_the_next(loop, aws, desk):
    """A slot that was granted and is not used is granted to who waits for one."""

    async def story():
        with desk.seat(["snap-1", "snap-2"]) as one, desk.seat(["snap-3"]) as other:
            line_up(one, "snap-1", "snap-2")
            await pass_time(loop, 1)
            line_up(other, "snap-3")
            one.queue.clear()
            desk.decline(one)
            await pass_time(loop, POLL)
            assert other.granted == {"snap-3"}

    loop.play(story())


async def sources_granted(loop, desk, seat, seconds):
    """Pass time, and count what is granted to a source that waits all the while."""
    line_up(seat, "snap-2")
    await pass_time(loop, seconds)
    return seat.granted


def test_a_copy_that_is_not_seen_keeps_its_slot_for_settle(loop, aws, desk):
    """A started copy that reads do not show takes its slot until settle has passed, and not much longer."""

    async def story():
        aws.add(lineage("snap-9"), seconds=36000)
        with desk.seat(["snap-1", "snap-2"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 1)
            (copy_id,) = await act(loop, desk.start(seat, ask(), REGION))
            seat.queue.clear()
            del aws.copies[copy_id]
            assert not await sources_granted(loop, desk, seat, SETTLE - 5)
            assert await sources_granted(loop, desk, seat, 60) == {"snap-2"}

    loop.play(story())


@pytest.mark.parametrize("error", [QuotaExceededError("too many copies"), ThrottledError("too fast")])
def test_no_slot_after_all_means_waiting(loop, aws, desk, error):
    """When AWS has no slot, nothing was started and nothing is raised; later it is granted again."""

    async def story():
        with desk.seat(["snap-1"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 1)
            aws.refusals.append(error)
            assert await act(loop, desk.start(seat, ask(), REGION)) == [None]
            assert not aws.copies
            await pass_time(loop, MAX_BACKOFF_SECONDS + POLL)
            assert seat.granted == {"snap-1"}
            assert await act(loop, desk.start(seat, ask(), REGION)) == list(aws.copies)

    loop.play(story())


def test_another_refusal_is_the_callers(loop, aws, desk):
    """A refusal that is no matter of quotas is raised, and gives its slot back."""

    async def story():
        with desk.seat(["snap-1", "snap-2"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 1)
            aws.refusals.append(AccessDeniedError("could not start", "AuthFailure"))
            (raised,) = await act(loop, desk.start(seat, ask(), REGION))
            assert isinstance(raised, AccessDeniedError)
            seat.queue.clear()
            line_up(seat, "snap-1", "snap-2")
            await pass_time(loop, POLL)
            assert seat.granted == {"snap-1", "snap-2"}

    loop.play(story())


def test_a_lost_answer_takes_a_slot_until_settle(loop, aws, desk):
    """After a start without an answer a copy may be in flight that reads do not show yet: its slot is taken."""

    async def story():
        aws.add(lineage("snap-9"), seconds=36000)
        with desk.seat(["snap-1", "snap-2"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 1)
            aws.refusals.append(AmbiguousAnswerError("no answer"))
            (raised,) = await act(loop, desk.start(seat, ask(), REGION))
            assert isinstance(raised, AmbiguousAnswerError)
            seat.queue.clear()
            assert not await sources_granted(loop, desk, seat, SETTLE - 5)
            assert await sources_granted(loop, desk, seat, 60) == {"snap-2"}

    loop.play(story())


def test_a_start_whose_waiter_is_cancelled_takes_a_slot(loop, aws, desk):
    """A cancelled trigger does not stop the call that it made: the copy that may come of it keeps its slot."""

    async def story():
        aws.add(lineage("snap-9"), seconds=36000)
        with desk.seat(["snap-1", "snap-2"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 1)
            starting = loop.create_task(desk.start(seat, ask(), REGION))
            await loop.breathe()
            starting.cancel()
            await loop.happen_all()
            assert starting.cancelled()
            assert len(aws.copies) == 2
            seat.queue.clear()
            assert not await sources_granted(loop, desk, seat, 300)

    loop.play(story())


@pytest.mark.parametrize(("minutes", "asked"), [(None, {}), (45, {"completion_duration_minutes": 45})])
def test_copies_are_asked_for_within_the_duration_of_the_desk(loop, aws, minutes, asked):
    """A desk with a duration asks for time-based copies; one without asks for nothing beside what it always does."""
    desk = CopyDesk(
        aws,
        Stage.KMS_C,
        slots=2,
        poll_seconds=POLL,
        settle=timedelta(seconds=SETTLE),
        clock=loop.clock,
        random=Random(1),
        completion_duration_minutes=minutes,
    )

    async def story():
        with desk.seat(["snap-1"]) as seat:
            line_up(seat, "snap-1")
            await pass_time(loop, 120)
            await act(loop, desk.start(seat, ask(), REGION))
            assert aws.asked == [asked]

    loop.play(story())


def test_the_outlook_follows_from_queue_slots_and_durations(loop, aws, desk):
    """Once a copy has ended it is told how long those in line will take: rounds of slots, each as long as it was."""

    async def story():
        aws.add(lineage("snap-0"), seconds=600)
        aws.add(lineage("snap-9"), seconds=36000)
        sources = [f"snap-{i}" for i in range(9)]
        with desk.seat(sources) as seat:
            line_up(seat, *sources[1:])
            await pass_time(loop, 1000)
            assert timedelta(seconds=5 * 600) <= desk.outlook <= timedelta(seconds=5 * 1000)

    loop.play(story())
