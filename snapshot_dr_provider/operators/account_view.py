"""What a plan of one route goes by, read at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from snapshot_dr_provider.domain.coverage import Expectation
from snapshot_dr_provider.domain.lineage import STAGE, Stage
from snapshot_dr_provider.domain.planning import CopyPlan, Origin, candidates, plan_copies
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.triggers.orders import accepted_keys


@dataclass(frozen=True, slots=True)
class AccountView:
    """
    Hold what an account has, and what the DR account has of it.

    :param sources: all snapshots that the account owns in the source Region, our own copies among them.
    :param kms_b_copies: its own copies in the destination Region that bear our tag.
    :param kms_c_copies: the DR account's copies of what a plan may want.
    """

    origin: Origin
    sources: Sequence[Snapshot]
    kms_b_copies: Sequence[Snapshot]
    kms_c_copies: Sequence[Snapshot]

    def plan(self, options: RunOptions) -> CopyPlan:
        """Decide which of the sources a run wants."""
        return plan_copies(
            self.sources,
            self.kms_b_copies,
            self.kms_c_copies,
            options.selection,
            self.origin,
            retention=options.kms_b_retention,
        )


def look_at(hooks: RouteHooks, options: RunOptions) -> AccountView:
    """
    Read what a plan of a route goes by. Nothing is changed.

    :raises SnapshotDrError: when one of the two accounts cannot be read.
    """
    route = hooks.route
    origin = Origin(
        route.account_id,
        route.source_region,
        Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route)),
    )
    sources = hooks.sources().own_snapshots()
    if route.source_region == route.destination_region:
        kms_b_copies = [copy for copy in sources if copy.tags.get(STAGE) == Stage.KMS_B]
    else:
        kms_b_copies = hooks.kms_b().copies_from(route.account_id, Stage.KMS_B)
    known = candidates(sources, kms_b_copies, options.selection, origin)
    return AccountView(origin, sources, kms_b_copies, hooks.kms_c().copies_of(known, Stage.KMS_C))
