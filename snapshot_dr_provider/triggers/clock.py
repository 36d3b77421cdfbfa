"""Time as an argument, so that a test can run on the clock of the AWS that it talks to."""

from __future__ import annotations

import asyncio
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
