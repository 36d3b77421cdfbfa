"""Processes for runs that are killed: each is forked from one that has loaded everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from tests.harness.sdk import KILLED, Moment

CHECKOUT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Order:
    """
    Tell a process which run to work off.

    :param book: file of the run's book; a run that it holds already is gone on with.
    :param now: when the run was triggered, ISO 8601; it is for the day ``day``.
    :param clear: the task that is cleared first, as the UI does.
    :param die_at: number of the request at which the process ends without a trace, and when.
    """

    book: str
    run_id: str
    now: str
    day: str
    clear: str | None = None
    die_at: int | None = None
    moment: Moment = "before"


class ForkServer:
    """
    Carry out orders in a fresh process each, within a ``with`` block.

    At its beginning it works a whole run off, after which everything is loaded.

    :param environment: with the connections, the settings and the endpoint of the sandbox.
    :param first: the run at the beginning.
    :param log: file for what the processes print.
    """

    def __init__(self, environment: Mapping[str, str], first: Order, log: Path) -> None:
        self._environment = environment
        self._first = first
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.fork_server"],
                # The order in which sets are gone through is part of what a run does.
                env={
                    **os.environ,
                    **self._environment,
                    "PYTHONHASHSEED": "0",
                    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
                },
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.carry_out(self._first)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def carry_out(self, order: Order) -> bool:
        """
        Have an order carried out; tell whether the process died where it was told to.

        :raises RuntimeError: when it has ended in any other way than by being done.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the pipes are not open")
        print(json.dumps(asdict(order)), file=self._process.stdin, flush=True)
        status = self._process.stdout.readline().strip()
        if status not in ("0", str(KILLED)):
            tail = self._log.read_text(encoding="utf-8", errors="replace")[-4000:]
            raise RuntimeError(f"a process of a run has ended with status {status or 'unknown'}:\n{tail}")
        return status == str(KILLED)
