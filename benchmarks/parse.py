"""
Measure what it takes to parse the daily DAG, beside DAG files that do nothing.

    python -m benchmarks.parse [--runs 7] [--file dags/snapshot_dr.py] [--json FILE]                # from the checkout

Three files: *ours*; *empty*, which imports from Airflow what ours imports from it and has one task that does nothing;
*amazon*, which is the empty one with one operator of the amazon provider. Ours is made of such operators, so that what
the third takes cannot be avoided, and how far ours is from it is our own doing.

Two figures of each, as an Airflow component does it, by ``DagBag``:

- *process*: a fresh interpreter that imports Airflow and then parses the file, from its start to its end, as a worker
  or ``airflow dags test`` does. The target is set for this one: at most 1.2 times the empty file.
- *forked*: the dag processor has imported Airflow, and what a file itself names below ``airflow.``, before it forks a
  process that parses the file. Only this last parse is measured. An empty file leaves nearly nothing to do there, and
  the amazon provider has been imported for the third file but not for ours, which names only our own modules. So a
  ratio to the empty file says little here; the difference in milliseconds is what each parse of ours costs.

Seconds are the processor's, medians of the runs; the three files take turns. The last table is where the imports go
that ours has and the empty file has not, by ``-X importtime``, which slows them down: read it as shares.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.report import parser_of, print_table, report

CHECKOUT: Final = Path(__file__).parent.parent
TARGET: Final = 1.2
LISTED: Final = 10

EMPTY: Final = '''
import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, CronDataIntervalTimetable, Param, XComArg, task_group


class NothingOperator(BaseOperator):
    def execute(self, context):
        """Do nothing."""


with DAG(
    dag_id="{name}",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={{"day": Param(None, type=["null", "string"], format="date")}},
):
    NothingOperator(task_id="nothing")
'''
AMAZON: Final = (
    EMPTY.replace(
        "\n\n\nclass", "\nfrom airflow.providers.amazon.aws.operators.ec2 import EC2StartInstanceOperator\n\n\nclass"
    )
    + """    EC2StartInstanceOperator(task_id="start", instance_id="i-1")
"""
)

PARSE: Final = """
import sys, time
from airflow.dag_processing.dagbag import DagBag

def parse(file):
    bag = DagBag(file, load_op_links=False)
    if bag.import_errors or not bag.dags:
        raise SystemExit(f"{file} could not be parsed: {bag.import_errors}")
"""
"""What both figures begin with."""

PROCESS: Final = f"""{PARSE}
parse(sys.argv[1])
print(time.process_time(), len(sys.modules))
"""
FORKED: Final = f"""{PARSE}
import importlib, os
from airflow.dag_processing import processor  # all that the dag processor has imported
from airflow.utils.file import iter_airflow_imports

for module in iter_airflow_imports(sys.argv[1]):
    importlib.import_module(module)
for _ in range(int(sys.argv[2])):
    if not os.fork():
        began, known = time.process_time(), len(sys.modules)
        parse(sys.argv[1])
        print(time.process_time() - began, len(sys.modules) - known, flush=True)
        os._exit(0)
    _, status = os.wait()
    if status:
        raise SystemExit("the forked process failed; see above")
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write JSON if asked to."""
    parser = parser_of("parse", "Measure the parsing of the daily DAG.")
    parser.add_argument("--runs", type=int, default=7, help="of which the median counts (default 7)")
    parser.add_argument("--file", type=Path, default=CHECKOUT / "dags" / "snapshot_dr.py", help="the DAG file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="snapshot-dr-parse-") as home:
        files = {"empty": Path(home, "empty.py"), "amazon": Path(home, "amazon.py"), "ours": options.file.resolve()}
        files["empty"].write_text(EMPTY.format(name="empty"), encoding="utf-8")
        files["amazon"].write_text(AMAZON.format(name="amazon"), encoding="utf-8")
        figures: dict[str, Any] = {
            "process": table_of("process", measure_processes(files, home, options.runs)),
            "forked": table_of("forked", measure_forks(files, home, options.runs)),
            "added_imports": added_imports(files, home),
        }
    ratio = figures["process"]["ours"]["to_empty"]
    print(f"ours / empty, of a whole process: {ratio:.2f}; target {TARGET}: {'met' if ratio <= TARGET else 'MISSED'}")
    report("parse", {**figures, "ratio": ratio, "met": ratio <= TARGET}, options.json)
    return 0


def measure_processes(files: Mapping[str, Path], home: str, runs: int) -> dict[str, list[tuple[float, int]]]:
    """Parse each file in fresh interpreters, in turns: processor seconds and modules of each."""
    for file in files.values():
        run(PROCESS, home, file)  # compiles what is not compiled yet
    found: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for _ in range(runs):
        for name, file in files.items():
            found[name] += read(run(PROCESS, home, file).stdout)
    return found


def measure_forks(files: Mapping[str, Path], home: str, runs: int) -> dict[str, list[tuple[float, int]]]:
    """Parse each file in forks of a process that has imported what the dag processor imports."""
    return {name: read(run(FORKED, home, file, str(runs)).stdout) for name, file in files.items()}


def run(program: str, home: str, file: Path, *arguments: str, python: Sequence[str] = ()) -> Any:
    """Run a program of this module in an Airflow of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS"))}
    environment = {**kept, "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, *python, "-c", program, str(file), *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"parsing {file} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done


def read(output: str) -> list[tuple[float, int]]:
    """Read the figures that a program printed; Airflow may have logged something before them."""
    pairs = [line.split() for line in output.splitlines()]
    return [(float(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2 and pair[1].isdigit()]  # noqa: PLR2004


def table_of(kind: str, found: Mapping[str, Sequence[tuple[float, int]]]) -> dict[str, dict[str, Any]]:
    """Print the medians, and what ours is to the others."""
    seconds = {name: median(second for second, _ in pairs) for name, pairs in found.items()}
    rows = {
        name: {
            "seconds": seconds[name],
            "to_empty": seconds[name] / seconds["empty"],
            "to_amazon": seconds[name] / seconds["amazon"],
            "more_than_empty_ms": 1000 * (seconds[name] - seconds["empty"]),
            "modules": max(modules for _, modules in found[name]),
        }
        for name in found
    }
    print_table(f"{kind}, medians of {len(found['ours'])}", [{"file": name, **row} for name, row in rows.items()])
    return rows


def added_imports(files: Mapping[str, Path], home: str) -> list[dict[str, Any]]:
    """Print the packages whose import costs most, of those modules that ours imports and the empty file does not."""
    took = {name: import_times(run(PROCESS, home, files[name], python=["-X", "importtime"]).stderr) for name in files}
    packages: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for module, microseconds in took["ours"].items():
        if module not in took["empty"]:
            packages[package_of(module)] += microseconds
            modules[package_of(module)] += 1
    total = packages.total()
    unavoidable = {package_of(module) for module in took["amazon"].keys() - took["empty"].keys()}
    rows = [
        {
            "package": package,
            "modules": modules[package],
            "ms": microseconds / 1000,
            "share": f"{microseconds / total:.0%}",
            "amazon has it": "yes" if package in unavoidable else "no",
        }
        for package, microseconds in packages.most_common(LISTED)
    ]
    print_table(
        f"What ours imports and the empty file does not: {modules.total()} modules, {total / 1000:.0f} ms", rows
    )
    return rows


def import_times(log: str) -> dict[str, int]:
    """Read what ``-X importtime`` wrote: microseconds of each module, without those that it imports."""
    lines = [
        line.removeprefix("import time:").split("|") for line in log.splitlines() if line.startswith("import time:")
    ]
    return {parts[2].strip(): int(parts[0]) for parts in lines if parts[0].strip().isdigit()}


def package_of(module: str) -> str:
    """Name what a module is part of, as fine as one can do something about it."""
    parts = module.split(".")
    depth = {"airflow": 3, "snapshot_dr_provider": 2}.get(parts[0], 1)
    return ".".join(parts[:depth])


if __name__ == "__main__":
    sys.exit(main())
