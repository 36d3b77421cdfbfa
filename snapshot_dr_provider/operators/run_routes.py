"""What the operators at the head of a DAG have in common: which routes a run has, and what it is about."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from snapshot_dr_provider._compat import BaseOperator, Context, conf
from snapshot_dr_provider.domain.accounts import Account
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
    tag_filters,
)
from snapshot_dr_provider.exceptions import ConfigurationError, SnapshotDrError
from snapshot_dr_provider.hooks.organizations import OrganizationsHook
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
            options = _options_of(self._period(context, params, settings), params, settings)
            options = replace(options, copy_role_name=_common_role(routes))
            _refuse_more_than(conf.getint("core", "max_map_length", fallback=1024), len(routes))
        except SnapshotDrError as error:
            fail_for(error)
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

    def accounts_of(self, settings: Settings) -> tuple[Account, ...]:
        """List the source accounts, of which there is at least one."""
        wanted = settings.accounts.organizations
        if wanted is None:
            return settings.static_accounts
        hook = OrganizationsHook(
            wanted.aws_conn_id,
            organization_id=settings.organization_id,
            # AWS Organizations has one endpoint for a partition; any Region of it leads there.
            region_name=min(settings.source_regions),
            role_arn=wanted.role_arn,
        )
        found = hook.source_accounts(
            dr_account_id=settings.dr_account.account_id,
            include_ous=wanted.include_ous,
            exclude_accounts=wanted.exclude_accounts,
        )
        if not found:
            units = ", ".join(wanted.include_ous) or "any unit"
            msg = (
                f"The organization {settings.organization_id} has no active account in {units} that is not excluded, "
                "so that nothing would be copied. Correct include_ous and exclude_accounts in the settings file."
            )
            raise ConfigurationError(msg)
        return found


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


def _common_role(routes: tuple[Route, ...]) -> str | None:
    """Name the role by which all routes enter their accounts, if it is the same for all."""
    names = {route.source_role_arn and route.source_role_arn.split(":role/")[1] for route in routes}
    return names.pop() if len(names) == 1 else None


def _options_of(period: Period, params: RunParams, settings: Settings) -> RunOptions:
    destinations = sorted(settings.destinations.items())
    return RunOptions(
        interval_start=period.start,
        interval_end=period.end,
        lookback_hours=period.lookback / timedelta(hours=1),
        snapshot_ids=params.snapshot_ids,
        by_events=params.by_events,
        dry_run=params.dry_run,
        include_tags=tag_filters(settings.selection.include_tags),
        exclude_tags=tag_filters(settings.selection.exclude_tags),
        scope=settings.selection.snapshots,
        include_unencrypted=settings.selection.include_unencrypted,
        priority_tag=settings.selection.priority_tag,
        kms_b_retention=settings.kms_b_retention,
        source_timeout_hours=settings.source_timeout_hours,
        settle_seconds=settings.tuning.settle_seconds,
        max_attempts=settings.tuning.max_attempts,
        poll_seconds=settings.tuning.poll_seconds,
        first_fire_seconds=settings.tuning.first_fire_seconds,
        # A reader that does not ask for its Region stays below the quota everywhere.
        copy_slots=min(min(each.copy_slots, each.source_copy_slots) for _, each in destinations),
        copy_slots_by_region=tuple((region, each.copy_slots) for region, each in destinations),
        source_copy_slots_by_region=tuple((region, each.source_copy_slots) for region, each in destinations),
        completion_duration_by_region=tuple(
            (region, each.completion_duration_minutes)
            for region, each in destinations
            if each.completion_duration_minutes is not None
        ),
        organization_id=settings.organization_id,
        kms_b_window=settings.kms_b_window,
        kms_b_window_hours=settings.kms_b_window_hours,
        key_admin_conn_id=settings.dr_account.key_admin_aws_conn_id or "",
        key_admin_role_arn=settings.dr_account.key_admin_role_arn,
        policy_settle_seconds=settings.tuning.policy_settle_seconds,
        lock_down_wait_seconds=settings.tuning.lock_down_wait_seconds,
    )
