"""Hop 1: copy source snapshots under KMS-B, inside their own account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from snapshot_dr_provider._compat import Context
from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, verified_copies
from snapshot_dr_provider.domain.key_policy.window import Terms, Window
from snapshot_dr_provider.domain.lineage import Stage, copies_by_source
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.operators.copy_stage import CopyStageOperator
from snapshot_dr_provider.stage import WINDOWS
from snapshot_dr_provider.triggers.orders import CopyOrder, accepted_keys
from snapshot_dr_provider.triggers.window_keeper import WindowOrder


class CopySnapshotToKmsBOperator(CopyStageOperator):
    """
    Give each source snapshot one completed copy under KMS-B, owned by the Org-A account, in the destination Region.

    Copies that are there already are adopted. Sources that have a verified KMS-C copy, or one on its way, need none.
    A pending source is awaited up to ``source_timeout_hours``.

    It does not share the copies and deletes nothing but failed copies of its own and duplicates.

    Where the window of KMS-B is managed, nothing is started in its last five minutes, and its statements are put back
    when another writer of the key policy loses them.

    :param window_from: id of the task that opens KMS-B; used if ``options`` say that each run opens it.

    For the other arguments see :class:`~snapshot_dr_provider.operators.copy_stage.CopyStageOperator`. The DR account's
    are optional here; without them the KMS-C copies are not looked at.
    """

    stage: ClassVar[Stage] = Stage.KMS_B

    def __init__(self, *, window_from: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window_from = window_from

    def _order(self, context: Context, route: Route, sources: Mapping[str, SourceSize]) -> CopyOrder:
        return replace(super()._order(context, route, sources), window=self._window(context, route))

    def _window(self, context: Context, route: Route) -> WindowOrder | None:
        """
        Tell how long KMS-B is open for this run; ``None`` where its window is not managed.

        :raises ConfigurationError: when it was not opened.
        """
        if self.window_from is None or (self.options or {}).get("kms_b_window") != "per_run":
            return None
        options = RunOptions.from_json(self.options or {})
        ends = context["ti"].xcom_pull(task_ids=self.window_from, key=WINDOWS, default=None) or {}
        if route.kms_b_arn not in ends:
            msg = f"{self.window_from} has not opened {route.kms_b_arn} for this run; clear {self.window_from}"
            raise ConfigurationError(msg)
        end = datetime.fromisoformat(ends[route.kms_b_arn])
        terms = Terms.of_key(route.kms_b_arn, options.organization_id)
        return WindowOrder(
            key_arn=route.kms_b_arn,
            window=Window(terms, str(context["run_id"]), end, options.copy_role_name),
            opened=end - timedelta(hours=options.kms_b_window_hours),
            conn_id=options.key_admin_conn_id,
            role_arn=options.key_admin_role_arn,
            settle=timedelta(seconds=options.policy_settle_seconds),
        )

    def _receiving(self, hooks: RouteHooks) -> EbsSnapshotHook:
        return hooks.kms_b()

    def _not_needed(self, hooks: RouteHooks, sources: Mapping[str, SourceSize]) -> frozenset[str]:
        route = hooks.route
        if not hooks.has_dr_account:
            return frozenset()
        copies = hooks.kms_c().copies_of(sources, Stage.KMS_C)
        expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
        grouped = copies_by_source(copies, owner_id=route.dr_account_id, stage=Stage.KMS_C)
        on_their_way = {source for source, found in grouped.items() if any(c.state == "pending" for c in found)}
        return frozenset(on_their_way | verified_copies(copies, expected, sources).keys())
