"""Runs that copy the same snapshots at the very same time, each with a triggerer of its own, while reads lag behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.delete_kms_b import DeleteKmsBOperator
from snapshot_dr_provider.operators.plan_copies import PlanCopiesOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator
from snapshot_dr_provider.sensors.snapshot_completed import SnapshotCompletedSensor
from tests import worlds
from tests.integration.tasks import PATIENCE_SECONDS, route, run

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox, World
    from snapshot_dr_provider.sandbox.world import SnapshotSeed

Enter = Callable[["World"], "Sandbox"]

ACCOUNT = worlds.account_id(1)
LAG = {"create": 0.5, "tags": 0.5, "share": 0.5, "delete": 0.5}
SETTLE_SECONDS = 3.0
"""Longer than anything lags, and than a thread of a busy machine may be kept from its turn."""


def options_for(day: datetime, lookback_days: float = 0.0) -> dict[str, Any]:
    """Write the options of a run of one day."""
    options = RunOptions(
        interval_start=day,
        interval_end=day + timedelta(days=1),
        lookback_hours=24 * lookback_days,
        poll_seconds=0.5,
        settle_seconds=SETTLE_SECONDS,
        first_fire_seconds=0,
    )
    return dict(options.to_json())


def work_off(options: dict[str, Any], begin: Callable[[], object] = lambda: None) -> None:
    """Run the stages of one account for one run, one after the other, as its workers and triggerer do."""
    the_same: dict[str, Any] = {"route": route(1), "options": options}
    later: dict[str, Any] = {**the_same, "records_from": "before"}
    begin()
    left = run(PlanCopiesOperator(task_id="plan", **the_same))
    for operator in (
        CopySnapshotToKmsBOperator(task_id="copy", deferrable=True, **later),
        SnapshotCompletedSensor(task_id="copied", stage="kms-b", deferrable=True, **later),
        RotateToKmsCOperator(task_id="rotate", deferrable=True, **later),
        SnapshotCompletedSensor(task_id="rotated", stage="kms-c", deferrable=True, **later),
        DeleteKmsBOperator(task_id="delete", **later),
    ):
        left = run(operator, left.pushed["records"])


def all_at_once(runs: Sequence[dict[str, Any]]) -> None:
    """Work off runs with these options at the same time, and fail with the first of them that fails."""
    start = Barrier(len(runs))
    with ThreadPoolExecutor(len(runs)) as threads:
        for each in [threads.submit(work_off, options, start.wait) for options in runs]:
            each.result()


def expect_one_copy_each(sandbox: Sandbox, sources: Sequence[SnapshotSeed]) -> None:
    """Expect exactly one completed KMS-C copy of each source and no other copy of ours in any state."""
    ours = [each for each in sandbox.control.snapshots() if "snapshot-dr:stage" in each["tags"] and not each["deleted"]]
    assert {each["state"] for each in ours} == {"completed"}
    assert {each["tags"]["snapshot-dr:stage"] for each in ours} == {"kms-c"}
    copied = sorted(each["tags"]["SourceSnapshotId"] for each in ours)
    assert copied == sorted(source.snapshot_id for source in sources)


def midnight() -> datetime:
    """Give the last midnight: copies are as old as AWS says by the clock of the machine, so the world goes by it."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_the_same_interval_twice_at_the_same_time(enter: Enter) -> None:
    """Two runs that find nothing at first and copy everything both end with one copy of each source between them."""
    day = midnight() - timedelta(days=1)
    sources = [worlds.source(ACCOUNT, number, start=day + timedelta(hours=12)) for number in range(1, 7)]
    sandbox = enter(worlds.world(1, seeds=sources, clock=datetime.now(UTC)))
    sandbox.control.set_lag(**LAG)
    all_at_once([options_for(day)] * 2)
    expect_one_copy_each(sandbox, sources)


@pytest.mark.slow
def test_a_backfill_of_seven_days_and_the_daily_run_at_the_same_time(enter: Enter) -> None:
    """Eight runs at once, of which the daily one looks back over days of the backfill, copy each snapshot once."""
    days = [midnight() - timedelta(days=number) for number in range(1, 9)]
    sources = [worlds.source(ACCOUNT, number, start=day + timedelta(hours=12)) for number, day in enumerate(days, 1)]
    sandbox = enter(worlds.world(1, seeds=sources, clock=datetime.now(UTC)))
    sandbox.control.set_lag(**LAG)
    all_at_once([options_for(days[0], lookback_days=3), *map(options_for, days[1:])])
    expect_one_copy_each(sandbox, sources)


def test_a_kms_b_copy_is_deleted_while_another_run_asks_for_a_copy_of_it(enter: Enter) -> None:
    """A run whose call for hop 2 comes too late, because another run is done by then, takes over what that one made."""
    day = midnight() - timedelta(days=1)
    source = worlds.source(ACCOUNT, 1, start=day + timedelta(hours=12))
    below = worlds.copy_of(source, "kms-b", 1, shared_with=(worlds.DR,))
    sandbox = enter(worlds.world(1, seeds=[source, below], clock=datetime.now(UTC)))
    late = 8 * SETTLE_SECONDS
    sandbox.control.add_fault(action="CopySnapshot", account_id=worlds.DR, kind="delay", seconds=late)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(work_off, options_for(day))
        wait_until(lambda: sandbox.control.faults()[0]["fired"] == 1)
        threads.submit(work_off, options_for(day)).result()
        assert below.snapshot_id in deleted(sandbox)
        assert not slow.done()
        slow.result()
    expect_one_copy_each(sandbox, [source])
    assert sandbox.control.calls()["by_account"][worlds.DR]["ec2:CopySnapshot"] == 2


def deleted(sandbox: Sandbox) -> set[str]:
    """Name the snapshots that have been deleted."""
    return {each["id"] for each in sandbox.control.snapshots() if each["deleted"]}


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, and fail if it does not come true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.05)
