"""Hold all snapshots and volumes of all accounts, and let pending ones end on the clock, in order."""

import heapq
import threading
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

from snapshot_dr_provider.sandbox.clock import Clock
from snapshot_dr_provider.sandbox.ec2.model import Snapshot, Volume
from snapshot_dr_provider.sandbox.world import Behaviour, BlockState

#: A place that snapshots live in: an account and a Region.
Place = tuple[str, str]


class Store:
    """Keep the truth of the sandbox's EC2. Every method expects the caller to hold ``lock``.

    *on_end* is called for each snapshot that completes or fails, with the store locked and in the order of time.
    """

    def __init__(self, clock: Clock, on_end: Callable[[Snapshot], None]) -> None:
        self.lock = threading.RLock()
        self.behaviour = Behaviour()
        self._clock = clock
        self._on_end = on_end
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.snapshots: dict[str, Snapshot] = {}
        self.volumes: dict[str, Volume] = {}
        self.peak_in_flight: dict[str, int] = {}
        self._block_public_access: dict[Place, BlockState] = {}
        self._by_sequence: dict[int, Snapshot] = {}
        self._owned: dict[Place, list[int]] = defaultdict(list)
        self._shared: dict[Place, list[int]] = defaultdict(list)
        self._in_flight: dict[Place, int] = defaultdict(int)
        self._alive: dict[Place, int] = defaultdict(int)
        self._copies: dict[tuple[Place, str], list[Snapshot]] = defaultdict(list)
        self._data_keys: dict[tuple[Place, str], int] = defaultdict(int)
        self._pending_of_volume: dict[tuple[Place, str], int] = defaultdict(int)
        self._ending: list[tuple[datetime, int]] = []
        self._sequence = 0
        self._random = Random(20_261_123)

    def now(self) -> datetime:
        """Return the sandbox time."""
        return self._clock.now()

    def later(self, seconds: float) -> datetime:
        """Return the sandbox time in *seconds*."""
        return self.now() + timedelta(seconds=seconds)

    def next_sequence(self) -> int:
        """Return the number of the next snapshot; numbers order snapshots for paging."""
        self._sequence += 1
        return self._sequence

    def new_id(self, prefix: str) -> str:
        """Return an unused id: *prefix* and 17 hexadecimal digits, the same ones after every reset."""
        while True:
            found = f"{prefix}-{self._random.getrandbits(68):017x}"
            if found not in self.snapshots and found not in self.volumes:
                return found

    def add(self, snapshot: Snapshot) -> None:
        """Take in a snapshot; a pending one with an end gets its place in the queue of endings."""
        place = (snapshot.owner_id, snapshot.region)
        self.snapshots[snapshot.id] = snapshot
        self._by_sequence[snapshot.sequence] = snapshot
        insort(self._owned[place], snapshot.sequence)
        self._alive[place] += 1
        for account_id in snapshot.sharing:
            self.list_as_shared(snapshot, account_id)
        if snapshot.is_copy and snapshot.source_lineage:
            self._copies[place, snapshot.source_lineage].append(snapshot)
        if snapshot.state == "pending":
            self._pending_of_volume[place, snapshot.volume_id] += 1
        self._count_data_key(snapshot, 1)
        if snapshot.is_copy_in_flight:
            self._in_flight[place] += 1
            name = f"{place[0]}/{place[1]}"
            self.peak_in_flight[name] = max(self.peak_in_flight.get(name, 0), self._in_flight[place])
        if snapshot.state == "pending" and snapshot.ends_at:
            heapq.heappush(self._ending, (snapshot.ends_at, snapshot.sequence))

    def list_as_shared(self, snapshot: Snapshot, account_id: str) -> None:
        """Let reads of *account_id* look at *snapshot*; whether they see it is up to its permissions."""
        listed = self._shared[account_id, snapshot.region]
        if next(_beyond(listed, snapshot.sequence - 1), None) != snapshot.sequence:
            insort(listed, snapshot.sequence)

    def block_public_access(self, place: Place) -> BlockState:
        """Return whether an account blocks public snapshots in a Region; by default it does not (aws 7.2)."""
        return self._block_public_access.get(place, "unblocked")

    def set_block_public_access(self, place: Place, state: BlockState) -> None:
        """Set whether an account blocks public snapshots in a Region."""
        self._block_public_access[place] = state

    def in_flight(self, place: Place) -> int:
        """Return how many copy slots are taken."""
        return self._in_flight[place]

    def pending_of_volume(self, place: Place, volume_id: str) -> int:
        """Return how many snapshots of a volume are pending."""
        return self._pending_of_volume[place, volume_id]

    def copies_of(self, place: Place, lineage: str) -> Sequence[Snapshot]:
        """Return the copies in *place* of the chain *lineage*, in the order of their start, deleted ones included."""
        return self._copies[place, lineage]

    def lends_data_key(self, place: Place, key_arn: str) -> bool:
        """Tell whether *place* has a completed copy under the key, whose data key a new copy uses again (aws 4.3)."""
        return self._data_keys[place, key_arn] > 0

    def alive(self, place: Place) -> int:
        """Return how many snapshots the account owns in the Region."""
        return self._alive[place]

    def owned(self, place: Place, after: int = 0) -> Iterator[Snapshot]:
        """Yield the snapshots of *place* whose number is greater than *after*, deleted ones included, in order."""
        return self._walk((self._owned[place],), after)

    def readable(self, place: Place, everyone: Place, after: int = 0) -> Iterator[Snapshot]:
        """Yield what *place* owns or was ever given, and what is public, beyond the number *after*, in order."""
        return self._walk((self._owned[place], self._shared[place], self._shared[everyone]), after)

    def delete(self, snapshot: Snapshot) -> None:
        """Delete *snapshot* now, or once it has ended (aws 4.7). Reads may find it for a while longer."""
        snapshot.delete_requested = True
        if snapshot.state == "pending" and snapshot.ends_at:
            return
        self._remove(snapshot, self.now())

    def tick(self) -> None:
        """Let everything end whose time has come, in the order of time."""
        now = self.now()
        while self._ending and self._ending[0][0] <= now:
            ends_at, sequence = heapq.heappop(self._ending)
            snapshot = self._by_sequence[sequence]
            if snapshot.state == "pending" and snapshot.ends_at == ends_at:
                self._end(snapshot, ends_at)

    def _end(self, snapshot: Snapshot, at: datetime) -> None:
        self._leave_pending(snapshot)
        snapshot.state = snapshot.outcome
        self._count_data_key(snapshot, 1)
        if snapshot.outcome == "completed":
            snapshot.completion_time = at
        self._on_end(snapshot)
        if snapshot.delete_requested:
            self._remove(snapshot, at)

    def _leave_pending(self, snapshot: Snapshot) -> None:
        place = (snapshot.owner_id, snapshot.region)
        if snapshot.is_copy_in_flight:
            self._in_flight[place] -= 1
        if snapshot.state == "pending":
            self._pending_of_volume[place, snapshot.volume_id] -= 1

    def _count_data_key(self, snapshot: Snapshot, by: int) -> None:
        if snapshot.is_copy and snapshot.key_arn and snapshot.state == "completed":
            self._data_keys[(snapshot.owner_id, snapshot.region), snapshot.key_arn] += by

    def _remove(self, snapshot: Snapshot, at: datetime) -> None:
        self._leave_pending(snapshot)
        self._count_data_key(snapshot, -1)
        snapshot.deleted_at = at
        snapshot.gone_from = at + timedelta(seconds=self.behaviour.lag.delete)
        self._alive[snapshot.owner_id, snapshot.region] -= 1

    def _walk(self, listings: tuple[list[int], ...], after: int) -> Iterator[Snapshot]:
        last = after
        for sequence in heapq.merge(*(_beyond(listed, after) for listed in listings)):
            if sequence > last:
                last = sequence
                yield self._by_sequence[sequence]


def _beyond(listed: list[int], after: int) -> Iterator[int]:
    for index in range(bisect_right(listed, after), len(listed)):
        yield listed[index]
