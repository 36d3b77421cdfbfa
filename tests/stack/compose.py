"""The stack of docker-compose.yaml under a name, a port and volumes of its own, by the command that its user has."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from snapshot_dr_provider.cli.demo.airflow_api import AirflowApi
from tests.e2e.airflow_processes import free_port

CHECKOUT: Final = Path(__file__).parent.parent.parent

UP_SECONDS: Final = 600.0
"""Within which the stack is healthy once its image is there."""

_LOOK_SECONDS: Final = 1.0


def engine_problem() -> str:
    """Say why there is no container engine to be had; empty when there is one."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{' '.join(command)}: {error}"
        if found.returncode:
            return f"{' '.join(command)}: {found.stderr.strip()}"
    return ""


class ComposeError(AssertionError):
    """A command of compose failed."""


class Stack:
    """
    A stack that is up within a ``with`` block; its containers, networks and volumes go with it.

    :param folder: for its .env, which is .env.example with another port.
    """

    def __init__(self, folder: Path) -> None:
        self.project = f"snapshot-dr-test-{secrets.token_hex(4)}"
        self.port = free_port()
        self._env = folder / ".env"
        example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
        self._env.write_text(example.replace("AIRFLOW_PORT=8080", f"AIRFLOW_PORT={self.port}"), encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self("--profile", "*", "down", "--volumes", "--timeout", "5", "--remove-orphans", seconds=300)

    def command(self, *arguments: str) -> list[str]:
        """Give a command of compose for this stack."""
        return ["docker", "compose", "--project-name", self.project, "--env-file", str(self._env), *arguments]

    def __call__(self, *arguments: str, seconds: float = 120) -> str:
        """
        Run a command of compose and give what it printed.

        :raises ComposeError: with all that it said, when it fails.
        """
        found = subprocess.run(
            self.command(*arguments), cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=seconds
        )
        if found.returncode:
            raise ComposeError(
                f"docker compose {' '.join(arguments)}: {found.returncode}\n{found.stdout}{found.stderr}"
            )
        return found.stdout

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """Describe the containers of a service, or all; those that have ended too."""
        lines = self("ps", "--all", "--format", "json", *([service] if service else [])).splitlines()
        return [json.loads(line) for line in lines]

    @property
    def api(self) -> AirflowApi:
        """Airflow's API, with the password that the first start has made."""
        return AirflowApi(f"http://127.0.0.1:{self.port}", ("admin", self.password))

    @property
    def password(self) -> str:
        """The administrator's password, found as the README says."""
        return self("exec", "-T", "airflow-apiserver", "cat", "/opt/airflow/secrets/admin_password").strip()

    def kill_processes(self, container_id: str) -> None:
        """Kill everything in a container with signal 9; all but its init, which then ends, as after an OOM kill."""
        subprocess.run(
            ["docker", "exec", container_id, "bash", "-c", "kill -9 -1"], capture_output=True, check=False, timeout=60
        )

    @contextmanager
    def demo(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Run the demo, as the README says, beside what the block does."""
        command = self.command("run", "--rm", "--no-TTY", "demo", *options)
        with subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so, and give the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - begun
