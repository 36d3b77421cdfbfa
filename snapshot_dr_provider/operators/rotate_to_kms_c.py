"""Hop 2: share the KMS-B copies and copy them under KMS-C, which gives the DR account the ownership."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from snapshot_dr_provider.domain.coverage import SourceSize
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.operators.copy_stage import CopyStageOperator


class RotateToKmsCOperator(CopyStageOperator):
    """
    Give each source snapshot one completed copy under KMS-C, owned by the DR account.

    Shares the KMS-B copies from the Org-A account with the DR account, and copies them there. Copies that are there
    already, also under former keys, are adopted; KMS-C copies are never deleted, but for failed ones of ours and
    duplicates.

    For the arguments see :class:`~snapshot_dr_provider.operators.copy_stage.CopyStageOperator`; all of them are needed.
    """

    stage: ClassVar[Stage] = Stage.KMS_C

    def _receiving(self, hooks: RouteHooks) -> EbsSnapshotHook:
        return hooks.kms_c()

    def _not_needed(self, hooks: RouteHooks, sources: Mapping[str, SourceSize]) -> frozenset[str]:  # hop 2 is for all
        return frozenset()
