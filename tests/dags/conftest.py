"""Fixtures for the tests that run the whole DAG."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.dags.dag_runs import InlineAirflow
    from tests.dags.deployment import Deployment


@pytest.fixture(scope="session")
def inline_airflow(airflow_db: None) -> Iterator[InlineAirflow]:
    """Load the DAG once, and read botocore's service models once: reading them takes most of a small run's time."""
    from botocore.loaders import JSONFileLoader

    with warnings.catch_warnings():
        # Airflow's in-process API imports starlette's test client, which asks for httpx2.
        warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
        from tests.dags.dag_runs import InlineAirflow

    with pytest.MonkeyPatch.context() as patch:
        read = lru_cache(maxsize=None)(JSONFileLoader().load_file)
        patch.setattr(JSONFileLoader, "load_file", lambda _self, path: read(path))
        yield InlineAirflow()


@pytest.fixture
def deployment(
    sandbox: Sandbox, inline_airflow: InlineAirflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Deployment:
    """Deploy the DAG against the sandbox; ``deployment.start(world)`` comes first."""
    from tests.dags.deployment import Deployment

    inline_airflow.forget()
    return Deployment(sandbox, inline_airflow, monkeypatch, tmp_path)
