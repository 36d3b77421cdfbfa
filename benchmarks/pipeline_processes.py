"""The processes of the benchmark ``pipeline``, seen from the one that starts them."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

import psutil

from benchmarks.pipeline_order import Order, Result
from snapshot_dr_provider.sandbox import SandboxControl, World
from tests import worlds
from tests.isolation import isolated_environment

CHECKOUT: Final = Path(__file__).parent.parent


def environment_of(world: World, control: SandboxControl) -> dict[str, str]:
    """Make the environment of the processes: the sandbox and its connections, and nothing of the user's AWS."""
    return {
        **isolated_environment(),
        **worlds.connections(world),
        "AWS_ENDPOINT_URL": control.endpoint_url,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__MAX_MAP_LENGTH": "100000",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def run_processes(orders: Sequence[Order], environment: Mapping[str, str], folder: Path) -> list[Result]:
    """
    Start a process for each order, let all begin together, and wait for what they tell.

    :param folder: where each gets an ``AIRFLOW_HOME`` of its own.
    :raises SystemExit: when one of them has failed; why is on standard error.
    """
    with ExitStack() as stack:
        processes = [_start(stack, order, environment, folder) for order in orders]
        for process in processes:
            _next_line(process)
        for process in processes:
            _tell(process, "go")
        return [Result(**json.loads(_next_line(process))) for process in processes]


def _start(stack: ExitStack, order: Order, environment: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.pipeline_triggerer"],
            env={**environment, "AIRFLOW_HOME": str(folder / f"airflow-{order.place}")},
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    _tell(process, json.dumps(asdict(order)))
    return process


def _tell(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        print(line, file=process.stdin, flush=True)


def _next_line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise SystemExit(f"A process of the benchmark ended with status {process.wait()}; its own error is above.")
    return line


def cpu_of_sandbox() -> float:
    """Tell the CPU seconds that the sandbox has taken so far; it is the only process that multiprocessing started."""
    times = [psutil.Process(process.pid).cpu_times() for process in multiprocessing.active_children()]
    return sum(float(each.user + each.system) for each in times)
