"""The trigger that waits until copies are pending no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.pacing import next_look
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import ServiceError, SnapshotDrError, ThrottledError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.triggers.clock import Clock, current_clock
from snapshot_dr_provider.triggers.orders import write_error
from snapshot_dr_provider.triggers.snapshot_copies import SharedHooks
from snapshot_dr_provider.triggers.threads import in_thread

Look = Callable[[], list[Snapshot]]


class SnapshotCompletedTrigger(BaseTrigger):
    """
    Fire once none of the copies is pending any more, whatever became of them.

    Has no limit of ten minutes, unlike the waiter of the SDK (aws 5.9), and does not judge: that is for the sensor,
    with what AWS says by then. Names the copies by their sources and stage, or by their own ids.

    :param route: as JSON.
    :param stage: ``kms-b`` or ``kms-c``: which account's copies are looked at.
    :param sources: source snapshot ids; the copies are found by lineage.
    :param snapshot_ids: ids of copies, instead.
    :param first_fire_seconds: shortest life of the trigger (airflow 5).

    The event's payload is ``{}``, or ``{"error": message, "permanent": bool}``.
    """

    def __init__(
        self,
        *,
        route: dict[str, Any],
        stage: str,
        sources: list[str],
        snapshot_ids: list[str],
        poll_seconds: float,
        first_fire_seconds: float = 15.0,
        client_arguments: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has not annotated it
        self.route = route
        self.stage = stage
        self.sources = sources
        self.snapshot_ids = snapshot_ids
        self.poll_seconds = poll_seconds
        self.first_fire_seconds = first_fire_seconds
        self.client_arguments = client_arguments or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Name the class and its arguments."""
        names = ("route", "stage", "sources", "snapshot_ids", "poll_seconds", "first_fire_seconds", "client_arguments")
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire once."""
        clock = current_clock()
        not_before = clock.now() + timedelta(seconds=self.first_fire_seconds)
        try:
            await self._wait(clock)
            payload: dict[str, Any] = {}
        except SnapshotDrError as error:
            payload = write_error(error)
        await clock.sleep(max(0.0, (not_before - clock.now()).total_seconds()))
        yield TriggerEvent(payload)

    async def _wait(self, clock: Clock) -> None:
        with SharedHooks() as make:
            route = Route.from_json(self.route)
            hooks = RouteHooks(route, make=make, client_arguments=tuple(self.client_arguments.items()))
            look = self._look(hooks.kms_b() if self.stage == Stage.KMS_B else hooks.kms_c())
            while (due := await self._next_look(look, clock)) is not None:
                await clock.sleep((due - clock.now()).total_seconds())

    async def _next_look(self, look: Look, clock: Clock) -> datetime | None:
        """Look, and say when to look again; ``None`` when nothing is pending any more."""
        now, poll = clock.now(), timedelta(seconds=self.poll_seconds)
        try:
            pending = [copy for copy in await in_thread(look) if copy.state == "pending"]
        except (ThrottledError, ServiceError) as error:
            self.log.warning("%s; looking again later", error)
            return now + poll
        return next_look(pending, now, poll, for_the_first=False)

    def _look(self, hook: EbsSnapshotHook) -> Look:
        if self.snapshot_ids:
            return lambda: list(hook.own_snapshots_by_id(self.snapshot_ids).values())
        return lambda: hook.copies_of(self.sources, Stage(self.stage))
