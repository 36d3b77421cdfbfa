from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from importlib import import_module

from snapshot_dr_provider.triggers.moment import MomentTrigger


async def events_of(trigger: MomentTrigger) -> list[object]:
    """Collect what a trigger fires."""
    return [event.payload async for event in trigger.run()]


def test_trigger_fires_once_its_moment_has_come() -> None:
    """A trigger that Airflow has stored and made anew fires once, and not before its moment."""
    moment = datetime.now(UTC) + timedelta(seconds=0.2)
    path, arguments = MomentTrigger(moment.isoformat()).serialize()
    module, _, name = path.rpartition(".")
    trigger = getattr(import_module(module), name)(**arguments)
    assert asyncio.run(events_of(trigger)) == [moment.isoformat()]
    assert datetime.now(UTC) >= moment


def test_moment_that_has_passed_needs_no_waiting() -> None:
    """After a restart of the triggerer a moment in the past fires at once."""
    assert asyncio.run(events_of(MomentTrigger("2026-01-01T00:00:00+00:00"))) == ["2026-01-01T00:00:00+00:00"]
