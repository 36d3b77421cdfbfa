"""The command ``airflow snapshot-dr sandbox``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapshot_dr_provider.sandbox import cli

if TYPE_CHECKING:
    import argparse


def serve_sandbox(args: argparse.Namespace) -> None:
    """Serve the sandbox until it is interrupted."""
    cli.run(args)
