"""The command ``airflow snapshot-dr sandbox``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapshot_dr_provider.cli.environment import forget_aws

if TYPE_CHECKING:
    import argparse


def serve_sandbox(args: argparse.Namespace) -> None:
    """Serve the sandbox until it is interrupted."""
    forget_aws()
    from snapshot_dr_provider.sandbox import cli  # noqa: PLC0415  # imports moto, which opens a session of boto3

    cli.run(args)
