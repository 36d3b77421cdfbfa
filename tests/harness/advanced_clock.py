"""
A clock that the sandbox and its clients share, and that is moved on as soon as all of them wait.

Hours of copies pass in seconds, and the times that are measured do not depend on the machine.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime, timedelta
from itertools import count
from threading import Lock, Thread
from typing import Any


class AdvancedClock:
    """
    Tell the time of a sandbox whose clock stands still unless it is moved from here.

    :param now: what the sandbox's clock stands at.
    :param move: moves that clock on by some seconds and answers the new time; nobody else may move it.
    """

    def __init__(self, now: datetime, move: Callable[[float], datetime]) -> None:
        self._now = now
        self._move = move
        self._moving = Lock()
        self._order = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Tell the time, UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the time has come; in a loop that moves the clock only."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), woken))
        await woken

    def let_pass(self, seconds: float) -> None:
        """Move on by some seconds while whoever calls does nothing else."""
        with self._moving:
            self._now = self._move(seconds)

    def advance(self) -> bool:
        """
        Move on to the moment for which the first one waits, and wake up all whose time has come.

        :returns: whether there is any.
        """
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # It was cancelled.
        if not self._sleepers:
            return False
        seconds = (self._sleepers[0][0] - self._now).total_seconds()
        if seconds > 0:
            self.let_pass(seconds)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
        return True


class QuietLoop(asyncio.SelectorEventLoop):
    """
    Run until nothing moves, then advance the clock, and so on.

    Nothing moves when no callback is ready and no thread works for the loop: neither a worker nor a call to AWS. Timers
    of the loop itself go by the machine's time and are passed over: what waits has to wait on the clock.

    :param latency: tells how many seconds on the clock what is done in a thread takes; its effect comes before they
        pass.
    """

    def __init__(self, clock: AdvancedClock, latency: Callable[[], float]) -> None:
        self._in_threads = 0
        self._clock = clock
        self._latency = latency
        super().__init__(_IdleSelector(self._move_on))

    def _move_on(self) -> bool:
        return self._in_threads == 0 and self._clock.advance()

    def run_in_executor(  # type: ignore[override]  # narrower than the loop's: functions as in_thread passes them
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Count what runs in threads. A call counts no more once its waiter was cancelled, though it goes on."""
        self._in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._has_ended)
        return self.create_task(self._late(future))

    def _has_ended(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1

    async def _late(self, future: asyncio.Future[Any]) -> Any:
        try:
            return await future
        finally:
            await self._clock.sleep(self._latency())


class InlineLoop(QuietLoop):
    """
    Do also what is done in threads one thing after the other: what happens then depends on the machine no more.

    Each thing has a thread of its own, in which it may run such a loop again, as ``asyncio.run`` of a worker does.
    """

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do it at once, and let the answer come later."""
        future: asyncio.Future[Any] = self.create_future()
        outcome: list[tuple[Callable[[Any], None], Any]] = []
        thread = Thread(target=_do, args=(outcome, future, func, args), name="inline")
        thread.start()
        thread.join()
        settle, value = outcome[0]
        settle(value)
        return self.create_task(self._late(future))

    def _move_on(self) -> bool:
        if not super()._move_on():
            raise RuntimeError("everything waits, and nothing will happen any more")
        return True


def _do(
    outcome: list[tuple[Callable[[Any], None], Any]],
    future: asyncio.Future[Any],
    func: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    try:
        outcome.append((future.set_result, func(*args)))
    except BaseException as error:  # noqa: BLE001  # handed on to whoever waits
        outcome.append((future.set_exception, error))


class InlineLoops(asyncio.DefaultEventLoopPolicy):
    """Have every new loop of this process be an :class:`InlineLoop`, those of workers too."""

    def __init__(self, clock: AdvancedClock, latency: Callable[[], float]) -> None:
        super().__init__()
        self._make = lambda: InlineLoop(clock, latency)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make a loop."""
        return self._make()


class _IdleSelector(selectors.DefaultSelector):
    """
    Do something before waiting: a loop that has nothing to do selects with a timeout other than 0.

    :param idle: tells whether it has made anything ready, so that there is nothing to wait for.
    """

    def __init__(self, idle: Callable[[], bool]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for files, or return at once when the idle function has made something ready."""
        # First those that are ready: with them a thread tells that it has ended.
        ready = super().select(0)
        if ready or timeout == 0 or self._idle():
            return ready
        return super().select(timeout)
