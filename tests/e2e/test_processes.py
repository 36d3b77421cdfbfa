"""A child process with all that it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.processes import ChildProcess, family

# It ignores SIGTERM, and starts a process in a process group of its own, as the supervisor of an Airflow task does.
STUBBORN = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], process_group=0)
print("started", child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def stubborn(tmp_path: Path):
    """Start a process that does not go when it is asked to."""
    process = ChildProcess("stubborn", [sys.executable, "-c", STUBBORN], os.environ, tmp_path / "stubborn.log")
    while "started" not in process.tail():
        assert process.wait(0.05) is None
    yield process
    process.kill()


def test_stopping_leaves_nothing_of_what_a_process_has_started(stubborn: ChildProcess):
    """What a process has started is gone with it, whatever its process group, and however it takes being asked."""
    members = family(stubborn.pid)
    assert len(members) == 2
    stubborn.stop(grace=0.2)
    # Where process 1 is no init, an orphan stays a zombie.
    alive = [member for member in members if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert alive == []


def test_what_outlives_a_process_that_was_killed_alone_goes_with_it_later(stubborn: ChildProcess):
    """Killing a process alone leaves what it has started, names that, and lets it be killed afterwards."""
    (orphan,) = stubborn.kill_alone()
    assert not stubborn.is_alive
    assert (orphan.name(), orphan.is_running()) == ("sleep", True)
    stubborn.kill()
    assert family(stubborn.pid) == []


def test_an_orphan_is_found_by_its_session(stubborn: ChildProcess):
    """A process whose parent was killed still belongs to the family of the one that began it."""
    psutil.Process(stubborn.pid).kill()
    assert stubborn.wait(10) is not None
    (orphan,) = family(stubborn.pid)
    assert orphan.name() == "sleep"


def test_a_death_is_told_with_name_status_and_the_end_of_the_log(tmp_path: Path):
    """The error for a process that has ended names it and shows the last that it said."""
    process = ChildProcess(
        "scheduler", [sys.executable, "-c", "print('no such table'); exit(3)"], os.environ, tmp_path / "log"
    )
    process.wait(30)
    assert not process.is_alive
    message = str(process.death())
    assert message.startswith(f"scheduler (process {process.pid}) ended with status 3.")
    assert message.endswith("no such table\n")
