"""What every test stands on: an Airflow of its own, no AWS but the sandbox, no network but loopback."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.isolation import isolated_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapshot_dr_provider.sandbox import Sandbox

CHECKOUT = Path(__file__).parent.parent


def _isolate_environment(home: Path) -> None:
    """Leave nothing of the developer's AWS, Airflow or proxies in the environment, which child processes inherit."""
    environment = isolated_environment()
    os.environ.clear()
    os.environ.update(
        environment,
        # Whoever forgets to name an endpoint reaches a closed port.
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AIRFLOW_HOME=str(home),
        # dag.test() serialises a DAG only if it lies in the configured folder (airflow 5).
        AIRFLOW__CORE__DAGS_FOLDER=str(CHECKOUT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        # Tests publish a DAG with other retries and put it back at once; by default Airflow takes one a half minute.
        AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL="0",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    )


# Airflow reads its environment and writes into its home when it is first imported; each worker gets here before that.
if "airflow" in sys.modules:
    message = "Airflow was imported before its home was set; a pytest plugin imports it"
    raise RuntimeError(message)
_HOME = Path(tempfile.mkdtemp(prefix="snapshot-dr-tests-"))
_isolate_environment(_HOME)


def pytest_unconfigure() -> None:
    """Remove the worker's AIRFLOW_HOME."""
    shutil.rmtree(_HOME, ignore_errors=True)


# Everywhere what hypothesis does by itself where CI is set: the same examples each time, and no test that times itself.
settings.load_profile("ci")


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Migrate the metadata database in this worker's AIRFLOW_HOME, once and only if a test needs it."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    """Serve one sandbox to all tests of this worker."""
    from snapshot_dr_provider.sandbox import Sandbox, World

    with Sandbox(World.example()) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Give a sandbox as good as new with the example world, to which AWS_ENDPOINT_URL points.

    Another world is one ``sandbox.control.reset(world)`` away.
    """
    from snapshot_dr_provider.sandbox import World

    sandbox_server.control.reset(World.example())
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox_server.endpoint_url)
    return sandbox_server
