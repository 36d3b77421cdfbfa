"""The coverage of all accounts put together: what it comes to, and how machines are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.volume_coverage import SourceStock, State, VolumeCoverage, without_snapshots

COVERED: Final = 0
GAP: Final = 1
UNDECIDED: Final = 2

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RouteCoverage:
    """
    State the coverage of one account in one source Region and one destination Region.

    :param stock: what the account has there; ``None`` when it could not be read.
    :param volumes: how each volume stands, the worst first; empty when that is not known.
    :param error: why something could not be read, with the remedy; empty when all was.
    :param excused: whether the account is new and the settings let it lack its role for a while.
    """

    route: Route
    stock: SourceStock | None = None
    volumes: tuple[VolumeCoverage, ...] = ()
    error: str = ""
    excused: bool = False


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """
    Put the coverage of all routes together.

    :param read_at: the moment from which ages count back, UTC.
    :param rpo: how old the newest copy of a volume may be; ``None`` when nobody has said so.
    """

    read_at: datetime
    rpo: timedelta | None
    routes: tuple[RouteCoverage, ...]

    @property
    def without_snapshots(self) -> frozenset[str]:
        """Name the accounts that have no snapshot at all."""
        return without_snapshots((each.route.account_id, each.stock) for each in self.routes)

    @property
    def counts(self) -> Mapping[State, int]:
        """Count the volumes by how they stand."""
        return Counter(volume.state for each in self.routes for volume in each.volumes)

    @property
    def oldest(self) -> timedelta | None:
        """Tell the greatest age of a newest copy, among the volumes that somebody wants copied."""
        ages = [
            age
            for each in self.routes
            for volume in each.volumes
            if volume.state not in (State.GONE, State.EXCLUDED) and (age := volume.age(self.read_at)) is not None
        ]
        return max(ages, default=None)

    @property
    def status(self) -> int:
        """
        Decide the exit status: what is not known goes before what is wrong, for there may be more of it.

        0: all is within the RPO and nothing is missing. 1: a volume or an account has a gap. 2: something could not be
        read.
        """
        if any(each.error and not each.excused for each in self.routes):
            return UNDECIDED
        return GAP if self.without_snapshots or any(state.is_gap for state in self.counts) else COVERED

    def to_json(self) -> dict[str, Any]:
        """Write the report as JSON primitives: moments in ISO 8601, ages in hours."""
        return {
            "read_at": self.read_at.isoformat(timespec="seconds"),
            "rpo_hours": None if self.rpo is None else self.rpo / HOUR,
            "status": self.status,
            "oldest_age_hours": _hours(self.oldest),
            "counts": {state.value: self.counts.get(state, 0) for state in State},
            "accounts_without_snapshots": sorted(self.without_snapshots),
            "routes": [self._route_to_json(each) for each in self.routes],
        }

    def _route_to_json(self, each: RouteCoverage) -> dict[str, Any]:
        route = each.route
        return {
            "account_id": route.account_id,
            "account_name": route.account_name,
            "source_region": route.source_region,
            "destination_region": route.destination_region,
            "snapshots": None if each.stock is None else each.stock.snapshots,
            "error": each.error or None,
            "excused": each.excused,
            "volumes": [self._volume_to_json(volume) for volume in each.volumes],
        }

    def _volume_to_json(self, volume: VolumeCoverage) -> dict[str, Any]:
        point, sources = volume.point, volume.sources
        newest = sources.newest if sources else None
        return {
            "volume": volume.volume,
            "state": volume.state.value,
            "is_gap": volume.state.is_gap,
            "age_hours": _hours(volume.age(self.read_at)),
            "dr_copy": point and point.copy_id,
            "dr_copy_of": point and point.source_snapshot_id,
            "dr_copy_taken": point and point.taken.isoformat(),
            "newest_source": (sources and sources.newest_id) or None,
            "newest_source_taken": newest and newest.isoformat(),
            "excluded": (sources and sources.excluded) or None,
        }


def _hours(age: timedelta | None) -> float | None:
    return None if age is None else round(age / HOUR, 2)
