"""Read what all accounts have, and what Account-B has of them; one account that cannot be entered stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.coverage import Expectation, size_of
from snapshot_dr_provider.domain.coverage_report import RouteCoverage
from snapshot_dr_provider.domain.lineage import SOURCE_REGION, Stage
from snapshot_dr_provider.domain.planning import Origin, Selection
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.domain.volume_coverage import judge_volumes, recovery_points, take_stock
from snapshot_dr_provider.exceptions import RoleRefusedError, SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.triggers.orders import accepted_keys

AT_ONCE: Final = 8
"""Accounts that are read at a time; their answers take far longer than the work on them."""


@dataclass(slots=True)
class CoverageReader:
    """
    Read the coverage of routes. Nothing is changed anywhere.

    :param selection: which snapshots somebody wants copied; its period is of no account.
    :param rpo: how old the newest copy of a volume may be.
    :param now: from when ages count back, UTC.
    """

    selection: Selection
    rpo: timedelta | None
    now: datetime
    _dr_hooks: dict[str, EbsSnapshotHook] = field(default_factory=dict)

    def read(self, routes: Iterable[Route]) -> Iterator[RouteCoverage]:
        """Read all routes, some at a time, in their order."""
        hooks = [RouteHooks(route) for route in routes]
        for each in hooks:
            # One for each Region, so that Account-B is signed in to once.
            self._dr_hooks.setdefault(each.route.destination_region, each.kms_c())
        with ThreadPoolExecutor(AT_ONCE) as threads:
            yield from threads.map(lambda each: copy_context().run(self._read_route, each), hooks)

    def _read_route(self, hooks: RouteHooks) -> RouteCoverage:
        route = hooks.route
        try:
            sources = hooks.sources().own_snapshots()
        except SnapshotDrError as error:
            is_new = route.grace_until is not None and self.now < route.grace_until
            return RouteCoverage(route, error=str(error), excused=is_new and isinstance(error, RoleRefusedError))
        expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
        stock = take_stock(sources, self.selection, Origin(route.account_id, route.source_region, expected))
        try:
            copies = self._dr_hooks[route.destination_region].copies_from(route.account_id, Stage.KMS_C)
        except SnapshotDrError as error:
            return RouteCoverage(route, stock, error=str(error))
        points = recovery_points(
            _of_region(copies, route.source_region), expected, {each.snapshot_id: size_of(each) for each in sources}
        )
        mine = points.get((route.account_id, route.source_region), {})
        return RouteCoverage(route, stock, judge_volumes(stock, mine, rpo=self.rpo, now=self.now))


def _of_region(copies: Iterable[Snapshot], region: str) -> Iterator[Snapshot]:
    return (copy for copy in copies if copy.tags.get(SOURCE_REGION) == region)
