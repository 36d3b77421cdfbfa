"""
Measure the engine: from source snapshots to KMS-C copies, against the sandbox, and how far that is from the quota.

    python -m benchmarks.pipeline [--accounts 20] [--snapshots 10] [--copy-seconds 3] [--slots 20] [--triggerers 1]
        [--advanced-clock] [--json FILE] [--timeline FILE]                                       # from the checkout

For each account the six tasks of the DAG's own task group run one after the other: the real operators in threads, as
many at once as there are worker slots, and the real triggers in one event loop, rebuilt from their serialised form. A
stage begins when the one before is over, never sooner; the accounts run side by side. The sandbox has a process of its
own.

*Measured* is everything from the first stage of the first account to the last stage of the last one: seconds, calls
that the sandbox answered, signing in among them, CPU seconds and the most memory of the processes that triggers and
workers share. The bound is what the copies need by themselves, see :func:`~benchmarks.pipeline_figures.bound_of`.

*Not measured* is Airflow: no scheduler, no database, no retries, and no process for each task. In a deployment each
task imports its DAG and opens its clients by itself; ``benchmarks.airflow`` measures that.

With ``--advanced-clock`` the sandbox's clock stands still while anything moves, and skips the time in which everything
waits; whatever a thread does takes ``--latency`` on it. The settings are the defaults then, unless ``--poll`` or
``--settle`` say otherwise. On the machine's clock both are scaled to the copies, which take seconds here and minutes
on AWS, and a trigger may fire at once.

The exit status is 1 when a snapshot was lost or copied twice.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from benchmarks.pipeline_figures import Timeline, bound_of, calls_of, outcome_of
from benchmarks.pipeline_order import Order, Result
from benchmarks.pipeline_processes import cpu_of_sandbox, environment_of, run_processes
from benchmarks.report import parser_of, print_table, report
from benchmarks.scenario import Scenario, sandbox_process
from snapshot_dr_provider.sandbox import SandboxControl, World
from tests import worlds

STANDING: Final[Mapping[str, float]] = {"first_fire_seconds": 0.0}
"""Tuning on the machine's clock, where copies take seconds: the race that a trigger waits for is one of schedulers."""

POLLS_PER_COPY: Final = 2
SETTLES_PER_COPY: Final = 2.2
"""Parts of a copy's duration; a copy is trusted to be the only one when it has taken two of the latter."""

LATENCY: Final = 0.2
"""Seconds that an answer takes on the advanced clock. An assumption: with none, looks and ends of copies coincide."""

NAMED_FAILURES: Final = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write JSON if asked to."""
    options = read_options(arguments)
    figures, timelines = measure(options)
    print_figures(figures)
    report("pipeline", figures, options.json)
    if options.timeline:
        options.timeline.write_text(json.dumps(timelines) + "\n", encoding="utf-8")
    return 1 if figures["lost"] or figures["duplicates"] else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of("pipeline", "Measure the engine against the sandbox.")
    add = parser.add_argument
    add("--accounts", type=int, default=20, help="of the organization (default 20)")
    add("--snapshots", type=int, default=10, help="of each account (default 10)")
    add("--copy-seconds", type=float, default=3.0, help="how long each copy takes (default 3)")
    add("--slots", type=int, default=20, help="copies that an account may have in flight (default 20)")
    add("--triggerers", type=int, default=1, help="processes that share the accounts (default 1)")
    add("--workers", type=int, default=4, help="worker slots of all of them together (default 4)")
    add("--poll", type=float, help="seconds between two looks (default: a part of a copy's duration)")
    add("--settle", type=float, help="seconds that AWS's reads may lag behind (default likewise)")
    add("--lag", type=float, default=0.0, help="seconds that the sandbox's reads do lag behind (default 0)")
    add("--advanced-clock", action="store_true", help="skip the time in which everything waits; default settings")
    add("--latency", type=float, default=LATENCY, help=f"seconds of an answer on that clock (default {LATENCY:g})")
    add("--timeline", type=Path, metavar="FILE", help="write the slots in use over time there, as JSON")
    options = parser.parse_args(arguments)
    if options.advanced_clock and options.triggerers > 1:
        parser.error("--advanced-clock takes one triggerer: several cannot know of each other that all are waiting")
    return options


def tuning_of(options: argparse.Namespace) -> dict[str, float]:
    """Choose the tuning in the settings; what is not chosen is a default of the settings."""
    seconds = options.copy_seconds
    scaled = {"poll_seconds": seconds / POLLS_PER_COPY, "settle_seconds": seconds / SETTLES_PER_COPY, **STANDING}
    given = {"poll_seconds": options.poll, "settle_seconds": options.settle}
    return {
        **({} if options.advanced_clock else scaled),
        **{name: value for name, value in given.items() if value is not None},
    }


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let the processes do the work, and ask the sandbox what came of it: figures, and the slots in use over time."""
    now = datetime.now(UTC)
    scenario = Scenario(options.accounts, options.snapshots, options.copy_seconds, now, options.slots)
    world = scenario.world(**({"clock": now, "clock_rate": 0.0} if options.advanced_clock else {}))
    with sandbox_process(world) as control, tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        control.set_lag(create=options.lag, tags=options.lag, share=options.lag, delete=options.lag)
        path = write_settings(Path(folder), world, options)
        before = cpu_of_sandbox()
        results = run_processes(orders(options, scenario, path), environment_of(world, control), Path(folder))
        sandbox_cpu_s = cpu_of_sandbox() - before
        return figures_of(options, scenario, control, results, sandbox_cpu_s)


def write_settings(folder: Path, world: World, options: argparse.Namespace) -> str:
    """Write the settings of the organization and answer their path."""
    settings = worlds.settings(world, tuning=tuning_of(options))
    slots = {"copy_slots": options.slots, "source_copy_slots": options.slots}
    settings["destinations"][worlds.REGION].update(slots)
    return worlds.write_settings(folder / "settings.yaml", settings)


def orders(options: argparse.Namespace, scenario: Scenario, settings_path: str) -> list[Order]:
    """Share the work between the processes."""
    return [
        Order(
            settings_path=settings_path,
            place=place,
            processes=options.triggerers,
            workers=max(1, options.workers // options.triggerers),
            now=scenario.now.isoformat(),
            day=scenario.day.isoformat(),
            advanced=options.advanced_clock,
            latency=options.latency,
        )
        for place in range(options.triggerers)
    ]


def figures_of(
    options: argparse.Namespace,
    scenario: Scenario,
    control: SandboxControl,
    results: Sequence[Result],
    sandbox_cpu_s: float,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put together what the processes and the sandbox say: the figures, and the slots in use over time."""
    began = min(datetime.fromisoformat(result.began) for result in results)
    truth = control.snapshots()
    dr = Timeline.of((each for each in truth if each["owner"] == worlds.DR), began)
    org_a = Timeline.of((each for each in truth if each["owner"] != worlds.DR), began)
    files = {"json", "timeline"}
    figures = {
        "options": {name: value for name, value in vars(options).items() if name not in files},
        "tuning": tuning_of(options),
        **outcome_of(control, scenario, dr),
        **speed_of(results, bound_of(scenario)),
        **calls_of(control, scenario),
        **costs_of(results, scenario),
        "sandbox_cpu_s": round(sandbox_cpu_s, 2),
        "failures": [failure for result in results for failure in result.failures],
    }
    return figures, {"slots": options.slots, "dr": dr.points, "org_a": org_a.points}


def speed_of(results: Sequence[Result], bound_s: float) -> dict[str, Any]:
    """Hold the time from the first stage to the last one, of all processes, against the bound."""
    began = min(datetime.fromisoformat(result.began) for result in results)
    ended = max(datetime.fromisoformat(result.ended) for result in results)
    wall_s = (ended - began).total_seconds()
    return {
        "bound_s": bound_s,
        "wall_s": round(wall_s, 3),
        "ratio": round(wall_s / bound_s, 4),
        "real_s": round(max(result.real_s for result in results), 3),
        "stages": {name: stage_of(results, name) for name in results[0].stages},
    }


def stage_of(results: Sequence[Result], name: str) -> dict[str, float]:
    """Tell how long one stage took of an account: on average, and at most."""
    seconds = [each for result in results for each in result.stages.get(name, ())]
    return {"mean_s": round(fmean(seconds), 3), "max_s": round(max(seconds), 3)}


def costs_of(results: Sequence[Result], scenario: Scenario) -> dict[str, Any]:
    """Sum up what the processes took; the memory is that of the largest one."""
    cpu_s = sum(result.cpu_s for result in results)
    return {
        "cpu_s": round(cpu_s, 2),
        "cpu_ms_per_snapshot": round(1000 * cpu_s / scenario.total, 2),
        "rss_mb": round(max(result.rss_mb for result in results), 1),
        "worker_s": round(sum(result.worker_s for result in results), 2),
    }


RESULTS: Final = ("copied", "lost", "duplicates", "kms_b_left", "bound_s", "wall_s", "ratio", "real_s")
SLOTS: Final = ("peak_in_flight", "peak_in_flight_org_a", "utilisation", "full_share", "refusals", "refusal_share")
CALLS: Final = (
    "calls_per_snapshot",
    "ec2_calls_per_snapshot",
    "sts_calls_per_snapshot",
    "mutating_calls_per_snapshot",
)
COSTS: Final = ("cpu_s", "cpu_ms_per_snapshot", "rss_mb", "worker_s", "sandbox_cpu_s")


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print the figures as tables."""
    for title, names in (("Copies", RESULTS), ("Slots", SLOTS), ("Calls", CALLS), ("Costs", COSTS)):
        print_table(title, [{name: figures[name] for name in names}])
    total = figures["copied"] + figures["lost"]
    calls = [
        {"action": name, "calls": number, "a snapshot": number / total} for name, number in figures["calls"].items()
    ]
    print_table("Calls by action", calls)
    print_table("Stages of an account", [{"stage": name, **each} for name, each in figures["stages"].items()])
    failures = figures["failures"]
    for failure in failures[:NAMED_FAILURES]:
        print(failure)
    if len(failures) > NAMED_FAILURES:
        print(f"... and {len(failures) - NAMED_FAILURES} more tasks that did not succeed; --json has them all")


if __name__ == "__main__":
    sys.exit(main())
