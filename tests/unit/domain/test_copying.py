from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshot_dr_provider.domain.copying import (
    CopyRequest,
    Failure,
    Limits,
    Memory,
    Round,
    live_copies,
    only_copy,
    plan_round,
    survivor,
)
from snapshot_dr_provider.domain.lineage import seniority
from snapshot_dr_provider.domain.snapshots import Snapshot
from tests.builders import FORMER_KMS_C, KMS_A, KMS_B, at, lineage
from tests.builders import copy as build_copy

NOW = at(30)
SETTLE = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
LIMITS = Limits(kms_key_arns=frozenset({KMS_B}), max_attempts=2, settle=SETTLE, wait_until=at(40))
READY = CopyRequest("snap-1", "ready", "snap-1", lineage())
PENDING = CopyRequest("snap-1", "pending", why="the source is still pending at 7 percent")
UNPREPARED = CopyRequest("snap-1", "unprepared", "snap-b", lineage(), "not visible there")
UNUSABLE = CopyRequest("snap-1", "unusable", why="the source is gone")


def copy(copy_id: str = "snap-b1", state: str = "completed", hours: float = 25, **changes) -> Snapshot:
    """Build a copy of snap-1 under KMS-B."""
    return build_copy(copy_id, lineage(), state=state, start_time=at(hours), **changes)


def decide(request: CopyRequest, *copies: Snapshot, memory: Memory = Memory(), limits=LIMITS, now=NOW) -> Round:  # noqa: B008  # frozen
    """Plan a round for one request."""
    return plan_round([request], {"snap-1": copies}, memory, limits, now)


def what(made: Round) -> str:
    """Name the one thing that a round of one request does with it."""
    named = {
        "finish": made.finished,
        "prepare": made.prepare,
        "start": made.start,
        "await": made.awaited,
        "give up": made.given_up,
    }
    (verdict,) = [name for name, found in named.items() if found]
    return verdict


def why(made: Round) -> str:
    """Say why the one request was given up."""
    (failure,) = made.given_up
    return failure.why


# Adopt and await


def test_a_completed_copy_is_adopted_and_nothing_is_started():
    """A source whose copy is completed is finished with it, whoever made it."""
    made = decide(READY, copy())
    assert made.finished == {"snap-1": copy()}
    assert (made.prepare, made.start, made.awaited) == ((), (), ())
    assert not made.remove


@pytest.mark.parametrize("request_", [PENDING, UNPREPARED, UNUSABLE], ids=lambda r: r.readiness)
def test_a_copy_counts_even_if_its_source_is_not_ready(request_):
    """A completed copy finishes its source, and a pending one is awaited, though it could not be copied again."""
    assert what(decide(request_, copy())) == "finish"
    assert what(decide(request_, copy(state="pending"))) == "await"


def test_a_pending_copy_is_awaited():
    """Nothing is started beside a pending copy."""
    made = decide(READY, copy(state="pending"))
    assert made.awaited == ("snap-1",)


def test_without_waiting_a_started_copy_is_enough():
    """Where nobody waits for completion, the senior copy finishes its source as soon as it is started."""
    limits = replace(LIMITS, wait_for_completion=False)
    made = decide(READY, copy("snap-b2", "pending", 26), copy("snap-b1", "pending", 25), limits=limits)
    assert made.finished["snap-1"].snapshot_id == "snap-b1"


def test_a_source_without_a_copy_is_started():
    """A ready source of which there is no copy is started."""
    assert decide(READY).start == (READY,)


def test_each_request_is_decided_on_its_own():
    """One bad source does not hold up the others, and the order of the requests is kept."""
    requests = [replace(READY, source_snapshot_id=f"snap-{i}") for i in (3, 1, 2)]
    bad = CopyRequest("snap-9", "unusable", why="gone")
    made = plan_round([requests[0], bad, *requests[1:]], {}, Memory(), LIMITS, NOW)
    assert made.start == tuple(requests)
    assert made.given_up == (Failure("snap-9", "gone"),)


# Duplicates


def test_the_senior_copy_survives():
    """Of several live copies the one with the smallest (StartTime, SnapshotId) survives, completed or not."""
    old, young, twin = copy("snap-b9", "pending", 25), copy("snap-b1", hours=26), copy("snap-b0", hours=26)
    assert survivor([young, twin, old], LIMITS.kms_key_arns) == old
    assert live_copies([young, twin, old], LIMITS.kms_key_arns) == [old, twin, young]
    assert survivor([copy(state="error")], LIMITS.kms_key_arns) is None


def test_a_completed_duplicate_of_a_completed_survivor_is_removed():
    """The duplicate goes, the survivor stays, and the source is not finished before the duplicate is gone."""
    old, young = copy("snap-b9", hours=25), copy("snap-b1", hours=26)
    made = decide(READY, young, old)
    assert made.remove == (young,)
    assert what(made) == "await"
    assert decide(READY, young, old, memory=Memory(removed=frozenset({"snap-b1"}))).finished == {"snap-1": old}


@pytest.mark.parametrize(("old", "young"), [("pending", "completed"), ("completed", "pending"), ("pending", "pending")])
def test_nothing_is_removed_while_a_copy_is_pending(old, young):
    """Neither goes the only completed copy while its senior is pending, nor a duplicate that is pending (aws 4.7)."""
    made = decide(READY, copy("snap-b1", old, 25), copy("snap-b2", young, 26))
    assert what(made) == "await"
    assert not made.remove


def test_when_the_senior_copy_fails_the_next_one_takes_its_place():
    """A failed copy is no survivor: the next senior live copy finishes the source, and the failed one has served."""
    failed = copy("snap-b1", "error", 25)
    made = decide(READY, failed, copy("snap-b2", hours=26))
    assert made.finished["snap-1"].snapshot_id == "snap-b2"
    assert made.remove == (failed,)


def test_all_duplicates_go_at_once():
    """Of several completed copies all but the survivor are removed."""
    copies = [copy(f"snap-b{i}", hours=25 + i) for i in range(4)]
    assert decide(READY, *copies).remove == tuple(copies[1:])


# Keys


def test_a_completed_copy_under_another_key_does_not_count_and_is_left_alone():
    """A completed copy under a wrong key neither finishes its source nor makes another copy a duplicate of it."""
    wrong = copy("snap-b0", hours=24, kms_key_arn=KMS_A)
    made = decide(READY, wrong, memory=Memory(earlier_errors=frozenset({"snap-b0"})))
    assert what(made) == "start"
    assert not made.remove
    beside = decide(READY, wrong, copy())
    assert beside.finished == {"snap-1": copy()}
    assert not beside.remove


def test_a_copy_of_this_try_under_another_key_is_not_made_again():
    """A copy that this try has made and that ends under a wrong key is a failure: the next would end there, too."""
    made = decide(READY, copy("snap-b0", kms_key_arn=KMS_A))
    assert f"snap-b0 is under {KMS_A}, not under {KMS_B}" in why(made)
    assert not made.remove


def test_copies_that_differ_in_size_are_left_to_a_person():
    """Of two completed copies that contradict each other none is deleted for the other: one of them is wrong."""
    made = decide(READY, copy("snap-b0", hours=24, full_snapshot_bytes=1), copy("snap-b1", full_snapshot_bytes=2))
    assert "snap-b0, snap-b1 differ in size" in why(made)
    assert not made.remove


def test_a_pending_copy_is_taken_at_the_word_of_its_lineage():
    """A pending copy does not tell its key (aws 1.8): it counts if its tags name one that counts."""
    for_another_key = build_copy("snap-b1", lineage(kms_key_arn=KMS_A), state="pending")
    assert what(decide(READY, for_another_key)) == "start"
    assert what(decide(READY, copy(state="pending"))) == "await"


def test_former_keys_count():
    """A completed copy under any of the keys that count finishes its source."""
    limits = replace(LIMITS, kms_key_arns=frozenset({KMS_B, FORMER_KMS_C}))
    assert what(decide(READY, copy(kms_key_arn=FORMER_KMS_C), limits=limits)) == "finish"


# Attempts


def test_a_failed_copy_is_started_again_within_bounds():
    """A source is given up only after max_attempts failed copies, with the last of them as evidence."""
    first, second = copy("snap-b1", "error", 25), copy("snap-b2", "error", 26)
    assert what(decide(READY, first)) == "start"
    made = decide(READY, second, first)
    assert why(made) == "2 copies failed, the last with 'Given key ID is not accessible'"
    assert made.given_up[0].copy == second


def test_failed_copies_of_this_try_stay_as_evidence():
    """While it counts as an attempt, a failed copy is not removed: a restarted trigger counts it, too."""
    assert not decide(READY, copy("snap-b1", "error")).remove
    assert not decide(READY, copy("snap-b1", "error"), copy("snap-b2", "error")).remove


def test_failures_of_an_earlier_try_do_not_count():
    """Clearing the task gives a source as many attempts again; what failed before is removed."""
    copies = [copy(f"snap-b{i}", "error", 25 + i) for i in range(3)]
    earlier = Memory(earlier_errors=frozenset(c.snapshot_id for c in copies))
    made = decide(READY, *copies, memory=earlier)
    assert what(made) == "start"
    assert made.remove == tuple(copies)
    fresh = copy("snap-b7", "error", 29)
    assert what(decide(READY, *copies, fresh, memory=earlier)) == "start"
    assert what(decide(READY, *copies, fresh, replace(fresh, snapshot_id="snap-b8"), memory=earlier)) == "give up"


def test_a_failed_copy_is_given_time_before_the_next():
    """After a failure nothing is started before settle has passed since that copy was started."""
    failed = copy("snap-b1", "error", 25)
    start = failed.start_time
    assert what(decide(READY, failed, now=start + SETTLE - SECOND)) == "await"
    assert what(decide(READY, failed, now=start + SETTLE)) == "start"


def test_a_live_copy_outweighs_failures():
    """Failed copies give nothing up while another copy is on its way or done."""
    failed = [copy(f"snap-b{i}", "error", 25 + i) for i in range(3)]
    assert what(decide(READY, *failed, copy("snap-b9", "pending", 29))) == "await"
    done = decide(READY, *failed, copy("snap-b9", hours=29))
    assert what(done) == "finish"
    assert done.remove == tuple(failed)


# What reads do not show yet


@pytest.mark.parametrize("memory", [Memory(started={"snap-1": ("snap-b1", NOW)}), Memory(unclear={"snap-1": NOW})])
def test_a_start_that_is_not_seen_is_waited_out(memory):
    """After a start that reads do not show, or whose answer was lost, nothing is started until settle has passed."""
    assert what(decide(READY, memory=memory, now=NOW + SETTLE - SECOND)) == "await"
    assert what(decide(READY, memory=memory, now=NOW + SETTLE)) == "start"


@pytest.mark.parametrize("memory", [Memory(started={"snap-1": ("snap-b2", NOW)}), Memory(unclear={"snap-1": NOW})])
def test_a_start_that_is_not_seen_keeps_its_source_open(memory):
    """A source is not finished with somebody else's copy while one of our own may still come to light beside it."""
    assert what(decide(READY, copy("snap-b1"), memory=memory, now=NOW + SETTLE - SECOND)) == "await"
    assert what(decide(READY, copy("snap-b1"), memory=memory, now=NOW + SETTLE)) == "finish"


def test_a_start_that_is_seen_needs_no_waiting():
    """A source is finished as soon as the copy that was started for it is seen completed."""
    memory = Memory(started={"snap-1": ("snap-b1", NOW)})
    assert what(decide(READY, copy("snap-b1"), memory=memory, now=NOW)) == "finish"


def test_a_copy_that_was_removed_is_forgotten_though_reads_show_it():
    """Reads may show a deleted copy for a while: it neither counts nor is it deleted again."""
    memory = Memory(removed=frozenset({"snap-b1"}))
    made = decide(READY, copy("snap-b1"), memory=memory)
    assert what(made) == "start"
    assert not made.remove


# Refusals


def test_one_refusal_is_forgiven():
    """A start that was refused once, perhaps by a policy not in effect yet, is tried again after settle."""
    once = Memory(refused={"snap-1": (1, NOW, "AuthFailure")})
    assert what(decide(READY, memory=once, now=NOW + SETTLE - SECOND)) == "await"
    assert what(decide(READY, memory=once, now=NOW + SETTLE)) == "start"
    twice = Memory(refused={"snap-1": (2, NOW, "AuthFailure")})
    assert why(decide(READY, memory=twice)) == "AuthFailure"


def test_refusals_do_not_matter_once_there_is_a_copy():
    """A source that was refused twice is finished nevertheless when a copy of it turns up."""
    twice = Memory(refused={"snap-1": (2, NOW, "AuthFailure")})
    assert what(decide(READY, copy(), memory=twice)) == "finish"


# Readiness


def test_a_pending_source_is_awaited_until_its_time_is_up():
    """A source that is not ready is awaited up to wait_until and then given up with the reason and the time."""
    assert what(decide(PENDING, now=LIMITS.wait_until - SECOND)) == "await"
    assert why(decide(PENDING, now=LIMITS.wait_until)) == (
        "the source is still pending at 7 percent; waited until 2026-11-23 16:00 UTC"
    )


def test_a_ready_source_is_started_even_late():
    """The time limit is for sources that are not ready: a ready one waits for its slot as long as it takes."""
    assert what(decide(READY, now=LIMITS.wait_until + timedelta(days=1))) == "start"


def test_an_unusable_source_is_given_up_at_once():
    """A source that can never be copied is given up with its reason."""
    assert why(decide(UNUSABLE)) == "the source is gone"


def test_an_unprepared_copy_is_shared_and_shared_again_after_settle():
    """What has to be shared is prepared, then given settle to take effect, then prepared again, up to wait_until."""
    assert decide(UNPREPARED).prepare == (UNPREPARED,)
    shared = Memory(prepared={"snap-1": NOW})
    assert what(decide(UNPREPARED, memory=shared, now=NOW + SETTLE - SECOND)) == "await"
    assert what(decide(UNPREPARED, memory=shared, now=NOW + SETTLE)) == "prepare"
    assert "not visible there" in why(decide(UNPREPARED, memory=shared, now=LIMITS.wait_until))


# Laws


COPIES = st.lists(
    st.builds(
        copy,
        st.integers(0, 99).map("snap-b{}".format),
        st.sampled_from(["pending", "completed", "error"]),
        st.integers(0, 29),
    ),
    max_size=5,
    unique_by=lambda found: found.snapshot_id,
)
MOMENTS = st.integers(-90, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
MEMORIES = st.builds(
    Memory,
    started=st.just({}) | MOMENTS.map(lambda moment: {"snap-1": ("snap-b100", moment)}),
    unclear=st.just({}) | MOMENTS.map(lambda moment: {"snap-1": moment}),
    prepared=st.just({}) | MOMENTS.map(lambda moment: {"snap-1": moment}),
    refused=st.just({}) | st.tuples(st.integers(1, 2), MOMENTS).map(lambda pair: {"snap-1": (*pair, "AuthFailure")}),
    removed=st.frozensets(st.integers(0, 99).map("snap-b{}".format), max_size=2),
    earlier_errors=st.frozensets(st.integers(0, 99).map("snap-b{}".format), max_size=2),
)
REQUESTS = st.sampled_from([READY, PENDING, UNPREPARED, UNUSABLE])


@given(REQUESTS, COPIES, MEMORIES)
def test_each_request_has_one_verdict(request_, copies, memory):
    """Whatever is seen and remembered, a request is finished, prepared, started, awaited or given up: just one."""
    assert what(decide(request_, *copies, memory=memory))


@given(REQUESTS, COPIES, MEMORIES)
def test_a_live_copy_is_removed_only_for_a_completed_senior(request_, copies, memory):
    """What is removed is a failed copy, or a completed one whose survivor is completed and stays."""
    made = decide(request_, *copies, memory=memory)
    for gone in made.remove:
        completed = [c for c in copies if c.state == "completed" and c not in made.remove]
        stays = [c for c in completed if seniority(c) < seniority(gone)]
        assert gone.state == "error" or (gone.state == "completed" and stays)


@given(REQUESTS, COPIES, MEMORIES)
def test_two_copies_are_never_wanted(request_, copies, memory):
    """Nothing is started or given up while a live copy is seen."""
    made = decide(request_, *copies, memory=memory)
    if live_copies([c for c in copies if c.snapshot_id not in memory.removed], LIMITS.kms_key_arns):
        assert what(made) in ("finish", "await")


@pytest.mark.parametrize(
    ("copies", "later", "found"),
    [
        ([copy("snap-1")], 2 * SETTLE, True),
        ([copy("snap-1")], 2 * SETTLE - timedelta(seconds=1), False),
        ([copy("snap-1", state="pending")], 2 * SETTLE, False),
        ([copy("snap-1"), copy("snap-2", state="pending")], 2 * SETTLE, False),
        ([copy("snap-1"), copy("snap-2", state="error")], 2 * SETTLE, True),
        ([], 2 * SETTLE, False),
    ],
)
def test_a_copy_is_trusted_to_be_the_only_one_after_twice_the_lag(copies, later, found):
    """A sibling may come to light within twice settle of the start; only then one completed copy is the only one."""
    now = copy("snap-1").start_time + later
    assert (only_copy(copies, LIMITS.kms_key_arns, SETTLE, now) is not None) is found


# The end of the window


ENDING = replace(LIMITS, start_until=NOW, why_not_later="the window ends; clear this task")


@pytest.mark.parametrize("request_", [READY, PENDING, UNPREPARED], ids=lambda r: r.readiness)
def test_what_is_not_started_in_time_is_given_up(request_):
    """From the last start on, a source of which nothing was started is given up, and not a moment before."""
    made = decide(request_, limits=ENDING)
    assert why(made) == "the window ends; clear this task"
    assert what(decide(request_, limits=ENDING, now=NOW - timedelta(seconds=1))) != "give up"


def test_what_was_started_in_time_is_awaited():
    """After the last start copies in flight are awaited, seen or not, and completed ones taken."""
    assert what(decide(READY, copy(state="pending"), limits=ENDING)) == "await"
    assert what(decide(READY, copy(), limits=ENDING)) == "finish"
    for memory in (Memory(started={"snap-1": ("snap-b1", NOW)}), Memory(unclear={"snap-1": NOW})):
        assert what(decide(READY, memory=memory, limits=ENDING)) == "await"
        assert what(decide(READY, memory=memory, limits=ENDING, now=NOW + SETTLE)) == "give up"


def _apply(
    made: Round, copies: Sequence[Snapshot], memory: Memory, requests: Mapping[str, CopyRequest], now: datetime
) -> tuple[list[Snapshot], Memory, dict[str, CopyRequest]]:
    """Carry a round out in a world where everything succeeds and is done by the next round."""
    gone = memory.removed | {c.snapshot_id for c in made.remove}
    done = [replace(c, state="completed", kms_key_arn=KMS_B) if c.state == "pending" else c for c in copies]
    new = [replace(copy(f"snap-n{now:%j%H%M%S}"), start_time=now) for _ in made.start]
    ready = dict.fromkeys((*made.awaited, *(request.source_snapshot_id for request in made.prepare)), READY)
    after = replace(memory, removed=gone)
    return [c for c in done if c.snapshot_id not in gone] + new, after, {**requests, **ready}


@given(st.sampled_from([READY, PENDING, UNPREPARED]), COPIES, MEMORIES)
def test_a_round_that_was_carried_out_leaves_nothing_to_do(request_, copies, memory):
    """plan(apply(plan)) is empty: after a few rounds that succeed the plan has nothing left to do, and stays so."""
    requests = {"snap-1": request_}
    now = NOW
    for _ in range(7):
        made = decide(requests["snap-1"], *copies, memory=memory, now=now)
        copies, memory, requests = _apply(made, copies, memory, requests, now)
        now += SETTLE
    last = decide(requests["snap-1"], *copies, memory=memory, now=now)
    assert (last.prepare, last.start, last.awaited) == ((), (), ())
    if last.finished:
        assert not last.remove
        assert live_copies(copies, LIMITS.kms_key_arns) == list(last.finished.values())


RECENT_COPIES = st.lists(
    st.builds(
        lambda number, state, moment: replace(copy(f"snap-b{number}", state), start_time=moment),
        st.integers(98, 101),
        st.sampled_from(["pending", "completed", "error"]),
        st.integers(-200, 0).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    ),
    max_size=3,
    unique_by=lambda found: found.snapshot_id,
)
DEADLINES = st.none() | st.integers(-90, 300).map(lambda seconds: NOW + timedelta(seconds=seconds))
SHORT_LIMITS = st.builds(
    lambda wait, start: replace(LIMITS, wait_until=wait or LIMITS.wait_until, start_until=start),
    DEADLINES,
    DEADLINES,
)


@settings(max_examples=400)
@given(REQUESTS, st.just([]) | COPIES | RECENT_COPIES, st.just(Memory()) | MEMORIES, SHORT_LIMITS)
def test_nothing_changes_before_changes_at(request_, copies, memory, limits):
    """Whoever sleeps until changes_at misses nothing: before it the same inputs give the same verdict."""
    now = decide(request_, *copies, memory=memory, limits=limits)
    if now.finished or now.given_up:
        return
    until = now.changes_at.get("snap-1", NOW + timedelta(seconds=600))
    assert until > NOW
    for later in (NOW + timedelta(seconds=seconds) for seconds in range(1, 600, 7)):
        if later < until:
            then = decide(request_, *copies, memory=memory, limits=limits, now=later)
            assert (what(then), then.remove) == (what(now), now.remove)
