"""Who hears of a run in a real Airflow: the on-call engineer of what is red, others of what is new."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds
from tests.e2e.real_deployment import DAG_ID, deployed, history, world_now
from tests.receivers import topic

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.e2e.real_deployment import RealDeployment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = CHECKOUT / "docs" / "examples"
CONSUMERS = ("payments_restore_drill", "new_copies_report")


def dags_folder(folder: Path) -> Path:
    """Make a DAG folder of the daily DAG as it is, and of the files that the docs show beside it."""
    folder.mkdir()
    for file in (CHECKOUT / "dags" / "snapshot_dr.py", EXAMPLES / "restore_drill_dag.py", EXAMPLES / "dr_alerts.py"):
        shutil.copy(file, folder)
    return folder


def has_called_back(log: Path) -> bool:
    """Tell from a log of the DAG processor whether it has called the callback of a red run."""
    return "Executing on_failure dag callback" in log.read_text(encoding="utf-8")


def runs_of(deployment: RealDeployment, dag_id: str) -> list[dict[str, Any]]:
    """Wait until a DAG has a run that nobody has triggered."""
    runs: list[dict[str, Any]] = []

    def is_there() -> bool:
        runs[:] = deployment.airflow.api("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]
        return bool(runs)

    deployment.wait_until(is_there, f"run {dag_id}")
    return runs


def what_became_of(deployment: RealDeployment, dag_id: str) -> list[Any]:
    """Give what the task of a DAG that is scheduled on assets has returned, in each run."""
    values = []
    for run in runs_of(deployment, dag_id):
        assert deployment.wait_for_run(run["dag_run_id"], dag_id)["state"] == "success"
        assert run["run_type"] == "asset_triggered"
        (task,) = deployment.tasks(run["dag_run_id"], dag_id)
        path = f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/xcomEntries/return_value"
        values.append(deployment.airflow.api("GET", path)["value"])
    return values


def lineage(events: Path, account: str) -> list[dict[str, Any]]:
    """Give what OpenLineage was told of the copies of an account: the events with datasets, without what all have."""
    told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    of_copies = [event for event in told if any(each["name"].endswith(account) for each in event.get("outputs", ()))]
    return [
        {"type": event["eventType"], "job": event["job"]["name"], "in": event["inputs"], "out": event["outputs"]}
        for event in of_copies
    ]


def test_a_run_is_told_to_whom_it_concerns(
    sandbox_server: Sandbox, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    The red account is told by one message of the worker; the copies of the good one start the DAGs on them.

    OpenLineage gets their lineage, and none of the red account.
    """
    with topic() as received:
        environment = {
            "AIRFLOW__SNAPSHOT_DR__FAILURE_NOTIFIER": "dr_alerts.on_call",
            "AWS_ENDPOINT_URL_SNS": received.endpoint_url,
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(tmp_path / "lineage.jsonl"), "append": True}
            ),
        }
        folder, home = dags_folder(tmp_path / "dags"), tmp_path_factory.mktemp("airflow")
        with deployed(sandbox_server, home, folder, environment) as deployment:
            for dag_id in CONSUMERS:
                deployment.airflow.wait_for_dag(dag_id)
            seeds = history(2, days=(1,))
            deployment.start(world_now(seeds, 2), lookback_days=0)
            deployment.forbid(worlds.account_id(2), "ec2:ModifySnapshotAttribute")
            # Unpaused, it has a run at once: that of yesterday, which is due.
            deployment.airflow.wait_for_dag(DAG_ID)
            (run,) = runs_of(deployment, DAG_ID)
            assert deployment.wait_for_run(run["dag_run_id"])["state"] == "failed"
            ((drill,),) = what_became_of(deployment, "payments_restore_drill")
            assert drill == f"1 copies, the newest of {seeds[0].start_time.isoformat()}"
            assert what_became_of(deployment, "new_copies_report") == [{"team-1": 1}]
            # The worker calls it after the end of the run; the DAG's own callback then has nothing to add.
            deployment.wait_until(lambda: received.messages, "tell that the run is red")
            logs = home / "logs" / "dag_processor"
            deployment.wait_until(lambda: any(map(has_called_back, logs.rglob("*.log"))), "call the DAG's callback")
    (message,) = received.messages
    assert message["Subject"] == f"{DAG_ID} is red: 1 red task"
    for part in (f"team-2 ({worlds.account_id(2)}) us-east-1: account.rotate_to_kms_c is failed", seeds[1].snapshot_id):
        assert part in message["Message"]
    (told,) = lineage(tmp_path / "lineage.jsonl", worlds.account_id(1))
    assert (told["type"], told["job"]) == ("COMPLETE", f"{DAG_ID}.account.kms_c_completed")
    ((source,), (copies,)) = told["in"], told["out"]
    place = f"{worlds.DR}/{worlds.REGION}/{worlds.account_id(1)}"
    assert (source["namespace"], source["name"]) == (
        f"arn:aws:ec2:{worlds.REGION}:{worlds.account_id(1)}",
        "snapshot",
    )
    assert (copies["namespace"], copies["name"]) == ("x-snapshot-dr://kms-c", place)
    assert copies["outputFacets"]["outputStatistics"]["fileCount"] == 1
    assert lineage(tmp_path / "lineage.jsonl", worlds.account_id(2)) == []
