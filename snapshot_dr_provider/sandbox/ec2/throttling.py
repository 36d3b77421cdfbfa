"""Limit the rate of EC2 requests by token buckets, each of one account, Region and action (aws 3.4).

A bucket holds tokens up to its capacity and is refilled on the sandbox clock; a request takes one, or is refused and
takes none. That every action has a bucket of its own, also those that the documentation lists together, is [I]:
Service Quotas shows capacity and refill rate by action.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snapshot_dr_provider.sandbox.ec2.listings import Place


@dataclass(frozen=True, slots=True)
class Rate:
    """Say how many requests may come at once, and how many a second in the long run."""

    capacity: int
    refill: float


#: Actions that do not change anything, unless they ask for everything in one answer.
READING, READING_ALL = Rate(100, 20), Rate(50, 10)
#: Actions that change something and are not listed, among them CopySnapshot.
MUTATING = Rate(50, 5)
#: The actions that are listed by name.
LISTED: Mapping[str, Rate] = {
    "CreateSnapshot": Rate(100, 5),
    "CreateTags": Rate(100, 10),
    "DeleteSnapshot": Rate(100, 5),
    "DeleteTags": Rate(100, 10),
    "DisableSnapshotBlockPublicAccess": Rate(1, 0.1),
    "EnableSnapshotBlockPublicAccess": Rate(1, 0.1),
    "ModifySnapshotAttribute": Rate(100, 5),
}

_READS = ("Describe", "Get")
#: Parameters that keep a Describe from asking for everything. That ids count like a filter is [I].
_NARROWING = ("Filters", "MaxResults", "SnapshotIds", "VolumeIds")


class Buckets:
    """Hold the buckets that were used; all others are full."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[Place, str, Rate], tuple[float, datetime]] = {}

    def take(self, place: Place, action: str, parameters: Mapping[str, Any], now: datetime) -> bool:
        """Take a token for a request, or tell that there is none."""
        rate = rate_of(action, parameters)
        bucket = (place, action, rate)
        left, since = self._tokens.get(bucket, (float(rate.capacity), now))
        tokens = min(rate.capacity, left + rate.refill * max(0.0, (now - since).total_seconds()))
        # Tenths of a token add up to a little less than a whole one.
        has_one = tokens > 1 - 1e-9
        self._tokens[bucket] = (tokens - 1 if has_one else tokens, now)
        return has_one


def rate_of(action: str, parameters: Mapping[str, Any]) -> Rate:
    """Return the rate that a request falls under. *Unfiltered and unpaginated* is said of DescribeSnapshots alone."""
    if action == "DescribeSnapshots" and not any(parameters.get(name) for name in _NARROWING):
        return READING_ALL
    return READING if action.startswith(_READS) else LISTED.get(action, MUTATING)
