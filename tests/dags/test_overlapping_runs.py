"""Runs of the same snapshots that are under way at once: a run begins, works and ends between two tasks of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.dag_runs import Run
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ACCOUNT = worlds.account_id(1)
STAGES = ("plan", "copy_to_kms_b", "kms_b_completed", "rotate_to_kms_c", "kms_c_completed", "delete_kms_b")

Begin = Callable[[], "Run"]


def overlap(deployment: Deployment, runs: Sequence[tuple[str, Begin]]) -> list[Run]:
    """Begin each run when the one before it has come to a stage, and give all of them, the first one first."""
    done: list[Run] = []

    def begin(number: int) -> None:
        _, this = runs[number]
        if number + 1 < len(runs):
            stage, _ = runs[number + 1]
            deployment.airflow.before[f"account.{stage}[0]"] = lambda: begin(number + 1)
        done.append(this())

    begin(0)
    return done[::-1]


def expect_one_copy_each(deployment: Deployment, runs: Sequence[Run]) -> None:
    """Expect green runs that have never made a second copy of anything and have left no KMS-B copy."""
    for run in runs:
        assert run.is_green, (run.run_id, run.errors)
    deployment.expect_done()
    sources = sorted(source.snapshot_id for source in deployment.world.snapshots)
    for stage in ("kms-b", "kms-c"):
        assert sorted(copy["tags"]["SourceSnapshotId"] for copy in deployment.made(stage)) == sources


@pytest.mark.parametrize("stage", STAGES)
def test_the_same_interval_twice_at_once(deployment: Deployment, stage: str) -> None:
    """Wherever a run is when another one of its day does all the work, both are green and nothing is there twice."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    runs = overlap(deployment, [("", lambda: deployment.airflow.schedule(worlds.DAY)), (stage, deployment.run_day)])
    assert len(runs) == 2
    expect_one_copy_each(deployment, runs)


def test_a_backfill_of_seven_days_beside_the_daily_run(deployment: Deployment) -> None:
    """Eight runs under way at once, some of which want the same snapshots, give each snapshot one copy."""
    days = [worlds.DAY - timedelta(days=number) for number in range(1, 8)]
    seeds = [worlds.source(ACCOUNT, 1)]
    seeds += [worlds.source(ACCOUNT, number, start=day + timedelta(hours=12)) for number, day in enumerate(days, 2)]
    deployment.start(worlds.world(1, seeds=seeds, copy_seconds=0.3))
    backfill = [
        (STAGES[number % len(STAGES)], lambda day=day: deployment.airflow.backfill(day, at=worlds.NOW))
        for number, day in enumerate(days)
    ]
    runs = overlap(deployment, [("", lambda: deployment.airflow.schedule(worlds.DAY)), *backfill])
    assert len(runs) == 8
    expect_one_copy_each(deployment, runs)


def test_a_run_whose_kms_b_copy_another_deletes_is_red_only_if_nothing_came_of_it(deployment: Deployment) -> None:
    """A KMS-B copy that is gone counts as done while its KMS-C copy is there, and is asked for again when it is not."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    source = deployment.world.snapshots[0]
    client = deployment.client(worlds.DR)

    def finish_and_lose_it() -> Run:
        other = deployment.run_day()
        client.delete_snapshot(SnapshotId=deployment.dr_copy(source)["id"])
        return other

    first, other = overlap(
        deployment, [("", lambda: deployment.airflow.schedule(worlds.DAY)), ("rotate_to_kms_c", finish_and_lose_it)]
    )
    assert other.is_green, other.errors
    assert first.red == {"account.rotate_to_kms_c[0]", "audit"}
    assert (
        f"no KMS-B copy of it is left in {ACCOUNT}; clear the task of hop 1, too"
        in first.errors["account.rotate_to_kms_c[0]"]
    )
    deployment.airflow.clear(first, "account.copy_to_kms_b", 0)
    assert first.is_green, first.errors
    deployment.expect_done()
