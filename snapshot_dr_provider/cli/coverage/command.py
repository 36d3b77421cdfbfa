"""Take the arguments of ``airflow snapshot-dr coverage``, show what was read, and end with its status."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from snapshot_dr_provider.cli.accounts import ask_each
from snapshot_dr_provider.cli.coverage.reading import CoverageReader
from snapshot_dr_provider.cli.coverage.show import show
from snapshot_dr_provider.cli.process import reading_command
from snapshot_dr_provider.cli.terminal import terminal
from snapshot_dr_provider.domain.coverage_report import UNDECIDED, CoverageReport
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.operators.run_scope import all_that_is_wanted, list_routes
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

COMMAND: Final = "airflow snapshot-dr coverage"


@reading_command
def show_coverage(args: argparse.Namespace) -> None:
    """
    Say how old the newest DR copy of each volume is.

    :raises SystemExit: with 0 when all is within the RPO and nothing is missing, 1 when there is a gap, 2 when
        something could not be read.
    """
    try:
        settings = load_settings(args.settings or configured_settings_path())
        report = read_coverage(settings, args.account or ())
    except SnapshotDrError as error:
        _refuse(str(error))
    if args.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show(report, terminal())
    raise SystemExit(report.status)


def read_coverage(settings: Settings, account_ids: Sequence[str] = ()) -> CoverageReport:
    """
    Read the coverage of the accounts that are asked for; of all when none is.

    :raises SnapshotDrError: when it is not even known which accounts there are.
    """
    now = datetime.now(UTC)
    rpo = None if settings.rpo_hours is None else timedelta(hours=settings.rpo_hours)
    routes = list_routes(settings, account_ids, asked_by="--account")
    return CoverageReport(
        now, rpo, tuple(ask_each(routes, CoverageReader(all_that_is_wanted(settings, now), rpo, now).read))
    )


def _refuse(reason: str) -> NoReturn:
    """End the command where nothing can be said."""
    sys.stderr.write(f"{COMMAND}: {reason}\n")
    raise SystemExit(UNDECIDED)
