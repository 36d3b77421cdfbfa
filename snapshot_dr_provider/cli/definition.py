"""Declare ``airflow snapshot-dr``.

Airflow imports this module at the start of each of its commands, so everything else is imported when a command runs.
"""

from __future__ import annotations

import argparse
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command, positive_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.cli.cli_config import CLICommand

_REMEDY = "pip install 'airflow-provider-snapshot-dr[sandbox]'"


def get_cli_commands() -> list[CLICommand]:
    """Return the commands for the ``cli`` key of the provider's metadata."""
    return [
        GroupCommand(
            name="snapshot-dr",
            help="Disaster-recovery copies of EBS snapshots",
            subcommands=(_SANDBOX, _DEMO),
        ),
    ]


def _from_sandbox_extra(import_path: str) -> Callable[[argparse.Namespace], None]:
    """Defer the import of a command that needs the ``sandbox`` extra, and name the remedy where that is missing."""
    load = lazy_load_command(import_path)

    def command(args: argparse.Namespace) -> None:
        if find_spec("moto") is None:
            message = f"airflow snapshot-dr {args.subcommand} needs the sandbox extra: {_REMEDY}"
            raise SystemExit(message)
        load(args)

    return command


def _seconds(text: str) -> float:
    """Read a duration in seconds, zero or more."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        message = f"{text!r} is not a number of seconds"
        raise argparse.ArgumentTypeError(message)
    return seconds


_SANDBOX = ActionCommand(
    name="sandbox",
    help="Serve an AWS emulator with several accounts on loopback",
    description="Serves the sandbox AWS on loopback and prints its endpoint and the credentials to use.",
    func=_from_sandbox_extra("snapshot_dr_provider.cli.sandbox.serve_sandbox"),
    args=(
        Arg(("--port",), help="Port to listen on; 0 takes a free one", type=positive_int(allow_zero=True), default=0),
        Arg(("--world",), help="YAML file of the accounts, keys, volumes and snapshots to start with", metavar="FILE"),
    ),
)

_DEMO = ActionCommand(
    name="demo",
    help="Run the DAG against the sandbox and show what it did",
    description="Starts a sandbox with a believable world, runs the daily DAG for yesterday, and shows the copies.",
    func=_from_sandbox_extra("snapshot_dr_provider.cli.demo.command.run_demo"),
    args=(
        Arg(("--accounts",), help="Number of source accounts", type=positive_int(allow_zero=False), default=5),
        Arg(("--volumes",), help="Number of volumes in each account", type=positive_int(allow_zero=False), default=4),
        Arg(("--copy-seconds",), help="Seconds that each copy takes", type=_seconds, default=2.0),
        Arg(("--json",), help="Also write the outcome to this file", metavar="FILE"),
        Arg(("--home",), help="Directory for Airflow's files; a new temporary one by default", metavar="DIR"),
        Arg(("--twice",), help="Run it again over the same world: no copy is started", action="store_true"),
    ),
)
