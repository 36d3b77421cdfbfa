"""``airflow snapshot-dr plan`` against the sandbox: what it shows, what it tells machines, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshot_dr_provider.sandbox import Sandbox, World
from tests import worlds
from tests.integration.command import Command

AIRFLOW = Path(sys.executable).with_name("airflow")
ONE, TWO = worlds.account_id(1), worlds.account_id(2)
THERE, BEGUN, DONE, OTHER = (worlds.source(*each) for each in ((ONE, 1), (ONE, 2), (ONE, 3), (TWO, 1)))
OLD = worlds.source(ONE, 4, start=worlds.DAY - timedelta(days=9))
LEFT = worlds.copy_of(BEGUN, "kms-b", 2)
SEEDS = (THERE, BEGUN, DONE, OTHER, OLD, LEFT, worlds.copy_of(DONE, "kms-c", 3))
DAY = ("--day", f"{worlds.DAY:%Y-%m-%d}")


def begin(command: Command, **settings: Any) -> Sandbox:
    """Begin with two accounts, of which the first has been copied in part."""
    return command.prepare(worlds.world(2, seeds=SEEDS), **settings)


@pytest.fixture
def command(enter: Callable[[World], Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give the command."""
    return Command("plan", enter, tmp_path, capsys)


def test_it_says_what_is_copied_adopted_kept_and_deleted(command: Command) -> None:
    """What is missing is copied, what was begun is adopted and deleted at the end, what is done is kept."""
    begin(command)
    said = command.json(*DAY)
    first, second = said["routes"]
    assert {each["snapshot"]: (each["hop_1"], each["hop_2"]) for each in first["wanted"]} == {
        THERE.snapshot_id: ("copy", "copy"),
        BEGUN.snapshot_id: ("adopt", "copy"),
        DONE.snapshot_id: ("none", "none"),
    }
    assert first["not_wanted"] == {
        OLD.snapshot_id: "older than the interval and its lookback",
        LEFT.snapshot_id: "our own copy",
    }
    assert first["deletes"] == {LEFT.snapshot_id: "its KMS-C copy is verified"}
    assert [each["snapshot"] for each in second["wanted"]] == [OTHER.snapshot_id]
    assert (said["status"], said["hop_1"]["copies"], said["hop_2"]["copies"]) == (0, 2, 3)
    assert said["hop_1"]["full_gib"] == 9.0  # two snapshots of 4.5 GiB each
    assert (said["hours"], said["cost"]) == (0.5, None)


def test_people_see_the_same_in_a_table(command: Command) -> None:
    """Each account has a row; below is why some is not wanted, what it comes to, and how far that can be relied on."""
    begin(command)
    status, out, _ = command.run(*DAY)
    words = " ".join(out.split())
    assert status == 0
    for part in (
        "A run for 2026-03-10 00:00 to 2026-03-11 00:00 UTC and 0 hours before. Nothing was changed.",
        "team-1 (111111111111) us-east-1 3 1 1 1 2",
        "1 not wanted: older than the interval and its lookback",
        f"deletes KMS-B copy {LEFT.snapshot_id}: its KMS-C copy is verified",
        "These are full sizes, an upper bound",
        "About 0.50 hours with the slots of the settings, at 15 minutes a copy",
        "kms_b_retention is none: 2 of 2 copies of hop 1 are full ones",
        "No cost: the settings have no prices.",
    ):
        assert part in words


def test_prices_make_costs(command: Command) -> None:
    """With prices in the settings the cost is told, and what has none is named."""
    begin(command, prices={"currency": "EUR", "storage_per_gib_month": 0.05})
    said = command.json(*DAY)
    assert said["cost"]["per_month"] == pytest.approx(said["hop_2"]["full_gib"] * 0.05, abs=0.01)
    assert (said["cost"]["currency"], said["cost"]["not_counted"]) == ("EUR", [])
    assert "EUR a month for the new KMS-C copies" in " ".join(command.run(*DAY)[1].split())


def test_without_a_day_it_is_what_a_run_by_hand_would_want(command: Command) -> None:
    """Today and the lookback are the period, as of a run that is triggered without params."""
    begin(command, lookback_days=2)
    _, out, _ = command.run("--json")
    assert json.loads(out)["lookback_hours"] == 48
    assert json.loads(out)["hop_1"]["copies"] == 0


def test_an_account_that_cannot_be_entered_ends_with_2(command: Command) -> None:
    """It is named, and the others are planned."""
    sandbox = begin(command)
    sandbox.control.delete_role(TWO, "SnapshotDr")
    said = command.json(*DAY)
    assert (said["status"], len(said["routes"][0]["wanted"])) == (2, 3)
    assert f"arn:aws:iam::{TWO}:role/SnapshotDr" in said["routes"][1]["error"]
    assert command.json(*DAY, "--account", ONE)["status"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--day", "10.3.2026"), "day '10.3.2026' is not a date such as 2026-03-01"),
        (("--day", "2999-01-01"), "is in the future"),
        (("--account", "333333333333"), "--account names 333333333333, which is not among the source accounts"),
    ],
)
def test_mistakes_end_with_2_and_a_sentence(command: Command, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be planned is told on stderr, and nothing is on stdout."""
    begin(command)
    status, out, err = command.run(*arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_it_asks_and_changes_nothing(command: Command) -> None:
    """It reads what a plan reads, and calls nothing else."""
    sandbox = begin(command)
    before = dict(sandbox.control.calls()["by_action"])
    command.json(*DAY)
    after = sandbox.control.calls()["by_action"]
    made = {action for action, count in after.items() if count != before.get(action, 0)}
    assert made == {"ec2:DescribeSnapshots", "sts:AssumeRole", "sts:GetCallerIdentity"}


@pytest.mark.smoke
def test_the_command_line_prints_json_alone(command: Command) -> None:
    """Airflow's own command line has nothing but the JSON on stdout."""
    sandbox = begin(command)
    environment = {**os.environ, "AWS_ENDPOINT_URL": sandbox.endpoint_url}
    environment["AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH"] = str(command.file)
    done = subprocess.run(
        [str(AIRFLOW), "snapshot-dr", "plan", "--json", *DAY],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wanted"] == 4
