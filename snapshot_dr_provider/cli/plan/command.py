"""Take the arguments of ``airflow snapshot-dr plan``, say what a run would do, and end with its status."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider.cli.accounts import ask_each, is_excused
from snapshot_dr_provider.cli.plan.show import show
from snapshot_dr_provider.cli.process import reading_command
from snapshot_dr_provider.cli.terminal import terminal
from snapshot_dr_provider.domain.forecast import RouteForecast, forecast_route
from snapshot_dr_provider.domain.forecast_report import UNDECIDED, Prices, RunForecast, Slots
from snapshot_dr_provider.domain.run_options import RunFacts, RunOptions, period_of_run, read_params
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.operators.account_view import look_at
from snapshot_dr_provider.operators.run_scope import list_routes, options_of
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from snapshot_dr_provider.hooks.route import RouteHooks

COMMAND: Final = "airflow snapshot-dr plan"


@reading_command
def show_plan(args: argparse.Namespace) -> None:
    """
    Say what a run would do that was triggered by hand now, or for a day.

    :raises SystemExit: with 0 when that is planned, 1 when something of it would fail for all that can be seen now, 2
        when something could not be read.
    """
    try:
        settings = load_settings(args.settings or configured_settings_path())
        report = forecast(settings, day=args.day, account_ids=args.account or (), copy_minutes=args.copy_minutes)
    except SnapshotDrError as error:
        sys.stderr.write(f"{COMMAND}: {error}\n")
        raise SystemExit(UNDECIDED) from None
    if args.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show(report, terminal())
    raise SystemExit(report.status)


def forecast(settings: Settings, *, day: str | None, account_ids: Sequence[str], copy_minutes: float) -> RunForecast:
    """
    Look at all accounts that are asked for, and say what a run would do.

    :param day: that day alone; without it what the next scheduled run would want, if it came now.
    :param copy_minutes: how long a copy is taken to last where copies are not time-based.
    :raises SnapshotDrError: when it is not even known which accounts there are.
    """
    now = datetime.now(UTC)
    params = read_params({"day": day})
    period = period_of_run(RunFacts("manual", now), params, timedelta(days=settings.lookback_days))
    routes = list_routes(settings, account_ids, asked_by="--account")
    options = options_of(period, params, settings, routes)
    return RunForecast(
        start=period.start,
        end=period.end,
        lookback_hours=options.lookback_hours,
        routes=tuple(ask_each(routes, lambda hooks: _forecast(hooks, options, now))),
        slots=_slots(settings, copy_minutes),
        retention=settings.kms_b_retention,
        prices=_prices(settings),
    )


def _forecast(hooks: RouteHooks, options: RunOptions, now: datetime) -> RouteForecast:
    route = hooks.route
    try:
        seen = look_at(hooks, options)
    except SnapshotDrError as error:
        return RouteForecast(route, error=str(error), excused=is_excused(route, error, now))
    return forecast_route(
        route,
        seen.plan(options),
        sources=seen.sources,
        kms_b_copies=seen.kms_b_copies,
        kms_c_copies=seen.kms_c_copies,
        origin=seen.origin,
        retention=options.kms_b_retention,
        now=now,
    )


def _slots(settings: Settings, copy_minutes: float) -> Mapping[str, Slots]:
    return {
        region: Slots(
            dr_account=keys.copy_slots,
            source_account=keys.source_copy_slots,
            by_account=keys.source_copy_slots_by_account,
            copy_minutes=keys.completion_duration_minutes or copy_minutes,
            is_time_based=keys.completion_duration_minutes is not None,
        )
        for region, keys in settings.destinations.items()
    }


def _prices(settings: Settings) -> Prices | None:
    return None if settings.prices is None else Prices(**settings.prices.model_dump())
