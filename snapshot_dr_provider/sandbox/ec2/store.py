"""Hold all snapshots and volumes of all accounts, and let pending ones end on the clock, in order."""

import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

from snapshot_dr_provider.sandbox.clock import Clock
from snapshot_dr_provider.sandbox.ec2.listings import Listings, Place
from snapshot_dr_provider.sandbox.ec2.model import Snapshot, Volume
from snapshot_dr_provider.sandbox.ec2.slots import Slots
from snapshot_dr_provider.sandbox.ec2.throttling import Buckets
from snapshot_dr_provider.sandbox.ec2.throughput import Throughput
from snapshot_dr_provider.sandbox.world import Behaviour, BlockState


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
        self.slots = Slots(self.now())
        self.buckets = Buckets()
        self.throughput = Throughput()
        self._block_public_access: dict[Place, BlockState] = {}
        self.listings = Listings()
        self._alive: dict[Place, int] = defaultdict(int)
        self._copies: dict[tuple[Place, str], list[Snapshot]] = defaultdict(list)
        self._data_keys: dict[tuple[Place, str], int] = defaultdict(int)
        self._pending_of_volume: dict[tuple[Place, str], int] = defaultdict(int)
        self._ending: list[tuple[datetime, int]] = []
        self._vanishing: list[tuple[datetime, int]] = []
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
        self.listings.add(snapshot)
        self._alive[place] += 1
        if snapshot.is_copy and snapshot.source_lineage:
            self._copies[place, snapshot.source_lineage].append(snapshot)
        if snapshot.state == "pending":
            self._pending_of_volume[place, snapshot.volume_id] += 1
        self._count_data_key(snapshot, 1)
        if snapshot.is_copy_in_flight:
            self.slots.take(place, self.now())
            if snapshot.transfer and snapshot.source_snapshot_id:
                self.throughput.take(snapshot.source_snapshot_id, snapshot.transfer)
        if snapshot.state == "pending" and snapshot.ends_at:
            heapq.heappush(self._ending, (snapshot.ends_at, snapshot.sequence))

    def block_public_access(self, place: Place) -> BlockState:
        """Return whether an account blocks public snapshots in a Region; by default it does not (aws 7.2)."""
        return self._block_public_access.get(place, "unblocked")

    def set_block_public_access(self, place: Place, state: BlockState) -> None:
        """Set whether an account blocks public snapshots in a Region."""
        self._block_public_access[place] = state

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
            snapshot = self.listings.snapshot(sequence)
            if snapshot.state == "pending" and snapshot.ends_at == ends_at:
                self._end(snapshot, ends_at)
        while self._vanishing and self._vanishing[0][0] <= now:
            self.listings.remove(self.listings.snapshot(heapq.heappop(self._vanishing)[1]))

    def _end(self, snapshot: Snapshot, at: datetime) -> None:
        self._leave_pending(snapshot, at)
        self.listings.end_pending(snapshot)
        snapshot.state = snapshot.outcome
        self._count_data_key(snapshot, 1)
        if snapshot.outcome == "completed":
            snapshot.completion_time = at
        self._on_end(snapshot)
        if snapshot.delete_requested:
            self._remove(snapshot, at)

    def _leave_pending(self, snapshot: Snapshot, at: datetime) -> None:
        place = (snapshot.owner_id, snapshot.region)
        if snapshot.is_copy_in_flight:
            self.slots.leave(place, at)
            if snapshot.transfer:
                self.throughput.give_back(snapshot.transfer)
        if snapshot.state == "pending":
            self._pending_of_volume[place, snapshot.volume_id] -= 1

    def _count_data_key(self, snapshot: Snapshot, by: int) -> None:
        if snapshot.is_copy and snapshot.key_arn and snapshot.state == "completed":
            self._data_keys[(snapshot.owner_id, snapshot.region), snapshot.key_arn] += by

    def _remove(self, snapshot: Snapshot, at: datetime) -> None:
        self._leave_pending(snapshot, at)
        self._count_data_key(snapshot, -1)
        snapshot.deleted_at = at
        snapshot.gone_from = at + timedelta(seconds=self.behaviour.lag.delete)
        heapq.heappush(self._vanishing, (snapshot.gone_from, snapshot.sequence))
        self._alive[snapshot.owner_id, snapshot.region] -= 1
