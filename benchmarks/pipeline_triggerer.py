"""
One process of the benchmark ``pipeline``: an event loop for the triggers, and threads for the workers.

It is started by ``benchmarks.pipeline`` with an environment that has the connections and the endpoint. It reads an
order as JSON from its standard input, prints ``ready``, begins at the next line, and prints the result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from pathlib import Path

from benchmarks.pipeline_order import Order, Result
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.hooks.route import RouteHooks, hooks_made_by
from snapshot_dr_provider.triggers.clock import Clock, SystemClock, on_clock
from snapshot_dr_provider.triggers.snapshot_copies import SharedHooks
from tests.harness.account_tasks import AccountRun, Record, Workers, account_tasks, list_routes
from tests.harness.advanced_clock import AdvancedClock, QuietLoop


def main() -> None:
    """Do as ordered, and tell about it."""
    # Whatever a library prints must not come between the lines that the parent reads.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    order = Order(**json.loads(sys.stdin.readline()))
    workers, record = Workers(order.workers), Record()
    runs = account_runs(order, workers, record)
    print("ready", file=answers, flush=True)
    sys.stdin.readline()
    threading.Thread(target=end_with_parent, name="end with parent", daemon=True).start()
    clock, loop_factory = clock_of(order)
    real, cpu = time.perf_counter(), time.process_time()
    with (
        on_clock(clock),
        SharedHooks() as make,
        hooks_made_by(make),
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        began, ended = runner.run(run_all(runs, clock))
    result = Result(
        began=began.isoformat(),
        ended=ended.isoformat(),
        real_s=time.perf_counter() - real,
        cpu_s=time.process_time() - cpu,
        rss_mb=peak_memory_mb(),
        worker_s=workers.seconds,
        stages=dict(record.seconds),
        failures=record.failures,
    )
    print(json.dumps(asdict(result)), file=answers, flush=True)


def end_with_parent() -> None:
    """End this process when the one that started it is gone, and the sandbox with it: copies never arrive then."""
    sys.stdin.read()
    os._exit(1)


def account_runs(order: Order, workers: Workers, record: Record) -> list[AccountRun]:
    """Deal out the routes of the run: this process takes its share of them."""
    now, day = datetime.fromisoformat(order.now), datetime.fromisoformat(order.day)
    routes, options = list_routes(order.settings_path, now, day)
    tasks = account_tasks()
    # A process that is up has loaded what Airflow and the SDK consist of; EC2's model alone takes half a second.
    load_models(routes[0])
    return [AccountRun(route, options, tasks, workers, record) for route in routes[order.place :: order.processes]]


def load_models(route: Mapping[str, object]) -> None:
    """Have the clients made that all accounts share, by signing in to the DR account."""
    hook = RouteHooks(Route.from_json(route)).kms_c()
    with hook.asking("sign in"), hook.asking("sign in", once=True):
        pass


def clock_of(order: Order) -> tuple[Clock, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the clock that everything goes by, and make the loop that belongs to it."""
    if not order.advanced:
        return SystemClock(), asyncio.SelectorEventLoop
    # Imported for this alone: with the sandbox comes moto, and its memory is none of ours.
    control = import_module("snapshot_dr_provider.sandbox").SandboxControl(os.environ["AWS_ENDPOINT_URL"])
    clock = AdvancedClock(control.now(), control.advance)
    return clock, lambda: QuietLoop(clock, lambda: order.latency)


async def run_all(runs: Sequence[AccountRun], clock: Clock) -> tuple[datetime, datetime]:
    """Run all accounts side by side; tell when the first stage began and the last one ended."""
    began = clock.now()
    async with asyncio.TaskGroup() as group:
        for run in runs:
            group.create_task(run.run())
    return began, clock.now()


def peak_memory_mb() -> float:
    """Read the most memory that this process ever had; getrusage would count what was before its own program, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(peak[1]) / 1024 if peak else 0.0


if __name__ == "__main__":
    main()
