"""Read what an account has, and what Account-B has of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from snapshot_dr_provider.cli.accounts import is_excused
from snapshot_dr_provider.domain.coverage import Expectation, size_of
from snapshot_dr_provider.domain.coverage_report import RouteCoverage
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.planning import Origin, Selection
from snapshot_dr_provider.domain.volume_coverage import judge_volumes, recovery_points, take_stock
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.triggers.orders import accepted_keys


@dataclass(frozen=True, slots=True)
class CoverageReader:
    """
    Read the coverage of a route. Nothing is changed anywhere.

    :param selection: which snapshots somebody wants copied; its period is of no account.
    :param rpo: how old the newest copy of a volume may be.
    :param now: from when ages count back, UTC.
    """

    selection: Selection
    rpo: timedelta | None
    now: datetime

    def read(self, hooks: RouteHooks) -> RouteCoverage:
        """Read a route; what cannot be read is told and raises nothing."""
        route = hooks.route
        try:
            sources = hooks.sources().own_snapshots()
        except SnapshotDrError as error:
            return RouteCoverage(route, error=str(error), excused=is_excused(route, error, self.now))
        expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
        stock = take_stock(sources, self.selection, Origin(route.account_id, route.source_region, expected))
        try:
            copies = hooks.kms_c().copies_from(route.account_id, Stage.KMS_C)
        except SnapshotDrError as error:
            return RouteCoverage(route, stock, error=str(error))
        points = recovery_points(copies, expected, {each.snapshot_id: size_of(each) for each in sources})
        mine = points.get((route.account_id, route.source_region), {})
        return RouteCoverage(route, stock, judge_volumes(stock, mine, rpo=self.rpo, now=self.now))
