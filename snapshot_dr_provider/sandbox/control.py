"""Serve the control API: ``POST /sandbox/<operation>`` with a JSON object of arguments.

It answers ``{"result": ...}``, or with status 400 ``{"error": "..."}``. It has no authentication: the server listens on
loopback, and every process there may also use the sandbox's own credentials.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from snapshot_dr_provider.sandbox.access.errors import Answer
from snapshot_dr_provider.sandbox.decoding import decode, encode
from snapshot_dr_provider.sandbox.ec2 import seeding
from snapshot_dr_provider.sandbox.ec2.slots import Slots
from snapshot_dr_provider.sandbox.faults import Fault
from snapshot_dr_provider.sandbox.simulation import Simulation
from snapshot_dr_provider.sandbox.world import (
    Behaviour,
    BlockPublicAccess,
    GrantSeed,
    Lag,
    Role,
    SnapshotSeed,
    VolumeSeed,
    World,
)

_NOT_CONFIGURABLE = frozenset({"lag", "clock", "clock_rate"})


class Control:
    """Carry out the operations of the control API on one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        authority = simulation.authority
        self._operations: dict[str, Callable[..., Any]] = {
            "reset": self._reset,
            "now": simulation.clock.now,
            "freeze": self._freeze,
            "advance": self._advance,
            "run_clock": lambda rate=1.0: simulation.clock.run(rate),
            "set_lag": lambda **seconds: simulation.set_lag(_decode(Lag, seconds)),
            "configure": self._configure,
            "add_fault": lambda **fault: simulation.faults.add(Fault(**fault)),
            "clear_faults": simulation.faults.clear,
            "faults": lambda: [asdict(fault) for fault in simulation.faults.all()],
            "calls": simulation.counters.calls,
            "peak_in_flight": lambda: self._slots().peaks(),
            "timeline": lambda: self._slots().timeline(),
            "log": simulation.counters.log,
            "snapshots": self._snapshots,
            "events": self._events,
            "disable_key": authority.disable_key,
            "expire_sessions": authority.expire_sessions,
            "enable_key": authority.enable_key,
            "put_key_policy": authority.put_key_policy,
            "key_policy": authority.key_policy,
            "put_ram_policy": authority.put_ram_policy,
            "add_grant": lambda arn, grant: authority.add_grant(arn, _decode(GrantSeed, grant)),
            "set_block_public_access": self._set_block_public_access,
            "put_role": lambda role: authority.put_role(_decode(Role, role)),
            "put_role_policies": authority.put_role_policies,
            "delete_role": authority.delete_role,
            "add_snapshot": self._add_snapshot,
            "add_volume": self._add_volume,
            "credentials": simulation.credentials,
        }

    def answer(self, operation: str, body: bytes) -> Answer:
        """Carry out one operation; mistakes in the arguments are told, not raised."""
        try:
            arguments = json.loads(body or b"{}")
            result = self._operation(operation)(**arguments)
        except (ValueError, TypeError, KeyError) as error:
            message = str(error.args[0]) if error.args else str(error)
            return _answer(400, {"error": message})
        return _answer(200, {"result": encode(result)})

    def _operation(self, name: str) -> Callable[..., Any]:
        if name not in self._operations:
            raise ValueError(f"no operation {name!r}; there are {', '.join(sorted(self._operations))}")
        return self._operations[name]

    def _reset(self, world: Mapping[str, Any] | None = None) -> None:
        self._simulation.reset(World.from_data(world) if world is not None else None)

    def _freeze(self, at: str | None = None) -> datetime:
        moment = self._simulation.clock.freeze(_decode(datetime, at) if at else None)
        self._simulation.tick()
        return moment

    def _advance(self, seconds: float) -> datetime:
        moment = self._simulation.clock.advance(seconds)
        self._simulation.tick()
        return moment

    def _configure(self, **settings: Any) -> None:
        known = {each.name for each in fields(Behaviour)} - _NOT_CONFIGURABLE
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ValueError(f"no setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        store = self._simulation.store
        with store.lock:
            store.behaviour = _decode(Behaviour, {**encode(store.behaviour), **settings})

    def _slots(self) -> Slots:
        self._simulation.tick()
        return self._simulation.store.slots

    def _snapshots(self, account_id: str | None = None, region: str | None = None) -> list[dict[str, Any]]:
        self._simulation.tick()
        return self._simulation.snapshots(account_id, region)

    def _events(self, account_id: str | None = None) -> list[dict[str, Any]]:
        self._simulation.tick()
        return self._simulation.notifications.delivered(account_id)

    def _add_snapshot(self, snapshot: Mapping[str, Any]) -> str:
        store = self._simulation.store
        with store.lock:
            return seeding.add_snapshot(store, self._simulation.authority, _decode(SnapshotSeed, snapshot)).id

    def _set_block_public_access(self, **setting: Any) -> None:
        wanted = _decode(BlockPublicAccess, setting)
        self._simulation.authority.root_credentials(wanted.account_id)  # Refuses an account that is not in the world.
        store = self._simulation.store
        with store.lock:
            store.set_block_public_access((wanted.account_id, wanted.region), wanted.state)

    def _add_volume(self, volume: Mapping[str, Any]) -> None:
        store = self._simulation.store
        with store.lock:
            seeding.add_volume(store, self._simulation.authority, _decode(VolumeSeed, volume))


def _decode(kind: type, data: object) -> Any:
    return decode(kind, data, now=datetime.now(UTC), where=kind.__name__)


def _answer(status: int, payload: Mapping[str, Any]) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(payload)
