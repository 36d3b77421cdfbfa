"""What the benchmark ``airflow`` works out from the sandbox's truth and from Airflow's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from benchmarks.airflow_records import Records, slot_seconds
from benchmarks.pipeline_figures import Timeline
from tests.e2e.airflow_processes import RealAirflow

DAG_ID: Final = "snapshot_dr"

NAMED_FAILURES: Final = 3
LOG_CHARACTERS: Final = 3000
"""Failed tasks whose log is shown, and how much of it."""


def airflows_share(dr: Timeline, org_a: Timeline, wall_s: float, bound_s: float, slots: int) -> dict[str, Any]:
    """Tell which part of the run's time the copies did not need."""
    starts = [points[0][0] for points in (dr.points, org_a.points) if points]
    ends = [points[-1][0] for points in (dr.points, org_a.points) if points]
    spells = [spell for line in (dr, org_a) for spell in busy_spells(line)]
    idle_s = wall_s - covered_seconds(spells)
    first_dr_start = dr.points[0][0] if dr.points else 0.0
    return {
        "overhead_s": round(wall_s - bound_s, 2),
        "overhead_share": round((wall_s - bound_s) / wall_s, 4),
        "idle_s": round(idle_s, 2),
        "idle_share": round(idle_s / wall_s, 4),
        "before_first_copy_s": round(min(starts, default=wall_s), 2),
        "after_last_copy_s": round(wall_s - max(ends, default=0.0), 2),
        "dr_not_full_s": round((1 - dr.full_share(slots)) * (dr.last_start - first_dr_start), 2),
        "dr_starting_s": round(dr.last_start - first_dr_start, 2),
    }


def busy_spells(line: Timeline) -> list[tuple[float, float]]:
    """Name the stretches of time in which copies were in flight."""
    return [(start, end) for (start, in_flight), (end, _) in pairwise(line.points) if in_flight]


def covered_seconds(spells: Sequence[tuple[float, float]]) -> float:
    """Measure the time that lies in any of some stretches, which may overlap."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(spells):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def workers_share(
    airflow: RealAirflow, records: Records, truth: Sequence[Mapping[str, Any]], wall_s: float, instances: int
) -> dict[str, Any]:
    """Tell what the workers did, and hold the time for which they were held against that of the copies."""
    held = slot_seconds(airflow.processes["scheduler"].log)
    spells, running_s = records.running()
    lives = [
        datetime.fromisoformat(each["completion_time"]) - datetime.fromisoformat(each["start_time"])
        for each in truth
        if each["is_copy"] and each["completion_time"]
    ]
    copy_s = sum(life.total_seconds() for life in lives)
    return {
        "task_instances": instances,
        "task_instances_per_s": round(instances / wall_s, 3),
        "executions": len(held),
        "executions_running": spells,
        "executions_per_s": round(len(held) / wall_s, 3),
        "worker_slot_s": round(sum(held), 2),
        "running_s": round(running_s, 2),
        "copies": len(lives),
        "copy_s": round(copy_s, 2),
        "worker_slot_share": round(sum(held) / copy_s, 4) if copy_s else None,
        "retries": records.changes().get("up_for_retry", 0),
    }


def failures_of(airflow: RealAirflow, instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Name the tasks that are not green, the first ones with the end of what they have logged."""
    failures: list[dict[str, Any]] = []
    for each in (one for one in instances if one["state"] not in ("success", "skipped")):
        failure = {name: each[name] for name in ("task_id", "map_index", "state", "try_number")}
        if each["state"] == "failed" and len(failures) < NAMED_FAILURES:
            where = {"map_index": each["map_index"], "try_number": each["try_number"]}
            failure["log"] = airflow.api.log(DAG_ID, each["dag_run_id"], each["task_id"], **where)[-LOG_CHARACTERS:]
        failures.append(failure)
    return failures
