"""
The process that ``tests.harness.processes`` forks from. It reads orders as JSON, and answers exit statuses.

It carries the first order out by itself, so that Airflow, the DAG and clients of the SDK are there, and leaves no
thread and no connection behind: a fork takes nothing along but what it can use.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from snapshot_dr_provider.sandbox.client import SandboxControl
from snapshot_dr_provider.triggers.chance import by_chance_of
from snapshot_dr_provider.triggers.clock import on_clock
from tests.harness import sdk
from tests.harness.advanced_clock import AdvancedClock, InlineLoops
from tests.harness.dag_run import CURRENT_TASK, DagRun
from tests.harness.processes import Order
from tests.harness.run_book import RunBook

LATENCY: Final = 0.2
"""Seconds that an answer takes on the clock."""

WATCH: Final = sdk.Watch()


def main() -> None:
    """Load, and fork for each order."""
    # Whatever a library prints must not come between the lines that the parent reads.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    WATCH.keeps_connections = False
    work(next_order())
    WATCH.keeps_connections = True
    gc.collect()
    gc.freeze()  # What is not collected is not copied either.
    print(0, file=answers, flush=True)
    while True:
        order = next_order()
        process = os.fork()
        if not process:
            carry_out(order)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def next_order() -> Order:
    """Read an order, or end with the process that gives them."""
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    return Order(**json.loads(line))


def carry_out(order: Order) -> NoReturn:
    """Work a run off, and end this process."""
    gc.disable()  # It ends soon.
    try:
        work(order)
    except BaseException:  # noqa: BLE001  # this process must not go on as its parent
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def work(order: Order) -> None:
    """Work a run off, on the clock of the sandbox."""
    control = SandboxControl(os.environ["AWS_ENDPOINT_URL"])
    clock = AdvancedClock(control.now(), control.advance)
    book = RunBook(Path(order.book))
    sdk.wait_on(clock)
    # Some calls are made in contexts and threads of their own; of one account only one task is under way.
    WATCH.sent = lambda operation: book.sent(CURRENT_TASK.get() or next(reversed(book.states)), operation)
    WATCH.die_at(order.die_at, order.moment)
    run = DagRun(order.run_id, datetime.fromisoformat(order.now), order.day, book)
    if order.clear is not None:
        run.clear(order.clear)
    asyncio.set_event_loop_policy(InlineLoops(clock, lambda: LATENCY))
    logging.disable(logging.WARNING)
    random.seed(0)
    with on_clock(clock), by_chance_of(random.Random(0)), asyncio.Runner() as runner:
        runner.run(run.work())


if __name__ == "__main__":
    main()
