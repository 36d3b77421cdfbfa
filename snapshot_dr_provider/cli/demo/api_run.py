"""The daily DAG of an Airflow that is up, run by its REST API."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from typing import Final

from snapshot_dr_provider.cli.demo.airflow_api import AirflowApi, ApiUnavailable
from snapshot_dr_provider.cli.demo.show import AirflowDied

DAG_ID: Final = "snapshot_dr"

SILENT_SECONDS: Final = 120.0
"""How long an api-server may not answer before it counts as gone: one that was killed needs a minute to be back."""


class ApiRun:
    """
    Trigger runs and wait for their end.

    :param announce: gets the id of each run.
    :param check: raises :class:`AirflowDied` when it knows that Airflow has ended.
    """

    def __init__(
        self, api: AirflowApi, announce: Callable[[str], None], check: Callable[[], None] = lambda: None
    ) -> None:
        self._api = api
        self._announce = announce
        self._check = check
        self._run_id = ""
        self._answered = 0.0

    def start_run(self, day: date) -> None:
        """Trigger a run for a day. Only then let the DAG run, so that a scheduled run comes after this one."""
        self._run_id = self._api.trigger(DAG_ID, {"day": day.isoformat()})
        self._api.unpause(DAG_ID)
        self._announce(self._run_id)
        self._answered = time.monotonic()

    def end_state(self, timeout: float) -> str | None:
        """
        Wait *timeout* seconds and tell the state of a run that has ended.

        :raises AirflowDied: when the api-server has not answered for long.
        """
        time.sleep(timeout)
        self._check()
        try:
            state = str(self._api.run(DAG_ID, self._run_id)["state"])
        except ApiUnavailable as error:
            if time.monotonic() - self._answered > SILENT_SECONDS:
                raise AirflowDied(f"Airflow has not answered for {SILENT_SECONDS:.0f} s: {error}") from error
            return None
        self._answered = time.monotonic()
        return state if state in ("success", "failed") else None
