"""The command ``airflow snapshot-dr sandbox``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider.cli.environment import forget_aws

if TYPE_CHECKING:
    import argparse

    from snapshot_dr_provider.sandbox import World

_ACCOUNTS: Final = 5
_VOLUMES: Final = 4
_COPY_SECONDS: Final = 10.0


def serve_sandbox(args: argparse.Namespace) -> None:
    """
    Serve the sandbox until it is interrupted.

    :raises SystemExit: for options that exclude each other, a directory that cannot be written to, a world that cannot
        be read, or a port that is taken.
    """
    if problem := _problem_with(args):
        raise SystemExit(f"airflow snapshot-dr sandbox: {problem}")
    forget_aws()
    from snapshot_dr_provider.sandbox import cli  # noqa: PLC0415  # imports moto, which opens a session of boto3

    cli.run(args, _demo_world(Path(args.demo), args.endpoint_url) if args.demo else None)


def _problem_with(args: argparse.Namespace) -> str:
    if args.demo and args.world:
        return "--demo and --world are two worlds; give one of them"
    if bool(args.demo) != bool(args.endpoint_url):
        return "--demo and --endpoint-url go together: the connections that it writes say where the sandbox is"
    return ""


def _demo_world(folder: Path, endpoint_url: str) -> World:
    """Build the world of the demo, and write the two files by which an Airflow works on it."""
    from snapshot_dr_provider.cli.demo.files import (  # noqa: PLC0415  # as above
        CONNECTIONS_FILE,
        SETTINGS,
        write_connections,
        write_settings,
    )
    from snapshot_dr_provider.cli.demo.world import build_scene  # noqa: PLC0415  # as above

    scene = build_scene(_ACCOUNTS, _VOLUMES, _COPY_SECONDS, datetime.now(UTC))
    try:
        write_settings(folder / SETTINGS, scene)
        write_connections(folder / CONNECTIONS_FILE, endpoint_url)
    except OSError as error:
        raise SystemExit(f"airflow snapshot-dr sandbox: {folder} cannot be written to: {error}") from error
    return scene.world
