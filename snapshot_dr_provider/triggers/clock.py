"""Time as an argument, so that a test can run on the clock of the AWS that it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tell the time and let it pass."""

    def now(self) -> datetime:
        """Tell the time, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let some seconds pass."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Tell the time, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Let some seconds pass."""
        await asyncio.sleep(seconds)


_CLOCK: ContextVar[Clock] = ContextVar("clock", default=SystemClock())  # noqa: B039  # it holds nothing


def current_clock() -> Clock:
    """Give the clock that operators and triggers go by: the machine's, unless they run :func:`on_clock` of another."""
    return _CLOCK.get()


@contextmanager
def on_clock(clock: Clock) -> Iterator[None]:
    """Let what is called, and the tasks and threads that are begun, within a ``with`` block go by another clock."""
    token = _CLOCK.set(clock)
    try:
        yield
    finally:
        _CLOCK.reset(token)
