from datetime import timedelta
from random import Random

import pytest

from snapshot_dr_provider.triggers.admission import MAX_BACKOFF_SECONDS, MAX_PACE, Admission
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


def test_alone_one_takes_a_quarter_and_looks_again(clock):
    """Where others may begin at the same moment the slots are filled in four steps, each after another look."""
    admitted = admission(clock)
    assert look(admitted, clock, set()) == 5
    assert admitted.is_filling
    start(admitted, 5)
    assert look(admitted, clock, ids(5, "mine"), ids(5, "mine")) == 5


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


def test_slots_of_others_are_taken_over_when_they_stay_free(clock):
    """A slot that another has given up is offered after it has stayed free for a while, and a part at a time."""
    admitted = admission(clock)
    start(admitted, 8)
    mine = ids(8, "mine")
    assert look(admitted, clock, mine | ids(4), mine) == 0
    clock.advance(2 * POLL.total_seconds())
    assert look(admitted, clock, mine | ids(4), mine) == 2
    assert admitted.next_moment is not None


def test_whoever_has_next_to_nothing_competes(clock):
    """Below a fifth of the slots one slot may be taken as soon as it is free: nobody starves."""
    admitted = admission(clock)
    assert look(admitted, clock, ids(19)) == 1
    start(admitted, 4)
    mine = ids(4, "mine")
    assert look(admitted, clock, mine | ids(15), mine) == 0


def test_whoever_wants_nothing_gives_its_claim_up(clock):
    """Slots that were not needed for a while are not refilled at once later."""
    admitted = admission(clock)
    start(admitted, 8)
    clock.advance(120)
    assert look(admitted, clock, ids(12), wanting=False) >= 0
    assert look(admitted, clock, ids(12)) <= 1


def test_a_refusal_gives_the_claim_up_and_closes_for_a_while(clock):
    """After a refusal nothing is offered for at most two minutes, and the slots that were lost are not claimed."""
    admitted = admission(clock)
    start(admitted, 8)
    admitted.reserve()
    admitted.refused(is_throttled=False)
    admitted.release()
    assert admitted.free_slots == 0
    assert timedelta(0) < admitted.closed_for <= timedelta(seconds=MAX_BACKOFF_SECONDS)
    clock.advance(MAX_BACKOFF_SECONDS)
    mine = ids(8, "mine")
    assert look(admitted, clock, mine | ids(4), mine) == 0


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


class Process:
    """One of several that copy into the same account, each with a long queue."""

    def __init__(self, name, clock, copies):
        self.name, self.copies = name, copies
        self.admitted = admission(clock, seed=name)
        self.started = self.refused = 0

    def look(self, clock, seconds):
        """Look at the truth, and start what is offered; the quota is checked by AWS, at each start."""
        now = clock.now()
        in_flight = {copy_id for copy_id, (_, ends) in self.copies.items() if ends > now}
        own = {copy_id for copy_id in in_flight if self.copies[copy_id][0] == self.name}
        self.admitted.ended(set(self.copies) - in_flight)
        for _ in range(look(self.admitted, clock, in_flight, own)):
            if sum(ends > now for _, ends in self.copies.values()) >= 20:
                self.refused += 1
                self.admitted.refused(is_throttled=False)
                break
            copy_id = f"copy-{self.name}-{self.started}"
            self.started += 1
            self.copies[copy_id] = (self.name, now + timedelta(seconds=seconds))
            self.admitted.started(copy_id)


@pytest.mark.parametrize("seed", range(5))
def test_several_processes_share_a_quota_without_a_herd_and_without_starvation(clock, seed):
    """Three that look every few seconds fill the slots, are refused next to never, and each gets its part."""
    random = Random(seed)
    copies: dict = {}
    processes = [Process(name, clock, copies) for name in range(3)]
    seconds, rounds, used = 300, 4000, 0
    for _ in range(rounds):
        clock.advance(random.uniform(0.5, 3))
        random.choice(processes).look(clock, seconds * random.uniform(0.5, 1.5))
        used += sum(ends > clock.now() for _, ends in copies.values())
    started = sum(process.started for process in processes)
    refused = sum(process.refused for process in processes)
    assert refused <= 0.02 * started
    assert used >= 0.9 * 20 * rounds
    assert min(process.started for process in processes) >= started * 0.1
