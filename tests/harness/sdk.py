"""The AWS SDK of a process on an advanced clock: its waits take no time, its requests are counted, one kills it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from threading import local
from types import SimpleNamespace
from typing import Any, Final, Literal

import botocore.endpoint
from botocore.handlers import BUILTIN_HANDLERS

from tests.harness.advanced_clock import AdvancedClock

KILLED: Final = 9
"""Exit status of a process that has died where it was told to."""

Moment = Literal["before", "after"]
"""Before a request leaves the process, or when its answer has come and nobody has read it."""


def wait_on(clock: AdvancedClock) -> None:
    """Let the SDK's pauses between its tries pass on the clock."""
    botocore.endpoint.time = SimpleNamespace(sleep=clock.let_pass, time=time.time)


class Watch:
    """
    See every request of the clients that are made from now on, tries of the SDK by itself among them.

    :param sent: is told the operation of each.
    """

    def __init__(self) -> None:
        self.sent: Callable[[str], object] = str
        self.keeps_connections = True
        self._die_at: int | None = None
        self._moment: Moment = "before"
        self._numbers = count()
        self._here = local()
        BUILTIN_HANDLERS.extend([("before-send", self._before), ("response-received", self._after)])

    def die_at(self, number: int | None, moment: Moment) -> None:
        """End this process without a trace at that request, counted from now on, from 0."""
        self._die_at, self._moment = number, moment
        self._numbers = count()

    def _before(self, request: Any, event_name: str, **_: Any) -> None:
        self._here.number = next(self._numbers)
        if not self.keeps_connections:
            request.headers["Connection"] = "close"
        if self._moment == "before":
            self._die_if_due()
        self.sent(event_name.removeprefix("before-send."))

    def _after(self, **_: Any) -> None:
        if self._moment == "after":
            self._die_if_due()

    def _die_if_due(self) -> None:
        if self._here.number == self._die_at:
            os._exit(KILLED)
