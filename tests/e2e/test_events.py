"""A snapshot is created in an Org-A account, and nobody touches anything."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds
from tests.e2e.real_deployment import CHECKOUT, deployed, documented_backfill, history, today, world_now
from tests.event_queues import DEAD, EVENTS, EventQueues, created

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.e2e.real_deployment import RealDeployment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

DAG_ID = "snapshot_dr_on_event"
DAILY = "snapshot_dr"
GONE = "snap-0000000000000dead"
ACCOUNTS = [worlds.account_id(number) for number in (1, 2, 3)]
MALFORMED = (
    "malformed",
    "{}",
    "[]",
    created(ACCOUNTS[0], GONE)[:-1],
    created(ACCOUNTS[0], GONE).replace(f'"{ACCOUNTS[0]}"', ACCOUNTS[0]),
    created("12345678901", GONE),
    created(ACCOUNTS[0], "vol-0000000000000dead"),
    created(ACCOUNTS[0], GONE, result="perhaps"),
    created(ACCOUNTS[0], GONE).replace(worlds.REGION, "everywhere"),
    created(ACCOUNTS[0], GONE).replace("2026-03-10T", "soon, at "),
)


@pytest.fixture(scope="module")
def deployment(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealDeployment]:
    """Deploy the DAGs, paused."""
    # An asset of a paused DAG has no watcher: it gets one when the file is read again after the DAG was unpaused.
    soon = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10"}
    with deployed(sandbox_server, tmp_path_factory.mktemp("airflow"), CHECKOUT / "dags", soon) as deployment:
        yield deployment


def listen(deployment: RealDeployment) -> None:
    """Unpause the DAG, and wait until its queue is being read."""
    deployment.airflow.wait_for_dag(DAG_ID)
    before = receipts(deployment)
    deployment.wait_until(lambda: receipts(deployment) > before, "read the queue")


def receipts(deployment: RealDeployment) -> int:
    """Count how often somebody has asked the queue for messages."""
    number: int = deployment.control.calls()["by_action"].get("sqs:ReceiveMessage", 0)
    return number


def runs(deployment: RealDeployment, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
    """Read the runs of a DAG."""
    found: list[dict[str, Any]] = deployment.airflow.api("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]
    return found


def are_copied(deployment: RealDeployment, ids: set[str]) -> bool:
    """Tell whether all runs are over and these snapshots, and no others, have their copies."""
    if any(run["state"] not in ("success", "failed") for dag in (DAG_ID, DAILY) for run in runs(deployment, dag)):
        return False
    copies = deployment.left("kms-c")
    return {each["tags"]["SourceSnapshotId"] for each in copies if each["state"] == "completed"} == ids


def expect_one_copy_each(deployment: RealDeployment, ids: set[str]) -> None:
    """Expect one KMS-C copy of each, no KMS-B copy, and green runs alone."""
    assert sorted(each["tags"]["SourceSnapshotId"] for each in deployment.left("kms-c")) == sorted(ids)
    assert deployment.left("kms-b") == []
    assert {run["state"] for dag in (DAG_ID, DAILY) for run in runs(deployment, dag)} == {"success"}


def test_a_new_snapshot_is_copied_by_itself(
    deployment: RealDeployment, sandbox_server: Sandbox, capsys: pytest.CaptureFixture
) -> None:
    """CreateSnapshot in an Org-A account is followed by its verified KMS-C copy, by one green run of it alone."""
    deployment.start(world_now([], 3), events=dict(EVENTS))
    queues = EventQueues(sandbox_server, ACCOUNTS)
    listen(deployment)
    began = time.monotonic()
    snapshot_id = queues.create_snapshot(ACCOUNTS[0])
    deployment.wait_until(lambda: deployment.copies("kms-b"), "start a copy", every=0.1)
    started = time.monotonic() - began
    deployment.wait_until(lambda: are_copied(deployment, {snapshot_id}), "copy the snapshot")
    took = time.monotonic() - began
    expect_one_copy_each(deployment, {snapshot_id})
    (run,) = runs(deployment)
    assert run["run_type"] == "asset_triggered"
    deployment.wait_until(lambda: queues.counts() == (0, 0), "delete the message")
    (event,) = sandbox_server.control.events(ACCOUNTS[0])[:1]
    (copy,) = deployment.copies("kms-b")
    told = datetime.fromisoformat(event["time"])
    between = (datetime.fromisoformat(copy["start_time"]) - told).total_seconds()
    with capsys.disabled():
        print(  # noqa: T201
            f"\nCreateSnapshot to start of hop 1: {started:.1f} s; event to start of hop 1: {between:.1f} s; "
            f"CreateSnapshot to the end of the run with its audit: {took:.1f} s"
        )


def test_a_thousand_events_become_few_runs(
    deployment: RealDeployment, sandbox_server: Sandbox, capsys: pytest.CaptureFixture
) -> None:
    """
    A burst of 1,000 messages, out of order, most of them twice, 1 % malformed: few runs, and each handled once.

    Each of the 495 snapshots has exactly one copy, and each malformed message is set aside.
    """
    before = {run["dag_run_id"] for run in runs(deployment)}
    start = today() - timedelta(hours=1)
    seeds = [worlds.source(account, number, start=start) for account in ACCOUNTS for number in range(1000, 1165)]
    deployment.start(world_now(seeds, 3, copy_seconds=0.5), events=dict(EVENTS))
    queues = EventQueues(sandbox_server, ACCOUNTS)
    listen(deployment)
    bodies = [created(seed.account_id, seed.snapshot_id) for seed in seeds] * 2 + list(MALFORMED)
    assert (len(bodies), len(MALFORMED)) == (1000, 10)
    random.Random(1).shuffle(bodies)
    began = time.monotonic()
    queues.send(*bodies)
    ids = {seed.snapshot_id for seed in seeds}
    deployment.wait_until(lambda: are_copied(deployment, ids), "copy the snapshots", every=1)
    took = time.monotonic() - began
    expect_one_copy_each(deployment, ids)
    deployment.wait_until(lambda: queues.counts() == (0, 0), "delete the messages")
    assert sorted(body for body, _ in queues.set_aside()) == sorted(MALFORMED)
    made = {run["dag_run_id"] for run in runs(deployment)} - before
    assert 1 <= len(made) <= 10
    with capsys.disabled():
        print(f"\n1,000 events of {len(ids)} snapshots became {len(made)} runs, all over after {took:.0f} s")  # noqa: T201


def test_a_burst_beside_a_daily_run_and_a_backfill(
    deployment: RealDeployment, sandbox_server: Sandbox, capsys: pytest.CaptureFixture
) -> None:
    """
    News twice of many snapshots, news of one that is gone, malformed messages: one copy each, in few runs.

    A daily run and a backfill are under way at the same time and want some of the same snapshots.
    """
    before = {run["dag_run_id"] for run in runs(deployment)}
    seeds = history(3, days=(1, 2))
    deployment.start(world_now(seeds, 3), events=dict(EVENTS))
    queues = EventQueues(sandbox_server, ACCOUNTS)
    listen(deployment)
    new = {queues.create_snapshot(account) for account in ACCOUNTS for _ in range(4)}
    ids = new | {seed.snapshot_id for seed in seeds}
    owners = {each["id"]: each["owner"] for each in deployment.control.snapshots()}
    queues.send(
        *(created(owners[each], each) for each in sorted(ids)),
        created(ACCOUNTS[0], GONE),
        "malformed",
        json.dumps({"source": "aws.ec2"}),
    )
    deployment.airflow.wait_for_dag(DAILY)
    day = today() - timedelta(days=2)
    deployment.airflow.run_command(*documented_backfill(day, day))
    deployment.wait_until(lambda: are_copied(deployment, ids), "copy the snapshots")
    expect_one_copy_each(deployment, ids)
    assert {run["run_type"] for run in runs(deployment, DAILY)} == {"scheduled", "backfill"}
    deployment.wait_until(lambda: queues.counts() == (0, 0), "delete the messages")
    assert queues.counts(DEAD)[0] == 2
    made = {run["dag_run_id"] for run in runs(deployment)} - before
    assert 1 <= len(made) <= 10
    with capsys.disabled():
        print(f"\n{len(ids) + len(new)} events of {len(ids)} snapshots became {len(made)} runs")  # noqa: T201


def test_news_outlives_its_triggerer(deployment: RealDeployment, sandbox_server: Sandbox) -> None:
    """A triggerer that is killed has deleted nothing that was not stored: the next one starts the run."""
    deployment.start(world_now([], 3), events=dict(EVENTS))
    queues = EventQueues(sandbox_server, ACCOUNTS)
    listen(deployment)
    deployment.airflow.processes["triggerer-1"].kill()
    snapshot_id = queues.create_snapshot(ACCOUNTS[1])
    deployment.airflow.start("triggerer-1")
    deployment.wait_until(lambda: are_copied(deployment, {snapshot_id}), "copy the snapshot")
    expect_one_copy_each(deployment, {snapshot_id})
