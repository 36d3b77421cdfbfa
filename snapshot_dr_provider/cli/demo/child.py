"""
The process in which Airflow runs the DAG of the demo.

Run as ``python -m snapshot_dr_provider.cli.demo.child FD DAG_FILE`` with a clean environment, in a session of its own.
FD is one end of a ``multiprocessing.Pipe``. It says ``{"ready": true}`` once the database is there and the DAG is
loaded, then runs the DAG for each ``{"day": "YYYY-MM-DD"}`` and answers ``{"state": "success"}``.

Whatever becomes of the process at the other end, this one ends with it.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any


def main(descriptor: int, dag_file: str) -> None:
    """Make the database, load the DAG, and run it as often as asked."""
    connection = Connection(descriptor)
    orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, orders), daemon=True).start()
    # Airflow reads its environment when it is first imported. There is no public function for this; drop it once there
    # is one. The command `airflow db migrate` would take a process of its own and several seconds more.
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()
    dag = runpy.run_path(dag_file)["dag"]
    _say(connection, {"ready": True})
    while True:
        order = orders.get()
        run = dag.test(run_conf={"day": order["day"]})
        _say(connection, {"state": str(run.state)})


def _listen(connection: Connection, orders: SimpleQueue[dict[str, Any]]) -> None:
    """Take orders until the other end is closed, be it that its process was killed; then end at once."""
    try:
        while True:
            orders.put(json.loads(connection.recv_bytes()))
    except (EOFError, OSError):
        # Everything that this process may have started is of its session and has no other purpose.
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _say(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
