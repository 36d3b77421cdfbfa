"""Share out the throughput that time-based copies are promised (aws 5.10)."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

#: What one time-based copy gets at most, in MiB a second; the quota is fixed.
MOST_OF_ONE_COPY = 500.0

#: Shares add up to the quota except for their rounding.
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class Pair:
    """Name what has a cumulative quota: an account, and the Regions that it copies from and to."""

    account_id: str
    source_region: str
    region: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Say how a time-based copy goes: its share in MiB a second, when its data starts to move and when it has ended.

    *asked_until* is the end that was asked for. A copy that got a smaller share than that needs ends later.
    """

    pair: Pair
    minutes: int
    mib_per_second: float
    starts_at: datetime
    ends_at: datetime

    @property
    def asked_until(self) -> datetime:
        """Return the end that was asked for."""
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def is_in_time(self) -> bool:
        """Tell whether the copy ends within the duration that was asked for."""
        return self.ends_at <= self.asked_until


class Throughput:
    """Know which shares are taken, and how long each source is being read by a time-based copy."""

    def __init__(self) -> None:
        self._taken: dict[Pair, float] = defaultdict(float)
        self._busy_until: dict[str, datetime] = {}

    def left(self, pair: Pair, quota: float) -> float:
        """Return what is left of the quota of a pair, in MiB a second."""
        left = quota - self._taken.get(pair, 0.0)
        return left if left > _NOTHING else 0.0

    def next_start(self, source_id: str, now: datetime) -> datetime:
        """Return when a time-based copy of a source can start: after the one before it (aws 5.10)."""
        return max(now, self._busy_until.get(source_id, now))

    def take(self, source_id: str, transfer: Transfer) -> None:
        """Give a copy its share, until it has ended. That one which waits for its source has it already is [I]."""
        self._taken[transfer.pair] += transfer.mib_per_second
        self._busy_until[source_id] = transfer.ends_at

    def give_back(self, transfer: Transfer) -> None:
        """Take the share of a copy that has ended back."""
        self._taken[transfer.pair] -= transfer.mib_per_second
