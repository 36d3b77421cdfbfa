"""
Examples of every kind of value that some tests can tell apart.

Whether anybody at all fits a policy is asked by trying: one example of each kind is as good as all values there are. A
kind is which of the tests a value passes; a test is the group of patterns of which one has to match. Patterns are those
of IAM, ``*`` for any text and ``?`` for one character.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from string import ascii_lowercase, digits
from typing import Final

from snapshot_dr_provider.domain.key_policy.patterns import matches_pattern

MAX_WORK: Final = 100_000
"""Patterns that are compared in one search for examples; policies that people write need some hundreds."""

PATTERNS_A_STEP: Final = 64
"""Patterns that are followed by one letter for the price of one comparison."""

MAX_KINDS_IN_SETS: Final = 4
"""Kinds of values of which all sets are tried."""

Groups = frozenset[frozenset[str]]
"""Tests, each as the patterns of which one has to match."""


@dataclass(frozen=True, slots=True)
class Examples:
    """
    Hold one value of each kind.

    :param complete: whether every other value would be treated like one of these.
    """

    values: tuple[str, ...]
    complete: bool = True


@lru_cache(maxsize=4096)
def examples(groups: Groups, shape: str = "*", alphabet: str = ascii_lowercase + digits) -> Examples:
    """
    Find one value of each kind, within a shape.

    :param groups: the tests of a policy on the value; one that has no value within the shape is left out.
    :param shape: a pattern that every value fits, such as ``o-*``.
    :param alphabet: characters that wildcards stand for, beside those that the patterns write out.
    """
    literals = {value for group in groups for value in group if not _has_wildcard(value)}
    globs = {glob for group in groups for glob in group if _has_wildcard(glob)}
    found: dict[Groups, str] = {}
    complete = False
    for value in _written_and_built(literals, [shape, *sorted(globs)], alphabet):
        if value is None:
            complete = True
            break
        found.setdefault(frozenset(group for group in groups if _is_in(value, group)), value)
        if len(found) == 2 ** len(groups):
            complete = True
            break
    return Examples(tuple(found.values()), complete)


def sets_of(found: Examples) -> list[tuple[str, ...]]:
    """List the sets of values that a key with several values can have; all of them where the kinds are few."""
    if len(found.values) > MAX_KINDS_IN_SETS:
        return [(), *((value,) for value in found.values), found.values]
    return [chosen for size in range(len(found.values) + 1) for chosen in combinations(found.values, size)]


def _has_wildcard(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _is_in(value: str, group: frozenset[str]) -> bool:
    return value in group or any(_has_wildcard(glob) and matches_pattern(glob, value) for glob in group)


def _written_and_built(literals: set[str], globs: list[str], alphabet: str) -> Iterator[str | None]:
    """Go through values until every kind has been seen, and end with ``None`` if that is certain."""
    shape = globs[0]
    yield from sorted(value for value in literals if matches_pattern(shape, value))
    # Values in one state differ in nothing but whether they are written out, so that one more than these is enough.
    yield from _Automaton(globs, _letters(globs, alphabet)).walk(enough=len(literals) + 1)


def _letters(globs: Iterable[str], alphabet: str) -> str:
    """Choose the characters to build examples of: those that tell patterns apart, and two of the others."""
    written = {letter for glob in globs for letter in glob if letter not in "*?"}
    spare = [letter for letter in alphabet if letter not in written][:2] or list(alphabet[:2])
    # The others come first, so that what is built reads like a name.
    return "".join(dict.fromkeys([*spare, *sorted(written)]))


class _Automaton:
    """
    Walk through all globs at once, letter by letter.

    A state is one number with a bit for each place in each glob that the letters so far can have led to.
    """

    def __init__(self, globs: list[str], letters: str) -> None:
        self._size = len(globs)
        self._steps = dict.fromkeys(letters, 0)
        self._stars = self._start = self._shape = offset = 0
        for glob in globs:
            places = re.sub(r"\*+", "*", glob)
            self._start |= 1 << offset
            for at, letter in enumerate(places, offset):
                if letter == "*":
                    self._stars |= 1 << at
                for each in letters if letter == "?" else letter.strip("*"):
                    self._steps[each] |= 1 << at
            if not self._shape:
                # The shape comes first; all the places of it and its last one, at which it is fulfilled.
                self._shape, self._fulfilled = (1 << (len(places) + 1)) - 1, 1 << len(places)
            offset += len(places) + 1
        self._start = self._closed(self._start)

    def _closed(self, state: int) -> int:
        """Add the places behind stars, which match nothing as well."""
        return state | (state & self._stars) << 1

    def walk(self, enough: int) -> Iterator[str | None]:
        """
        Build values within the shape, the shortest first, and end with ``None`` when there are no others to see.

        :param enough: how many values of each state are wanted.
        """
        queue = deque([(self._start, "")])
        visits = {self._start: 1}
        work = 0
        while queue:
            state, text = queue.popleft()
            if state & self._fulfilled:
                work += self._size
                yield text
            for letter, places in self._steps.items():
                work += 1 + self._size // PATTERNS_A_STEP
                following = self._closed((state & places) << 1 | state & self._stars)
                if following & self._shape and visits.get(following, 0) < enough:
                    visits[following] = visits.get(following, 0) + 1
                    queue.append((following, text + letter))
            if work > MAX_WORK:
                return
        yield None
