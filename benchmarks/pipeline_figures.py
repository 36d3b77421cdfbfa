"""What the benchmark ``pipeline`` finds out from the sandbox, and the bound that it holds it against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from math import ceil
from typing import Any, Final

from benchmarks.scenario import Scenario, harvest
from snapshot_dr_provider.sandbox import SandboxControl
from tests import worlds

CHANGES: Final = frozenset(
    f"ec2:{action}"
    for action in ("CopySnapshot", "ModifySnapshotAttribute", "DeleteSnapshot", "CreateTags", "DeleteTags")
)
START: Final = "ec2:CopySnapshot"
REFUSALS: Final = frozenset({"ResourceLimitExceeded", "RequestLimitExceeded"})
"""Codes by which AWS refuses a start for now (aws 3.1, 3.4)."""

DR_PLACE: Final = f"{worlds.DR}/{worlds.REGION}"


def bound_of(scenario: Scenario) -> float:
    """
    Tell how many seconds the copies need by themselves, were each slot filled again at the moment it becomes free.

    The hop 2 of an account does not begin before its hop 1 is over: that takes ``ceil(n/S)·T`` for n snapshots of the
    account in S slots. After it, all N snapshots of the organization pass the S slots of the DR account:
    ``ceil(N/S)·T``.
    """
    waves = ceil(scenario.snapshots / scenario.slots) + ceil(scenario.total / scenario.slots)
    return waves * scenario.copy_seconds


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    Hold how many slots of one account were in use, by the sandbox's own truth.

    :param points: seconds since the run began, and the copies that were in flight from then on.
    :param last_start: when the last copy was started.
    """

    points: tuple[tuple[float, int], ...]
    last_start: float = 0.0

    @classmethod
    def of(cls, snapshots: Iterable[Mapping[str, Any]], began: datetime) -> Timeline:
        """Draw the copies among some snapshots of one account and Region."""
        lives = [_life(snapshot, began) for snapshot in snapshots if snapshot["is_copy"]]
        changes: dict[float, int] = {}
        for start, end in lives:
            changes[start] = changes.get(start, 0) + 1
            changes[end] = changes.get(end, 0) - 1
        points, in_flight = [], 0
        for moment in sorted(changes):
            in_flight += changes[moment]
            points.append((moment, in_flight))
        return cls(tuple(points), max((start for start, _ in lives), default=0.0))

    def utilisation(self, slots: int) -> float:
        """Tell which share of the slots was in use on average, from the first start to the end of the last copy."""
        return self._mean(lambda taken: taken / slots, self.points[-1][0] if self.points else 0.0)

    def full_share(self, slots: int) -> float:
        """Tell in which share of the time all slots were in use, from the first start to the last one."""
        return self._mean(lambda taken: float(taken >= slots), self.last_start)

    def _mean(self, value: Callable[[int], float], until: float) -> float:
        if not self.points or until <= self.points[0][0]:
            return 0.0
        pieces = [
            (min(end, until) - start, taken) for (start, taken), (end, _) in pairwise(self.points) if start < until
        ]
        return sum(seconds * value(taken) for seconds, taken in pieces) / (until - self.points[0][0])


def _life(copy: Mapping[str, Any], began: datetime) -> tuple[float, float]:
    start, end = (datetime.fromisoformat(copy[name]) for name in ("start_time", "ends_at"))
    return (start - began).total_seconds(), (end - began).total_seconds()


def outcome_of(control: SandboxControl, scenario: Scenario, timeline: Timeline) -> dict[str, Any]:
    """Tell what became of the snapshots, and how the slots were used."""
    peaks = control.peak_in_flight()
    return {
        **asdict(harvest(control, scenario)),
        "peak_in_flight": peaks.get(DR_PLACE, 0),
        "peak_in_flight_org_a": max((peak for place, peak in peaks.items() if place != DR_PLACE), default=0),
        "utilisation": round(timeline.utilisation(scenario.slots), 4),
        "full_share": round(timeline.full_share(scenario.slots), 4),
    }


def calls_of(control: SandboxControl, scenario: Scenario) -> dict[str, Any]:
    """Count the calls to AWS, in all and for each snapshot, and the starts that were refused for now."""
    told = control.calls()
    calls: Mapping[str, int] = told["by_action"]
    starts = calls.get(START, 0)
    refusals = sum(told["refusals"].get(f"{START} {code}", 0) for code in REFUSALS)
    return {
        "refusals": refusals,
        "refusal_share": round(refusals / starts, 4) if starts else 0.0,
        "calls": dict(sorted(calls.items())),
        "calls_per_snapshot": round(sum(calls.values()) / scenario.total, 3),
        "ec2_calls_per_snapshot": round(_sum(calls, lambda name: name.startswith("ec2:")) / scenario.total, 3),
        "sts_calls_per_snapshot": round(_sum(calls, lambda name: name.startswith("sts:")) / scenario.total, 3),
        "mutating_calls_per_snapshot": round(_sum(calls, CHANGES.__contains__) / scenario.total, 3),
    }


def _sum(calls: Mapping[str, int], counts: Callable[[str], bool]) -> int:
    return sum(number for name, number in calls.items() if counts(name))
