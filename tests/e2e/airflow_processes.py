"""
A real Airflow: PostgreSQL, api-server, scheduler with its LocalExecutor, dag-processor and triggerers.

    with RealAirflow(dags, {"AIRFLOW__CORE__PARALLELISM": "8"}) as airflow:
        airflow.wait_for_dag("snapshot_dr")
        run_id = airflow.api.trigger("snapshot_dr", {"day": "2026-03-10"})
        assert airflow.wait_for_run("snapshot_dr", run_id, seconds=600)["state"] == "success"

Everything listens on loopback or on a Unix socket, and is gone when the ``with`` block is, however it was left.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from snapshot_dr_provider.cli.demo.airflow_api import AirflowApi, ApiUnavailable
from tests.e2e.postgresql import Postgresql
from tests.e2e.processes import STOP_SECONDS, ChildProcess, ProcessDied

API_SERVER: Final = "api-server"

START_SECONDS: Final = 300.0
"""Time within which every process has to have said that it is well. It takes half a minute on two idle cores: each of
them imports Airflow for itself, which is all that it takes."""

PORTS: Final = range(20000, 32000)
"""Where a free port is looked for: below those that the systems give to whoever connects, so that none is taken away
again between the moment it was found and the one at which the api-server listens there."""

IMPORT_ONCE: Final = """
import sys

# Workers are forks of the scheduler, and tasks of workers: what is imported here no task imports again.
if "scheduler" in sys.argv:
    import snapshot_dr_provider.task_groups.all_accounts
"""
"""Local settings of an Airflow with the LocalExecutor whose tasks begin sooner."""

_NOT_OURS: Final = re.compile(r"_*AIRFLOW_|(AWS|BOTO|MOTO)_|(HTTPS?|ALL|NO)_PROXY$|PYTHON(PATH|HOME)$", re.IGNORECASE)


class RealAirflow:
    """
    Run an Airflow, of which nothing is left when the ``with`` block is.

    :param dags_folder: whose DAGs it runs; none of them is unpaused.
    :param environment: of all its processes: ``AIRFLOW__*`` settings, ``AIRFLOW_CONN_*``, ``AWS_ENDPOINT_URL``. They
        override what is set here, and nothing else of the caller's Airflow, AWS or proxies gets through.
    :param triggerers: how many there are.
    :param login: user and password of the one administrator; without it everybody is one, with no login.
    :param home: ``AIRFLOW_HOME``, which then stays with its logs; without it one that goes.
    :param local_settings: Python that each process runs at its start (``airflow_local_settings.py``).
    """

    api: AirflowApi
    database: Postgresql
    home: Path
    processes: dict[str, ChildProcess]
    """By name, in the order in which they were started: ``api-server``, ``scheduler``, ``triggerer-1``, ..."""

    def __init__(
        self,
        dags_folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        triggerers: int = 1,
        login: tuple[str, str] | None = None,
        home: Path | None = None,
        local_settings: str = "",
    ) -> None:
        self._dags_folder = dags_folder
        self._local_settings = local_settings
        self._given = dict(environment or {})
        self._triggerers = triggerers
        self._login = login
        self._home = home

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.home = self._home or Path(tempfile.mkdtemp(prefix="snapshot-dr-airflow-"))
            if self._home is None:
                stack.callback(shutil.rmtree, self.home)
            (self.home / "config").mkdir()
            (self.home / "config" / "airflow_local_settings.py").write_text(self._local_settings, encoding="utf-8")
            self.database = stack.enter_context(Postgresql())
            self.processes = {}
            self._former: list[ChildProcess] = []
            stack.callback(self._stop_all)
            port = free_port()
            self.environment = self._make_environment(port)
            self.api = AirflowApi(f"http://127.0.0.1:{port}", self._login)
            self._migrate()
            for name in self._commands:
                self.start(name)
            self.wait_until(self._is_well, START_SECONDS, "start")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def _commands(self) -> dict[str, list[str]]:
        # Logs are read from the disk that all of them share; serving them would take fixed ports of all interfaces.
        commands = {
            API_SERVER: ["api-server"],
            "scheduler": ["scheduler", "--skip-serve-logs"],
            "dag-processor": ["dag-processor"],
        }
        for number in range(1, self._triggerers + 1):
            commands[f"triggerer-{number}"] = ["triggerer", "--skip-serve-logs"]
        return commands

    def _make_environment(self, port: int) -> dict[str, str]:
        return {
            **environment_of_nobody(),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags_folder),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url("psycopg2"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.database.url("asyncpg"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "NO_COLOR": "1",
            **self._make_users(),
            **self._given,
        }

    def _make_users(self) -> dict[str, str]:
        if self._login is None:
            return {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
        user, password = self._login
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({user: password}), encoding="utf-8")
        return {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{user}:ADMIN",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        }

    def _migrate(self) -> None:
        migration = self._child("db-migrate", ["db", "migrate"])
        try:
            if migration.wait(START_SECONDS) != 0:
                raise migration.death()
        finally:
            migration.kill()

    def start(self, name: str) -> None:
        """Start one of the processes, at first or after it was stopped or killed, alone or with all that it started."""
        if name in self.processes:
            self._former.append(self.processes[name])
        self.processes[name] = self._child(name, self._commands[name])

    def _child(self, name: str, arguments: list[str]) -> ChildProcess:
        # -P: a file of the current directory must not be taken for a module.
        command = [sys.executable, "-P", "-m", "airflow", *arguments]
        return ChildProcess(name, command, self.environment, self.home / f"{name}.log")

    def _stop_all(self) -> None:
        """Ask all to stop, the api-server last since the others report to it; then see that nothing is left."""
        # What a killed one has left behind first: it reports to nobody any more.
        for process in self._former:
            process.kill()
        everything = list(self.processes.values())
        others = [process for process in everything if process.name != API_SERVER]
        try:
            for group in (others, everything):
                end = time.monotonic() + STOP_SECONDS
                for process in group:
                    process.ask_to_stop()
                for process in group:
                    process.wait(max(0.0, end - time.monotonic()))
                # Who has not gone by now is not going to; nothing in it is worth waiting for.
                for process in group:
                    process.kill()
        finally:
            for process in everything:
                process.kill()

    def run_command(self, *arguments: str, seconds: float = 120.0) -> str:
        """
        Run a command of Airflow's command line, such as ``("backfill", "create", ...)``, and give what it printed.

        :raises ProcessDied: when it fails or does not end.
        """
        command = self._child(f"command-{secrets.token_hex(4)}", list(arguments))
        try:
            if command.wait(seconds) != 0:
                raise command.death()
        finally:
            command.kill()
        return command.log.read_text(encoding="utf-8", errors="replace")

    @property
    def sessions(self) -> list[int]:
        """Name the sessions of all processes so far, those of killed ones too: what they have started is in them."""
        return [process.pid for process in (*self._former, *self.processes.values())]

    def check(self) -> None:
        """
        See that every process is alive.

        :raises ProcessDied: for one that is not, with the end of its log.
        """
        for process in self.processes.values():
            if not process.is_alive:
                raise process.death()

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str, *, every: float = 0.5) -> None:
        """
        Wait until something is so, as long as all processes are alive.

        :param condition: is asked again when the API is not available.
        :param what: what Airflow does then, for the error.
        :raises TimeoutError: when it is not so after that time.
        :raises ProcessDied: when a process ends meanwhile.
        """
        end, last_word = time.monotonic() + seconds, ""
        while True:
            self.check()
            try:
                if condition():
                    return
            except ApiUnavailable as error:
                last_word = f"; {error}"
            if time.monotonic() > end:
                raise TimeoutError(f"Airflow in {self.home} does not {what} within {seconds:g} s{last_word}")
            # Not a mere pause: it ends when that process does.
            self.processes[API_SERVER].wait(every)

    def _is_well(self) -> bool:
        health = self.api("GET", "/monitor/health")
        parts = ["metadatabase", "scheduler", "dag_processor", *(["triggerer"] if self._triggerers else [])]
        return all(health[part]["status"] == "healthy" for part in parts)

    def wait_for_dag(self, dag_id: str, seconds: float = START_SECONDS) -> None:
        """
        Wait until a DAG file has been read, and unpause the DAG.

        :raises ProcessDied: also when a file cannot be read; it names the file and shows the error.
        """

        def is_there() -> bool:
            if errors := self.api.import_errors():
                raise ProcessDied("\n".join(f"{file} cannot be read: {error}" for file, error in errors.items()))
            return self.api.has_dag(dag_id)

        self.wait_until(is_there, seconds, f"find the DAG {dag_id} in {self._dags_folder}")
        self.api.unpause(dag_id)

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float, *, every: float = 1.0) -> dict[str, Any]:
        """Wait for the end of a run, and read it."""
        run: dict[str, Any] = {}

        def is_over() -> bool:
            run.update(self.api.run(dag_id, run_id))
            return run["state"] in ("success", "failed")

        self.wait_until(is_over, seconds, f"end the run {run_id}", every=every)
        return run


def environment_of_nobody() -> dict[str, str]:
    """Give this process's environment without anybody's Airflow, AWS or proxies, whose files are not read either."""
    kept = {name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)}
    return {
        **kept,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def free_port() -> int:
    """Find a port of 127.0.0.1 on which nobody listens."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            # As the server does: a port of which only closed connections are left is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"of 100 ports tried between {PORTS.start} and {PORTS.stop} none is free on 127.0.0.1")
