"""Take the arguments of ``airflow snapshot-dr init``, ask for what is missing, and write the file."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider.cli.files import require_free, write_files
from snapshot_dr_provider.cli.init.answers import collect
from snapshot_dr_provider.cli.init.text import settings_text
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.settings import load_settings

if TYPE_CHECKING:
    import argparse

_CANNOT_WORK: Final = 2
_NEXT: Final = """\
Wrote {path}. Next:
  airflow snapshot-dr infra cloudformation --settings {path} --out infra
writes the keys and roles that it needs, and says how to apply them."""


def write_settings(args: argparse.Namespace) -> None:
    """
    Write a settings file that can be loaded.

    :raises SystemExit: with 2 when something is missing, cannot be used, or the file is there already.
    """
    path = Path(args.out)
    try:
        # Before anybody is asked anything.
        require_free([path], force=args.force)
        text = settings_text(collect(args, input if sys.stdin.isatty() else None))
        _require_loadable(text)
        write_files({path: text}, force=args.force)
    except ConfigurationError as error:
        sys.stderr.write(f"airflow snapshot-dr init: {error}\n")
        raise SystemExit(_CANNOT_WORK) from None
    print(_NEXT.format(path=path))


def _require_loadable(text: str) -> None:
    """Let the loader judge how the answers go together before anything is written."""
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "answers"
        draft.write_text(text, encoding="utf-8")
        load_settings(draft)
