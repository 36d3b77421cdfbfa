"""What the on-call engineer is told of a red run: one message, by the notifier that the docs show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import worlds
from tests.receivers import Topic, topic

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
OPTION = "AIRFLOW__SNAPSHOT_DR__FAILURE_NOTIFIER"
SECOND = worlds.account_id(2)


@pytest.fixture
def on_call(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topic]:
    """Tell the on-call engineer as docs/notifications.md shows it."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv(OPTION, "dr_alerts.on_call")
    with topic() as received:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", received.endpoint_url)
        yield received


def test_a_red_run_is_told_once_with_accounts_tasks_reasons_and_logs(deployment: Deployment, on_call: Topic) -> None:
    """Of two accounts that fail in different tasks one message names both, each with its reason and its log."""
    deployment.start(worlds.world(3, 2, copy_seconds=0.3))
    deployment.forbid(worlds.account_id(1), "ec2:DescribeSnapshots")
    deployment.forbid(SECOND, "ec2:ModifySnapshotAttribute")
    run = deployment.run_day()
    assert run.red == {"account.plan[0]", "account.rotate_to_kms_c[1]", "audit"}
    (message,) = on_call.messages
    assert message["Subject"] == "snapshot_dr is red: 2 red tasks"
    assert message["TargetArn"].endswith(":on-call")
    text = message["Message"]
    first, second = text.index("team-1 (111111111111) us-east-1: account.plan is failed"), text.index("team-2 (")
    assert "ec2:DescribeSnapshots" in text[first:second]
    assert "0 of 2 snapshots are copied" in text[second:]
    assert "ec2:ModifySnapshotAttribute" in text[second:]
    assert deployment.world.snapshots[2].snapshot_id in text[second:]
    for task in ("account.plan/mapped/0", "account.rotate_to_kms_c/mapped/1", "audit\n"):
        assert f"/dags/snapshot_dr/runs/{run.run_id.replace(':', '%3A')}/tasks/{task}" in f"{text}\n"
    assert "team-3" not in text
    assert not any(secret in text for secret in ("secret-of", "AKIA", "X-Amz-"))


def test_a_green_run_is_not_told(deployment: Deployment, on_call: Topic) -> None:
    """Nobody hears of a run that is green."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    assert deployment.run_day().is_green
    assert on_call.messages == []


def test_each_red_run_is_told_in_its_own_words(deployment: Deployment, on_call: Topic) -> None:
    """A run without routes names the task and the setting; a red audit alone, which follows it, names the rule."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.configure(organization_id="not-an-organization")
    deployment.run_day()
    deployment.configure()
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    copy = worlds.copy_of(worlds.source(worlds.account_id(1), 9), "kms-c", 9, shared_with=("123412341234",))
    deployment.start(worlds.world(1, seeds=[worlds.source(worlds.account_id(1), 1), copy], copy_seconds=0.3))
    assert deployment.run_day().red == {"audit"}
    listing, shared = (message["Message"] for message in on_call.messages)
    assert "list_routes is failed" in listing
    assert "not-an-organization" in listing
    assert "open_kms_b_window" not in listing
    assert "1 finding" in shared
    assert "123412341234" in shared


def test_a_notifier_that_is_not_there_keeps_the_run_from_green(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose failure nobody could be told of is red when all else is well, and says what to correct."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    monkeypatch.setenv(OPTION, "no_such_module.on_call")
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert "no_such_module.on_call" in run.errors["audit"]
    assert OPTION in run.errors["audit"]
    deployment.expect_done()
