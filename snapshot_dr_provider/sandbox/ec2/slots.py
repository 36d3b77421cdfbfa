"""Count the copies in flight of each account and destination Region: now, at most, and over time (aws 3.1)."""

from collections import defaultdict
from datetime import datetime

from snapshot_dr_provider.sandbox.ec2.listings import Place


class Slots:
    """Know how many copy slots are and were taken. *start* is the time that the record counts from."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._taken: dict[Place, int] = defaultdict(int)
        self._changes: dict[Place, list[tuple[float, int]]] = defaultdict(list)
        self._peaks: dict[Place, int] = {}

    def taken(self, place: Place) -> int:
        """Return how many slots are taken."""
        return self._taken.get(place, 0)

    def take(self, place: Place, at: datetime) -> None:
        """Take a slot for a copy that starts."""
        self._change(place, 1, at)
        self._peaks[place] = max(self._peaks.get(place, 0), self._taken[place])

    def leave(self, place: Place, at: datetime) -> None:
        """Give the slot of a copy that has ended back."""
        self._change(place, -1, at)

    def peaks(self) -> dict[str, int]:
        """Return the greatest number of copies in flight at once, by ``account/region``."""
        return {"/".join(place): peak for place, peak in self._peaks.items()}

    def timeline(self) -> dict[str, list[tuple[float, int]]]:
        """Return seconds since the start and the copies in flight from then on, by ``account/region``."""
        return {"/".join(place): list(changes) for place, changes in self._changes.items()}

    def _change(self, place: Place, by: int, at: datetime) -> None:
        self._taken[place] += by
        changes = self._changes[place]
        # An end is noticed with the next call, and may lie a little before a start that was noticed already.
        earliest = changes[-1][0] if changes else 0.0
        changes.append((max(earliest, (at - self._start).total_seconds()), self._taken[place]))
