"""What the settings make of a run: its accounts, its routes, and the options that hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from snapshot_dr_provider.domain.accounts import Account
from snapshot_dr_provider.domain.planning import Selection
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import Period, RunOptions, RunParams, tag_filters
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.hooks.organizations import OrganizationsHook
from snapshot_dr_provider.settings import Settings


def list_routes(
    settings: Settings, account_ids: Sequence[str] = (), *, asked_by: str = "The param accounts"
) -> tuple[Route, ...]:
    """
    List the routes of the source accounts, ordered by account, source Region and destination Region.

    :param account_ids: the accounts that are asked for; empty: all.
    :param asked_by: where they are named, for a message.
    :raises ConfigurationError: when there is no account, or none of a name that is asked for.
    :raises AwsError: when the organization cannot be listed.
    """
    return settings.routes(_asked_for(source_accounts(settings), account_ids, asked_by))


def source_accounts(settings: Settings) -> tuple[Account, ...]:
    """
    List the source accounts, of which there is at least one.

    :raises ConfigurationError: when the organization has none that is wanted.
    :raises AwsError: when it cannot be listed.
    """
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


def _asked_for(accounts: tuple[Account, ...], account_ids: Sequence[str], asked_by: str) -> tuple[Account, ...]:
    """Keep the accounts that are named; all when none is."""
    unknown = sorted(set(account_ids) - {account.account_id for account in accounts})
    if unknown:
        msg = (
            f"{asked_by} names {', '.join(unknown)}, which is not among the source accounts: "
            f"{', '.join(str(account) for account in accounts)}. Correct it, or add the account to the settings; "
            "accounts that are excluded or not active are not listed."
        )
        raise ConfigurationError(msg)
    return tuple(account for account in accounts if not account_ids or account.account_id in account_ids)


def all_that_is_wanted(settings: Settings, now: datetime) -> Selection:
    """Say which snapshots somebody wants copied, whenever they were taken; the period is of no account."""
    wanted = settings.selection
    return Selection(
        start=now,
        end=now,
        include_tags=tag_filters(wanted.include_tags),
        exclude_tags=tag_filters(wanted.exclude_tags),
        include_unencrypted=wanted.include_unencrypted,
    )


def options_of(period: Period, params: RunParams, settings: Settings, routes: Sequence[Route]) -> RunOptions:
    """Say what holds for all routes of a run."""
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
        coverage=settings.rpo_hours is not None,
        organization_id=settings.organization_id,
        copy_role_name=_common_role(routes),
        kms_b_window=settings.kms_b_window,
        kms_b_window_hours=settings.kms_b_window_hours,
        key_admin_conn_id=settings.dr_account.key_admin_aws_conn_id or "",
        key_admin_role_arn=settings.dr_account.key_admin_role_arn,
        policy_settle_seconds=settings.tuning.policy_settle_seconds,
        lock_down_wait_seconds=settings.tuning.lock_down_wait_seconds,
    )


def _common_role(routes: Sequence[Route]) -> str | None:
    """Name the role by which all routes enter their accounts, if it is the same for all."""
    names = {route.source_role_arn and route.source_role_arn.split(":role/")[1] for route in routes}
    return names.pop() if len(names) == 1 else None
