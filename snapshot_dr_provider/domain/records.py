"""
What stages hand on to each other: source ids, sizes and priorities, never ids of copies.

A record list is ``[{"snapshot_id": str, "gib": int, "bytes": int | null, "priority": int, "kept": true}, ...]``, about
60 bytes a snapshot as JSON; 5,000 snapshots make some 300 kB. Where a source has no priority, its record has none
either, and only what is kept says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from snapshot_dr_provider.domain.coverage import SourceSize


def write_records(wanted: Mapping[str, SourceSize]) -> list[dict[str, Any]]:
    """Write what is wanted as JSON primitives."""
    return [
        {"snapshot_id": snapshot_id, "gib": size.volume_size_gib, "bytes": size.full_snapshot_bytes}
        | ({} if size.priority is None else {"priority": size.priority})
        | ({"kept": True} if size.is_kept else {})
        for snapshot_id, size in wanted.items()
    ]


def read_records(records: Iterable[Mapping[str, Any]]) -> dict[str, SourceSize]:
    """
    Read what :func:`write_records` wrote.

    :raises KeyError: when a record does not name its snapshot.
    """
    return {
        record["snapshot_id"]: SourceSize(
            record.get("gib", 0), record.get("bytes"), record.get("priority"), is_kept=record.get("kept", False)
        )
        for record in records
    }
