"""From an organization that has nothing of ours to a first DR copy, by the commands and a real Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from snapshot_dr_provider.sandbox.world import VolumeSeed
from tests import worlds
from tests.applied_templates import apply_keys, apply_the_rest, bare_world, stacks_of
from tests.e2e.real_deployment import CHECKOUT, TUNING, deployed
from tests.event_queues import EVENTS

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.e2e.real_deployment import RealDeployment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]

AIRFLOW = Path(sys.executable).with_name("airflow")
ONE = worlds.account_id(1)
VOLUME = "vol-11111111"
TUNING_SECTION = f"""
# Beside what init has asked for: where the news of new snapshots comes from, and waits for a sandbox.
events: {json.dumps(EVENTS)}
tuning: {json.dumps({**TUNING, "policy_settle_seconds": 1})}
"""


@pytest.fixture
def deployment(sandbox_server: Sandbox, tmp_path: Path) -> Iterator[RealDeployment]:
    """Deploy the DAGs, paused, over a world that has nothing of ours, and make the connections that init names."""
    sandbox_server.control.reset(bare_world(clock=None, copy_seconds=3.0))
    tooling = worlds.connections(worlds.world(1, 1))["AIRFLOW_CONN_AWS_TOOLING"]
    soon = {
        "AIRFLOW_CONN_AWS_ORG_A_TOOLING": tooling,
        # An asset of a paused DAG has no watcher: it gets one when the file is read again after the DAG was unpaused.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
    }
    with deployed(sandbox_server, tmp_path, CHECKOUT / "dags", soon) as deployment:
        yield deployment


def run(deployment: RealDeployment, *arguments: str) -> tuple[int, str]:
    """Run a command of ours where Airflow is set up: its status and what it has printed."""
    done = subprocess.run(
        [AIRFLOW, "snapshot-dr", *arguments],
        env=deployment.airflow.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def preflight(deployment: RealDeployment) -> list[dict[str, Any]]:
    """Ask what stands against a run, and give what has failed."""
    status, out = run(deployment, "preflight", "--json")
    failed = [each for each in json.loads(out)["checks"] if each["outcome"] != "ok"]
    assert bool(failed) == bool(status), out
    return failed


def infra(deployment: RealDeployment, folder: Path) -> dict[str, Any]:
    """Write the templates for the settings as they are."""
    settings = str(deployment.settings_path)
    run(deployment, "infra", "cloudformation", "--settings", settings, "--out", str(folder), "--force")
    return stacks_of({file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()})


def create_snapshot(sandbox: Sandbox) -> str:
    """Create a snapshot of the account's volume, as anybody there does."""
    keys = sandbox.control.credentials(ONE)
    client = boto3.client(
        "ec2",
        region_name=worlds.REGION,
        endpoint_url=sandbox.endpoint_url,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    snapshot_id: str = client.create_snapshot(VolumeId=VOLUME)["SnapshotId"]
    return snapshot_id


def test_from_nothing_to_the_first_copy(
    deployment: RealDeployment, sandbox_server: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """With init, infra and preflight an organization is set up, and a new snapshot then gets its copy by itself."""
    settings = deployment.settings_path
    names = ("--organization-id", worlds.ORG_A, "--dr-account-id", worlds.DR, "--region", worlds.REGION)
    run(deployment, "init", *names, "--account", f"{ONE}=team-1", "--kms-b-window", "per_run", "--out", str(settings))
    settings.write_text(settings.read_text(encoding="utf-8") + TUNING_SECTION, encoding="utf-8")

    before = preflight(deployment)
    assert {each["check"] for each in before} >= {"sign-in"}
    assert any(f"arn:aws:iam::{ONE}:role/" in each["detail"] for each in before)

    keys = apply_keys(sandbox_server, infra(deployment, tmp_path / "infra"))
    text = settings.read_text(encoding="utf-8")
    for name, arn in (("kms_b", keys["KmsBArn"]), ("kms_c", keys["KmsCArn"])):
        (line,) = [each for each in text.splitlines() if each.strip().startswith(f"{name}:")]
        text = text.replace(line, f"    {name}: {arn}")
    settings.write_text(text, encoding="utf-8")
    assert preflight(deployment), "the roles are still missing"

    apply_the_rest(sandbox_server, infra(deployment, tmp_path / "infra"), keys, ONE)
    # A setting of the account as a whole, which no template of ours changes: preflight gives the command.
    sandbox_server.control.set_block_public_access(worlds.DR, worlds.REGION, "block-all-sharing")
    assert preflight(deployment) == []

    volume = VolumeSeed(ONE, worlds.REGION, VOLUME, 8, encrypted=True, kms_key=worlds.kms_a_id(ONE))
    sandbox_server.control.add_volume(volume)
    deployment.airflow.wait_for_dag("snapshot_dr_on_event")
    calls = sandbox_server.control.calls
    deployment.wait_until(lambda: calls()["by_action"].get("sqs:ReceiveMessage"), "read the queue")
    began = time.monotonic()
    snapshot_id = create_snapshot(sandbox_server)
    deployment.wait_until(lambda: deployment.copies("kms-b"), "start a copy", every=0.1)
    started = time.monotonic() - began
    dag_runs = "/dags/snapshot_dr_on_event/dagRuns"
    deployment.wait_until(
        lambda: [each for each in deployment.airflow.api("GET", dag_runs)["dag_runs"] if each["end_date"]],
        "end the run",
    )
    assert [each["state"] for each in deployment.airflow.api("GET", dag_runs)["dag_runs"]] == ["success"]
    (copy,) = deployment.left("kms-c")
    assert (copy["tags"]["SourceSnapshotId"], copy["state"], copy["kms_key_arn"]) == (
        snapshot_id,
        "completed",
        keys["KmsCArn"],
    )
    assert deployment.left("kms-b") == []
    # What the templates have locked is locked again.
    assert preflight(deployment) == []
    with capsys.disabled():
        print(f"\nfrom nothing: CreateSnapshot to start of hop 1 {started:.1f} s")  # noqa: T201
