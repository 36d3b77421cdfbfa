"""What the operators at the head of a DAG have in common: which routes a run has, and what it is about."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from snapshot_dr_provider._compat import BaseOperator, Context, conf
from snapshot_dr_provider.domain.missed_intervals import EarlierRun, gap_before, made_up_for
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import (
    BACKFILL,
    SCHEDULED,
    Period,
    RunFacts,
    RunOptions,
    RunParams,
    period_of_run,
)
from snapshot_dr_provider.exceptions import ConfigurationError, SnapshotDrError
from snapshot_dr_provider.operators.run_scope import options_of
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings
from snapshot_dr_provider.stage import RUN_OPTIONS, SETTINGS_FINGERPRINT, fail_for


class RunRoutesOperator(BaseOperator):
    """
    List the routes of a run and decide what the run is about; what it was asked for is told by subclasses.

    :param settings_path: path of the settings file (templated); without it that of Airflow's configuration,
        ``[snapshot_dr] settings_path``.
    """

    template_fields: Sequence[str] = ("settings_path",)
    ui_color = "#e8f0fe"

    def __init__(self, *, settings_path: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings_path = settings_path

    def execute(self, context: Context) -> list[dict[str, object]]:
        """
        List the routes.

        :raises AirflowFailException: for what a person has to mend first.
        :raises AirflowException: for what may pass, such as throttling; it is left to retries.
        """
        try:
            settings = load_settings(self.settings_path or configured_settings_path())
            routes, params = self._asked_for(context, settings)
            options = options_of(self._period(context, params, settings), params, settings, routes)
            _refuse_more_than(conf.getint("core", "max_map_length", fallback=1024), len(routes))
        except SnapshotDrError as error:
            fail_for(context, error)
        self._log(routes, options)
        context["ti"].xcom_push(key=RUN_OPTIONS, value=options.to_json())
        context["ti"].xcom_push(key=SETTINGS_FINGERPRINT, value=settings.fingerprint)
        return [route.to_json() for route in routes]

    @abstractmethod
    def _asked_for(self, context: Context, settings: Settings) -> tuple[tuple[Route, ...], RunParams]:
        """List the routes that the run was asked for, and tell what else it was."""

    def _period(self, context: Context, params: RunParams, settings: Settings) -> Period:
        """Decide which period the run is about; a scheduled one leaves out no day for which no run could be made."""
        run = _facts_of(context)
        period = period_of_run(run, params, timedelta(days=settings.lookback_days))
        if run.run_type != SCHEDULED or params.day or params.snapshot_ids:
            return period
        earlier = _earlier_run(context["ti"].get_previous_dagrun())
        if earlier is None:
            return period
        period = made_up_for(period, earlier)
        if gap := gap_before(period, earlier):
            self.log.warning(
                "No run was made for %s to %s, as while the DAG is paused, and this run does not want the snapshots of "
                "that time. To have them copied: airflow backfill create --dag-id %s --from-date %s --to-date %s",
                gap.start,
                gap.end,
                context["ti"].dag_id,
                f"{gap.start:%Y-%m-%dT%H:%M:%S}",
                f"{gap.end - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}",
            )
        return period

    def _log(self, routes: tuple[Route, ...], options: RunOptions) -> None:
        self.log.info(
            "%d routes for %s to %s and %g hours before%s",
            len(routes),
            options.interval_start,
            options.interval_end,
            options.lookback_hours,
            ", dry run" if options.dry_run else "",
        )
        for route in routes:
            self.log.info("%s to %s", route.label, route.destination_region)


def _refuse_more_than(most: int, count: int) -> None:
    """Refuse what the scheduler would not map over; its own message does not name the remedy (airflow 9)."""
    if count > most:
        msg = (
            f"There are {count} routes, but Airflow maps a task over {most} at most. Set max_map_length in the [core] "
            f"section of its configuration (AIRFLOW__CORE__MAX_MAP_LENGTH) to {count} or more on the API server and "
            "the workers, or divide the accounts between several DAGs with a settings file each."
        )
        raise ConfigurationError(msg)


def _facts_of(context: Context) -> RunFacts:
    run = context["dag_run"]
    start, end = run.data_interval_start, run.data_interval_end
    return RunFacts(run.run_type.value, run.run_after, (start, end) if start and end else None)


def _earlier_run(run: Any) -> EarlierRun | None:
    """Take the last run before this one for what it was about; ``None`` for one that was about less than everything."""
    if run is None or run.run_type.value not in (SCHEDULED, BACKFILL) or run.conf or run.data_interval_end is None:
        return None
    return EarlierRun(run.data_interval_end, run.end_date)
