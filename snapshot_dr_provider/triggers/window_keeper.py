"""The window of a run, looked after while hop 1 copies: a key policy has no version, and others write it, too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from snapshot_dr_provider.domain.key_policy.window import LAST_STARTS, Terms, Window, is_open, open_window
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.key_policies import KeyAdministrationHook, key_administration
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.threads import in_thread

LOOK_EVERY: Final = timedelta(seconds=30)
"""Time between two looks at a policy, however many triggers ask."""

SLOWEST: Final = 5
"""Times that a policy may take as long as expected to take effect: sometimes it is minutes (aws 9.4)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowOrder:
    """
    Order a window to be kept.

    :param opened: when it was opened, UTC.
    :param conn_id: Airflow connection of the administrator of the key's policy.
    :param role_arn: role to assume with it.
    :param settle: how long a policy that was written is waited for.
    """

    key_arn: str
    window: Window
    opened: datetime
    conn_id: str
    role_arn: str | None
    settle: timedelta

    @property
    def why_not_later(self) -> str:
        """Say what a source is given up with that was not started in time."""
        return (
            f"the window of KMS-B ends at {self.window.end:%Y-%m-%d %H:%M} UTC, and nothing is started in its last "
            f"{LAST_STARTS // timedelta(minutes=1)} minutes. Clear this task with its downstream tasks, or "
            "open_kms_b_window: either opens a new one. Lengthen kms_b_window_hours if this happens often"
        )

    def to_json(self) -> dict[str, Any]:
        """Write the order as JSON primitives."""
        return {
            "key_arn": self.key_arn,
            "organization_id": self.window.terms.organization_id,
            "run": self.window.run,
            "end": self.window.end.isoformat(),
            "role_name": self.window.role_name,
            "opened": self.opened.isoformat(),
            "conn_id": self.conn_id,
            "role_arn": self.role_arn,
            "settle_seconds": self.settle.total_seconds(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> WindowOrder:
        """Read an order written by :meth:`to_json`."""
        terms = Terms.of_key(value["key_arn"], value["organization_id"])
        return cls(
            key_arn=value["key_arn"],
            window=Window(terms, value["run"], datetime.fromisoformat(value["end"]), value["role_name"]),
            opened=datetime.fromisoformat(value["opened"]),
            conn_id=value["conn_id"],
            role_arn=value["role_arn"],
            settle=timedelta(seconds=value["settle_seconds"]),
        )


class WindowKeeper:
    """
    Look at the policy before copies are started, and put the window back if another writer has lost it.

    It never extends the window. One that somebody has closed on purpose comes back as long as hop 1 is at work, until
    its end.

    :param hook: of the administrator of the key's policy.
    """

    def __init__(self, order: WindowOrder, hook: KeyAdministrationHook, clock: Clock) -> None:
        self._order = order
        self._hook = hook
        self._clock = clock
        self._written = order.opened
        self._last_look: datetime | None = None
        self._looking = asyncio.Lock()

    @property
    def lenient_until(self) -> datetime:
        """Name the moment until which a refusal may be a policy that has not taken effect everywhere."""
        return self._written + SLOWEST * self._order.settle

    async def may_start(self) -> bool:
        """Look if it is time to, and answer whether copies may be started now."""
        async with self._looking:
            now = self._clock.now()
            if self._last_look is None or now >= self._last_look + min(LOOK_EVERY, self._order.settle):
                self._last_look = now
                await self._look()
        return self._clock.now() >= self._written + self._order.settle

    async def _look(self) -> None:
        """Put the window back if it is gone; what cannot be read is no reason to start nothing."""
        order = self._order
        try:
            text = await in_thread(self._hook.default_policy, order.key_arn)
            if is_open(text, order.window):
                return
            log.warning(
                "the window of this run is gone from the policy of %s: another writer has lost it, or somebody has "
                "closed it; putting it back",
                order.key_arn,
            )
            await in_thread(self._hook.revise_policy, order.key_arn, lambda current: open_window(current, order.window))
        except SnapshotDrError as error:
            log.warning("%s; going on as if the window were open", error)
        else:
            self._written = self._clock.now()


_KEEPERS: WeakValueDictionary[tuple[object, ...], WindowKeeper] = WeakValueDictionary()


def shared_keeper(order: WindowOrder, client_arguments: tuple[tuple[str, Any], ...], clock: Clock) -> WindowKeeper:
    """Answer the keeper that this event loop has for the window already, or a new one; it goes with its last user."""
    hook = key_administration(order.key_arn, order.conn_id, order.role_arn, dict(client_arguments))
    key = (id(asyncio.get_running_loop()), order, repr(client_arguments))
    return _KEEPERS.setdefault(key, WindowKeeper(order, hook, clock))
