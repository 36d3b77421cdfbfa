"""``scripts/demo --ui`` as its user starts it, looks at it and interrupts it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from snapshot_dr_provider.cli.demo.airflow_api import AirflowApi, ApiRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parent.parent.parent
SMALL = ("--accounts", "1", "--volumes", "2", "--copy-seconds", "2")


class Demo:
    """A demo under way, whose output goes to a file, and all of whose temporary files to a directory."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(mode=0o755)
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = psutil.Popen(
                ["sh", CHECKOUT / "scripts" / "demo", "--ui", *SMALL],
                env={**os.environ, "TMPDIR": str(self.temporary)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._output.read_text(encoding="utf-8")

    def wait_until_it_says(self, pattern: str, seconds: float) -> str:
        """Wait for something in the output, and give its first group."""
        self.wait_until(lambda: re.search(pattern, self.output) is not None, seconds)
        found = re.search(pattern, self.output)
        assert found is not None
        return found[1]

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until something is so while the demo runs."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, self.output
            time.sleep(0.1)

    def members(self) -> list[psutil.Process]:
        """Name the processes that belong to it: its descendants, and whoever knows its temporary files."""
        found = set(self.process.children(recursive=True)) if self.process.is_running() else set()
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                # PostgreSQL has no environment of ours.
                known = [each.environ().get("TMPDIR", ""), *each.cmdline()]
                if any(str(self.temporary) in one for one in known):
                    found.add(each)
        return [each for each in found if _is_alive(each)]


def _is_alive(process: psutil.Process) -> bool:
    # Where process 1 is no init, an orphan stays a zombie.
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _is_airflow(process: psutil.Process) -> bool:
    """Tell whether a process is one of Airflow's; once it has come far enough it gives itself a title."""
    with suppress(psutil.Error):
        return any(each == "airflow" or each.startswith("airflow ") for each in process.cmdline())
    return False


@contextmanager
def demo() -> Iterator[Demo]:
    """Start a demo; when the test is over nothing of it is left, whatever went wrong."""
    # Not pytest's directory: as root the database runs as another user, who cannot enter that.
    folder = Path(tempfile.mkdtemp(prefix="demo-ui-"))
    folder.chmod(0o755)
    run = Demo(folder)
    try:
        yield run
    finally:
        for each in run.members():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        run.process.wait()
        shutil.rmtree(folder)


def listening_addresses(processes: list[psutil.Process]) -> set[str]:
    """Name the addresses of this machine on which processes accept connections."""
    found = set()
    for each in processes:
        with suppress(psutil.Error):
            found |= {c.laddr.ip for c in each.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    return found


def test_the_demo_with_a_ui_shows_a_green_run_and_leaves_nothing_behind() -> None:
    """Address and login let one in, on loopback alone; the run turns green; once interrupted, nothing of it is left."""
    with demo() as run:
        url = run.wait_until_it_says(r"Airflow +(http://127\.0\.0\.1:\d+)", 300)
        password = run.wait_until_it_says(r"Password +(\S+)", 10)
        run_id = run.wait_until_it_says(r"/dags/snapshot_dr/runs/(\S+)", 120)
        with pytest.raises(ApiRefusal, match="401"):
            AirflowApi(url, ("admin", "guessed"))("GET", "/dags")
        api = AirflowApi(url, ("admin", password))
        assert api.run("snapshot_dr", run_id)["state"] in ("queued", "running", "success")
        run.wait_until_it_says("(Every wanted snapshot has a verified KMS-C copy)", 600)
        assert api.run("snapshot_dr", run_id)["state"] == "success"
        labels = {each["rendered_map_index"] for each in api.task_instances("snapshot_dr", run_id)}
        assert "payments-prod (111111111111) us-east-1" in labels

        members = run.members()
        # At least itself, PostgreSQL, api-server, scheduler, dag-processor and triggerer.
        assert len(members) >= 6
        assert listening_addresses(members) == {"127.0.0.1"}
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(timeout=120) == 0, run.output
        assert [each for each in members if _is_alive(each)] == []
        assert run.members() == []
        assert list(run.temporary.iterdir()) == []


def test_a_demo_that_is_stopped_while_it_starts_leaves_nothing_behind() -> None:
    """SIGTERM in the middle of the start ends it with the status that shells know, and leaves no process or file."""
    with demo() as run:
        run.wait_until_it_says("(Starting)", 60)
        # Beside itself and PostgreSQL, the first of Airflow's processes.
        run.wait_until(lambda: any(map(_is_airflow, run.members())), 120)
        members = run.members()
        run.process.terminate()
        assert run.process.wait(timeout=120) == 128 + signal.SIGTERM, run.output
        assert [each for each in members if _is_alive(each)] == []
        assert run.members() == []
        assert list(run.temporary.iterdir()) == []
