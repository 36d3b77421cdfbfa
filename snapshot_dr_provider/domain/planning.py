"""What a run has to end with a verified copy of, and why everything else is not wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from snapshot_dr_provider.domain.coverage import PRIORITIES, Expectation, SourceSize, first_verified, size_of
from snapshot_dr_provider.domain.lineage import (
    SOURCE_REGION,
    SOURCE_VOLUME_ID,
    Stage,
    copies_by_source,
    is_described_as_ours,
    lineage_of,
    seniority,
    source_of,
    source_start_time,
)
from snapshot_dr_provider.domain.routes import Retention, Scope
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot, volume_group

TagFilters = tuple[tuple[str, str], ...]
"""Pairs of a tag key and a shell pattern for its value: ``*``, ``?`` and ``[abc]``."""

NO_LOOKBACK: Final = timedelta(0)

_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Say which source snapshots a run is about.

    :param start: first moment of the data interval, UTC; the interval excludes its end.
    :param lookback: how far before ``start`` snapshots without a verified copy are made up for.
    :param snapshot_ids: when not empty, these sources and no others, whatever their age.
    :param include_tags: a source needs at least one of these; empty means that all qualify.
    :param exclude_tags: a source with any of these is left out.
    :param priority_tag: key of the tag whose value, a whole number, says who is copied first: 1 before 2, and those
        without such a number after all others.
    """

    start: datetime
    end: datetime
    lookback: timedelta = NO_LOOKBACK
    snapshot_ids: frozenset[str] = frozenset()
    include_tags: TagFilters = ()
    exclude_tags: TagFilters = ()
    scope: Scope = "every"
    include_unencrypted: bool = False
    priority_tag: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Say whose sources are planned and what their finished copies look like."""

    account_id: str
    region: str
    kms_c: Expectation


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """
    Divide an account's snapshots.

    :param wanted: size and priority by source snapshot id, the most urgent first, of these the oldest.
    :param kept: those of the wanted ones that have a verified KMS-C copy already.
    :param not_wanted: the reason by snapshot id.
    :param warnings: what is, or may be, gone without a KMS-C copy, in sentences.
    """

    wanted: Mapping[str, SourceSize]
    kept: frozenset[str]
    not_wanted: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def plan_copies(
    sources: Iterable[Snapshot],
    kms_b_copies: Iterable[Snapshot],
    kms_c_copies: Iterable[Snapshot],
    selection: Selection,
    origin: Origin,
    *,
    retention: Retention = "none",
) -> CopyPlan:
    """
    Decide what a run wants of one account in one source Region.

    :param sources: all snapshots that the account owns in the source Region.
    :param kms_b_copies: the account's own copies in the destination Region.
    :param kms_c_copies: the DR account's copies from this account.
    """
    present = {snapshot.snapshot_id: snapshot for snapshot in sources}
    verified = _with_verified_copy(kms_c_copies, origin, present)
    copied = _copied_to_kms_b(kms_b_copies, origin)
    unfinished = _unfinished(copied, verified, retention)
    reasons = {i: _reason_against(s, selection, origin, has_copy=i in verified) for i, s in present.items()}
    if selection.scope == "newest_per_volume" and not selection.snapshot_ids:
        _drop_all_but_newest(present, reasons)
    chosen = {i: present[i].start_time for i, reason in reasons.items() if not reason}
    asked_for = selection.snapshot_ids or unfinished.keys()
    chosen |= {i: source_start_time(copy) for i, copy in unfinished.items() if i in asked_for}
    sizes = {i: size_of(present[i] if i in present else unfinished[i]) for i in chosen}
    if selection.priority_tag:
        sizes |= {i: _with_priority(sizes[i], present[i], selection.priority_tag) for i in chosen if i in present}
    wanted = {i: sizes[i] for i in sorted(chosen, key=lambda i: (sizes[i].rank, chosen[i], i))}
    return CopyPlan(
        wanted=wanted,
        kept=verified.intersection(wanted),
        not_wanted={i: reason for i, reason in reasons.items() if reason and i not in wanted},
        warnings=(
            *_gone({i: copies for i, copies in copied.items() if i not in present and i not in verified}, selection),
            *_nothing_so_old(present.values(), selection, origin),
        ),
    )


def _gone(copied: Mapping[str, Sequence[Snapshot]], selection: Selection) -> Iterator[str]:
    """
    Name the sources that are not there any more though they have no verified KMS-C copy.

    They are known by the lineage of their KMS-B copies alone: whatever was deleted before it was copied has left no
    trace.
    """
    for source, copies in copied.items():
        if selection.snapshot_ids and source not in selection.snapshot_ids:
            continue
        taken = f"{source} of {source_start_time(copies[0]):%Y-%m-%d %H:%M} UTC is gone"
        live = [copy.snapshot_id for copy in copies if copy.is_live]
        failed = ", ".join(copy.snapshot_id for copy in copies)
        if live:
            yield f"{taken}; nothing but its KMS-B copy {', '.join(live)} is left of it, from which it is finished"
        else:
            yield f"{taken} without a KMS-C copy: {failed} failed. It is lost; delete {failed} once you have noted it"


def _nothing_so_old(sources: Iterable[Snapshot], selection: Selection, origin: Origin) -> Iterator[str]:
    """Say so when the interval ends before the oldest source: none of its snapshots is left, if there were any."""
    starts = [s.start_time for s in sources if lineage_of(s, owner_id=origin.account_id) is None]
    if starts and selection.end <= min(starts) and not selection.snapshot_ids:
        yield (
            f"the interval ends on {selection.end:%Y-%m-%d %H:%M} UTC, before the oldest snapshot that is there, of "
            f"{min(starts):%Y-%m-%d %H:%M} UTC: whatever was taken in it has been deleted since, and nobody can "
            "tell what that was"
        )


def _with_priority(size: SourceSize, source: Snapshot, tag: str) -> SourceSize:
    """Add the priority that a source has by its tag; a number that is no priority counts as the nearest one."""
    value = source.tags.get(tag, "")
    if not _WHOLE_NUMBER.fullmatch(value):
        return size
    return replace(size, priority=min(max(int(value), PRIORITIES[0]), PRIORITIES[-1]))


def candidates(
    sources: Iterable[Snapshot], kms_b_copies: Iterable[Snapshot], selection: Selection, origin: Origin
) -> list[str]:
    """Name the sources of which a plan has to know whether they have a KMS-C copy: few of a long history."""
    earliest = selection.start - selection.lookback
    recent = {s.snapshot_id for s in sources if earliest <= s.start_time < selection.end}
    copied = {source_of(copy, owner_id=origin.account_id, stage=Stage.KMS_B) for copy in kms_b_copies}
    return sorted(recent | selection.snapshot_ids | {source for source in copied if source is not None})


def _with_verified_copy(
    kms_c_copies: Iterable[Snapshot], origin: Origin, present: Mapping[str, Snapshot]
) -> frozenset[str]:
    """Name the sources with a verified KMS-C copy; one that is gone is compared by nothing."""
    kms_c = origin.kms_c
    return frozenset(
        source
        for source, copies in copies_by_source(kms_c_copies, owner_id=kms_c.owner_id, stage=kms_c.stage).items()
        if first_verified(copies, kms_c, size_of(present[source]) if source in present else SourceSize())
    )


def _reason_against(source: Snapshot, selection: Selection, origin: Origin, *, has_copy: bool) -> str:
    """Say why a source is not wanted; empty when it is."""
    reason = _unfit(source, selection, origin)
    if reason:
        return reason
    if selection.snapshot_ids:
        return "" if source.snapshot_id in selection.snapshot_ids else "not among the snapshots asked for"
    if source.start_time >= selection.end:
        return "started after the interval"
    if source.start_time >= selection.start:
        return ""
    if source.start_time < selection.start - selection.lookback:
        return "older than the interval and its lookback"
    return "copied by an earlier run" if has_copy else ""


def _unfit(source: Snapshot, selection: Selection, origin: Origin) -> str:
    """Say why a source cannot be copied or must not be, whatever its age."""
    if reason := why_no_source(source, origin):
        return reason
    if not source.is_live:
        return f"in state {source.state}"
    return why_excluded(source, selection)


def why_no_source(snapshot: Snapshot, origin: Origin) -> str:
    """Say why a snapshot of the account is nothing that it has of its own; empty when it is."""
    if lineage_of(snapshot, owner_id=origin.account_id) is not None:
        return "our own copy"
    if snapshot.volume_id == PLACEHOLDER_VOLUME_ID and is_described_as_ours(snapshot.description):
        return "a copy of ours whose tags have been changed; see to it by hand"
    return ""


def why_excluded(source: Snapshot, selection: Selection) -> str:
    """Say why nobody wants a source copied, whatever its age and its state; empty when somebody does."""
    if source.is_archived:
        return "archived; restore it to the standard tier to have it copied"
    if not (source.encrypted or _may_still_turn_out_encrypted(source) or selection.include_unencrypted):
        return "unencrypted"
    excluding = _first_match(source, selection.exclude_tags)
    if excluding:
        return f"excluded by its tag {excluding}"
    if selection.include_tags and not _first_match(source, selection.include_tags):
        return "bears none of the tags asked for"
    return ""


def _may_still_turn_out_encrypted(source: Snapshot) -> bool:
    """Tell a fresh copy, as other backup tools make them: it says that it is unencrypted and of size 0 (aws 1.8)."""
    return source.state == "pending" and source.volume_size_gib == 0


def _first_match(source: Snapshot, filters: TagFilters) -> str:
    for key, pattern in filters:
        if key in source.tags and fnmatchcase(source.tags[key], pattern):
            return f"{key}={source.tags[key]}"
    return ""


def _drop_all_but_newest(present: Mapping[str, Snapshot], reasons: dict[str, str]) -> None:
    """Keep the newest of each volume among what would be wanted or has been copied."""
    candidates = [present[i] for i, why in reasons.items() if not why or why == "copied by an earlier run"]
    newest: dict[str, Snapshot] = {}
    for source in candidates:
        volume = volume_group(source.volume_id, source.snapshot_id)
        if volume not in newest or seniority(newest[volume]) < seniority(source):
            newest[volume] = source
    for source in candidates:
        if newest[volume_group(source.volume_id, source.snapshot_id)] is not source and not reasons[source.snapshot_id]:
            reasons[source.snapshot_id] = "not the newest of its volume"


def _copied_to_kms_b(kms_b_copies: Iterable[Snapshot], origin: Origin) -> dict[str, tuple[Snapshot, ...]]:
    """Group our KMS-B copies of one route by their source."""
    mine = (copy for copy in kms_b_copies if copy.tags.get(SOURCE_REGION) == origin.region)
    return copies_by_source(mine, owner_id=origin.account_id, stage=Stage.KMS_B)


def _unfinished(
    copied: Mapping[str, Sequence[Snapshot]], verified: frozenset[str], retention: Retention
) -> dict[str, Snapshot]:
    """
    Find the sources that earlier runs left in the middle, each with its best KMS-B copy, which should not be there.

    One whose KMS-B copies all failed is left to the ordinary rules: there is nothing to finish. Under
    ``newest_per_volume`` the newest KMS-B copy of each volume stays, once its KMS-C copy is verified.

    :param copied: the KMS-B copies by source.
    """
    stays = newest_kms_b_copies(copied) if retention == "newest_per_volume" else frozenset()
    found: dict[str, Snapshot] = {}
    for source, copies in copied.items():
        # A pending or failed copy does not tell its size (aws 1.8).
        best = next((copy for copy in copies if copy.state == "completed"), copies[0])
        is_kept = source in verified and len(copies) == 1 and best.snapshot_id in stays
        if not is_kept and any(copy.is_live for copy in copies):
            found[source] = best
    return found


def newest_kms_b_copies(grouped: Mapping[str, Sequence[Snapshot]]) -> frozenset[str]:
    """
    Name the completed KMS-B copy of the newest source of each volume: what the next copy can be incremental to.

    Of several copies of that source it names the survivor.

    :param grouped: our KMS-B copies, as :func:`~.lineage.copies_by_source` has them.
    """
    newest: dict[str, tuple[datetime, str]] = {}
    stays: dict[str, str] = {}
    for source, copies in grouped.items():
        survivor = next((copy for copy in copies if copy.state == "completed"), None)
        if survivor is None:
            continue
        volume = volume_group(survivor.tags[SOURCE_VOLUME_ID], source)
        age = (source_start_time(survivor), source)
        if volume not in newest or age > newest[volume]:
            newest[volume], stays[volume] = age, survivor.snapshot_id
    return frozenset(stays.values())
