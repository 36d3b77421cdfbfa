"""What a run may never do, and what it has to end with, by the sandbox's own truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds

KMS_B: Final = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
KMS_C: Final = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)

Truth = Sequence[Mapping[str, Any]]
"""Snapshots as ``SandboxControl.snapshots`` tells them, deleted ones too."""


def broken_laws(truth: Truth) -> list[str]:
    """Say what was done that must not be done, whatever fails."""
    return [*_orphans(truth), *_unfounded_deletions(truth)]


def differences(truth: Truth, sources: Iterable[SnapshotSeed]) -> list[str]:
    """Say in what an end differs from the right one: exactly one verified KMS-C copy each, and nothing else of them."""
    sources = tuple(sources)
    ids = {source.snapshot_id for source in sources}
    wrong = [why for source in sources for why in _copy_differences(truth, source)]
    left = [each for each in truth if each["is_copy"] and not each["deleted"] and _source(each) in ids]
    wrong += [f"{each['id']} of {_source(each)} is left under KMS-B" for each in left if not _is_kms_c(each)]
    shared = [
        each for each in truth if each["shared_with"] and not each["deleted"] and ids & {each["id"], _source(each)}
    ]
    return wrong + [f"{each['id']} is left shared with {each['shared_with']}" for each in shared]


def live_copies(truth: Truth, source_id: str) -> list[Mapping[str, Any]]:
    """List what the DR account has of a source, under whatever key and in whatever state."""
    return [each for each in truth if _is_kms_c(each) and _source(each) == source_id and not each["deleted"]]


def _copy_differences(truth: Truth, source: SnapshotSeed) -> list[str]:
    copies = live_copies(truth, source.snapshot_id)
    if len(copies) != 1:
        return [f"{source.snapshot_id} has {len(copies)} KMS-C copies: {[each['state'] for each in copies]}"]
    copy = copies[0]
    found = (copy["state"], copy["kms_key_arn"], copy["size"], copy["full_snapshot_bytes"])
    expected = ("completed", KMS_C, source.size_gib, source.full_snapshot_bytes)
    return [] if found == expected else [f"{copy['id']} of {source.snapshot_id} is {found}, not {expected}"]


def _orphans(truth: Truth) -> list[str]:
    """Name copies, also deleted ones, that nothing ties to a source."""
    sources = {each["id"] for each in truth if not each["is_copy"]}
    return [f"{each['id']} has no lineage" for each in truth if each["is_copy"] and _source(each) not in sources]


def _unfounded_deletions(truth: Truth) -> list[str]:
    """Name what was deleted though neither failed nor, at that moment, succeeded by a verified copy or an older one."""
    gone = [each for each in truth if each["deleted"] and each["state"] != "error"]
    return [
        f"{each['id']} of {_source(each)} was deleted at {each['deleted_at']} without a verified successor"
        for each in gone
        if not any(_stands_for(other, each) for other in truth)
    ]


def _stands_for(other: Mapping[str, Any], gone: Mapping[str, Any]) -> bool:
    """Tell whether a copy made another one superfluous: of the next hop, or an older one of the same."""
    if not gone["is_copy"] or not other["is_copy"] or _source(other) != _source(gone):
        return False
    moment = gone["deleted_at"]
    was_there = other["state"] == "completed" and other["completion_time"] <= moment
    if not was_there or (other["deleted"] and other["deleted_at"] <= moment):
        return False
    if _is_kms_c(gone) != _is_kms_c(other):
        return _is_kms_c(other) and other["kms_key_arn"] == KMS_C and other["size"] == gone["size"]
    return _seniority(other) < _seniority(gone)


def _seniority(snapshot: Mapping[str, Any]) -> tuple[str, str]:
    return snapshot["start_time"], snapshot["id"]


def _is_kms_c(snapshot: Mapping[str, Any]) -> bool:
    return bool(snapshot["is_copy"]) and snapshot["owner"] == worlds.DR


def _source(snapshot: Mapping[str, Any]) -> str:
    return str(snapshot["tags"].get("SourceSnapshotId", ""))
