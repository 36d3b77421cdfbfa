"""What a run makes of volumes beyond their RPO, and of accounts without snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.dag_runs import Run
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

TEN_YEARS = 87600
ONE = worlds.account_id(1)


def on_volumes(run: Run) -> list[dict[str, Any]]:
    """List what the audit of a run says of volumes that somebody has to do something about."""
    findings: list[dict[str, Any]] = run.xcom("audit", "return_value")["findings"]
    return [each for each in findings if each["rule"] == "KP118"]


def test_a_volume_beyond_its_rpo_is_red_and_green_once_the_rpo_is_another(deployment: Deployment) -> None:
    """What was copied as ever is red where its data is older than the RPO; the audit goes by the settings of now."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3), rpo_hours=1)
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert [(each["subject"], each["severity"]) for each in on_volumes(run)] == [
        (source.volume_id, "high") for source in deployment.world.snapshots
    ]
    assert all("no newer snapshot was there to be copied" in each["why"] for each in on_volumes(run))
    assert "where rpo_hours is 1" in run.errors["audit"]
    deployment.configure(rpo_hours=TEN_YEARS)
    deployment.airflow.clear(run, "audit")
    assert run.is_green, run.errors
    assert on_volumes(run) == []


def test_an_account_without_snapshots_is_red(deployment: Deployment) -> None:
    """An account that has nothing to copy turns the audit red where an RPO is set, and that alone."""
    deployment.start(worlds.world(2, seeds=[worlds.source(ONE, 1)], copy_seconds=0.3), rpo_hours=TEN_YEARS)
    run = deployment.run_day()
    assert run.red == {"audit"}
    (found,) = on_volumes(run)
    assert found["subject"] == f"team-2 ({worlds.account_id(2)})"
    assert "no snapshot in any of its source Regions" in found["why"]


def test_the_audit_asks_no_more_for_it(deployment: Deployment) -> None:
    """With an RPO plan and audit ask AWS as often as without, and a volume takes one row of an XCom."""
    volume = "vol-10000000000000001"
    seeds = [worlds.source(ONE, number, volume_id=volume) for number in range(1, 4)]
    asked = []
    for settings in ({}, {"rpo_hours": TEN_YEARS}):
        deployment.start(worlds.world(1, seeds=seeds, copy_seconds=0.3), **settings)
        marks = note_calls(deployment)
        run = deployment.run_day()
        assert run.is_green, run.errors
        end = calls_of(deployment)
        assert (run.xcom("account.plan[0]", "stock") is None) is (not settings)
        asked.append((marks["after plan"], end[0] - marks["audit"][0], end[1] - marks["audit"][1]))
    assert asked[0] == asked[1]
    (row,) = run.xcom("account.plan[0]", "stock")["volumes"]
    assert row == [volume, seeds[0].start_time.timestamp(), seeds[-1].start_time.timestamp(), seeds[-1].snapshot_id]


def calls_of(deployment: Deployment) -> tuple[int, int]:
    """Count the listings of snapshots so far: in the source account, and in the DR account."""
    return deployment.calls("DescribeSnapshots", ONE), deployment.calls("DescribeSnapshots", worlds.DR)


def note_calls(deployment: Deployment) -> dict[str, tuple[int, int]]:
    """Have the calls counted once the plan has ended, and when the audit begins."""
    marks: dict[str, tuple[int, int]] = {}
    deployment.airflow.before["account.copy_to_kms_b[0]"] = lambda: marks.update({"after plan": calls_of(deployment)})
    deployment.airflow.before["audit"] = lambda: marks.update(audit=calls_of(deployment))
    return marks


def test_a_run_that_began_without_an_rpo_is_not_judged_by_one(deployment: Deployment) -> None:
    """Where the setting came after the plans, they have left nothing to judge; the next run is judged."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    run = deployment.run_day()
    deployment.configure(rpo_hours=1)
    deployment.airflow.clear(run, "audit")
    assert run.is_green, run.errors


def test_a_plan_that_left_nothing_is_undecided(deployment: Deployment) -> None:
    """An account whose plan was marked as a success by hand has unknown volumes: undecided and never a pass."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3), rpo_hours=TEN_YEARS)
    deployment.airflow.marked_by_hand["account.plan[1]"] = "success"
    run = deployment.run_day()
    assert "audit" in run.red
    assert [(each["subject"], each["verdict"]) for each in on_volumes(run)] == [
        (f"team-2 ({worlds.account_id(2)}) us-east-1", "UNDECIDED")
    ]
