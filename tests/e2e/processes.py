"""A process with all that it starts, in a session of its own, so that it can be stopped and counted as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

TAIL_LINES: Final = 40
"""Lines of a log that an error shows."""

STOP_SECONDS: Final = 15.0
"""Time between asking a process to stop and killing it."""


class ProcessDied(Exception):
    """A process ended before it was told to."""


class ChildProcess:
    """
    Start a process whose output goes to a file.

    It gets a session of its own: Ctrl-C in the terminal does not reach it, and whatever it starts is known by that
    session, also when its parent is gone or when it has a process group of its own, as Airflow's task processes have.

    :param log: is appended to.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._is_gone = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also that of its process group and its session."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """Wait for its end and tell its status; ``None`` when it runs on after that time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def death(self) -> ProcessDied:
        """Say how it ended, or that it did not, and show the last of what it said."""
        status = self._process.poll()
        fate = "does not come to an end" if status is None else f"ended with status {status}"
        return ProcessDied(f"{self.name} (process {self.pid}) {fate}. The end of its log, {self.log}:\n{self.tail()}")

    def tail(self) -> str:
        """Read the last lines of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, maxlen=TAIL_LINES))

    def ask_to_stop(self) -> None:
        """Send it SIGTERM, and let it end its own children as it sees fit."""
        if self.is_alive:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, grace: float = STOP_SECONDS) -> None:
        """Ask it to stop and wait a while; then nothing of its session is left, whatever it did."""
        try:
            self.ask_to_stop()
            self.wait(grace)
        finally:
            self.kill()

    def kill_alone(self) -> list[psutil.Process]:
        """Kill it and nothing that it has started; name what runs on without it, until :meth:`kill` ends that, too."""
        self._process.kill()
        self._process.wait()
        return family(self.pid)

    def kill(self) -> None:
        """Kill it and all that it has started. Once that is done its id may be another's: nothing is done again."""
        while not self._is_gone and (members := family(self.pid)):
            for member in members:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            # The first one is our child and stays a zombie until it is waited for.
            self.wait(1.0)
            psutil.wait_procs(members, timeout=1.0)
        self._process.wait()
        self._is_gone = True


def family(pid: int) -> list[psutil.Process]:
    """Name what is alive of a process: itself, its descendants, and who else is in the session that it leads."""
    found = {member.pid: member for member in psutil.process_iter() if _session(member.pid) == pid}
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        found |= {member.pid: member for member in (parent, *parent.children(recursive=True))}
    return [member for member in found.values() if _is_running(member)]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_running(process: psutil.Process) -> bool:
    """Whether a process does anything any more; a zombie waits for its parent to ask for its status."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
