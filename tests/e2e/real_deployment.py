"""The DAG deployed in a real Airflow against a sandbox: its settings, its world, and the truth about what it did."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from snapshot_dr_provider.sandbox import Sandbox, SandboxControl, World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds
from tests.e2e.airflow_processes import IMPORT_ONCE, RealAirflow
from tests.e2e.processes import family

CHECKOUT: Final = Path(__file__).parents[2]

DAG_ID: Final = "snapshot_dr"

TUNING: Final[Mapping[str, Any]] = {
    # A trigger that fires at once may be taken for a failure (airflow 5); two seconds make that rare.
    "first_fire_seconds": 2,
    "max_attempts": 2,
    "poll_seconds": 0.5,
    "settle_seconds": 1,
}

RETRY_SOON: Final = """
from datetime import timedelta


def task_policy(task):
    task.retry_delay = timedelta(seconds=5)
"""
"""Airflow's own means to change tasks without touching their file: what fails may be tried again before two minutes."""

ENVIRONMENT: Final[Mapping[str, str]] = {
    "AIRFLOW__CORE__PARALLELISM": "4",
    # Stage follows stage, and little else happens in between.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # A worker may notice the end of its task so much later, and keeps its slot until then; by default five seconds.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # The files stay as they are: reading them again takes time from the rest.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
}

RUN_SECONDS: Final = 900.0
"""Time within which a run, or a backfill of three, has to end; a run takes some forty seconds on two idle cores."""


@dataclass(frozen=True, slots=True)
class RealDeployment:
    """Hold an Airflow and the AWS that it works on."""

    airflow: RealAirflow
    control: SandboxControl
    settings_path: Path

    def start(self, world: World, **settings: Any) -> None:
        """Begin with a world and the settings that go with it; the connections are those of every world."""
        self.control.reset(world)
        worlds.write_settings(self.settings_path, worlds.settings(world, **{"tuning": dict(TUNING), **settings}))

    def wait_for_run(self, run_id: str, dag_id: str = DAG_ID) -> dict[str, Any]:
        """Wait for the end of a run."""
        return self.airflow.wait_for_run(dag_id, run_id, RUN_SECONDS)

    def wait_until(self, condition: Callable[[], object], what: str, *, every: float = 0.2) -> None:
        """Wait until something has come about."""
        self.airflow.wait_until(lambda: bool(condition()), RUN_SECONDS, what, every=every)

    def tasks(self, run_id: str, dag_id: str = DAG_ID) -> dict[str, dict[str, Any]]:
        """Read the task instances of a run by name, the mapped ones as ``account.plan[0]``."""
        return {name_of(each): each for each in self.airflow.api.task_instances(dag_id, run_id)}

    def log_of(self, run_id: str, task: Mapping[str, Any]) -> str:
        """Read the log of a task instance's last try, as a person does who looks why it is red."""
        return self.airflow.api.log(
            DAG_ID, run_id, task["task_id"], map_index=task["map_index"], try_number=task["try_number"]
        )

    def forbid(self, account_id: str, action: str) -> None:
        """Take a permission from the role by which the DAG enters an account."""
        worlds.forbid(self.control, account_id, action)

    def permit(self, account_id: str) -> None:
        """Give that role its permissions back."""
        worlds.permit(self.control, account_id)

    def copies(self, stage: str) -> list[dict[str, Any]]:
        """Tell all copies of ours of one stage, as AWS has them, deleted ones too."""
        return [each for each in self.control.snapshots() if each["tags"].get("snapshot-dr:stage") == stage]

    def left(self, stage: str) -> list[dict[str, Any]]:
        """Tell those that are there now."""
        return [each for each in self.copies(stage) if not each["deleted"]]

    def in_flight(self, stage: str) -> int:
        """Count those that are under way."""
        return sum(each["state"] == "pending" for each in self.left(stage))

    def runs_by_source(self) -> dict[str, str]:
        """Tell which run made the KMS-C copy of each source that has one."""
        return {each["tags"]["SourceSnapshotId"]: each["tags"]["snapshot-dr:run"] for each in self.left("kms-c")}

    def expect_one_copy_each(self, sources: Iterable[SnapshotSeed]) -> None:
        """Expect exactly one KMS-C copy, completed, of each of these sources and of no other, and no KMS-B copy."""
        copies = self.left("kms-c")
        found = Counter(each["tags"]["SourceSnapshotId"] for each in copies)
        expected_once = Counter(source.snapshot_id for source in sources)
        assert found == expected_once, f"missing: {expected_once - found}, too many: {found - expected_once}"
        expected = ("completed", worlds.DR, worlds.kms_arn(worlds.DR, worlds.KMS_C_ID))
        assert {(each["state"], each["owner"], each["kms_key_arn"]) for each in copies} == {expected}
        assert self.left("kms-b") == []


def name_of(task: Mapping[str, Any]) -> str:
    """Name a task instance, with its map index if it has one."""
    return task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def documented_backfill(first: datetime, last: datetime) -> list[str]:
    """Take the command that the docs give, with other days."""
    text = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8").replace("\\\n", "")
    (command,) = re.findall(r"^airflow (backfill create .*)$", text, re.MULTILINE)
    days = iter((first, last))
    return [re.sub(r"^\d{4}-\d\d-\d\d", lambda _: f"{next(days):%Y-%m-%d}", word) for word in shlex.split(command)]


def today() -> datetime:
    """Tell when this day has begun, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def history(accounts: int, days: Sequence[int]) -> list[SnapshotSeed]:
    """Seed one snapshot of each account at noon of each of these days; 1 is yesterday."""
    return [
        worlds.source(
            worlds.account_id(number), 10 * number + ago, start=today() - timedelta(days=ago) + timedelta(hours=12)
        )
        for number in range(1, accounts + 1)
        for ago in days
    ]


def world_now(seeds: Sequence[SnapshotSeed], accounts: int, **behaviour: Any) -> World:
    """Build a world whose clock is that of the machine, as Airflow's is."""
    return worlds.world(accounts, seeds=seeds, **{"clock": None, "copy_seconds": 3.0, **behaviour})


@contextmanager
def deployed(
    sandbox: Sandbox, home: Path, dags_folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[RealDeployment]:
    """
    Deploy the DAGs of a folder, paused, within a ``with`` block, after which no process is left.

    :param home: of Airflow, which is new; its logs stay there.
    """
    settings_path = home / "settings.yaml"
    given = {
        **worlds.connections(worlds.world(1, 1)),
        **ENVIRONMENT,
        "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": str(settings_path),
        "AWS_ENDPOINT_URL": sandbox.endpoint_url,
        **(environment or {}),
    }
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with RealAirflow(dags_folder, given, home=home, local_settings=IMPORT_ONCE + RETRY_SOON) as airflow:
        yield RealDeployment(airflow, sandbox.control, settings_path)
        sessions = airflow.sessions
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before, f"processes {after - before} are left"
    assert [process for session in sessions for process in family(session)] == []
