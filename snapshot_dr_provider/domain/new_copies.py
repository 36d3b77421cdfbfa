"""What is told to others of the KMS-C copies that a run has added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snapshot_dr_provider.domain.coverage import SourceSize
from snapshot_dr_provider.domain.lineage import MAX_TAG_VALUE, RUN, source_start_time
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot


def tell_new_copies(
    route: Route, run: str, sources: Mapping[str, SourceSize], verified: Mapping[str, Snapshot]
) -> dict[str, Any] | None:
    """
    Tell of the verified KMS-C copies of a route that are new with a run; ``None`` when none is.

    New is what the run has started, and what was not verified when the run was planned, whoever had started it. So a
    copy whose run has died is told by the one that finishes it, and a task that is cleared tells the same once more.

    :param run: id of the run.
    :param sources: the wanted sources, as the stages hand them on.
    :param verified: the verified copy of each of them that has one; with its lineage.
    :returns: JSON primitives of a size that does not depend on the number of copies.
    """
    mine = run[:MAX_TAG_VALUE]
    new = [copy for source, copy in verified.items() if not sources[source].is_kept or copy.tags.get(RUN) == mine]
    if not new:
        return None
    times = [source_start_time(copy) for copy in new]
    return {
        "account_id": route.account_id,
        "account_name": route.account_name,
        "source_region": route.source_region,
        "destination_region": route.destination_region,
        "dr_account_id": route.dr_account_id,
        "new_copies": len(new),
        "verified_copies": len(verified),
        "oldest_source_start_time": min(times).isoformat(),
        "newest_source_start_time": max(times).isoformat(),
        "run_id": run,
    }
