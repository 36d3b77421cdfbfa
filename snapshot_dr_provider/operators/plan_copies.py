"""Decide what a run wants of one account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from snapshot_dr_provider._compat import AwsBaseOperator, Context, aws_template_fields
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.planning import CopyPlan
from snapshot_dr_provider.domain.records import write_records
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.domain.volume_coverage import take_stock, write_stock
from snapshot_dr_provider.exceptions import RoleRefusedError, SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.links.snapshots import SnapshotCopiesLink
from snapshot_dr_provider.operators.account_view import look_at
from snapshot_dr_provider.stage import NOT_READY, RECORDS, ROUTE_FIELDS, STOCK, RouteStage, fail_for
from snapshot_dr_provider.triggers.clock import current_clock

NOT_WANTED: Final = "not_wanted"


class PlanCopiesOperator(RouteStage, AwsBaseOperator[EbsSnapshotHook]):
    """
    List an account's snapshots in one source Region and decide which of them this run wants.

    Leaves the wanted ones as XCom ``records``, the number of the others by reason as XCom ``not_wanted``, and the
    reason for each single one in the task log, at DEBUG. Warns there of sources that are, or may be, gone without a
    KMS-C copy. Where the audit judges volumes by ``rpo_hours``, it also leaves what the account has of each, as XCom
    ``stock``. Changes nothing.

    Of an account that has joined the organization lately and lacks the role to enter it, it leaves XCom ``not_ready``
    and no records, and succeeds: the stages behind it skip, and the audit names the account.

    :param options: a :class:`~snapshot_dr_provider.domain.run_options.RunOptions` as JSON.

    For the other arguments see :class:`~snapshot_dr_provider.stage.RouteStage`.
    """

    aws_hook_class = EbsSnapshotHook
    template_fields: Sequence[str] = aws_template_fields("options", *ROUTE_FIELDS)
    operator_extra_links = (SnapshotCopiesLink(),)

    def __init__(self, *, options: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**self._take_route(kwargs))
        self.options = options

    def execute(self, context: Context) -> None:
        """Read, decide, and leave the records."""
        route = self._the_route(context)
        self._link(context, route, Stage.KMS_C)
        options = RunOptions.from_json(self.options)
        hooks = self._hooks(route)
        try:
            not_ready = _why_not_ready(hooks)
            if not_ready:
                self.log.warning("%s: %s", route.label, not_ready)
                context["ti"].xcom_push(key=NOT_READY, value=not_ready)
                return
            seen = look_at(hooks, options)
            plan = seen.plan(options)
        except SnapshotDrError as error:
            fail_for(context, error)
        self._report(context, route, plan)
        if options.dry_run:
            self.log.info("dry run: no records are left, so that nothing is copied")
            return
        if options.coverage:
            stock = take_stock(seen.sources, options.selection, seen.origin)
            context["ti"].xcom_push(key=STOCK, value=write_stock(stock))
        wanted = {source: replace(size, is_kept=source in plan.kept) for source, size in plan.wanted.items()}
        context["ti"].xcom_push(key=RECORDS, value=write_records(wanted))

    def _report(self, context: Context, route: Route, plan: CopyPlan) -> None:
        for snapshot_id, reason in plan.not_wanted.items():
            self.log.debug("not wanted: %s: %s", snapshot_id, reason)
        counts = Counter(plan.not_wanted.values())
        self.log.info(
            "%s: %d snapshots wanted, %d of them copied already, %d not wanted",
            route.label,
            len(plan.wanted),
            len(plan.kept),
            len(plan.not_wanted),
        )
        for reason, number in counts.most_common():
            self.log.info("  %d not wanted: %s", number, reason)
        for warning in plan.warnings:
            self.log.warning("%s: %s", route.label, warning)
        context["ti"].xcom_push(key=NOT_WANTED, value=dict(counts))


def _why_not_ready(hooks: RouteHooks) -> str:
    """
    Say why a new account cannot be entered yet; nothing when it can.

    :raises RoleRefusedError: when the account has no time left to get its role, or never had any.
    """
    route = hooks.route
    try:
        hooks.sources().sign_in()
    except RoleRefusedError as error:
        if not route.may_lack_its_role(current_clock().now()):
            raise
        excuse = f"new_account_grace_hours excuses that until {route.grace_until:%Y-%m-%d %H:%M} UTC"
        return f"the account is new and cannot be entered yet, so that nothing of it is copied; {excuse}: {error}"
    return ""
