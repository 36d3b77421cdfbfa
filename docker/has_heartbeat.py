"""
Tell whether this container's job of Airflow is alive, for its health check.

    python has_heartbeat.py TriggererJob

The status is 0 if the job of that type that runs on this host has sent a heartbeat within a minute. ``airflow jobs
check`` asks the same of the database and imports Airflow for it, which takes seconds of a core each time, in each
container. The table is no promise of Airflow's: what is read of it is of 3.3.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Final

import psycopg2

ADDRESS: Final = Path("/opt/airflow/secrets/sql_alchemy_conn")
LATEST: Final = (
    "SELECT extract(epoch FROM now() - max(latest_heartbeat)) FROM job"
    " WHERE job_type = %s AND hostname = %s AND state = 'running'"
)
MAX_SECONDS: Final = 60


def main(job_type: str) -> str | None:
    """Say what is wrong; ``None`` when nothing is."""
    address = ADDRESS.read_text(encoding="utf-8").replace("postgresql+psycopg2://", "postgresql://", 1)
    host = socket.gethostname()
    with psycopg2.connect(address, connect_timeout=5) as connection, connection.cursor() as cursor:
        cursor.execute(LATEST, (job_type, host))
        (age,) = cursor.fetchone()
    if age is None:
        return f"no {job_type} runs on {host}"
    return f"the {job_type} on {host} has been silent for {age:.0f} s" if age > MAX_SECONDS else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
