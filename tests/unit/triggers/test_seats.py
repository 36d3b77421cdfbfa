from collections import Counter
from datetime import timedelta

from snapshot_dr_provider.triggers.seats import Seat, choose
from tests.builders import at

NOW = at(24)


def seat(*sources: str, ranks: dict[str, int] | None = None) -> Seat:
    """Give a seat whose sources all wait for a slot."""
    made = Seat(sources, on_change=lambda: None)
    made.line_up(ranks or dict.fromkeys(sources, 0))
    return made


def sources(chosen):
    """Name what was chosen."""
    return [source for _, source in chosen]


def test_a_small_route_does_not_wait_for_a_large_one():
    """Slots go to whoever has the fewest copies in flight, however long the queue of another is."""
    large, small = seat(*(f"large-{i}" for i in range(500))), seat("small-1", "small-2")
    chosen = choose([large, small], 4, NOW, ())
    assert Counter(chosen_seat is small for chosen_seat, _ in chosen) == {True: 2, False: 2}


def test_what_is_in_flight_counts():
    """A route that has copies in flight already is served after those that have none."""
    busy, idle = seat("a-1", "a-2"), seat("b-1", "b-2")
    busy.busy = 5
    assert sources(choose([busy, idle], 2, NOW, ())) == ["b-1", "b-2"]


def test_equals_take_turns():
    """Of two with as many in flight the one goes first that was served longer ago."""
    one, other = seat("a-1"), seat("b-1")
    one.last_served, other.last_served = 2, 1
    assert sources(choose([one, other], 1, NOW, ())) == ["b-1"]


def test_lower_ranks_go_first_everywhere():
    """A source of a lower rank goes before all others, of whatever route; within a rank routes share."""
    one = seat("a-1", "a-2", ranks={"a-1": 5, "a-2": 5})
    other = seat("b-1", "b-2", ranks={"b-1": 1, "b-2": 1})
    assert sources(choose([one, other], 3, NOW, ())) == ["b-1", "b-2", "a-1"]


def test_lower_ranks_go_first_within_a_route():
    """A source that stepped back or was not ready at first keeps its rank; within a rank who waits longest goes."""
    one = seat("a-1", "a-2", "a-3", ranks={"a-1": 0, "a-2": -5, "a-3": 0})
    one.line_up({"a-4": -5})
    assert sources(choose([one], 9, NOW, ())) == ["a-2", "a-4", "a-1", "a-3"]


def test_a_source_is_chosen_once():
    """A source that two seats wait for, or of which a copy was just started, is not chosen a second time."""
    one, other = seat("a-1", "a-2"), seat("a-1", "a-3")
    assert sorted(sources(choose([one, other], 9, NOW, {"a-3"}))) == ["a-1", "a-2"]


def test_who_pauses_is_passed_over():
    """A seat that has asked for a pause gets nothing until it is over."""
    pausing = seat("a-1")
    pausing.pause(NOW + timedelta(seconds=10))
    assert choose([pausing], 1, NOW, ()) == []
    assert pausing.pause_at(NOW) == NOW + timedelta(seconds=10)
    assert sources(choose([pausing], 1, NOW + timedelta(seconds=10), ())) == ["a-1"]


def test_the_next_alarm_is_the_earliest():
    """next_alarm follows every change: earlier, later, dropped and settled ones."""
    made = Seat(["a", "b"], on_change=lambda: None)
    assert made.next_alarm is None
    made.expect("a", at(26))
    made.expect("b", at(25))
    assert made.next_alarm == at(25)
    made.expect("b", at(27))
    assert made.next_alarm == at(26)
    assert made.due_at(at(26)) == ["a"]
    made.drop_alarms({"a"})
    assert made.next_alarm == at(27)
    made.settle(["b"])
    assert made.next_alarm is None
