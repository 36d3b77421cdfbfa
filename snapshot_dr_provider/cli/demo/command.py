"""Take the arguments of ``airflow snapshot-dr demo``, play it, and end with the status that it deserves."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from rich.console import Console

from snapshot_dr_provider.cli.environment import forget_aws

if TYPE_CHECKING:
    import argparse

    from snapshot_dr_provider.cli.demo.attached import AttachedDemo
    from snapshot_dr_provider.cli.demo.play import Demo

MAX_ACCOUNTS: Final = 1024
"""What Airflow maps a task over by default ([core] max_map_length, airflow 9)."""

MAX_VOLUMES: Final = 5000
"""Snapshots of one account and day that the DAG is made for."""

MAX_VOLUMES_IN_ALL: Final = 10_000
"""Each of them has a snapshot of each of seven nights, all in the memory of the sandbox."""

_WIDTH_OF_FILES: Final = 100
_BAD_ARGUMENTS: Final = 2
_BY_SIGNAL: Final = 128


def run_demo(args: argparse.Namespace) -> None:
    """
    Run the demo.

    :raises SystemExit: with 0 only if the DAG run succeeded, every wanted snapshot has a verified KMS-C copy and no
        KMS-B copy is left; with 2 for arguments that cannot be used.
    """
    problem = problem_with(args)
    if problem:
        sys.stderr.write(f"airflow snapshot-dr demo: {problem}\n")
        raise SystemExit(_BAD_ARGUMENTS)
    forget_aws()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    with _ended_by_signals():
        try:
            is_good = _demo(args, console).play()
        except KeyboardInterrupt:
            console.print("Interrupted. Nothing is left running.")
            raise SystemExit(_BY_SIGNAL + signal.SIGINT) from None
    raise SystemExit(0 if is_good else 1)


def _demo(args: argparse.Namespace, console: Console) -> AttachedDemo | Demo:
    # Not before: moto, when it is imported, makes an AWS session with the profile of the environment.
    from snapshot_dr_provider.cli.demo.attached import AttachedDemo  # noqa: PLC0415
    from snapshot_dr_provider.cli.demo.play import Demo  # noqa: PLC0415

    return AttachedDemo(args, console) if args.airflow_url else Demo(args, console)


def problem_with(args: argparse.Namespace) -> str:
    """Say what is wrong with arguments of which each is well formed; empty when nothing is."""
    if args.accounts > MAX_ACCOUNTS:
        return f"--accounts {args.accounts} is too many: the DAG maps over {MAX_ACCOUNTS} accounts at most"
    if args.volumes > MAX_VOLUMES:
        return f"--volumes {args.volumes} is too many: the DAG is made for {MAX_VOLUMES} snapshots of an account a day"
    if args.accounts * args.volumes > MAX_VOLUMES_IN_ALL:
        return (
            f"--accounts {args.accounts} with --volumes {args.volumes} each are {args.accounts * args.volumes} volumes;"
            f" the sandbox takes {MAX_VOLUMES_IN_ALL} at most"
        )
    if problem := _problem_with_place(args):
        return problem
    if args.json and not _is_writable(Path(args.json)):
        return f"--json {args.json} is not a file that can be written"
    if args.home and not _is_usable(Path(args.home)):
        return f"--home {args.home} is not a directory that can be written to"
    return ""


def _problem_with_place(args: argparse.Namespace) -> str:
    """Say which option is missing, or too much, for a demo in an Airflow that is up."""
    attached = {name: getattr(args, name) for name in ("sandbox_url", "settings", "password_file")}
    for name, value in attached.items():
        if bool(value) != bool(args.airflow_url):
            option = f"--{name.replace('_', '-')}"
            return f"--airflow-url needs {option}" if args.airflow_url else f"{option} is for --airflow-url alone"
    if args.airflow_url and args.home:
        return "--home is for the Airflow of the demo's own, not for that of --airflow-url"
    return ""


def _is_writable(file: Path) -> bool:
    if file.exists():
        return file.is_file() and os.access(file, os.W_OK)
    return os.access(file.parent, os.W_OK | os.X_OK)


def _is_usable(folder: Path) -> bool:
    """Tell whether a directory can be written to; make it if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the signals that end a process unwind it instead, so that it takes Airflow's process with it."""

    def leave(number: int, *_: object) -> NoReturn:
        raise SystemExit(_BY_SIGNAL + number)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
