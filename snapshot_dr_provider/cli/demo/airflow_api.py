"""Airflow's REST API, version 2, as far as a run is triggered and looked at. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

PAGE: Final = 100
"""Rows asked for at once; Airflow gives no more than ``[api] maximum_page_limit``, which is 100."""

TIMEOUT_SECONDS: Final = 60.0


class ApiUnavailable(Exception):
    """There is no answer now: nobody listens yet, it takes too long, or the server failed."""


class ApiRefusal(Exception):
    """The API refused a call."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AirflowApi:
    """
    Call the API of one api-server, ``api("GET", "/dags/snapshot_dr")``.

    :param base_url: of the server, ``http://127.0.0.1:8080``.
    :param login: user and password; ``None`` where everybody is an administrator.
    """

    def __init__(self, base_url: str, login: tuple[str, str] | None = None) -> None:
        self.base_url = base_url
        self._login = login
        self._token: str | None = None
        # The server is on loopback or a neighbour, where the proxy of the environment has no business.
        self._opener = build_opener(ProxyHandler({}))

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """
        Call one operation and give its answer, read from JSON.

        :param path: below ``/api/v2``.
        :raises ApiRefusal: for every status from 400 to 499.
        :raises ApiUnavailable: when there is no answer, or one from 500.
        """
        if self._login and self._token is None:
            user, password = self._login
            self._token = self._send("POST", "/auth/token", {"username": user, "password": password})["access_token"]
        parameters = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        return self._send(method, f"/api/v2{path}{'?' if parameters else ''}{parameters}", body)

    def _send(self, method: str, path: str, body: Any) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.base_url + path, data, headers, method=method)  # noqa: S310  # it is http
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read().decode()
        except HTTPError as error:
            message = f"{method} {path} was answered with {error.code}: {error.read().decode(errors='replace')[:2000]}"
            if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise ApiUnavailable(message) from error
            raise ApiRefusal(error.code, message) from error
        except OSError as error:
            raise ApiUnavailable(f"{method} {path} was not answered: {error}") from error
        return json.loads(text) if text else None

    def has_dag(self, dag_id: str) -> bool:
        """Whether Airflow has read a file with that DAG."""
        try:
            self("GET", f"/dags/{dag_id}")
        except ApiRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def import_errors(self) -> Mapping[str, str]:
        """Tell which DAG files cannot be read, and why."""
        return {each["filename"]: each["stack_trace"] for each in self._pages("/importErrors", "import_errors")}

    def is_paused(self, dag_id: str) -> bool:
        """Whether runs of a DAG wait until somebody unpauses it."""
        return bool(self("GET", f"/dags/{dag_id}")["is_paused"])

    def active_runs(self, dag_id: str) -> list[str]:
        """Name the runs of a DAG that have not ended."""
        answer = self("GET", f"/dags/{dag_id}/dagRuns", state=["queued", "running"], limit=PAGE)
        return [str(run["dag_run_id"]) for run in answer["dag_runs"]]

    def unpause(self, dag_id: str) -> None:
        """Let the runs of a DAG be scheduled."""
        self("PATCH", f"/dags/{dag_id}", {"is_paused": False}, update_mask="is_paused")

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Trigger a run by hand, without a logical date as the UI does, and give its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Read a run: ``state``, ``queued_at``, ``start_date``, ``end_date`` and more."""
        return dict(self("GET", _of_run(dag_id, run_id)))

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Read all task instances of a run, as they are in their last tries."""
        return list(self._pages(f"{_of_run(dag_id, run_id)}/taskInstances", "task_instances"))

    def log(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1, try_number: int = 1) -> str:
        """Read what a task instance has logged in one of its tries, a line for each event."""
        path = f"{_of_run(dag_id, run_id)}/taskInstances/{task_id}/logs/{try_number}"
        answer = self("GET", path, map_index=map_index, full_content=True)
        return "\n".join(_log_line(event) for event in answer["content"])

    def clear(
        self, dag_id: str, run_id: str, tasks: Sequence[str | tuple[str, int]], *, downstream: bool = True
    ) -> list[dict[str, Any]]:
        """
        Clear task instances as the UI's dialog does with what it preselects, and name those that run again.

        :param tasks: ids, or ids with map indexes.
        """
        body = {
            "dag_run_id": run_id,
            "task_ids": [list(task) if isinstance(task, tuple) else task for task in tasks],
            "include_downstream": downstream,
            # The defaults of these two are the opposite (airflow 2).
            "only_failed": False,
            "dry_run": False,
        }
        return list(self("POST", f"/dags/{dag_id}/clearTaskInstances", body)["task_instances"])

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        seen = 0
        while True:
            answer = self("GET", path, limit=PAGE, offset=seen)
            yield from answer[key]
            seen += len(answer[key])
            if seen >= answer["total_entries"] or not answer[key]:
                return


def _of_run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _log_line(event: Mapping[str, Any] | str) -> str:
    if isinstance(event, str):
        return event
    detail = event.get("error_detail")
    return " ".join(str(part) for part in (event.get("timestamp"), event["event"], detail) if part)
