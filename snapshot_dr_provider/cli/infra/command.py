"""Take the arguments of ``airflow snapshot-dr infra``, write the files, and say what comes next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider.cli.files import write_files
from snapshot_dr_provider.cli.infra.cloudformation import template
from snapshot_dr_provider.cli.infra.estate import stacks_of
from snapshot_dr_provider.cli.infra.readme import readme
from snapshot_dr_provider.cli.infra.terraform import module
from snapshot_dr_provider.cli.infra.terraform_readme import terraform_readme
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings

if TYPE_CHECKING:
    import argparse

_CANNOT_WORK: Final = 2


def write_infra(args: argparse.Namespace) -> None:
    """
    Write the templates and their README.md.

    :raises SystemExit: with 2 when the settings cannot be used, or files are there already.
    """
    folder = Path(args.out)
    try:
        settings = load_settings(args.settings or configured_settings_path())
        files = infra_files(settings, args.kind, pin=args.pin)
        write_files({folder / name: text for name, text in files.items()}, force=args.force)
    except ConfigurationError as error:
        sys.stderr.write(f"airflow snapshot-dr infra: {error}\n")
        raise SystemExit(_CANNOT_WORK) from None
    print(f"Wrote {len(files)} files. {folder / 'README.md'} says what is applied where; nothing has been applied.")


def infra_files(settings: Settings, kind: str = "cloudformation", *, pin: bool = False) -> dict[str, str]:
    """
    Write all files, by their paths below the folder.

    :param kind: ``cloudformation`` or ``terraform``.
    :raises ConfigurationError: when the settings do not say what is asked for.
    """
    stacks = stacks_of(settings, pin=pin)
    names = {stack.name: f"{number}-{stack.name}" for number, stack in enumerate(stacks, 1)}
    if kind == "terraform":
        modules = {f"{names[stack.name]}/main.tf.json": module(stack) for stack in stacks}
        return {**modules, "README.md": terraform_readme(stacks, names)}
    files = {name: f"{numbered}.json" for name, numbered in names.items()}
    return {**{files[stack.name]: template(stack) for stack in stacks}, "README.md": readme(stacks, files)}
