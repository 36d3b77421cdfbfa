"""Take the arguments of ``airflow snapshot-dr preflight``, show what was found, and end with its status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider.cli.accounts import ask_each
from snapshot_dr_provider.cli.preflight.answers import refused
from snapshot_dr_provider.cli.preflight.dr_account import DrAccountChecks
from snapshot_dr_provider.cli.preflight.events import check_events
from snapshot_dr_provider.cli.preflight.show import show
from snapshot_dr_provider.cli.preflight.source_accounts import SourceAccountChecks
from snapshot_dr_provider.cli.process import reading_command
from snapshot_dr_provider.cli.terminal import terminal
from snapshot_dr_provider.domain.preflight import UNKNOWN, Check, Kind, Outcome, PreflightReport
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.operators.run_scope import all_that_is_wanted, list_routes
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings

if TYPE_CHECKING:
    import argparse

COMMAND: Final = "airflow snapshot-dr preflight"


@reading_command
def show_preflight(args: argparse.Namespace) -> None:
    """
    Say what stands against a run, and what to do about it.

    :raises SystemExit: with 0 when nothing does, 1 when something does, 2 when something is not known.
    """
    try:
        settings = load_settings(args.settings or configured_settings_path())
    except SnapshotDrError as error:
        sys.stderr.write(f"{COMMAND}: {error}\n")
        raise SystemExit(UNKNOWN) from None
    report = preflight(settings, args.account or ())
    if args.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show(report, terminal())
    raise SystemExit(report.status)


def preflight(settings: Settings, account_ids: Sequence[str] = ()) -> PreflightReport:
    """Check the accounts that are asked for, all when none is; Account-B; and the queues. Nothing is changed."""
    now = datetime.now(UTC)
    return PreflightReport(now, tuple(_checks(settings, account_ids, now)))


def _checks(settings: Settings, account_ids: Sequence[str], now: datetime) -> Iterator[Check]:
    routes: tuple[Route, ...] = ()
    subject = f"organization {settings.organization_id}"
    try:
        routes = list_routes(settings, account_ids, asked_by="--account")
    except SnapshotDrError as error:
        yield refused(Kind.SOURCE_ACCOUNTS, subject, error)
    else:
        accounts = {route.account_id for route in routes}
        detail = f"{len(accounts)} accounts, {len(routes)} routes"
        yield Check(Kind.SOURCE_ACCOUNTS, subject, Outcome.OK, detail)
    yield from DrAccountChecks(settings, now).check(routes)
    if settings.events:
        yield from check_events(settings.events)
    checks = SourceAccountChecks(all_that_is_wanted(settings, now), now)
    for found in ask_each(routes, checks.check):
        yield from found
