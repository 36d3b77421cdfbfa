"""Keep the one time that everything in the sandbox goes by."""

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Tell a time that can run at any rate, stand still and be moved forward. It never runs backwards by itself."""

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._rate = rate
        self._base = start or datetime.now(UTC)
        self._since = time.monotonic()

    def now(self) -> datetime:
        """Return the current sandbox time, aware and in UTC."""
        with self._lock:
            return self._read()

    def reset(self, start: datetime | None, rate: float) -> None:
        """Start again at *start* (``None``: the machine's time) with *rate* sandbox seconds to a second."""
        self._set(start or datetime.now(UTC), rate)

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stop the clock, at *at* when given, and return the time it stands at."""
        return self._set(at, 0.0)

    def run(self, rate: float = 1.0) -> datetime:
        """Let the clock run on from where it is, at *rate* sandbox seconds to a second."""
        return self._set(None, rate)

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward, frozen or not, and return the new time.

        :raises ValueError: when *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError(f"the clock goes forward only, not by {seconds} s")
        with self._lock:
            self._base = self._read() + timedelta(seconds=seconds)
            self._since = time.monotonic()
            return self._base

    def _set(self, at: datetime | None, rate: float) -> datetime:
        with self._lock:
            self._base = at.astimezone(UTC) if at else self._read()
            self._since = time.monotonic()
            self._rate = rate
            return self._base

    def _read(self) -> datetime:
        if not self._rate:
            return self._base
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._rate)
