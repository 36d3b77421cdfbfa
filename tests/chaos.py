"""
A whole organization is copied while calls fail, answers are lost or late, and copies end in ``error``, seed by seed.

    python -m tests.chaos --seeds 50                        # seeds 1 to 50: 50 accounts with 20 snapshots each
    python -m tests.chaos --seed 17 [--accounts 50] [--snapshots 20] [--jobs 2]

Each seed has a process of its own, in which the real operators and triggers run on the clock of the sandbox. The exit
status is 1 when anything was not as it has to be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.isolation import isolated_environment

CHECKOUT: Final = Path(__file__).parents[1]

COLUMNS: Final = ("seed", "copyable", "verified", "calls", "disturbed", "refused", "hours", "seconds", "complaints")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.strip().splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="the first one (default 1)")
    parser.add_argument("--accounts", type=int, default=50, help="of the organization (default 50)")
    parser.add_argument("--snapshots", type=int, default=20, help="of each account (default 20)")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once (default 1)")
    options = parser.parse_args(arguments)
    write = sys.stdout.write
    write("  ".join(f"{name:>9}" for name in COLUMNS) + "\n")
    complaints = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        seeds = range(options.seed, options.seed + options.seeds)
        for result in pool.map(lambda seed: run_seed(seed, options.accounts, options.snapshots), seeds):
            row = {
                **result,
                "verified": "+".join(map(str, result["verified"])),
                "complaints": len(result["complaints"]),
            }
            write("  ".join(f"{_shown(row[name]):>9}" for name in COLUMNS) + "\n")
            write("".join(f"    {complaint}\n" for complaint in result["complaints"]))
            sys.stdout.flush()
            complaints += len(result["complaints"])
    return 1 if complaints else 0


def run_seed(seed: int, accounts: int, snapshots: int) -> dict[str, Any]:
    """
    Run one seed in a process of its own, and give its :class:`~tests.harness.chaos_run.Result` as a mapping.

    :raises RuntimeError: when the process has failed.
    """
    with tempfile.TemporaryDirectory(prefix="chaos-") as home:
        done = subprocess.run(
            [sys.executable, "-m", "tests.harness.chaos_run", str(seed), str(accounts), str(snapshots)],
            env=_environment(home),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"seed {seed} has ended with status {done.returncode}:\n{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def how_to_repeat(seed: int, accounts: int, snapshots: int) -> str:
    """Name the command that does the same once more."""
    return f"python -m tests.chaos --seed {seed} --accounts {accounts} --snapshots {snapshots}"


def _environment(home: str) -> dict[str, str]:
    return {
        **isolated_environment(),
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        # The order in which sets are gone through is part of what a seed repeats.
        "PYTHONHASHSEED": "0",
    }


def _shown(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
