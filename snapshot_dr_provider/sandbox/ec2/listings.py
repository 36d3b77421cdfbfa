"""Keep lists of snapshots by what calls ask for, so that no call looks through all the snapshots of the world.

A list holds the numbers of snapshots in order. It may name more than a call is answered with, never fewer: whether a
snapshot passes is for the call to find out.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from snapshot_dr_provider.sandbox.ec2.model import EVERYONE, Snapshot

#: A place that snapshots live in: an account and a Region.
Place = tuple[str, str]


class Listings:
    """List snapshots by owner, by whom they are shared with, by tag, and those that are pending."""

    def __init__(self) -> None:
        self._snapshots: dict[int, Snapshot] = {}
        self._owned: dict[Place, list[int]] = defaultdict(list)
        self._shared: dict[Place, list[int]] = defaultdict(list)
        self._pending: dict[Place, list[int]] = defaultdict(list)
        self._tagged: dict[tuple[Place, str, str], list[int]] = defaultdict(list)

    def add(self, snapshot: Snapshot) -> None:
        """List a snapshot wherever it belongs."""
        place = (snapshot.owner_id, snapshot.region)
        self._snapshots[snapshot.sequence] = snapshot
        _insert(self._owned[place], snapshot.sequence)
        if snapshot.state == "pending":
            _insert(self._pending[place], snapshot.sequence)
        for account_id in snapshot.sharing:
            self.add_share(snapshot, account_id)
        for account_id, tags in snapshot.tags.items():
            self.add_tags(snapshot, account_id, tags.latest)

    def add_share(self, snapshot: Snapshot, account_id: str) -> None:
        """List a snapshot for an account, or ``all``, that was given it."""
        _insert(self._shared[account_id, snapshot.region], snapshot.sequence)

    def add_tags(self, snapshot: Snapshot, account_id: str, tags: Mapping[str, str]) -> None:
        """List a snapshot by the tags that an account puts on it. Tags that are removed leave it listed."""
        for key, value in tags.items():
            _insert(self._tagged[(account_id, snapshot.region), key, value], snapshot.sequence)

    def end_pending(self, snapshot: Snapshot) -> None:
        """Take a snapshot that is no longer pending from that list."""
        _remove(self._pending[snapshot.owner_id, snapshot.region], snapshot.sequence)

    def remove(self, snapshot: Snapshot) -> None:
        """Take a snapshot that no read finds any more from the lists."""
        _remove(self._owned[snapshot.owner_id, snapshot.region], snapshot.sequence)
        for account_id in snapshot.sharing:
            _remove(self._shared[account_id, snapshot.region], snapshot.sequence)
        for account_id, tags in snapshot.tags.items():
            for key, value in tags.latest.items():
                _remove(self._tagged[(account_id, snapshot.region), key, value], snapshot.sequence)

    def snapshot(self, sequence: int) -> Snapshot:
        """Return the snapshot with this number."""
        return self._snapshots[sequence]

    def owned(self, place: Place) -> Sequence[int]:
        """Return what *place* owns."""
        return self._owned.get(place, ())

    def readable(self, place: Place) -> tuple[Sequence[int], ...]:
        """Return what *place* owns, what it was ever given, and what is public."""
        return self.owned(place), self._shared.get(place, ()), self._shared.get((EVERYONE, place[1]), ())

    def pending(self, place: Place) -> Sequence[int]:
        """Return the pending ones of *place*."""
        return self._pending.get(place, ())

    def tagged(self, place: Place, key: str, values: Iterable[str]) -> tuple[Sequence[int], ...]:
        """Return what the account of *place* tagged in its Region with *key* and one of *values*."""
        return tuple(self._tagged.get((place, key, value), ()) for value in values)

    def walk(self, listed: Iterable[Sequence[int]], after: int) -> Iterator[Snapshot]:
        """Yield the snapshots of some lists whose number is greater than *after*, in order, each once."""
        last = after
        for sequence in heapq.merge(*(_beyond(each, after) for each in listed)):
            if sequence > last:
                last = sequence
                yield self._snapshots[sequence]


def _beyond(listed: Sequence[int], after: int) -> Iterator[int]:
    for index in range(bisect_right(listed, after), len(listed)):
        yield listed[index]


def _insert(listed: list[int], sequence: int) -> None:
    index = bisect_left(listed, sequence)
    if index == len(listed) or listed[index] != sequence:
        listed.insert(index, sequence)


def _remove(listed: list[int], sequence: int) -> None:
    index = bisect_left(listed, sequence)
    if index < len(listed) and listed[index] == sequence:
        del listed[index]
