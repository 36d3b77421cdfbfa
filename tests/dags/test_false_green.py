"""What must never be green: the run's state is decided by its leaf, which therefore trusts nothing (airflow 2, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e


def test_run_without_routes_is_red(deployment: Deployment) -> None:
    """When the routes could not be listed, the run fails, though no account has a task that failed."""
    deployment.start(worlds.world(1, 1))
    deployment.configure(organization_id="not-an-organization")
    run = deployment.run_day()
    assert run.red == {"list_routes", "audit"}
    assert not run.is_green
    assert "not-an-organization" in run.errors["list_routes"]
    assert "list_routes is failed" in run.errors["audit"]


def test_run_in_which_every_account_fails_is_red(deployment: Deployment) -> None:
    """When KMS-B is disabled each account fails in its own stage, and the run fails."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    deployment.control.disable_key(worlds.kms_arn(worlds.DR, worlds.KMS_B_ID))
    run = deployment.run_day()
    assert not run.is_green
    assert run.red == {"account.copy_to_kms_b[0]", "account.copy_to_kms_b[1]", "audit"}
    for source in deployment.world.snapshots:
        assert source.snapshot_id in run.errors["audit"]


@pytest.mark.parametrize(
    ("task", "mark"),
    [
        ("account.kms_c_completed[0]", "skipped"),
        ("lock_down_kms_b", "skipped"),
        ("lock_down_kms_b", "failed"),
        ("account.delete_kms_b[0]", "failed"),
    ],
)
def test_task_that_has_not_run_keeps_the_run_from_green(deployment: Deployment, task: str, mark: str) -> None:
    """A task that was skipped or failed makes the run red, also when every snapshot has its copy."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.airflow.marked_by_hand[task] = mark
    run = deployment.run_day()
    assert not run.is_green
    assert run.red == {"audit"} | ({task} if mark == "failed" else set())
    assert deployment.has_dr_copy(deployment.world.snapshots[0])
    assert f"{task.removesuffix('[0]')} is {mark}" in run.errors["audit"]


@pytest.mark.parametrize("stage", ["plan", "rotate_to_kms_c"])
def test_marking_a_task_as_success_does_not_make_copies(deployment: Deployment, stage: str) -> None:
    """A run is red while a wanted snapshot has no copy, even when somebody marks the task that makes it as success."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.airflow.marked_by_hand[f"account.{stage}[0]"] = "success"
    run = deployment.run_day()
    assert not run.is_green
    assert run.red == {"audit"}
    assert not deployment.has_dr_copy(deployment.world.snapshots[0])


def test_copy_that_vanishes_before_the_audit_is_missed(deployment: Deployment) -> None:
    """The audit reads the DR account itself: a copy that is gone by then makes it red, whatever the stages said."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    client = deployment.client(worlds.DR)
    source = deployment.world.snapshots[0]
    deployment.airflow.before["audit"] = lambda: client.delete_snapshot(SnapshotId=deployment.dr_copy(source)["id"])
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert source.snapshot_id in run.errors["audit"]
