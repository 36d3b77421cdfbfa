"""
Run a peer for the ``peers`` benchmark: in an environment of its own, with nothing but the sandbox within its reach.

Each peer is given the same: a folder to work in, an AWS profile for each account (the DR account's is
``dr-account``), and what its configuration needs in environment variables. It may do everything in every account, so
that none fails for want of a permission.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from string import Template
from typing import Final

from benchmarks.scenario import Scenario
from snapshot_dr_provider.sandbox import World
from snapshot_dr_provider.sandbox.world import ALLOW_ALL
from tests import worlds

HERE: Final = Path(__file__).parent
GIVEN: Final = HERE / "peers_given"
ENVIRONMENTS: Final = HERE.parent / "build" / "benchmarks"
CLOSED_PORT: Final = "http://127.0.0.1:9"
"""Where whatever is meant for beyond loopback ends."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Say how a peer ended.

    :param status: its exit status; ``None`` if it did not end in time and was ended.
    :param said: the last line that it wrote to standard error, or nothing.
    """

    status: int | None
    said: str
    wall_s: float


def install(*requirements: str) -> Path:
    """Install pinned distributions once, in an environment named after the last, and return its ``bin``."""
    environment = ENVIRONMENTS / requirements[-1].replace("==", "-")
    if not (environment / "installed").exists():
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
        if uv is None:
            raise SystemExit(f"The benchmark needs uv to install {requirements[-1]}: there is none. Run scripts/check.")
        python = environment / "bin" / "python"
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(environment)], check=True)
        subprocess.run(
            [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *requirements], check=True
        )
        (environment / "installed").touch()
    return environment / "bin"


def open_world(scenario: Scenario) -> World:
    """Build the scenario's world with roles that may do everything."""
    world = scenario.world()
    return replace(world, roles=tuple(replace(role, policies=(ALLOW_ALL,)) for role in world.roles))


def write_profiles(file: Path, scenario: Scenario) -> None:
    """Write a profile for each account: the DR account has keys, the others have a role that the tooling enters."""
    users = {user.account_id: user for user in (*open_world(scenario).users, worlds.RESTORE)}
    lines = []
    for profile, account in {"dr-account": worlds.DR, "tooling": worlds.TOOLING}.items():
        user = users[account]
        lines += [f"[profile {profile}]", f"aws_access_key_id = {user.access_key_id}"]
        lines += [f"aws_secret_access_key = {user.secret_access_key}"]
    for account in scenario.account_ids:
        lines += [f"[profile {account}]", "source_profile = tooling"]
        lines += [f"role_arn = arn:aws:iam::{account}:role/SnapshotDr"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def values_of(scenario: Scenario) -> dict[str, str]:
    """Name what a configuration is filled with."""
    accounts = (
        f'  - {{name: a-{account}, account_id: "{account}", regions: [{worlds.REGION}], tags: [source], '
        f"role: arn:aws:iam::{account}:role/SnapshotDr}}"
        for account in scenario.account_ids
    )
    return {
        "DAY": scenario.day.isoformat(),
        "NEXT_DAY": (scenario.day + timedelta(days=1)).isoformat(),
        "REGION": worlds.REGION,
        "DR": worlds.DR,
        "KMS_B": worlds.kms_arn(worlds.DR, worlds.KMS_B_ID),
        "KMS_C": worlds.kms_arn(worlds.DR, worlds.KMS_C_ID),
        "SLOTS": str(scenario.slots),
        "POLL": str(max(1, round(scenario.copy_seconds / 3))),
        "COPY_SECONDS": str(scenario.copy_seconds),
        "OWNERS": "[" + ", ".join(f'"{account}"' for account in scenario.account_ids) + "]",
        "ACCOUNTS": " ".join(scenario.account_ids),
        "ACCOUNT_ENTRIES": "\n".join(accounts),
    }


def fill_in(name: str, folder: Path, values: Mapping[str, str], *, target: str) -> None:
    """Write one of the given files with its ``$NAMES`` filled in."""
    text = Template((GIVEN / name).read_text(encoding="utf-8")).substitute(values)
    (folder / target).write_text(text, encoding="utf-8")


def environment_of(folder: Path, endpoint_url: str, *, path: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Make the environment that a peer gets, out of nothing of ours."""
    return {
        **values,
        "PATH": f"{path}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AWS_CONFIG_FILE": str(folder / "aws_config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no_credentials"),
        "AWS_PROFILE": "tooling",
        "AWS_DEFAULT_REGION": worlds.REGION,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTP_PROXY": CLOSED_PORT,
        "HTTPS_PROXY": CLOSED_PORT,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float) -> Outcome:
    """Run a command with all that it starts; end all of them when the time is over."""
    started = time.perf_counter()
    errors = folder / "stderr"
    with errors.open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    wall = time.perf_counter() - started
    lines = [line for line in errors.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return Outcome(status, lines[-1].strip() if lines else "", wall)
