"""Hop 1: copy source snapshots under KMS-B, inside their own account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, verified_copies
from snapshot_dr_provider.domain.lineage import Stage, copies_by_source
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.operators.copy_stage import CopyStageOperator
from snapshot_dr_provider.triggers.orders import accepted_keys


class CopySnapshotToKmsBOperator(CopyStageOperator):
    """
    Give each source snapshot one completed copy under KMS-B, owned by the Org-A account, in the destination Region.

    Copies that are there already are adopted. Sources that have a verified KMS-C copy, or one on its way, need none.
    A pending source is awaited up to ``source_timeout_hours``.

    It does not share the copies and deletes nothing but failed copies of its own and duplicates.

    For the arguments see :class:`~snapshot_dr_provider.operators.copy_stage.CopyStageOperator`. The DR account's are
    optional here; without them the KMS-C copies are not looked at.
    """

    stage: ClassVar[Stage] = Stage.KMS_B

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
