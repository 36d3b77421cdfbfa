"""What a run makes of an account that has joined the organization lately and lacks the role to enter it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from snapshot_dr_provider.sandbox import World
from tests import worlds

if TYPE_CHECKING:
    from tests.dags.dag_runs import Run
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

OLD, NEW = worlds.account_id(1), worlds.account_id(2)
LATER_STAGES = {
    f"account.{stage}[1]"
    for stage in ("copy_to_kms_b", "kms_b_completed", "rotate_to_kms_c", "kms_c_completed", "delete_kms_b")
}


def world_with_a_new_account(*, age: timedelta) -> World:
    """Build a world of two accounts, the second of which has joined that long ago by the machine's clock."""
    world = worlds.world(2, 1, copy_seconds=0.3)
    joined = datetime.now(UTC) - age
    source, other = world.organizations
    members = (replace(member, joined=joined) if member.id == NEW else member for member in source.accounts)
    return replace(world, organizations=(replace(source, accounts=tuple(members)), other))


def listed(**changes: Any) -> dict[str, Any]:
    """Write the settings that take the accounts from the organization."""
    return {"organizations": {"aws_conn_id": "aws_tooling", "exclude_accounts": [worlds.TOOLING], **changes}}


def start_without_role(deployment: Deployment, age: timedelta, **changes: Any) -> None:
    """Deploy the DAG where the new account does not have the role that enters it."""
    deployment.start(world_with_a_new_account(age=age), accounts=listed(**changes))
    deployment.control.delete_role(NEW, "SnapshotDr")


def named_by_the_audit(run: Run) -> list[dict[str, str]]:
    """List what the audit says of accounts that cannot be entered."""
    findings: list[dict[str, str]] = run.xcom("audit", "return_value")["findings"]
    return [each for each in findings if each["rule"] == "KP115"]


def test_account_vended_yesterday_is_red_by_default(deployment: Deployment) -> None:
    """Without the setting an account that has no role yet is red like any other, alone."""
    start_without_role(deployment, timedelta(days=1))
    run = deployment.run_day()
    assert run.red == {"account.plan[1]", "audit"}
    assert f"arn:aws:iam::{NEW}:role/SnapshotDr" in run.errors["account.plan[1]"]
    assert "Create the role" in run.errors["account.plan[1]"]
    assert deployment.has_dr_copy(deployment.world.snapshots[0])


def test_account_within_its_grace_is_named_and_the_run_is_green(deployment: Deployment) -> None:
    """With the setting the run is green, the audit names the account, and nothing of it is taken for copied."""
    start_without_role(deployment, timedelta(days=1), new_account_grace_hours=48)
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert run.tasks_in("skipped") == LATER_STAGES
    (named,) = named_by_the_audit(run)
    assert (named["severity"], named["subject"]) == ("medium", f"team-2 ({NEW}) {worlds.REGION}")
    for part in ("new_account_grace_hours excuses that until", f"arn:aws:iam::{NEW}:role/SnapshotDr"):
        assert part in named["why"]
    assert "Create the role: airflow snapshot-dr policy show source-role" in named["remedy"]
    assert [row["wanted"] for row in run.xcom("audit", "return_value")["routes"]] == [1]
    assert not deployment.has_dr_copy(deployment.world.snapshots[1])


def test_account_whose_grace_is_over_is_red(deployment: Deployment) -> None:
    """Nobody is excused longer than the setting says."""
    start_without_role(deployment, timedelta(days=3), new_account_grace_hours=48)
    run = deployment.run_day()
    assert run.red == {"account.plan[1]", "audit"}


def test_new_account_that_can_be_entered_is_copied(deployment: Deployment) -> None:
    """The grace is for those who lack the role: any other new account is copied and required to be."""
    deployment.start(world_with_a_new_account(age=timedelta(days=1)), accounts=listed(new_account_grace_hours=48))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert named_by_the_audit(run) == []
    deployment.expect_done()


def test_other_errors_of_a_new_account_are_red(deployment: Deployment) -> None:
    """An account that can be entered but not read has no grace."""
    deployment.start(world_with_a_new_account(age=timedelta(days=1)), accounts=listed(new_account_grace_hours=48))
    deployment.forbid(NEW, "ec2:DescribeSnapshots")
    run = deployment.run_day()
    assert run.red == {"account.plan[1]", "audit"}
    assert named_by_the_audit(run) == []


def test_role_that_has_come_is_used_when_the_plan_is_cleared(deployment: Deployment) -> None:
    """Once the role is there, clearing the plan of that account copies what it has, and the audit is content."""
    start_without_role(deployment, timedelta(days=1), new_account_grace_hours=48)
    run = deployment.run_day()
    deployment.control.put_role(next(role for role in deployment.world.roles if role.account_id == NEW))
    deployment.airflow.clear(run, "account.plan", 1)
    assert run.is_green, run.errors
    assert named_by_the_audit(run) == []
    deployment.expect_done()
