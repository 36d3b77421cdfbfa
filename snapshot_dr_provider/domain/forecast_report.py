"""What the forecasts of all routes come to: GiB, hours and, by prices that somebody has written down, money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, Final

from snapshot_dr_provider.domain.forecast import PlannedSource, RouteForecast, Step
from snapshot_dr_provider.domain.routes import Retention

PLANNED: Final = 0
FAILING: Final = 1
UNDECIDED: Final = 2


@dataclass(frozen=True, slots=True)
class Slots:
    """
    Say how many copies are in flight at once in one destination Region, and how long one takes.

    :param dr_account: in the DR account, for hop 2.
    :param source_account: in each source account, for hop 1, but for those that ``by_account`` names.
    :param copy_minutes: of one copy; nobody knows that beforehand unless copies are time-based.
    """

    dr_account: int = 20
    source_account: int = 20
    by_account: Mapping[str, int] = field(default_factory=dict)
    copy_minutes: float = 15.0
    is_time_based: bool = False


@dataclass(frozen=True, slots=True)
class Prices:
    """
    Hold what somebody pays, in one currency; ``None`` where nobody has said.

    :param transfer_per_gib: for a GiB that hop 1 moves to another Region.
    :param time_based_per_gib: for a GiB of a time-based copy.
    :param storage_per_gib_month: for a GiB of snapshots and month.
    """

    currency: str
    transfer_per_gib: float | None = None
    time_based_per_gib: float | None = None
    storage_per_gib_month: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Say what a run costs at most, by the prices that are known.

    :param once: for what is moved.
    :param per_month: for the KMS-C copies that are added, as long as they stay.
    :param kept_per_month: for the KMS-B copies that ``newest_per_volume`` keeps.
    :param not_counted: what would cost something and has no price.
    """

    currency: str
    once: float
    per_month: float
    kept_per_month: float
    not_counted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunForecast:
    """
    Put the forecasts of all routes together.

    :param start: first moment of the period that the run is about, UTC; ``end`` is not in it.
    :param slots: by destination Region.
    """

    start: datetime
    end: datetime
    lookback_hours: float
    routes: tuple[RouteForecast, ...]
    slots: Mapping[str, Slots]
    retention: Retention = "none"
    prices: Prices | None = None

    @property
    def status(self) -> int:
        """
        Decide the exit status: what is not known goes before what is wrong.

        0: planned. 1: something that the run wants would fail, for all that can be seen now. 2: something could not be
        read.
        """
        if any(each.error and not each.excused for each in self.routes):
            return UNDECIDED
        return FAILING if any(each.failing for each in self.routes) else PLANNED

    @property
    def sources(self) -> Iterator[PlannedSource]:
        """Go through all that is wanted."""
        return (source for each in self.routes for source in each.sources)

    def hop_1(self, routes: Iterable[RouteForecast] | None = None) -> list[PlannedSource]:
        """List what hop 1 has to copy."""
        chosen = self.routes if routes is None else routes
        return [source for each in chosen for source in each.sources if source.hop_1 is Step.COPY]

    def hop_2(self, routes: Iterable[RouteForecast] | None = None) -> list[PlannedSource]:
        """List what hop 2 has to copy."""
        chosen = self.routes if routes is None else routes
        return [source for each in chosen for source in each.sources if source.hop_2 is Step.COPY]

    @property
    def hours(self) -> float:
        """
        Estimate how long the run takes: in each Region hop 1 of the account that takes longest, then hop 2 of all.

        Accounts of which hop 1 ends sooner go on with hop 2 meanwhile, so that it may take less. What AWS throttles,
        what others copy and what is pending is not in it.
        """
        return max((self._hours_in(region, slots) for region, slots in self.slots.items()), default=0.0)

    def _hours_in(self, region: str, slots: Slots) -> float:
        here = [each for each in self.routes if each.route.destination_region == region]
        by_account: Counter[str] = Counter()
        for each in here:
            by_account[each.route.account_id] += len(self.hop_1([each]))
        rounds = [
            ceil(number / slots.by_account.get(account_id, slots.source_account))
            for account_id, number in by_account.items()
        ]
        return (max(rounds, default=0) + ceil(len(self.hop_2(here)) / slots.dr_account)) * slots.copy_minutes / 60

    @property
    def kept_gib(self) -> float:
        """GiB of the KMS-B copies that ``newest_per_volume`` would keep in the source accounts."""
        return sum(sum(each.kept_gib) for each in self.routes)

    def cost(self) -> Cost | None:
        """Say what the run costs at most; ``None`` where nobody has written down any price."""
        if self.prices is None:
            return None
        prices, crossing = self.prices, [e for e in self.routes if e.route.source_region != e.route.destination_region]
        timed = [e for e in self.routes if self.slots[e.route.destination_region].is_time_based]
        amounts = {
            "transfer_per_gib": (prices.transfer_per_gib, full_gib(self.hop_1(crossing))),
            "time_based_per_gib": (prices.time_based_per_gib, full_gib([*self.hop_1(timed), *self.hop_2(timed)])),
            "storage_per_gib_month": (prices.storage_per_gib_month, full_gib(self.hop_2())),
        }
        paid = {name: (price or 0.0) * gib for name, (price, gib) in amounts.items()}
        return Cost(
            prices.currency,
            once=paid["transfer_per_gib"] + paid["time_based_per_gib"],
            per_month=paid["storage_per_gib_month"],
            kept_per_month=(prices.storage_per_gib_month or 0.0) * self.kept_gib,
            not_counted=tuple(name for name, (price, gib) in amounts.items() if price is None and gib),
        )

    def to_json(self) -> dict[str, Any]:
        """Write the forecast as JSON primitives; GiB, hours and costs are upper bounds or estimates."""
        first, second, cost = self.hop_1(), self.hop_2(), self.cost()
        return {
            "status": self.status,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "lookback_hours": self.lookback_hours,
            "wanted": sum(1 for _ in self.sources),
            "hop_1": {"copies": len(first), "full_gib": round(full_gib(first), 2)},
            "hop_2": {"copies": len(second), "full_gib": round(full_gib(second), 2)},
            "hours": round(self.hours, 2),
            "copy_minutes": {region: slots.copy_minutes for region, slots in self.slots.items()},
            "kms_b_retention": {
                "setting": self.retention,
                "full_copies_in_hop_1": sum(not source.may_be_incremental for source in first),
                "newest_per_volume_keeps": sum(len(each.kept_gib) for each in self.routes),
                "newest_per_volume_keeps_gib": round(self.kept_gib, 2),
            },
            "cost": cost and _cost_to_json(cost),
            "routes": [_route_to_json(each) for each in self.routes],
        }


def full_gib(sources: Iterable[PlannedSource]) -> float:
    """Sum up the full sizes of sources, in GiB: the most that copies of them move."""
    return sum(source.full_gib for source in sources)


def _cost_to_json(cost: Cost) -> dict[str, Any]:
    return {
        "currency": cost.currency,
        "once": round(cost.once, 2),
        "per_month": round(cost.per_month, 2),
        "newest_per_volume_per_month": round(cost.kept_per_month, 2),
        "not_counted": list(cost.not_counted),
    }


def _route_to_json(each: RouteForecast) -> dict[str, Any]:
    route = each.route
    return {
        "account_id": route.account_id,
        "account_name": route.account_name,
        "source_region": route.source_region,
        "destination_region": route.destination_region,
        "error": each.error or None,
        "excused": each.excused,
        "wanted": [
            {
                "snapshot": source.snapshot_id,
                "volume": source.volume,
                "taken": source.taken.isoformat(),
                "full_gib": round(source.full_gib, 2),
                "hop_1": source.hop_1.value,
                "hop_2": source.hop_2.value,
                "may_be_incremental": source.may_be_incremental,
                "failing": each.failing.get(source.snapshot_id),
            }
            for source in each.sources
        ],
        "not_wanted": dict(each.not_wanted),
        "deletes": dict(each.deletes),
        "made_and_deleted": each.passing,
        "warnings": list(each.warnings),
    }
