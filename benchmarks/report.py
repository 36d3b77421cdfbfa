"""
What every benchmark does with its figures: print them as tables, and write them as JSON with the facts of the machine.

    parser = parser_of("plan", "Measure the planning of copies.")
    options = parser.parse_args(arguments)
    print_table("Planning", [{"snapshots": 100_000, "seconds": 1.2}])
    report("plan", {"sizes": [...]}, options.json)              # the machine, and the file if one was asked for
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

PACKAGES: Final = ("airflow-provider-snapshot-dr", "apache-airflow", "apache-airflow-providers-amazon", "botocore")
"""Packages whose versions every benchmark names; see :func:`machine`."""

WIDTH: Final = 120
"""Columns of a table that is not written to a terminal."""


def parser_of(name: str, description: str) -> argparse.ArgumentParser:
    """Make the parser of a benchmark, with the option that all of them have."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser


def machine(*packages: str) -> dict[str, Any]:
    """
    Tell where and with what figures were measured.

    :param packages: distributions to name besides ``PACKAGES``; ``None`` is the version of one that is not installed.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in (*PACKAGES, *packages)},
    }


def version_of(package: str) -> str | None:
    """Look up the version of an installed distribution."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def report(name: str, figures: Mapping[str, Any], file: Path | None, *, packages: Sequence[str] = ()) -> None:
    """
    Print where the figures were measured, and write them as JSON, beside ``benchmark`` and ``machine``, if asked to.

    :param figures: JSON values; the keys are the benchmark's own.
    """
    facts = machine(*packages)
    versions = ", ".join(f"{package} {version}" for package, version in facts["packages"].items() if version)
    print(f"{facts['date']}, {facts['cores']} cores (load {facts['load']}), Python {facts['python']}, {versions}")
    if file:
        document = {"benchmark": name, "machine": facts, **figures}
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def print_table(title: str, rows: Iterable[Mapping[str, object]], *, note: str = "") -> None:
    """
    Print a table: a column for each key of the first row, figures to the right.

    :param rows: numbers are written as :func:`shown` has it; whatever else as it prints itself.
    :param note: a line below it, for example the target.
    """
    rows = list(rows)
    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for column, value in (rows[0] if rows else {}).items():
        table.add_column(column, justify="right" if isinstance(value, int | float) else "left")
    for row in rows:
        table.add_row(*(shown(value) for value in row.values()))
    console = Console(markup=False, highlight=False)
    # Where there is no terminal, rich takes one of 80 columns for granted and breaks the words.
    console = console if console.is_terminal else Console(markup=False, highlight=False, width=WIDTH)
    console.print(table)


def shown(value: object) -> str:
    """Write a figure with as many digits as say something; ``None`` is one that was not taken."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"  # noqa: PLR2004  # four digits at most matter
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
