"""Take the arguments of ``airflow snapshot-dr policy ...``, print what is asked for, and end with its status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NoReturn

from rich.table import Column, Table

from snapshot_dr_provider.cli.policy.documents import HOOKS, Choices, explain, render
from snapshot_dr_provider.cli.terminal import terminal
from snapshot_dr_provider.domain.key_policy.statements import write_json
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.settings import configured_settings_path, load_settings

if TYPE_CHECKING:
    import argparse

_CANNOT_WORK: Final = 2


def show_policy(args: argparse.Namespace) -> None:
    """
    Print one policy as JSON; on stdout there is nothing else.

    :raises SystemExit: with 2 when the settings or the options do not say which policy that is.
    """
    choices = Choices(args.region, args.wide, args.pin, args.role, tuple(args.restore_role or ()))
    try:
        document = render(args.document, load_settings(args.settings or configured_settings_path()), choices)
    except ConfigurationError as error:
        _refuse(str(error))
    sys.stdout.write(write_json(document))
    if args.explain:
        _print_explanation(args.document)


def list_permissions(_: argparse.Namespace) -> None:
    """Print each action that a policy allows, where, for what, and how sure that is; as a table in Markdown."""
    places = {**{f"`{role.value}`": explain(role.value) for role in HOOKS}, "key policy of KMS-B": explain("kms-b")}
    rows = [
        f"| {place} | `{each.action}` | {each.basis.value} | {each.purpose} |"
        for place, permissions in places.items()
        for each in permissions
    ]
    print("| Where | Action | Basis | For what |", "|---|---|---|---|", *rows, sep="\n")


def _refuse(reason: str) -> NoReturn:
    """End the command for a mistake of whoever called it."""
    sys.stderr.write(f"airflow snapshot-dr policy show: {reason}\n")
    raise SystemExit(_CANNOT_WORK)


def _print_explanation(document: str) -> None:
    table = Table(Column("action", no_wrap=True), "basis", "for what")
    for permission in explain(document):
        table.add_row(permission.action, permission.basis.value, permission.purpose)
    terminal(stderr=True).print(table)
