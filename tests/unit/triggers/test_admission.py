from datetime import timedelta
from math import ceil
from random import Random

import pytest

from snapshot_dr_provider.triggers.admission import LEAST_SHARE, MAX_BACKOFF_SECONDS, MAX_PACE, SHARE, Admission
from tests.unit.triggers.simulation import SimulatedClock

SETTLE = timedelta(seconds=60)
POLL = timedelta(seconds=15)


@pytest.fixture
def clock():
    """Give a clock that stands still."""
    return SimulatedClock()


def admission(clock, *, slots=20, contested=True, seed=1):
    """Give an admission to some slots."""
    return Admission(slots=slots, settle=SETTLE, poll=POLL, clock=clock, random=Random(seed), is_contested=contested)


def ids(number, whose="x"):
    """Name some copies."""
    return {f"{whose}-{i}" for i in range(number)}


def start(admitted, number, whose="mine"):
    """Start copies as the desk does."""
    for copy_id in sorted(ids(number, whose)):
        admitted.reserve()
        admitted.release()
        admitted.started(copy_id)


def look(admitted, clock, in_flight, own=(), *, gone=(), wanting=True):
    """Look, and answer how many copies may be started."""
    admitted.observe(in_flight, own, clock.now(), wanting=wanting)
    return admitted.offer(gone)


def test_where_nobody_else_starts_copies_all_slots_are_offered_at_once(clock):
    """In an Org-A account whatever is free may be used."""
    assert look(admission(clock, contested=False), clock, ids(3)) == 17


def test_alone_one_takes_a_part_and_looks_again(clock):
    """Where others may begin at the same moment the slots are filled in steps, each after another look."""
    admitted = admission(clock)
    step = ceil(20 / SHARE)
    assert look(admitted, clock, set()) == step
    assert admitted.is_filling
    start(admitted, step)
    mine = ids(step, "mine")
    assert look(admitted, clock, mine, mine) == step


def test_never_more_than_is_free(clock):
    """Copies in flight, started and about to be started are counted once each, and what has gone is not."""
    admitted = admission(clock, slots=10, contested=False)
    start(admitted, 3)
    admitted.reserve(2)
    assert look(admitted, clock, ids(2, "mine") | ids(4)) == 1
    assert admitted.offer({"x-0", "x-1"}) == 3


def test_whoever_had_a_slot_refills_it_at_once(clock):
    """When one's own copies end their slots are one's own, though others have copies in flight."""
    admitted = admission(clock)
    start(admitted, 8)
    assert look(admitted, clock, ids(8, "mine") | ids(12), ids(8, "mine")) == 0
    clock.advance(120)
    assert look(admitted, clock, ids(12)) == 8


def wait_for_slots(admitted, clock, in_flight, own):
    """Look every second until something is offered; answer after how many seconds, and how much."""
    for seconds in range(10 * int(POLL.total_seconds())):
        if offered := look(admitted, clock, in_flight, own):
            return seconds, offered
        clock.advance(1)
    raise AssertionError("nothing is ever offered")


def test_slots_of_others_are_taken_over_when_they_stay_free(clock):
    """A slot that another has left is offered only after it has stayed free for a while, and a part at a time."""
    admitted = admission(clock)
    start(admitted, 8)
    mine = ids(8, "mine")
    assert look(admitted, clock, mine | ids(12), mine) == 0
    seconds, part = wait_for_slots(admitted, clock, mine | ids(4), mine)
    assert seconds >= POLL.total_seconds() / 2
    assert part == ceil(8 / SHARE)
    start(admitted, 8 + part)
    mine = ids(8 + part, "mine")
    assert look(admitted, clock, mine | ids(4), mine) == 0


def test_others_who_are_back_in_time_keep_their_slots(clock):
    """Slots that others left and came back to are not taken over later for having been free once."""
    admitted = admission(clock)
    start(admitted, 8)
    mine = ids(8, "mine")
    for others in (12, 4, 4, 12):
        assert look(admitted, clock, mine | ids(others), mine) == 0
        clock.advance(1)
    clock.advance(10 * POLL.total_seconds())
    assert look(admitted, clock, mine | ids(12), mine) == 0
    assert look(admitted, clock, mine | ids(4), mine) == 0


def test_whoever_has_next_to_nothing_competes(clock):
    """Below the least share of the slots one may be taken as soon as it is free: nobody starves."""
    admitted = admission(clock)
    assert look(admitted, clock, ids(20)) == 0
    assert look(admitted, clock, ids(19)) == 1
    enough = ceil(20 / LEAST_SHARE)
    start(admitted, enough)
    mine = ids(enough, "mine")
    assert look(admitted, clock, mine | ids(19 - enough), mine) == 0


def test_whoever_wants_nothing_gives_its_claim_up(clock):
    """Slots that were not needed for a while are not refilled at once later, but a part at a time."""
    admitted = admission(clock)
    start(admitted, 8)
    clock.advance(120)
    admitted.observe(ids(12), (), clock.now(), wanting=False)
    assert look(admitted, clock, ids(12)) <= ceil(8 / SHARE)


def test_a_refusal_closes_for_a_while(clock):
    """After a refusal nothing is offered, though slots seem to be free, for no longer than the longest back-off."""
    admitted = admission(clock)
    admitted.refused(is_throttled=False)
    assert admitted.free_slots == look(admitted, clock, set()) == 0
    assert timedelta(0) < admitted.closed_for <= timedelta(seconds=MAX_BACKOFF_SECONDS)
    clock.advance(MAX_BACKOFF_SECONDS)
    assert look(admitted, clock, set()) > 0


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_refusal_gives_the_claim_up(clock, is_refused):
    """Who is refused while refilling its slots has lost them: they are not refilled at once, as they else would be."""
    admitted = admission(clock)
    start(admitted, 8)
    assert look(admitted, clock, ids(8, "mine") | ids(12), ids(8, "mine")) == 0
    clock.advance(120)
    mine = ids(5, "mine")
    assert look(admitted, clock, mine | ids(12), mine) == 3
    admitted.reserve()
    if is_refused:
        admitted.refused(is_throttled=False)
    admitted.release()
    clock.advance(MAX_BACKOFF_SECONDS)
    offered = look(admitted, clock, mine | ids(12), mine)
    assert offered <= ceil(3 / SHARE) if is_refused else offered == 3


def test_the_refusals_of_one_look_count_once(clock):
    """Twenty starts that are refused together do not close for longer than one."""
    one, many = admission(clock), admission(clock)
    one.refused(is_throttled=False)
    for _ in range(20):
        many.refused(is_throttled=False)
    assert one.closed_for == many.closed_for


def test_throttling_halves_the_pace_and_success_lets_it_grow(clock):
    """After throttling half as many are started on a look, and one more for each that was started since."""
    admitted = admission(clock, slots=1000, contested=False)
    assert look(admitted, clock, set()) == MAX_PACE
    admitted.refused(is_throttled=True)
    clock.advance(MAX_BACKOFF_SECONDS)
    assert look(admitted, clock, set()) == MAX_PACE // 2
    start(admitted, 5)
    assert look(admitted, clock, ids(5, "mine"), ids(5, "mine")) == MAX_PACE // 2 + 5


QUOTA = 20


class Process:
    """One of several that copy into the same account, each with a long queue."""

    def __init__(self, name, clock, copies, *, contested=True):
        self.name, self.clock, self.copies = name, clock, copies
        self.admitted = admission(clock, slots=QUOTA, contested=contested, seed=name)
        self.started = self.refused = self.granted = 0

    def in_flight(self):
        """Name what AWS has in flight."""
        return {copy_id for copy_id, (_, ends) in self.copies.items() if ends > self.clock.now()}

    def look(self):
        """See the truth, and keep the slots that are offered."""
        in_flight = self.in_flight()
        own = {copy_id for copy_id in in_flight if self.copies[copy_id][0] == self.name}
        self.admitted.ended(self.copies.keys() - in_flight)
        self.granted = look(self.admitted, self.clock, in_flight, own)
        self.admitted.reserve(self.granted)

    def start(self, seconds):
        """Start what was granted: AWS checks the quota now, and others may have been quicker."""
        self.admitted.release(self.granted)
        for _ in range(self.granted):
            if len(self.in_flight()) >= QUOTA:
                self.refused += 1
                self.admitted.refused(is_throttled=False)
                continue
            copy_id = f"copy-{self.name}-{self.started}"
            self.started += 1
            self.copies[copy_id] = (self.name, self.clock.now() + timedelta(seconds=seconds))
            self.admitted.started(copy_id)
        self.granted = 0


def compete(clock, seed, rounds=4000, *, contested=True):
    """Have three processes compete; answer the parts refused, of slots used, and of the least of them."""
    random = Random(seed)
    copies: dict = {}
    processes = [Process(name, clock, copies, contested=contested) for name in range(3)]
    used = 0
    for _ in range(rounds):
        clock.advance(random.uniform(0.5, 3))
        process = random.choice(processes)
        if process.granted:
            process.start(random.uniform(150, 450))
        else:
            process.look()
        used += len(process.in_flight())
    started = sum(process.started for process in processes)
    refused = sum(process.refused for process in processes)
    return refused / started, used / (QUOTA * rounds), min(process.started for process in processes) / started


@pytest.mark.parametrize("seed", range(5))
def test_several_processes_share_a_quota_without_a_herd_and_without_starvation(clock, seed):
    """Three whose starts come seconds after their looks fill the slots, are hardly refused, and each gets its part."""
    refused, used, least = compete(clock, seed)
    assert refused <= 0.02
    assert used >= 0.9
    assert least >= 0.1


def test_whoever_takes_all_that_is_free_at_once_makes_a_herd(clock):
    """The same three are refused often where each thinks itself alone: the competition is one that can be lost."""
    refused, _, _ = compete(clock, 0, contested=False)
    assert refused > 0.2
