from __future__ import annotations

from string import digits

from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.examples import Examples, Groups, examples, sets_of
from snapshot_dr_provider.domain.key_policy.patterns import matches_pattern

groups = st.frozensets(st.frozensets(st.text("ab*?", max_size=5), max_size=3), max_size=3)


def kind_of(value: str, tests: Groups) -> Groups:
    """Say which tests a value passes."""
    return frozenset(test for test in tests if any(matches_pattern(pattern, value) for pattern in test))


@given(groups, st.text("abc", max_size=7))
def test_every_value_is_treated_like_an_example(tests: Groups, value: str) -> None:
    """Whatever tests a value passes, an example passes exactly the same ones."""
    found = examples(tests)
    assert not found.complete or kind_of(value, tests) in {kind_of(each, tests) for each in found.values}


@given(groups, st.text("ab*?", max_size=5))
def test_examples_fit_their_shape(tests: Groups, shape: str) -> None:
    """No example is of another shape than was asked for."""
    assert all(matches_pattern(shape, value) for value in examples(tests, shape).values)


def test_one_of_a_list_is_enough() -> None:
    """A long list of accounts in one test makes two kinds: those that are in it, and the others."""
    accounts = frozenset(f"{number:012}" for number in range(500))
    found = examples(frozenset({accounts}), "?" * 12, digits)
    assert found.complete
    assert [value in accounts for value in found.values] == [True, False]


def test_search_ends_and_says_that_it_was_cut_off() -> None:
    """Tests that tell too many kinds apart to see them all end the search, and what it has found is incomplete."""
    tests = frozenset(frozenset({f"*{letter}*{'?' * n}{letter}?*"}) for n in range(6) for letter in "abcdef")
    assert not examples(tests).complete


def test_sets_of_few_kinds_are_all_tried() -> None:
    """A key with several values is tried with every set of them, or with none, each and all where they are many."""
    assert len(sets_of(Examples(("a", "b", "c")))) == 8
    assert sets_of(Examples(tuple("abcdef"))) == [(), *((each,) for each in "abcdef"), tuple("abcdef")]
