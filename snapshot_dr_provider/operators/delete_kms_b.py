"""Delete KMS-B copies whose KMS-C copies are verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

from snapshot_dr_provider._compat import AirflowException, AwsBaseOperator, Context, aws_template_fields
from snapshot_dr_provider.domain.batches import batched
from snapshot_dr_provider.domain.coverage import Expectation, SourceSize
from snapshot_dr_provider.domain.key_policy.snapshot_facts import state_kms_b_copy, write_kms_b_copies
from snapshot_dr_provider.domain.lineage import SOURCE_REGION, SOURCE_SNAPSHOT_ID, Stage, lineage_of
from snapshot_dr_provider.domain.retirement import KEPT, Retirement, plan_retirement
from snapshot_dr_provider.domain.routes import Retention
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import AwsError, SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.links.snapshots import SnapshotCopiesLink
from snapshot_dr_provider.stage import KMS_B_COPIES, ROUTE_FIELDS, RouteStage, fail_for
from snapshot_dr_provider.triggers.orders import accepted_keys

REPORT: Final = "report"

BATCH: Final = 100
"""Copies that are deleted on one verification: some 20 s at the rate that DeleteSnapshot refills (aws 3.4)."""

AT_ONCE: Final = 4
"""Deletions under way at once: faster than AWS lets 5 a second through, and no crowd (aws 3.4)."""

Batch = Sequence[tuple[Snapshot, str]]


class DeleteKmsBOperator(RouteStage, AwsBaseOperator[EbsSnapshotHook]):
    """
    Delete the KMS-B copies of a route whose KMS-C copies are verified, read from the DR account at this moment.

    Also removes those that earlier runs have left, and failed copies of ours. A wanted source without a verified
    KMS-C copy makes the task fail, and its KMS-B copy stays. Leaves XCom ``report``: ``{"verified": [source id],
    "kms_b_left": {copy id: why}}``, and ``kms_b_copies``, what the audit has to know of each copy that is left: only
    this account sees it.

    :param options: ``kms_b_retention`` is used: ``none``, or ``newest_per_volume``, under which the newest KMS-B copy
        of each volume stays, so that the next copy can be incremental (aws 4.4).

    For the other arguments see :class:`~snapshot_dr_provider.stage.RouteStage`.
    """

    aws_hook_class = EbsSnapshotHook
    template_fields: Sequence[str] = aws_template_fields("options", *ROUTE_FIELDS)
    operator_extra_links = (SnapshotCopiesLink(),)

    def __init__(self, *, options: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**self._take_route(kwargs))
        self.options = options

    def execute(self, context: Context) -> None:
        """Verify, delete, and report."""
        route = self._the_route(context)
        sources = self._the_sources(context)
        hooks = self._hooks(route)
        self._link(context, route, Stage.KMS_B)
        try:
            retirement, stuck, left = self._retire(hooks, sources)
        except SnapshotDrError as error:
            fail_for(context, error)
        self._report(context, retirement, stuck)
        self._tell_audit(context, retirement, left)
        self._leave(
            context, {s: size for s, size in sources.items() if s in retirement.verified}, retirement.unverified
        )
        if stuck or retirement.busy:
            raise AirflowException(_unfinished(retirement, stuck))

    def _plan(
        self,
        hooks: RouteHooks,
        sources: Mapping[str, SourceSize],
        observed: Sequence[Snapshot],
        *,
        retention: Retention | None = None,
    ) -> Retirement:
        route = hooks.route
        kms_b_copies = [copy for copy in observed if self._is_from(copy, hooks)]
        lineages = (lineage_of(copy, owner_id=route.account_id) for copy in kms_b_copies)
        known = sources.keys() | {lineage.source_snapshot_id for lineage in lineages if lineage is not None}
        return plan_retirement(
            wanted=sources,
            kms_b_copies=kms_b_copies,
            kms_c_copies=hooks.kms_c().copies_of(sorted(known), Stage.KMS_C),
            kms_b=Expectation(Stage.KMS_B, route.account_id, accepted_keys(Stage.KMS_B, route)),
            kms_c=Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route)),
            retention=retention or (self.options or {}).get("kms_b_retention", "none"),
        )

    def _is_from(self, copy: Snapshot, hooks: RouteHooks) -> bool:
        lineage = lineage_of(copy, owner_id=hooks.route.account_id)
        return lineage is not None and lineage.source_region == hooks.route.source_region

    def _retire(
        self, hooks: RouteHooks, sources: Mapping[str, SourceSize]
    ) -> tuple[Retirement, dict[str, str], list[Snapshot]]:
        """
        Delete what may go, verifying each batch anew.

        :returns: the decision, why some could not be deleted, by copy, and all that is left with our tags.
        """
        observed = self._observe(hooks)
        retirement = self._plan(hooks, sources, observed)
        tried: set[str] = set()
        stuck: dict[str, str] = {}
        for batch in batched(retirement.delete, BATCH):
            # The first batch has just been verified.
            to_delete = self._still_to_delete(hooks, sources, batch) if tried else batch
            stuck |= self._delete(hooks.kms_b(), to_delete)
            tried |= {copy.snapshot_id for copy, _ in to_delete}
        gone = tried - stuck.keys()
        left = [copy for copy in observed if copy.snapshot_id not in gone]
        if len(tried) < len(retirement.delete):
            # Something has changed since the first look, so that not all of it could go.
            retirement = self._plan(hooks, sources, left)
        return retirement, stuck, left

    def _still_to_delete(self, hooks: RouteHooks, sources: Mapping[str, SourceSize], batch: Batch) -> Batch:
        """Read the KMS-C copies of a batch again, and name what may still go."""
        copies = [copy for copy, _ in batch]
        wanted = {copy.tags[SOURCE_SNAPSHOT_ID] for copy in copies}
        decision = self._plan(hooks, {s: size for s, size in sources.items() if s in wanted}, copies, retention="none")
        allowed = {copy.snapshot_id for copy, _ in decision.delete}
        return [(copy, why) for copy, why in batch if copy.snapshot_id in allowed]

    def _observe(self, hooks: RouteHooks) -> list[Snapshot]:
        """Read what bears the tags of a KMS-B copy from this route, whether it is one or not."""
        route = hooks.route
        tagged = hooks.kms_b().copies_from(route.account_id, Stage.KMS_B)
        return [copy for copy in tagged if copy.tags.get(SOURCE_REGION) == route.source_region]

    def _delete(self, hook: EbsSnapshotHook, batch: Batch) -> dict[str, str]:
        """Delete copies, a few at once; say why some could not be, by copy."""

        def attempt(copy: Snapshot, why: str) -> str:
            try:
                hook.delete(copy.snapshot_id, why)
            except AwsError as error:
                self.log.warning("%s", error)
                return str(error)
            return ""

        with ThreadPoolExecutor(AT_ONCE) as threads:
            problems = threads.map(lambda each: copy_context().run(attempt, *each), batch)
            return {copy.snapshot_id: problem for (copy, _), problem in zip(batch, problems, strict=True) if problem}

    def _report(self, context: Context, retirement: Retirement, stuck: Mapping[str, str]) -> None:
        left = {**retirement.keep, **stuck}
        for copy_id, why in left.items():
            self.log.info("KMS-B copy %s stays: %s", copy_id, why)
        context["ti"].xcom_push(key=REPORT, value={"verified": sorted(retirement.verified), "kms_b_left": left})

    def _tell_audit(self, context: Context, retirement: Retirement, left: Sequence[Snapshot]) -> None:
        kept = {copy_id for copy_id, why in retirement.keep.items() if why == KEPT}
        told = write_kms_b_copies(state_kms_b_copy(copy, kept=copy.snapshot_id in kept) for copy in left)
        context["ti"].xcom_push(key=KMS_B_COPIES, value=told)


def _unfinished(retirement: Retirement, stuck: Mapping[str, str]) -> str:
    parts = [f"KMS-B copy {copy_id} could not be deleted: {why}" for copy_id, why in stuck.items()]
    parts += [f"the KMS-B copy of {source} is still being copied from" for source in sorted(retirement.busy)]
    return "All copies are verified, but " + "; ".join(parts) + ". Clear this task once that is mended."
