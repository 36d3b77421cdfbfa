"""Airflow in a process of its own, with nothing of the user's Airflow, AWS or proxies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import snapshot_dr_provider
from snapshot_dr_provider.cli.demo.show import AirflowDied

_USERS_AIRFLOW: Final = re.compile(r"_*AIRFLOW_")

_CHILD: Final = "snapshot_dr_provider.cli.demo.child"


def find_dag_file() -> Path:
    """
    Find the DAG file: beside the package in a checkout, within it where it was installed from a wheel.

    :raises FileNotFoundError: when it is in neither place.
    """
    package = Path(snapshot_dr_provider.__file__).parent
    places = [folder / "dags" / "snapshot_dr.py" for folder in (package, package.parent)]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"the DAG file is neither {' nor '.join(map(str, places))}; install the provider again")


def clean_environment(home: Path, dag_file: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Take the environment of this process without what configures another Airflow; see also ``forget_aws``."""
    kept = {name: value for name, value in os.environ.items() if not _USERS_AIRFLOW.match(name)}
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        # dag.test() writes a DAG to the database only if it lies in the configured folder (airflow 5).
        "AIRFLOW__CORE__DAGS_FOLDER": str(dag_file.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_COLOR": "1",
        **more,
    }


class AirflowProcess:
    """
    Run the DAG in a child process, of which nothing is left when the ``with`` block is.

    :param log: file that gets all that Airflow says.
    """

    def __init__(self, dag_file: Path, environment: Mapping[str, str], home: Path, log: Path) -> None:
        self._dag_file = dag_file
        self._environment = environment
        self._home = home
        self._log = log

    def __enter__(self) -> Self:
        self._connection, other_end = Pipe()
        with other_end, self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own module, by this interpreter
                # -P: a file of the current directory must not be taken for a module.
                [sys.executable, "-P", "-m", _CHILD, str(other_end.fileno()), str(self._dag_file)],
                cwd=self._home,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[other_end.fileno()],
                # Ctrl-C in the terminal reaches this process alone, which then ends the other one.
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing in it is worth an orderly end: its database is thrown away.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._connection.close()

    def is_ready(self, timeout: float) -> bool:
        """
        Wait up to *timeout* seconds for Airflow to be set up.

        :raises AirflowDied: when it could not be.
        """
        return self._receive(timeout) is not None

    def start_run(self, day: date) -> None:
        """Run the DAG for the snapshots of a day."""
        self._connection.send_bytes(json.dumps({"day": day.isoformat()}).encode())

    def end_state(self, timeout: float) -> str | None:
        """
        Wait up to *timeout* seconds for the end of the run and tell its state; ``None`` while it runs.

        :raises AirflowDied: when the process ended before the run.
        """
        message = self._receive(timeout)
        return None if message is None else str(message["state"])

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        try:
            if not self._connection.poll(timeout):
                return None
            message: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, ConnectionError) as error:
            status = self._process.wait()
            raise AirflowDied(f"Airflow's process ended with status {status}") from error
        return message
