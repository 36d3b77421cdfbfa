"""
What Airflow itself has recorded of a run: how long tasks held worker slots, and how large their rows are.

``start_date`` and ``duration`` of a task instance are of no use here: a task that resumes keeps its first start date,
so that they span the time for which it was deferred. Two other records do not:

- The supervisor of a task's process occupies the slot of the LocalExecutor. It logs ``Workload finished`` with the
  seconds from before the process was forked to after it had ended: once when the task defers, again when it resumes.
- The api-server adds a row to the table ``log`` at every change of state: from ``running`` to the next one. That leaves
  out what comes before a task reports itself as running and after it reports the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, text

STATES: Final = ("running", "deferred", "success", "failed", "up_for_retry", "up_for_reschedule", "skipped")
"""Events in the table ``log`` that are changes of a task instance's state."""

_SPELLS: Final = text("""
    SELECT count(*) AS spells, coalesce(sum(extract(epoch FROM ended - began)), 0) AS seconds
    FROM (
        SELECT event, dttm AS began,
            lead(dttm) OVER (PARTITION BY task_id, map_index ORDER BY dttm, id) AS ended
        FROM log WHERE run_id = :run_id AND event = ANY(:states)
    ) AS changes
    WHERE event = 'running'
""")
_EVENTS: Final = text("SELECT event, count(*) FROM log WHERE run_id = :run_id AND event = ANY(:states) GROUP BY event")
_RUN_SECONDS: Final = text("SELECT queued_at, end_date FROM dag_run WHERE run_id = :run_id")
_WAITING: Final = text("""
    SELECT ti.task_id AS task, coalesce(octet_length(t.kwargs), 0) AS kwargs_bytes,
        coalesce(octet_length(ti.next_kwargs::text), 0) AS next_kwargs_bytes
    FROM task_instance AS ti LEFT JOIN trigger AS t ON ti.trigger_id = t.id
    WHERE ti.run_id = :run_id AND (t.id IS NOT NULL OR ti.next_method IS NOT NULL)
""")
_XCOMS: Final = text("""
    SELECT task_id AS task, key, count(*) AS rows, max(octet_length(value::text)) AS largest_bytes,
        sum(octet_length(value::text)) AS bytes, sum(pg_column_size(value)) AS stored_bytes
    FROM xcom WHERE run_id = :run_id GROUP BY task_id, key ORDER BY 5 DESC
""")


class Records:
    """
    Read what the database has of one run.

    :param engine: of the metadata database.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._run_id = run_id
        self._triggers: dict[str, dict[str, int]] = {}

    def look_at_triggers(self) -> None:
        """
        Note how large the rows are of the tasks that wait, or resume.

        The arguments of a trigger are there until it has fired, its event until the task has resumed and ended.
        """
        for row in self._rows(_WAITING):
            seen = self._triggers.setdefault(row["task"], {"kwargs_bytes": 0, "next_kwargs_bytes": 0})
            for name, size in seen.items():
                seen[name] = max(size, row[name])

    @property
    def triggers(self) -> list[dict[str, Any]]:
        """Give, of each task, the largest encrypted arguments of a trigger and the largest event that were seen."""
        return [{"task": task, **sizes} for task, sizes in self._triggers.items()]

    def xcoms(self) -> list[dict[str, Any]]:
        """Measure the XComs, by task and key: as text, and as they are stored, compressed where that pays."""
        names = ("task", "key", "rows", "largest_bytes", "bytes", "stored_bytes")
        return [{name: _plain(row[name]) for name in names} for row in self._rows(_XCOMS)]

    def changes(self) -> dict[str, int]:
        """Count the changes of task instances' states, by the new one."""
        return {row["event"]: row["count"] for row in self._rows(_EVENTS, states=list(STATES))}

    def running(self) -> tuple[int, float]:
        """Count the times that a task instance was running, and the seconds of all of them."""
        (row,) = self._rows(_SPELLS, states=list(STATES))
        return int(row["spells"]), float(row["seconds"])

    def span(self) -> tuple[Any, Any]:
        """Tell when the run was queued and when it ended."""
        (row,) = self._rows(_RUN_SECONDS)
        return row["queued_at"], row["end_date"]

    def _rows(self, query: Any, **parameters: Any) -> list[dict[str, Any]]:
        given = {"run_id": self._run_id, **parameters}
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query, given).mappings()]


def _plain(value: Any) -> Any:
    """Turn what PostgreSQL sums up to, which may be a ``Decimal``, into JSON's numbers."""
    return value if isinstance(value, str) else int(value)


def slot_seconds(scheduler_log: Path) -> list[float]:
    """
    Read for how long each execution of a task held a worker slot, from the log that the LocalExecutor's workers share.

    :param scheduler_log: written with ``[logging] json_logs``.
    """
    return [float(event["duration"]) for event in _events(scheduler_log) if event.get("event") == "Workload finished"]


def _events(log: Path) -> Iterator[dict[str, Any]]:
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # The banner is text; so is what a process of another language would say.
            if line.startswith("{"):
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    continue
