"""``airflow snapshot-dr coverage`` against the sandbox: what it shows, what it tells machines, how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshot_dr_provider.sandbox import Sandbox, World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds
from tests.integration.command import Command

AIRFLOW = Path(sys.executable).with_name("airflow")
ONE, TWO = worlds.account_id(1), worlds.account_id(2)
NOW = datetime.now(UTC).replace(microsecond=0)


def taken(account: str, number: int, hours_ago: float, **changes: Any) -> SnapshotSeed:
    """Seed a snapshot of that age."""
    return worlds.source(account, number, start=NOW - timedelta(hours=hours_ago), **changes)


def dr_copy(of: SnapshotSeed, number: int, **changes: Any) -> SnapshotSeed:
    """Seed its KMS-C copy."""
    return worlds.copy_of(of, "kms-c", number, start=NOW - timedelta(minutes=30), **changes)


FRESH, OLD = taken(ONE, 1, 20), taken(ONE, 2, 90)
NEWER = taken(ONE, 3, 5, volume_id=OLD.volume_id)
OTHER = taken(TWO, 1, 30)
COVERED = (FRESH, dr_copy(FRESH, 1), OTHER, dr_copy(OTHER, 1))


def hours_since(of: SnapshotSeed) -> float:
    """Say how old a snapshot is by now."""
    return (datetime.now(UTC) - of.start_time) / timedelta(hours=1)


def begin(command: Command, seeds: tuple[SnapshotSeed, ...], accounts: int = 2, **settings: Any) -> Sandbox:
    """Begin with a world of accounts that have these snapshots, and an RPO of two days."""
    return command.prepare(worlds.world(accounts, seeds=seeds, clock=NOW), **{"rpo_hours": 48, **settings})


@pytest.fixture
def command(enter: Callable[[World], Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give the command."""
    return Command("coverage", enter, tmp_path, capsys)


def volumes_of(said: dict[str, Any], account: str) -> dict[str, dict[str, Any]]:
    """Give what was said of the volumes of an account."""
    return {
        each["volume"]: each for route in said["routes"] if route["account_id"] == account for each in route["volumes"]
    }


def test_all_within_the_rpo_ends_with_0(command: Command) -> None:
    """Where each volume has a copy within the RPO and each account a snapshot, the status is 0, and ages are told."""
    begin(command, COVERED)
    said = command.json()
    assert said["status"] == 0
    assert said["counts"]["covered"] == 2
    assert said["oldest_age_hours"] == pytest.approx(hours_since(OTHER), abs=0.1)
    volume = volumes_of(said, ONE)[FRESH.volume_id]
    assert volume["age_hours"] == pytest.approx(hours_since(FRESH), abs=0.1)
    assert (volume["dr_copy_of"], volume["newest_source"]) == (FRESH.snapshot_id, FRESH.snapshot_id)


def test_the_age_of_each_volume_is_in_the_table(command: Command) -> None:
    """People see account, volume, the copy, its age, the age of the newest source and the state, the worst first."""
    begin(command, (*COVERED, OLD, dr_copy(OLD, 2), NEWER))
    status, out, _ = command.run()
    assert status == 1
    first, second = (line for line in out.splitlines() if "vol-1" in line)
    assert "team-1 (111111111111) us-east-1" in out
    for part in (OLD.volume_id, dr_copy(OLD, 2).snapshot_id, "behind"):
        assert part in first
    for part in (FRESH.volume_id, dr_copy(FRESH, 1).snapshot_id, "covered"):
        assert part in second
    # They grow while the tests run, which is less than an hour.
    assert re.search(r" 90\.\d h +5\.\d h ago ", first)
    assert re.search(r" 20\.\d h +20\.\d h ago ", second)
    assert re.search(r"3 volumes \(2 covered, 1 behind\); the oldest is 90\.\d h; RPO 48 h\.", out)


@pytest.mark.parametrize(
    ("seeds", "state"),
    [
        ((OLD,), "missing"),
        ((OLD, dr_copy(OLD, 2)), "stale"),
        ((OLD, dr_copy(OLD, 2), NEWER), "behind"),
        ((OLD, dr_copy(OLD, 2), NEWER, dr_copy(NEWER, 3, state="pending")), "behind"),
        ((OLD, dr_copy(OLD, 2), NEWER, dr_copy(NEWER, 3, size_gib=1)), "behind"),
    ],
)
def test_a_gap_ends_with_1(command: Command, seeds: tuple[SnapshotSeed, ...], state: str) -> None:
    """A volume without a verified copy, or with one beyond the RPO, is a gap."""
    begin(command, (*COVERED, *seeds))
    said = command.json()
    volume = volumes_of(said, ONE)[OLD.volume_id]
    assert (said["status"], volume["state"], volume["is_gap"]) == (1, state, True)


def test_an_account_without_any_snapshot_is_a_gap(command: Command) -> None:
    """An account that has nothing to copy has no backup: it is named, and its own KMS-B copies are none."""
    begin(command, (FRESH, dr_copy(FRESH, 1), worlds.copy_of(OTHER, "kms-b", 1)))
    status, out, _ = command.run()
    assert status == 1
    assert "no snapshots" in out
    assert f"Accounts without any snapshot: {TWO}." in out
    assert command.json()["accounts_without_snapshots"] == [TWO]


def test_what_the_selection_leaves_out_is_no_gap(command: Command) -> None:
    """A volume whose snapshots are all excluded by tag is listed with the reason, and the status is 0."""
    left_out = replace(OLD, tags={"Backup": "no"})
    begin(command, (*COVERED, left_out), selection={"exclude_tags": {"Backup": "no"}})
    said = command.json()
    assert said["status"] == 0
    assert volumes_of(said, ONE)[OLD.volume_id]["excluded"] == "excluded by its tag Backup=no"


def test_an_account_that_cannot_be_entered_ends_with_2_and_the_others_are_shown(command: Command) -> None:
    """One account without its role is named with the remedy and makes the status 2; gaps of others are shown too."""
    sandbox = begin(command, (*COVERED, OLD))
    sandbox.control.delete_role(TWO, "SnapshotDr")
    said = command.json()
    assert said["status"] == 2
    assert volumes_of(said, ONE)[OLD.volume_id]["state"] == "missing"
    (unread,) = (route for route in said["routes"] if route["error"])
    assert (unread["account_id"], unread["volumes"], unread["snapshots"]) == (TWO, [], None)
    assert f"arn:aws:iam::{TWO}:role/SnapshotDr" in unread["error"]
    assert said["accounts_without_snapshots"] == []
    status, out, _ = command.run()
    assert status == 2
    assert f"team-2 ({TWO}) us-east-1 could not be read" in " ".join(out.split())
    assert "1 of 2 routes could not be read; there may be more." in out


def test_a_new_account_is_excused_for_as_long_as_the_settings_say(command: Command) -> None:
    """Where new_account_grace_hours excuses an account that has no role yet, it is named and the status stays 0."""
    seeds = (FRESH, dr_copy(FRESH, 1))
    world = worlds.world(2, seeds=seeds, clock=NOW)
    source, other = world.organizations
    members = (replace(each, joined=NOW - timedelta(hours=1)) if each.id == TWO else each for each in source.accounts)
    sandbox = command.start(replace(world, organizations=(replace(source, accounts=tuple(members)), other)))
    sandbox.control.delete_role(TWO, "SnapshotDr")

    def said_with(**changes: Any) -> dict[str, Any]:
        listed = {"aws_conn_id": "aws_tooling", "exclude_accounts": [worlds.TOOLING], **changes}
        document = worlds.settings(world, rpo_hours=48, accounts={"organizations": listed})
        worlds.write_settings(command.file, document)
        return command.json()

    assert said_with()["status"] == 2
    said = said_with(new_account_grace_hours=24)
    assert said["status"] == 0
    assert [route["excused"] for route in said["routes"]] == [False, True]


def test_a_dr_account_that_cannot_be_read_is_no_missing_copy(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Account-B nothing is known of any copy: the status is 2, and no volume is called missing."""
    begin(command, COVERED)
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DR")
    said = command.json()
    assert said["status"] == 2
    assert [(route["volumes"], route["snapshots"]) for route in said["routes"]] == [([], 1), ([], 1)]
    assert all("the Airflow connection 'aws_dr' does not exist" in route["error"] for route in said["routes"])


def test_one_account_can_be_asked_for(command: Command) -> None:
    """With --account only that one is entered; one that is not in the settings is refused with those that are."""
    sandbox = begin(command, COVERED)
    before = sandbox.control.calls()["by_account"].get(TWO, {})
    assert [route["account_id"] for route in command.json("--account", ONE)["routes"]] == [ONE]
    assert sandbox.control.calls()["by_account"].get(TWO, {}) == before
    status, out, err = command.run("--account", "333333333333")
    assert (status, out) == (2, "")
    assert "--account names 333333333333, which is not among the source accounts: team-1 (111111111111)" in err


def test_nothing_is_changed_and_each_account_is_listed_once(command: Command) -> None:
    """It reads only: one listing in each source account and one of its copies in Account-B."""
    sandbox = begin(command, COVERED)
    before = dict(sandbox.control.calls()["by_action"])
    command.json()
    after = sandbox.control.calls()["by_action"]
    made = {action: count - before.get(action, 0) for action, count in after.items() if count != before.get(action, 0)}
    assert made.pop("ec2:DescribeSnapshots") == 4
    assert made.keys() <= {"sts:AssumeRole", "sts:GetCallerIdentity"}


def test_settings_that_cannot_be_read_end_with_2(command: Command) -> None:
    """A mistake in the settings is told as in the rest, on stderr."""
    begin(command, COVERED, rpo_hours=0)
    status, out, err = command.run()
    assert (status, out) == (2, "")
    assert "rpo_hours" in err
    assert "more than 0 is needed" in err


def test_connections_of_the_metadata_database_are_found(
    command: Command, airflow_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that lie in Airflow's own database, as most do, are read there, and the process is as before."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    begin(command, COVERED)
    ids = {
        name: name.removeprefix("AIRFLOW_CONN_").lower() for name in ("AIRFLOW_CONN_AWS_TOOLING", "AIRFLOW_CONN_AWS_DR")
    }
    with create_session() as session:
        session.add_all(Connection(conn_id=conn_id, uri=os.environ[name]) for name, conn_id in ids.items())
    for name in ids:
        monkeypatch.delenv(name)
    try:
        assert command.json()["status"] == 0
        assert "_AIRFLOW_PROCESS_CONTEXT" not in os.environ
    finally:
        with create_session() as session:
            session.query(Connection).filter(Connection.conn_id.in_(ids.values())).delete()


@pytest.mark.smoke
def test_the_command_line_prints_json_alone(command: Command) -> None:
    """Airflow's own command line has nothing but the JSON on stdout, and ends with the status."""
    sandbox = begin(command, (*COVERED, OLD))
    environment = {**os.environ, "AWS_ENDPOINT_URL": sandbox.endpoint_url}
    environment["AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH"] = str(command.file)
    done = subprocess.run(
        [str(AIRFLOW), "snapshot-dr", "coverage", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["counts"]["missing"] == 1
    assert "Traceback" not in done.stderr
