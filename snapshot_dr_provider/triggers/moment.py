"""The trigger that lets some time pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from snapshot_dr_provider.triggers.clock import current_clock


class MomentTrigger(BaseTrigger):
    """
    Fire at a moment. Unlike Airflow's own it writes no line into the task's log for every second.

    :param moment: in ISO 8601, aware.

    The event's payload is that moment.
    """

    def __init__(self, moment: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has not annotated it
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Name the class and its argument."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire once."""
        clock = current_clock()
        await clock.sleep(max(0.0, (datetime.fromisoformat(self.moment) - clock.now()).total_seconds()))
        yield TriggerEvent(self.moment)
