"""Airflow's processes killed in the middle of the copies: nothing is lost, and nothing is copied twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from snapshot_dr_provider.sandbox.world import Lag
from tests import worlds
from tests.e2e.real_deployment import DAG_ID, TUNING, deployed, history, today, world_now
from tests.integration.tasks import route

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.e2e.real_deployment import RealDeployment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent
COPY_IN_WORKER = "copy_in_worker"

NOTICE_SOON = {
    # What is dead is told by its heartbeat; by default after half a minute, and looked for every five.
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    # The runs are triggered by hand; those that are due would come first.
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
}

LAG = Lag(create=0.8)
"""Reads show a copy so much later, within the time that the settings allow for it."""


@pytest.fixture(scope="module")
def deployment(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealDeployment]:
    """Deploy the DAG, and one whose tasks copy in the worker."""
    folder = tmp_path_factory.mktemp("dags")
    for file in (HERE.parents[1] / "dags" / "snapshot_dr.py", HERE / "dags" / "copy_in_worker.py"):
        shutil.copy(file, folder)
    with deployed(sandbox_server, tmp_path_factory.mktemp("airflow"), folder, NOTICE_SOON) as deployment:
        for dag_id in (DAG_ID, COPY_IN_WORKER):
            deployment.airflow.wait_for_dag(dag_id)
        yield deployment


def in_state(deployment: RealDeployment, run_id: str, state: str) -> dict[str, dict[str, Any]]:
    """Read the task instances that are in one state."""
    return {name: task for name, task in deployment.tasks(run_id).items() if task["state"] == state}


def trigger_yesterday(deployment: RealDeployment) -> str:
    """Have the snapshots of yesterday copied."""
    return deployment.airflow.api.trigger(DAG_ID, {"day": f"{today() - timedelta(days=1):%Y-%m-%d}"})


def go_on(deployment: RealDeployment) -> None:
    """Let the clock of AWS go on from the time that it is."""
    deployment.control.freeze(datetime.now(UTC))
    deployment.control.run_clock()


def test_copies_outlive_the_triggerer(deployment: RealDeployment) -> None:
    """After the triggerer was killed with copies in flight in either account, another one finds and awaits them."""
    seeds = [*history(1, days=(1,)), worlds.source(worlds.account_id(1), 1, start=today() - timedelta(hours=9))]
    deployment.start(world_now(seeds, 1, copy_seconds=4.0, lag=LAG))
    run_id = trigger_yesterday(deployment)
    for stage in ("kms-b", "kms-c"):
        deployment.wait_until(partial(deployment.in_flight, stage), f"start {stage} copies")
        deployment.airflow.processes["triggerer-1"].kill()
        assert in_state(deployment, run_id, "deferred")
        deployment.airflow.start("triggerer-1")
    assert deployment.wait_for_run(run_id)["state"] == "success"
    deployment.expect_one_copy_each(seeds)
    assert (len(deployment.copies("kms-b")), len(deployment.copies("kms-c"))) == (2, 2), "something was copied twice"


def test_copies_outlive_the_scheduler_and_its_workers(deployment: RealDeployment) -> None:
    """After the scheduler was killed with its workers, what they were at is begun anew, to no harm."""
    seeds = history(2, days=(1,))
    deployment.start(world_now(seeds, 2, copy_seconds=4.0, lag=LAG))
    # The copies of the first account last until both are at work: the other one's tasks take their time.
    deployment.control.freeze()
    deployment.control.add_fault(
        kind="delay", action="DescribeSnapshots", account_id=worlds.account_id(2), seconds=20.0, count=1000
    )
    run_id = trigger_yesterday(deployment)

    def is_in_the_middle() -> bool:
        return deployment.in_flight("kms-b") > 0 and bool(in_state(deployment, run_id, "running"))

    deployment.wait_until(is_in_the_middle, "copy beside running tasks", every=0.05)
    killed_at = datetime.now(UTC)
    deployment.airflow.processes["scheduler"].kill()
    orphaned = in_state(deployment, run_id, "running")
    assert orphaned
    deployment.control.clear_faults()
    go_on(deployment)
    deployment.airflow.start("scheduler")
    assert deployment.wait_for_run(run_id)["state"] == "success"
    tasks = deployment.tasks(run_id)
    assert all(datetime.fromisoformat(tasks[name]["start_date"]) > killed_at for name in orphaned)
    deployment.expect_one_copy_each(seeds)


def test_an_orphaned_task_beside_its_retry_copies_nothing_twice(deployment: RealDeployment) -> None:
    """A task process whose scheduler is dead goes on beside the next try, and both together end with one copy each."""
    account = worlds.account_id(1)
    noon = today() - timedelta(hours=12)
    seeds = [worlds.source(account, number, start=noon + timedelta(minutes=number)) for number in range(1, 5)]
    deployment.start(world_now(seeds, 1))
    run_id = deployment.airflow.api.trigger(COPY_IN_WORKER, order_for([seed.snapshot_id for seed in seeds]))
    deployment.wait_until(lambda: deployment.in_flight("kms-c") == 2, "fill the slots of hop 2")
    # With the slots taken neither can go on until both are there; then they start what is left at the same time.
    deployment.control.freeze()
    (orphan,) = copier(deployment, run_id)
    entered = entries(deployment)
    assert orphan in {process.pid for process in deployment.airflow.processes["scheduler"].kill_alone()}
    # By its next heartbeat its supervisor would learn that it is none of Airflow's any more: that may take a while.
    supervisor = psutil.Process(orphan).parent()
    assert supervisor is not None
    supervisor.suspend()
    deployment.airflow.start("scheduler")
    deployment.wait_until(lambda: copier(deployment, run_id) not in ([], [orphan]), "try again")
    deployment.wait_until(lambda: entries(deployment) > entered, "enter the DR account for the next try")
    assert psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE
    # So long that either starts what it cannot see that the other one has started.
    deployment.control.set_lag(create=2.5)
    go_on(deployment)
    assert deployment.wait_for_run(run_id, COPY_IN_WORKER)["state"] == "success"
    deployment.expect_one_copy_each(seeds)


def copier(deployment: RealDeployment, run_id: str) -> list[int]:
    """Name the process that copies, as Airflow knows it; none while it runs none."""
    tasks = deployment.tasks(run_id, COPY_IN_WORKER).values()
    return [task["pid"] for task in tasks if task["task_id"] == "rotate" and task["state"] == "running"]


def entries(deployment: RealDeployment) -> int:
    """Count how often somebody has made sure of being in the DR account, which each process does once."""
    return int(deployment.control.calls()["by_account"][worlds.DR]["sts:GetCallerIdentity"])


def order_for(snapshot_ids: list[str]) -> dict[str, Any]:
    """Write what the DAG that copies in the worker is asked for, with two slots in either account."""
    options = {**TUNING, "copy_slots": 2, "settle_seconds": 3}
    return {"route": route(), "options": options, "snapshot_ids": snapshot_ids}
