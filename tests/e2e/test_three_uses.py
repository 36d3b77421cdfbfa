"""The three ways in which the DAG is used, in a real Airflow: scheduled runs, backfills, and retries of one account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds
from tests.e2e.real_deployment import CHECKOUT, DAG_ID, deployed, documented_backfill, history, today, world_now

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from snapshot_dr_provider.sandbox.world import SnapshotSeed
    from tests.e2e.real_deployment import RealDeployment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]


STAGES = ("plan", "copy_to_kms_b", "kms_b_completed", "rotate_to_kms_c", "kms_c_completed", "delete_kms_b")


@pytest.fixture(scope="module")
def deployment(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealDeployment]:
    """Deploy the DAG, paused."""
    with deployed(sandbox_server, tmp_path_factory.mktemp("airflow"), CHECKOUT / "dags") as deployment:
        yield deployment


@dataclass(frozen=True, slots=True)
class Scheduled:
    """
    Tell of the run that the scheduler made.

    :param run: what the REST API says of it.
    :param tasks: its task instances by name.
    :param sources: what there was to copy, on several days.
    :param copied: which run copied each source that has a KMS-C copy.
    """

    run: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    sources: list[SnapshotSeed]
    copied: dict[str, str]


@pytest.fixture(scope="module")
def scheduled(deployment: RealDeployment) -> Scheduled:
    """Unpause the DAG, and let the run that the scheduler makes come to its end."""
    sources = history(2, days=(0, 1, 2))
    deployment.start(world_now(sources, 2), lookback_days=0)
    deployment.airflow.wait_for_dag(DAG_ID)
    runs: list[dict[str, Any]] = []

    def is_there() -> bool:
        runs[:] = deployment.airflow.api("GET", f"/dags/{DAG_ID}/dagRuns")["dag_runs"]
        return bool(runs)

    deployment.wait_until(is_there, "make the run that is due")
    run = deployment.wait_for_run(runs[0]["dag_run_id"])
    return Scheduled(run, deployment.tasks(run["dag_run_id"]), sources, deployment.runs_by_source())


def test_a_scheduled_run_copies_the_day_before(scheduled: Scheduled) -> None:
    """The scheduler makes a run of yesterday's interval, which ends green with the copies of that day and no other."""
    run = scheduled.run
    start, end = (datetime.fromisoformat(run[name]) for name in ("data_interval_start", "data_interval_end"))
    assert (run["run_type"], run["state"], end - start) == ("scheduled", "success", timedelta(days=1))
    assert end == start.replace(hour=0) + timedelta(days=1) <= today()
    assert {task["state"] for task in scheduled.tasks.values()} == {"success"}
    of_the_day = [source.snapshot_id for source in scheduled.sources if start <= source.start_time < end]
    assert len(of_the_day) == 2
    assert scheduled.copied == dict.fromkeys(of_the_day, run["dag_run_id"])


def test_each_account_is_shown_by_its_name(scheduled: Scheduled) -> None:
    """The grid shows an account's name, id and Region at each of its stages instead of a map index."""
    labels = {name: task["rendered_map_index"] for name, task in scheduled.tasks.items() if task["map_index"] >= 0}
    assert labels == {
        f"account.{stage}[{index}]": f"team-{index + 1} ({worlds.account_id(index + 1)}) us-east-1"
        for stage in STAGES
        for index in (0, 1)
    }


def backfill(deployment: RealDeployment, first: datetime, last: datetime) -> list[dict[str, Any]]:
    """Run the command that the docs give, and wait until all of its runs have ended."""
    deployment.airflow.run_command(*documented_backfill(first, last))
    runs: list[dict[str, Any]] = []

    def are_over() -> bool:
        answer = deployment.airflow.api("GET", f"/dags/{DAG_ID}/dagRuns", run_type="backfill", order_by="logical_date")
        runs[:] = answer["dag_runs"]
        return bool(runs) and all(run["state"] in ("success", "failed") for run in runs)

    deployment.wait_until(are_over, "end the backfill", every=1.0)
    return runs


def test_a_backfill_copies_each_days_own_snapshots(deployment: RealDeployment, scheduled: Scheduled) -> None:
    """After three days of pause a backfill gives each day its copies by its own run, also where one was made before."""
    seeds = history(1, days=(0, 1, 2, 3, 4))
    deployment.start(world_now(seeds, 1), lookback_days=0)
    yesterday = datetime.fromisoformat(scheduled.run["data_interval_start"])
    first = yesterday - timedelta(days=2)
    runs = backfill(deployment, first, yesterday)
    days = {datetime.fromisoformat(run["data_interval_start"]): run for run in runs}
    assert list(days) == [first, first + timedelta(days=1), yesterday]
    assert {run["state"] for run in runs} == {"success"}
    # The run that the scheduler made, whose copies are gone with that world.
    assert days[yesterday]["dag_run_id"] == scheduled.run["dag_run_id"]
    wanted = [seed for seed in seeds if first <= seed.start_time < yesterday + timedelta(days=1)]
    deployment.expect_one_copy_each(wanted)
    run_of = {seed.snapshot_id: days[seed.start_time - timedelta(hours=12)]["dag_run_id"] for seed in wanted}
    assert deployment.runs_by_source() == run_of


def test_one_account_is_repaired_by_clearing_its_red_task(deployment: RealDeployment, scheduled: Scheduled) -> None:
    """Of a broken account one stage is red and says why; once mended, clearing that runs this account alone again."""
    seeds = history(2, days=(1,))
    broken = worlds.account_id(2)
    deployment.start(world_now(seeds, 2), lookback_days=0)
    deployment.forbid(broken, "ec2:ModifySnapshotAttribute")
    run_id = deployment.airflow.api.trigger(DAG_ID, {"day": f"{today() - timedelta(days=1):%Y-%m-%d}"})
    run = deployment.wait_for_run(run_id)
    before = deployment.tasks(run_id)
    assert run["state"] == "failed"
    red = {name for name, task in before.items() if task["state"] != "success"}
    assert red == {"account.rotate_to_kms_c[1]", "audit"}
    log = deployment.log_of(run_id, before["account.rotate_to_kms_c[1]"])
    for part in ("ec2:ModifySnapshotAttribute", broken, "clear this task"):
        assert part in log, f"{part} is not in\n{log}"
    good = [seed for seed in seeds if seed.account_id != broken]
    assert set(deployment.runs_by_source()) == {seed.snapshot_id for seed in good}

    deployment.permit(broken)
    deployment.airflow.api.clear(DAG_ID, run_id, [("account.rotate_to_kms_c", 1)])
    assert deployment.wait_for_run(run_id)["state"] == "success"
    after = deployment.tasks(run_id)
    assert {task["state"] for task in after.values()} == {"success"}
    ran_again = {name for name in after if after[name]["start_date"] != before[name]["start_date"]}
    assert ran_again == {
        "account.rotate_to_kms_c[1]",
        "account.kms_c_completed[1]",
        "account.delete_kms_b[1]",
        "open_kms_b_window",
        "lock_down_kms_b",
        "audit",
    }
    deployment.expect_one_copy_each(seeds)
