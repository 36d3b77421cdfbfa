"""The demo as its user starts it: in a process of its own, which starts another for Airflow."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
import pytest

from snapshot_dr_provider.cli.demo.world import CONNECTIONS, KMS_C
from snapshot_dr_provider.sandbox import SandboxControl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SMALL = ("--accounts", "2", "--volumes", "2", "--copy-seconds", "0.5")
ENDLESS = ("--accounts", "1", "--volumes", "1", "--copy-seconds", "3600")


class Run:
    """A demo under way, whose output goes to a file."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.home = folder / "home"
        self._output = folder / "output.txt"
        self.json_file = folder / "out.json"
        with self._output.open("wb") as output:
            self.process = psutil.Popen(
                [
                    *(sys.executable, "-m", "airflow", "snapshot-dr", "demo"),
                    *("--home", str(self.home), "--json", str(self.json_file), *options),
                ],
                cwd=folder,
                env={**os.environ, "AIRFLOW_HOME": str(folder / "users_airflow"), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                # A shell that runs the tests in the background has them, and so the demo, ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # before any thread
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._output.read_text(encoding="utf-8")

    @property
    def outcome(self) -> dict:
        """What it has written for programs."""
        return json.loads(self.json_file.read_text(encoding="utf-8"))

    @property
    def control(self) -> SandboxControl:
        """A client of its sandbox."""
        (url,) = re.findall(r"http://\S+", self.output)
        return SandboxControl(url)

    def wait_until_it_says(self, text: str, timeout: float = 120) -> None:
        """Wait for a text in the output."""
        deadline = time.monotonic() + timeout
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def status(self) -> int:
        """Wait for its end."""
        return int(self.process.wait(timeout=250))


@contextmanager
def demo(folder: Path, *options: str, **environment: str) -> Iterator[Run]:
    """Start a demo; when the test is over nothing of it is left, whatever went wrong."""
    run = Run(folder, *options, **environment)
    try:
        yield run
    finally:
        if run.process.is_running():
            children = run.process.children(recursive=True)
            for each in (run.process, *children):
                each.kill()


def test_every_snapshot_is_copied_and_a_second_run_copies_nothing(tmp_path: Path) -> None:
    """The unchanged DAG ends with a KMS-C copy of each wanted snapshot and no KMS-B copy, and finds that out again."""
    with demo(tmp_path, *SMALL, "--twice") as run:
        assert run.status() == 0, run.output
    assert "The second run started no copy." in run.output
    assert set(run.outcome) == {"dag_run_state", "kms_b_locked", "accounts", "api_calls"}
    assert run.outcome["dag_run_state"] == "success"
    numbers = [(a["name"], a["selected"], a["kms_c_verified"], a["kms_b_left"]) for a in run.outcome["accounts"]]
    assert numbers == [("payments-prod", 2, 2, 0), ("orders-prod", 1, 1, 0)]
    # Two hops for each of three snapshots, and none by the second run.
    assert run.outcome["api_calls"]["ec2:CopySnapshot"] == 6
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    reasons = {skipped["reason"] for account in run.outcome["accounts"] for skipped in account["skipped"]}
    assert reasons >= {"unencrypted", "tagged Backup=none", f"taken before {yesterday}"}


def test_nothing_of_the_users_is_used_and_no_secret_is_logged(tmp_path: Path) -> None:
    """Whatever Airflow, AWS profile or proxy the user has, the demo meets only its own; its log has no credentials."""
    foreign = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "nowhere"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'users.db'}",
        "AIRFLOW_CONN_AWS_DR": "aws://of-the-user:secret@/",
        "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": "/nowhere/settings.yaml",
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "MOTO_ACCOUNT_ID": "123456789012",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    with demo(tmp_path, "--accounts", "1", "--volumes", "1", "--copy-seconds", "0", **foreign) as run:
        assert run.status() == 0, run.output
    # An AWS Airflow of the user's would have been migrated.
    assert not (tmp_path / "users.db").exists()
    said = run.output + (run.home / "airflow.log").read_text(encoding="utf-8")
    assert [user.account_id for user in CONNECTIONS.values() if user.secret_access_key in said] == []


def test_copy_that_fails_is_told_apart_from_one_that_is_there(tmp_path: Path) -> None:
    """With KMS-C disabled during the run the demo is not successful: it names what is missing and what is left."""
    with demo(tmp_path, *SMALL) as run:
        run.wait_until_it_says("The daily DAG copies")
        run.control.disable_key(KMS_C)
        assert run.status() == 1, run.output
    assert run.outcome["dag_run_state"] == "failed"
    assert [(a["kms_c_verified"], a["kms_b_left"]) for a in run.outcome["accounts"]] == [(0, 2), (0, 1)]
    assert "payments-prod: no verified KMS-C copy of snap-" in run.output
    assert "orders-prod: KMS-B copies left: snap-" in run.output
    assert f"lines of Airflow's log, {run.home / 'airflow.log'}" in run.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_when_it_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    """However the demo is ended, Airflow's process ends with it."""
    with demo(tmp_path, *ENDLESS) as run:
        run.wait_until_it_says("The daily DAG copies")
        (child,) = run.process.children()
        run.process.send_signal(number)
        assert run.status() == (-number if number == signal.SIGKILL else 128 + number)
        gone, alive = psutil.wait_procs([child], timeout=10)
        assert (len(gone), alive) == (1, [])


def test_airflow_that_dies_is_no_success(tmp_path: Path) -> None:
    """When Airflow's process is killed, the demo says so and fails."""
    with demo(tmp_path, *ENDLESS) as run:
        run.wait_until_it_says("The daily DAG copies")
        (child,) = run.process.children()
        child.kill()
        assert run.status() == 1
    assert run.outcome["dag_run_state"] == "died"
    assert "Airflow's process ended with status -9" in run.output
