"""Put the parts of a sandbox together: clock, store, authority, faults, counters and notifications."""

from dataclasses import replace
from typing import Any

from moto.core.base_backend import BackendDict

from snapshot_dr_provider.sandbox.access.authority import Authority
from snapshot_dr_provider.sandbox.clock import Clock
from snapshot_dr_provider.sandbox.counters import Counters
from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.ec2 import seeding
from snapshot_dr_provider.sandbox.ec2.endpoint import Ec2Endpoint
from snapshot_dr_provider.sandbox.ec2.model import Snapshot
from snapshot_dr_provider.sandbox.ec2.store import Store
from snapshot_dr_provider.sandbox.events import Notifications
from snapshot_dr_provider.sandbox.faults import Faults
from snapshot_dr_provider.sandbox.world import Lag, World


class Simulation:
    """Hold the state of one sandbox. moto's registries are global, so a process has one at a time."""

    def __init__(self, world: World) -> None:
        self._first = self._current = world
        self.clock = Clock()
        self.faults = Faults()
        self.counters = Counters(lambda: self.store.behaviour.log_size)
        self.notifications = Notifications()
        self.store = Store(self.clock, self.notifications.snapshot_ended)
        self.authority = Authority(self.clock.now, lambda: self.store.behaviour.lag)
        self.ec2 = Ec2Endpoint(self.notifications.snapshot_shared)
        self.reset()

    def reset(self, world: World | None = None) -> None:
        """Go back to *world*, or to the one given at the start: state, clock, lag, faults and counters.

        :raises WorldError: for a world that contradicts itself; the sandbox then goes back to the one before.
        """
        target = world or self._first
        try:
            self._load(target)
        except WorldError:
            if target is not self._current:
                self._load(self._current)
            raise
        self._current = target

    def _load(self, world: World) -> None:
        with self.store.lock:
            self.clock.reset(world.behaviour.clock, world.behaviour.clock_rate)
            self.faults.clear()
            self.counters.clear()
            self.notifications.clear()
            BackendDict.reset()
            self.authority.seed(world)
            seeding.seed(self.store, self.authority, world)

    def tick(self) -> None:
        """Let what is due happen: pending snapshots end, and events go out."""
        with self.store.lock:
            self.store.tick()
            now = self.clock.now()
        self.notifications.deliver(now)

    def set_lag(self, lag: Lag) -> None:
        """Let reads lag behind writes from now on."""
        with self.store.lock:
            self.store.behaviour = replace(self.store.behaviour, lag=lag)

    def credentials(self, account_id: str) -> dict[str, str]:
        """Return the access key of the account's first user, or else of its root user.

        :raises KeyError: for an account that is not in the world.
        """
        user = self._current.user_of(account_id)
        if user:
            return {"access_key_id": user.access_key_id, "secret_access_key": user.secret_access_key}
        access_key_id, secret = self.authority.root_credentials(account_id)
        return {"access_key_id": access_key_id, "secret_access_key": secret}

    def snapshots(self, account_id: str | None = None, region: str | None = None) -> list[dict[str, Any]]:
        """Return the truth about snapshots, deleted ones included, in the order of their creation."""
        with self.store.lock:
            return [
                _truth(snapshot)
                for snapshot in self.store.snapshots.values()
                if account_id in (None, snapshot.owner_id) and region in (None, snapshot.region)
            ]


def _truth(snapshot: Snapshot) -> dict[str, Any]:
    tags = {account_id: dict(each.latest) for account_id, each in snapshot.tags.items() if each.latest}
    return {
        "id": snapshot.id,
        "owner": snapshot.owner_id,
        "region": snapshot.region,
        "volume_id": snapshot.volume_id,
        "state": snapshot.state,
        "state_message": snapshot.failure if snapshot.state == "error" else None,
        "kms_key_arn": snapshot.key_arn,
        "encrypted": snapshot.encrypted,
        "size": snapshot.size_gib,
        "full_snapshot_bytes": snapshot.full_bytes,
        "start_time": snapshot.start_time.isoformat(),
        "ends_at": snapshot.ends_at.isoformat() if snapshot.ends_at else None,
        "completion_time": snapshot.completion_time.isoformat() if snapshot.completion_time else None,
        "description": snapshot.description,
        "storage_tier": snapshot.storage_tier,
        "tags": tags.get(snapshot.owner_id, {}),
        "tags_by_account": tags,
        "shared_with": list(snapshot.shared_with()),
        "is_copy": snapshot.is_copy,
        "source_snapshot_id": snapshot.source_snapshot_id,
        "source_account_id": snapshot.source_account_id,
        "source_region": snapshot.source_region,
        "incremental": snapshot.incremental,
        "transfer_type": snapshot.transfer_type,
        "completion_duration_minutes": snapshot.completion_duration_minutes,
        "mib_per_second": snapshot.transfer.mib_per_second if snapshot.transfer else None,
        "transfer_starts_at": snapshot.transfer.starts_at.isoformat() if snapshot.transfer else None,
        "deleted": snapshot.deleted_at is not None,
        "deleted_at": snapshot.deleted_at.isoformat() if snapshot.deleted_at else None,
    }
