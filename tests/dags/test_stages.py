"""Red where it failed, only there, and clearing that one task repairs the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from snapshot_dr_provider.sandbox.world import Key
from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

BROKEN, SOUND = worlds.account_id(1), worlds.account_id(2)
STAGES = ("plan", "copy_to_kms_b", "kms_b_completed", "rotate_to_kms_c", "kms_c_completed", "delete_kms_b")
AROUND = {"open_kms_b_window", "lock_down_kms_b", "audit"}
"""What Airflow runs again with any cleared task: the window's setup and teardown, and the leaf."""

Act = Callable[["Deployment"], object]


def forbid(action: str) -> Act:
    """Take a permission from the role of the broken account."""
    return lambda deployment: deployment.forbid(BROKEN, f"ec2:{action}")


def permit(deployment: Deployment) -> None:
    """Give the role of the broken account its permissions back."""
    deployment.permit(BROKEN)


def disable_kms_a(deployment: Deployment) -> None:
    """Disable the key of the broken account's sources."""
    deployment.control.disable_key(worlds.kms_arn(BROKEN, worlds.kms_a_id(BROKEN)))


def enable_kms_a(deployment: Deployment) -> None:
    """Enable the key of the broken account's sources."""
    deployment.control.enable_key(worlds.kms_arn(BROKEN, worlds.kms_a_id(BROKEN)))


def refuse_one_look_at_dr_copies(deployment: Deployment) -> None:
    """Let the DR account's next look at snapshots be refused: its role serves all accounts."""
    deployment.control.add_fault(action="DescribeSnapshots", account_id=worlds.DR, code="UnauthorizedOperation")


BREAKS: dict[str, tuple[Act, Act]] = {
    "plan": (forbid("DescribeSnapshots"), permit),
    "copy_to_kms_b": (disable_kms_a, enable_kms_a),
    "kms_b_completed": (forbid("DescribeSnapshots"), permit),
    "rotate_to_kms_c": (forbid("ModifySnapshotAttribute"), permit),
    "kms_c_completed": (refuse_one_look_at_dr_copies, lambda deployment: deployment.control.clear_faults()),
    "delete_kms_b": (forbid("DeleteSnapshot"), permit),
}
"""For each stage what keeps it, and no stage before it, from working, and what mends that."""

LEAVE_NOTHING = {"plan", "kms_b_completed", "kms_c_completed"}
"""Stages that, broken as above, could not look at all, so that those behind them skip."""


@pytest.mark.parametrize("stage", STAGES)
def test_broken_stage_is_red_alone_and_clearing_it_repairs_the_account(deployment: Deployment, stage: str) -> None:
    """Only the broken stage of its account is red, with the audit; mended and cleared, it brings the run to green."""
    breaks, mends = BREAKS[stage]
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    later = STAGES[STAGES.index(stage) + 1 :]
    deployment.airflow.before[f"account.{stage}[0]"] = lambda: breaks(deployment)
    run = deployment.run_day()

    assert run.state == "failed"
    assert run.red == {f"account.{stage}[0]", "audit"}
    assert run.tasks_in("skipped") == ({f"account.{each}[0]" for each in later} if stage in LEAVE_NOTHING else set())
    assert len(run.tasks_in("success")) == len(run.states) - len(run.red) - len(run.tasks_in("skipped"))
    assert f"account.{stage} is failed" in run.errors["audit"]
    broken, sound = deployment.world.snapshots
    assert deployment.has_dr_copy(sound)
    assert deployment.has_dr_copy(broken) == (stage in ("kms_c_completed", "delete_kms_b"))

    mends(deployment)
    deployment.airflow.clear(run, f"account.{stage}", 0)

    assert run.is_green, run.errors
    assert run.tasks_in("success") == set(run.states)
    assert set(run.executed) == {f"account.{each}[0]" for each in (stage, *later)} | AROUND
    deployment.expect_done()
    assert [copy["deleted"] for copy in deployment.made("kms-c")] == [False, False]


def test_one_bad_snapshot_does_not_hold_up_its_account(deployment: Deployment) -> None:
    """The good snapshots of an account flow on past a bad one, which alone is copied when its task is cleared."""
    key = Key(BROKEN, worlds.REGION, "a0a0a0a0-0000-4000-8000-000000000002")
    good = [worlds.source(BROKEN, number) for number in (1, 3)]
    bad = worlds.source(BROKEN, 2, kms_key=key.key_id)
    world = worlds.world(1, seeds=[good[0], bad, good[1]], copy_seconds=0.3)
    deployment.start(replace(world, keys=(*world.keys, key)))
    deployment.control.disable_key(key.arn)
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "audit"}
    assert run.tasks_in("skipped") == set()
    for task in run.red:
        assert bad.snapshot_id in run.errors[task]
        assert key.arn in run.errors[task]
        assert not any(source.snapshot_id in run.errors[task] for source in good)
    assert [deployment.has_dr_copy(source) for source in world.snapshots] == [True, False, True]
    assert {copy["tags"]["SourceSnapshotId"] for copy in deployment.left("kms-b")} <= {bad.snapshot_id}

    deployment.control.enable_key(key.arn)
    starts = deployment.calls("CopySnapshot")
    deployment.airflow.clear(run, "account.copy_to_kms_b", 0)
    assert run.is_green, run.errors
    deployment.expect_done()
    assert deployment.calls("CopySnapshot") == starts + 2


def test_lost_kms_b_copy_is_made_again_from_hop_1(deployment: Deployment) -> None:
    """A KMS-B copy that somebody deletes under way is named by the gate; clearing hop 1 makes it again."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    client = deployment.client(BROKEN)
    deployment.airflow.before["account.kms_b_completed[0]"] = lambda: client.delete_snapshot(
        SnapshotId=deployment.left("kms-b")[0]["id"]
    )
    run = deployment.run_day()
    assert run.red == {"account.kms_b_completed[0]", "audit"}
    deployment.airflow.clear(run, "account.copy_to_kms_b", 0)
    assert run.is_green, run.errors
    deployment.expect_done()


def test_clearing_a_whole_green_account_changes_nothing(deployment: Deployment) -> None:
    """Clearing the first stage of an account that is done copies, shares and deletes nothing."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    changes = deployment.changes()
    deployment.airflow.clear(run, "account.plan", 0)
    assert run.is_green, run.errors
    assert deployment.changes() == changes


def test_passing_error_is_left_to_retries(deployment: Deployment) -> None:
    """A task that a throttled look fails is tried again by Airflow, and the run becomes green by itself."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.airflow.before["account.plan[0]"] = lambda: deployment.control.add_fault(
        action="DescribeSnapshots", account_id=BROKEN, kind="throttle", count=5
    )
    with deployment.airflow.retrying():
        run = deployment.run_day()
    assert run.is_green, run.errors
    assert run.executed.count("account.plan[0]") == 2
    deployment.expect_done()
