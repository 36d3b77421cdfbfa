"""Chance as an argument, so that a test can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import Random, SystemRandom

_RANDOM: ContextVar[Random] = ContextVar("random", default=SystemRandom())  # noqa: B039  # it holds nothing


def current_random() -> Random:
    """Give the chance that waits are spread by: the system's, unless what asks runs within :func:`by_chance_of`."""
    return _RANDOM.get()


@contextmanager
def by_chance_of(random: Random) -> Iterator[None]:
    """Let what is called, and the tasks and threads that are begun, within a ``with`` block go by another chance."""
    token = _RANDOM.set(random)
    try:
        yield
    finally:
        _RANDOM.reset(token)
