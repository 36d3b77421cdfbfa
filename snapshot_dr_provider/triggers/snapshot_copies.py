"""The trigger that starts and awaits copies while no worker is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from threading import Lock
from typing import Any, ClassVar, Self

from airflow.triggers.base import BaseTrigger, TriggerEvent

from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.triggers.chance import current_random
from snapshot_dr_provider.triggers.clock import current_clock
from snapshot_dr_provider.triggers.orders import CopyOrder, fulfil, write_error, write_outcome


class SharedHooks:
    """
    Share hooks between the triggers that use them now, within a ``with`` block each.

    A hook goes with the last of its users, so that a connection that was mended is read anew by the next trigger. They
    are counted: a hook that nobody uses any more lives on until the next collection of garbage, since the amazon
    provider's hooks keep the stack of their first call.
    """

    _in_use: ClassVar[dict[tuple[Any, ...], EbsSnapshotHook]] = {}
    _users: ClassVar[Counter[tuple[Any, ...]]] = Counter()
    _counting: ClassVar[Lock] = Lock()

    def __init__(self) -> None:
        self._taken: list[tuple[Any, ...]] = []

    def __call__(self, conn_id: str, **arguments: Any) -> EbsSnapshotHook:
        """Give the hook with these arguments that others use, or else a new one."""
        key = (conn_id, *sorted((name, repr(value)) for name, value in arguments.items()))
        with self._counting:
            if key not in self._in_use:
                self._in_use[key] = EbsSnapshotHook(conn_id, **arguments)
            self._users[key] += 1
            self._taken.append(key)
            return self._in_use[key]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._counting:
            for key in self._taken:
                self._users[key] -= 1
                if not self._users[key]:
                    del self._users[key], self._in_use[key]
            self._taken.clear()


class SnapshotCopiesTrigger(BaseTrigger):
    """
    Start the copies of one route and one hop, await them, and tell how each source ended.

    It keeps nothing that is not also in its arguments or in AWS: it may be stopped, moved and run twice at once.

    :param order: a :class:`~snapshot_dr_provider.triggers.orders.CopyOrder` as JSON.
    :param client_arguments: ``verify`` and ``config`` of the hooks.

    The event's payload is ``{"finished": [source id, ...], "failures": {source id: {"why", "state_message"}}}``, or
    ``{"error": message, "permanent": bool}`` when nothing could be read at all.
    """

    def __init__(self, order: dict[str, Any], client_arguments: dict[str, Any] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has not annotated it
        self.order = order
        self.client_arguments = client_arguments or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Name the class and its arguments."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"order": self.order, "client_arguments": self.client_arguments}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Copy, and fire once."""
        clock = current_clock()
        order = CopyOrder.from_json(self.order)
        not_before = clock.now() + timedelta(seconds=order.options.first_fire_seconds)
        with SharedHooks() as make:
            hooks = RouteHooks(order.route, make=make, client_arguments=tuple(self.client_arguments.items()))
            try:
                payload = write_outcome(await fulfil(order, hooks, clock, current_random()))
            except SnapshotDrError as error:
                payload = write_error(error)
        await clock.sleep(max(0.0, (not_before - clock.now()).total_seconds()))
        yield TriggerEvent(payload)
