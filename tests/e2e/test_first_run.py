"""The first run that the docs lead to, by their very commands."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.airflow_processes import environment_of_nobody, free_port
from tests.e2e.processes import ChildProcess

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "first_run.md"
SECONDS = 1500.0


def script(sandbox_port: int, airflow_port: int) -> str:
    """Put the page's commands together: all but those that install the wheel, on ports that are free."""
    install, *others = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert "pip install" in install
    marked = (f"echo '== {number}'\n{box}" for number, box in enumerate(others, 2))
    return "set -eu\n" + "".join(marked).replace("18555", str(sandbox_port)).replace("8080", str(airflow_port))


def environment(home: Path, port: int) -> dict[str, str]:
    """Let nothing of the user's Airflow or AWS through, and let Airflow listen where nobody else does."""
    return {
        **environment_of_nobody(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "COLUMNS": "200",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    }


def test_the_page_leads_from_an_installed_wheel_to_coverage(tmp_path: Path) -> None:
    """Its commands, one after another: preflight red, one account red, mended, cleared, green, every volume covered."""
    # Where the wheel has them; the provider under test is that of the checkout.
    shutil.copytree(CHECKOUT / "dags", tmp_path / "venv/lib/python3/site-packages/snapshot_dr_provider/dags")
    sandbox_port, airflow_port = free_port(), free_port()
    command = ["bash", "-c", script(sandbox_port, airflow_port)]
    child = ChildProcess("first-run", command, environment(tmp_path, airflow_port), tmp_path / "first-run.log")
    try:
        if child.wait(SECONDS) != 0:
            raise child.death()
    finally:
        child.kill()
    *_, before, _, meanwhile, after = child.log.read_text(encoding="utf-8").split("\n== ")
    assert "34 checks: 32 ok, 1 warning, 1 failed" in before
    assert "status 1" in before
    assert "payments-prod (111111111111) us-east-1" in before
    assert re.search(r"20 volumes \(.*missing", meanwhile)
    assert "34 checks: 33 ok, 1 warning" in after
    assert "20 volumes (19 covered, 1 excluded)" in after
