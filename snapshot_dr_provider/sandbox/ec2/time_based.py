"""Decide about CopySnapshot's CompletionDurationMinutes: whether, how fast and until when (aws 5.10)."""

from datetime import timedelta

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.ec2.calls import Call
from snapshot_dr_provider.sandbox.ec2.model import Snapshot
from snapshot_dr_provider.sandbox.ec2.throughput import MOST_OF_ONE_COPY, Pair, Transfer

_MIB = 1024**2
_GIB = 1024**3


def checked_duration(call: Call) -> int | None:
    """Return the duration asked for in minutes, ``None`` for a copy that takes as long as it takes.

    :raises ApiError: ``InvalidParameterValue`` for one that is not 15 to 2880 in steps of 15 (aws 3.6, [O]).
    """
    minutes: int | None = call.parameters.get("CompletionDurationMinutes")
    if minutes is not None and (not 15 <= minutes <= 2880 or minutes % 15):
        raise ApiError(
            "InvalidParameterValue",
            f"CompletionDurationMinutes {minutes} is invalid: it must be 15 to 2880 in steps of 15",
        )
    return minutes


def plan_transfer(call: Call, source: Snapshot, minutes: int, seconds: float) -> Transfer:
    """Return how a time-based copy of *source* goes, which without a duration would take *seconds*.

    What has to be moved is taken to be the source in full, also for an incremental copy ([I]). Of a quota that does
    not suffice the copy gets what is left and is late; with nothing left it is refused (aws 5.10). It is documented
    that such requests fail, not how: both codes and messages are [M].

    :raises ApiError: ``InvalidParameterValue`` for a source that is too large for the duration at the most that one
        copy gets; ``ResourceLimitExceeded`` when the quota of account, source and destination Region is exhausted.
    """
    size = (source.size_gib * _GIB if source.full_bytes is None else source.full_bytes) / _MIB
    needed = size / (minutes * 60)
    if needed > MOST_OF_ONE_COPY:
        raise ApiError(
            "InvalidParameterValue",
            f"CompletionDurationMinutes {minutes} is too short for {source.id}: "
            f"it would take {needed:.0f} MiB/s, and a copy gets {MOST_OF_ONE_COPY:.0f} MiB/s at most",
        )
    pair, quota = Pair(call.account_id, source.region, call.region), call.store.behaviour.copy_throughput
    left = call.store.throughput.left(pair, quota)
    if needed and not left:
        raise ApiError(
            "ResourceLimitExceeded",
            "The cumulative throughput quota for time-based snapshot copies is exhausted. "
            f"The limit is {quota:.0f} MiB/s from {pair.source_region} to {pair.region}.",
        )
    share = min(needed, left)
    lasts = minutes * 60 if share == needed else size / share
    starts_at = call.store.throughput.next_start(source.id, call.now)
    return Transfer(pair, minutes, share, starts_at, starts_at + timedelta(seconds=min(seconds, lasts)))
