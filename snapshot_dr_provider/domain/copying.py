"""
One round of copying: from what is asked for and what AWS says now, to what has to be done.

Nothing here remembers. A trigger that dies loses only its :class:`Memory`, which holds what reads do not show yet;
without it a round may start a copy twice, and later rounds converge on one (see :func:`survivor`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from snapshot_dr_provider.domain.lineage import KMS_KEY_ID, Lineage, seniority
from snapshot_dr_provider.domain.snapshots import Snapshot

Readiness = Literal["ready", "unprepared", "pending", "unusable"]
"""Whether a snapshot can be copied from now, once it has been shared, perhaps later, or never."""

FIRST_REFUSALS_FORGIVEN: Final = 1
"""Refusals that may be a policy or a share that has not taken effect yet (aws 1.11, 9.4)."""


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """
    Ask for one copy.

    :param source_snapshot_id: the source by which the copy is found again.
    :param copy_from: the snapshot that is copied: the source in hop 1, its KMS-B copy in hop 2.
    :param lineage: of the copy to make; ``None`` while ``copy_from`` is not ready.
    :param why: what is in the way, when it is not ready.
    """

    source_snapshot_id: str
    readiness: Readiness
    copy_from: str = ""
    lineage: Lineage | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """
    Hold what this trigger did that reads may not show yet.

    :param started: copy id and time of each start since the copy was last seen, by source.
    :param unclear: when a start was left without an answer, by source.
    :param prepared: when ``copy_from`` was last shared, by source.
    :param refused: how often, when last and why a start was refused at once, by source.
    :param removed: copies that this trigger deleted.
    :param earlier_errors: failed copies that were there when this try began; they do not count as attempts of it.
    """

    started: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    unclear: Mapping[str, datetime] = field(default_factory=dict)
    prepared: Mapping[str, datetime] = field(default_factory=dict)
    refused: Mapping[str, tuple[int, datetime, str]] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    earlier_errors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Bound a stage.

    :param kms_key_arns: keys under which a completed copy counts.
    :param max_attempts: copies of one source that may fail before it is given up.
    :param settle: how long reads may lag behind; nothing is repeated sooner after an answer that was lost.
    :param wait_until: when sources that are still not ready are given up, UTC.
    :param wait_for_completion: whether a source is finished when its copy is completed, or already when it is started.
    :param start_until: when what has not been started is given up, UTC; ``None`` where starts have no end.
    :param why_not_later: what ends then, and what to do.
    """

    kms_key_arns: frozenset[str]
    max_attempts: int
    settle: timedelta
    wait_until: datetime
    wait_for_completion: bool = True
    start_until: datetime | None = None
    why_not_later: str = ""

    def is_too_late_at(self, now: datetime) -> bool:
        """Whether nothing may be started any more."""
        return self.start_until is not None and now >= self.start_until


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why a source was given up; ``copy`` is its last failed copy, if there was one."""

    source_snapshot_id: str
    why: str
    copy: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """
    Say what to do now.

    :param finished: the one copy of each source that is done, by source.
    :param prepare: what has to be shared before it can be copied.
    :param start: what may be started as soon as a slot is free, in this order.
    :param awaited: sources of which a copy is in flight, or not ready, or unclear.
    :param given_up: sources that fail for good.
    :param remove: copies to delete: failed ones of ours, and duplicates whose survivor is completed.
    :param changes_at: when the verdict on a source that is not settled may change by time alone; missing where nothing
        but news changes it.
    """

    finished: Mapping[str, Snapshot]
    prepare: tuple[CopyRequest, ...]
    start: tuple[CopyRequest, ...]
    awaited: tuple[str, ...]
    given_up: tuple[Failure, ...]
    remove: tuple[Snapshot, ...]
    changes_at: Mapping[str, datetime] = field(default_factory=dict)


def plan_round(
    requests: Sequence[CopyRequest],
    copies: Mapping[str, Sequence[Snapshot]],
    memory: Memory,
    limits: Limits,
    now: datetime,
) -> Round:
    """
    Decide for each request on its own.

    :param copies: our copies of the stage by source, as read now.
    """
    finished: dict[str, Snapshot] = {}
    given_up: list[Failure] = []
    remove: list[Snapshot] = []
    to_do: dict[_ToDo, list[CopyRequest]] = {"prepare": [], "start": [], "await": []}
    changes_at: dict[str, datetime] = {}
    for request in requests:
        source = request.source_snapshot_id
        seen = [copy for copy in copies.get(source, ()) if copy.snapshot_id not in memory.removed]
        verdict = _judge(request, seen, memory, limits, now)
        if isinstance(verdict, Failure):
            given_up.append(verdict)
        elif isinstance(verdict, Snapshot):
            finished[source] = verdict
        else:
            to_do[verdict].append(request)
            moments = [m for m in _moments(request, seen, memory, limits) if m > now]
            changes_at |= {source: min(moments)} if moments else {}
        remove += _superfluous(seen, memory, limits)
    return Round(
        finished=finished,
        prepare=tuple(to_do["prepare"]),
        start=tuple(to_do["start"]),
        awaited=tuple(request.source_snapshot_id for request in to_do["await"]),
        given_up=tuple(given_up),
        remove=tuple(remove),
        changes_at=changes_at,
    )


def live_copies(copies: Sequence[Snapshot], kms_key_arns: frozenset[str]) -> list[Snapshot]:
    """
    List the copies that count, the survivor first.

    A completed copy under another key does not count and is left alone. A pending one cannot tell its key (aws 1.8)
    and is taken at the word of its lineage.
    """
    return sorted((c for c in copies if c.is_live and _key_of(c) in kms_key_arns), key=seniority)


def _key_of(copy: Snapshot) -> str | None:
    return copy.tags.get(KMS_KEY_ID) if copy.state == "pending" else copy.kms_key_arn


def survivor(copies: Sequence[Snapshot], kms_key_arns: frozenset[str]) -> Snapshot | None:
    """Name the copy that stays when there are several: the one that every looker names, by (StartTime, SnapshotId)."""
    return next(iter(live_copies(copies, kms_key_arns)), None)


def _are_of_different_sizes(live: Sequence[Snapshot]) -> bool:
    """Whether completed copies of one source contradict each other, so that none may be deleted for another."""
    done = [copy for copy in live if copy.state == "completed"]
    in_full = {copy.full_snapshot_bytes for copy in done if copy.full_snapshot_bytes is not None}
    return len({copy.volume_size_gib for copy in done}) > 1 or len(in_full) > 1


def only_copy(
    copies: Sequence[Snapshot], kms_key_arns: frozenset[str], settle: timedelta, now: datetime
) -> Snapshot | None:
    """
    Name the completed copy that is the only one, and certain to stay so.

    Whoever starts a second copy has looked before reads showed the first, so that it is started within ``settle`` of
    it, and shown within ``settle`` of that. A copy that completes sooner is not trusted to be alone yet, by whatever
    memory of the starter was lost. The clocks of AWS and of this machine are taken to agree, up to seconds.
    """
    live = live_copies(copies, kms_key_arns)
    is_only_one = len(live) == 1 and live[0].state == "completed"
    return live[0] if is_only_one and now >= live[0].start_time + 2 * settle else None


_ToDo = Literal["prepare", "start", "await"]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _judge(
    request: CopyRequest, seen: Sequence[Snapshot], memory: Memory, limits: Limits, now: datetime
) -> Snapshot | Failure | _ToDo:
    """Decide on one request: its copy, why there will be none, or what to do next."""
    live = live_copies(seen, limits.kms_key_arns)
    if live and not limits.wait_for_completion:
        return live[0]
    if live:
        # Finished means exactly one: duplicates are first waited for and removed, also one that reads may not show yet.
        if _are_of_different_sizes(live):
            ids = ", ".join(copy.snapshot_id for copy in live)
            return Failure(request.source_snapshot_id, f"its copies {ids} differ in size; delete the one that is wrong")
        only_one = only_copy(seen, limits.kms_key_arns, limits.settle, now)
        return (
            only_one if only_one and now >= _clear_from(request.source_snapshot_id, seen, memory, limits) else "await"
        )
    failure = _judge_attempts(request.source_snapshot_id, seen, memory, limits)
    if failure:
        return failure
    if limits.is_too_late_at(now) and now >= _clear_from(request.source_snapshot_id, seen, memory, limits):
        return Failure(request.source_snapshot_id, limits.why_not_later)
    if now < _not_before(request.source_snapshot_id, seen, memory, limits):
        return "await"
    return _judge_readiness(request, memory, limits, now)


def _judge_attempts(source: str, seen: Sequence[Snapshot], memory: Memory, limits: Limits) -> Failure | None:
    failed = _failed_in_this_try(seen, memory)
    if len(failed) >= limits.max_attempts:
        return Failure(source, f"{len(failed)} copies failed, the last with {failed[-1].state_message!r}", failed[-1])
    foreign = [c for c in seen if _is_under_another_key(c, limits) and c.snapshot_id not in memory.earlier_errors]
    if foreign:
        # It is the same call that would be made again.
        key = " or ".join(sorted(limits.kms_key_arns))
        return Failure(source, f"its copy {foreign[0].snapshot_id} is under {foreign[0].kms_key_arn}, not under {key}")
    times, _, why = memory.refused.get(source, (0, None, ""))
    return Failure(source, why) if times > FIRST_REFUSALS_FORGIVEN else None


def _is_under_another_key(copy: Snapshot, limits: Limits) -> bool:
    return copy.state == "completed" and copy.kms_key_arn not in limits.kms_key_arns


def _failed_in_this_try(seen: Sequence[Snapshot], memory: Memory) -> list[Snapshot]:
    failed = [c for c in seen if c.state == "error" and c.snapshot_id not in memory.earlier_errors]
    return sorted(failed, key=seniority)


def _judge_readiness(request: CopyRequest, memory: Memory, limits: Limits, now: datetime) -> Failure | _ToDo:
    source = request.source_snapshot_id
    if request.readiness == "ready":
        return "start"
    if request.readiness == "unusable":
        return Failure(source, request.why)
    if now >= limits.wait_until:
        return Failure(source, f"{request.why}; waited until {limits.wait_until:%Y-%m-%d %H:%M} UTC")
    if request.readiness == "unprepared":
        prepared = memory.prepared.get(source)
        return "prepare" if prepared is None or now >= prepared + limits.settle else "await"
    return "await"


def _not_before(source: str, seen: Sequence[Snapshot], memory: Memory, limits: Limits) -> datetime:
    """
    Say from when on a start may be tried.

    Not while a copy may exist that reads do not show yet, nor right after a failure whose cause, such as a policy
    change under way, needs time to go away (aws 9.4).
    """
    moments = [copy.start_time for copy in _failed_in_this_try(seen, memory)]
    moments += [memory.refused[source][1]] if source in memory.refused else []
    return max([_clear_from(source, seen, memory, limits), *(moment + limits.settle for moment in moments)])


def _clear_from(source: str, seen: Sequence[Snapshot], memory: Memory, limits: Limits) -> datetime:
    """Say from when on reads show every copy that this trigger started or may have started."""
    moments = [memory.unclear[source]] if source in memory.unclear else []
    copy_id, started = memory.started.get(source, ("", _LONG_AGO))
    if copy_id not in memory.removed and all(copy.snapshot_id != copy_id for copy in seen):
        moments.append(started)
    return max(moments, default=_LONG_AGO) + limits.settle


def _moments(request: CopyRequest, seen: Sequence[Snapshot], memory: Memory, limits: Limits) -> list[datetime]:
    """Name every moment that the verdict on a request may hang on; see the functions above."""
    source = request.source_snapshot_id
    live = live_copies(seen, limits.kms_key_arns)
    moments = [_clear_from(source, seen, memory, limits)]
    if live:
        return [*moments, live[0].start_time + 2 * limits.settle] if live[0].state == "completed" else moments
    moments.append(_not_before(source, seen, memory, limits))
    if limits.start_until is not None:
        moments.append(limits.start_until)
    if request.readiness != "ready":
        moments.append(limits.wait_until)
    if source in memory.prepared:
        moments.append(memory.prepared[source] + limits.settle)
    return moments


def _superfluous(seen: Sequence[Snapshot], memory: Memory, limits: Limits) -> list[Snapshot]:
    """
    Name what can go: completed duplicates of a completed survivor, and failed copies that have served.

    A failed copy serves as long as it counts as an attempt of this try: it is the evidence, also for a trigger that
    is restarted. A pending duplicate would only go once it is completed (aws 4.7).
    """
    live = live_copies(seen, limits.kms_key_arns)
    done = bool(live) and live[0].state == "completed"
    is_certain = done and not _are_of_different_sizes(live)
    duplicates = [copy for copy in live[1:] if copy.state == "completed"] if is_certain else []
    failed = [c for c in seen if c.state == "error" and (done or c.snapshot_id in memory.earlier_errors)]
    return duplicates + failed
