"""
Measure what people would use instead, beside ours: the same sandbox, the same snapshots, one after another in one go.

    python -m benchmarks.peers [--accounts 4] [--snapshots 10] [--copy-seconds 3] [--slots 20]      # from the checkout
                               [--only NAME] [--timeout 600] [--json FILE]

Everybody has to do the whole chain: copy each snapshot under KMS-B in its own account, share the copy, copy it under
KMS-C in the DR account, delete it. Each starts on a world of its own, as good as new, enters the source accounts by a
role and may do everything there. What each of them is given lies in ``peers_given``:

- **c7n**: Cloud Custodian, by ``c7n-org``, which is its own way to several accounts; a policy for each step, and a
  script that runs them in order. None of its steps waits for copies within a Region, so between two of them the script
  asks it what is pending, by a policy too. It tags what it has copied: without that it copies its own copies.
- **aws cli**: a script of ``aws ec2 copy-snapshot`` and ``aws ec2 wait snapshot-completed``, which asks every 15 s.
- **plain dag**: an Airflow DAG of mapped tasks and boto3's waiters, with two retries. ``peers_dag.py`` runs its
  operators in 32 threads, as many tasks as Airflow runs at once by default, which share their clients; a scheduler, and
  a process for each task that signs in by itself, would cost more.

Each is run twice: all at once as it comes to mind first, and so that it starts no more copies than there are slots. It
counts its own copies only, so the second way holds as long as nobody else copies into the DR account. Of ours it is the
benchmark ``pipeline`` that is run: the operators and triggers, without Airflow either.

*copied*, *lost* and *twice* are counted by the sandbox's truth; a copy counts if it is completed, under KMS-C and
owned by the DR account, whatever its tags. What is in flight when a peer ends is let finish. *left* are copies under
KMS-B that nobody deleted, *refused* the calls of CopySnapshot that were answered by an error, *calls* all calls, those
to sign in among them, *peak* the copies in flight in the DR account. *lines* is what whoever sets it up has to write:
the files for both ways, or our settings. Whoever is not done after ``--timeout`` seconds is ended. *wall* is the
time of a peer's process; of ours, what ``pipeline`` measures.

AWS is simulated and its copies take seconds: **the times say nothing about AWS**; how many calls it took, what was
refused and what was lost do. Who takes longer to start a copy than a copy takes never fills the slots here, whatever it
would do on AWS: the AWS CLI needs a second of CPU time for each call, and meets the quota with longer copies and fewer
slots (``--snapshots 5 --copy-seconds 45 --slots 8 --only "aws cli, at once"``). All are pinned and installed once, with
uv, in environments below ``build/``, and whatever asks for something beyond loopback meets a closed port.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from benchmarks import peers_running as running
from benchmarks.report import parser_of, print_table, report
from benchmarks.scenario import Scenario, harvest, sandbox_process
from snapshot_dr_provider.sandbox import SandboxControl
from tests import worlds

CUSTODIAN: Final = ("c7n==0.9.53", "c7n-org==0.6.52")
AWS_CLI: Final = ("awscli==1.46.3",)
OURS: Final = "ours"

COLUMNS: Final = {
    "peer": "peer",
    "copied": "copied",
    "lost": "lost",
    "twice": "duplicates",
    "left": "kms_b_left",
    "wall s": "wall_s",
    "calls": "all_calls",
    "a snapshot": "calls_per_snapshot",
    "refused": "refusals",
    "peak": "peak_in_flight",
    "exit": "exit",
    "lines": "lines",
}
"""Heads of the table, and the figures below them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Describe how one is run.

    :param tool: what is installed for it; nothing means this interpreter.
    :param files: those given to it, the first of which is started with ``argument``.
    :param filled_in: given files that are filled in, and what they are called then.
    :param capped: whether it is told how many copies it may start at once.
    """

    name: str
    tool: tuple[str, ...]
    files: tuple[str, ...]
    argument: str = ""
    filled_in: Mapping[str, str] = field(default_factory=dict)
    capped: bool = False

    def lines(self) -> int:
        """Count the lines of its files that say something."""
        texts = [(running.GIVEN / name).read_text(encoding="utf-8") for name in (*self.files, *self.filled_in)]
        return sum(is_code(line) for text in texts for line in text.splitlines())

    def command(self) -> list[str]:
        """Say how it is started."""
        file = str(running.GIVEN / self.files[0])
        if self.argument:
            return [file, self.argument]
        # -P: the folder of the benchmarks has an airflow.py of its own.
        return [sys.executable, "-P", str(running.HERE / "peers_dag.py"), file]


POLICIES: Final = {"custodian_accounts.yml": "accounts.yml", "custodian_policies.yml": "policies.yml"}
PEERS: Final = (
    Peer("c7n, at once", CUSTODIAN, ("custodian.sh",), "all", POLICIES),
    Peer("c7n, batches", CUSTODIAN, ("custodian.sh",), "batches", POLICIES),
    Peer("aws cli, at once", AWS_CLI, ("cli.sh",), "parallel"),
    Peer("aws cli, batches", AWS_CLI, ("cli.sh",), "batches"),
    Peer("plain dag, at once", (), ("plain_dag.py",)),
    Peer("plain dag, capped", (), ("plain_dag.py",), capped=True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write JSON if asked to."""
    options = parse(arguments)
    # So that what a peer has started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rows = []
    for name in chosen(options.only):
        print(f"{name} ...", flush=True)
        scenario = Scenario(
            options.accounts, options.snapshots, options.copy_seconds, datetime.now(UTC), slots=options.slots
        )
        peer = next((peer for peer in PEERS if peer.name == name), None)
        rows.append(measure(peer, scenario, options.timeout) if peer else measure_ours(scenario, options.timeout))
    title = f"{options.accounts} accounts x {options.snapshots} snapshots, {options.copy_seconds:g} s a copy"
    table = [{head: row[key] for head, key in COLUMNS.items()} for row in rows]
    print_table(f"{title}, {options.slots} slots", table)
    for row in rows:
        if row["said"]:
            print(f"{row['peer']} said: {row['said']}")
    scale = {key: getattr(options, key) for key in ("accounts", "snapshots", "copy_seconds", "slots", "timeout")}
    report("peers", {"scale": scale, "pins": [*CUSTODIAN, *AWS_CLI], "rows": rows}, options.json)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of("peers", "Measure what people would use instead, beside ours.")
    parser.add_argument("--accounts", type=int, default=4, help="source accounts (default 4)")
    parser.add_argument("--snapshots", type=int, default=10, help="snapshots of each account (default 10)")
    parser.add_argument("--copy-seconds", type=float, default=3.0, help="how long a copy takes (default 3)")
    parser.add_argument("--slots", type=int, default=20, help="copies in flight that an account may have (default 20)")
    parser.add_argument("--only", metavar="NAME", help=f"one of {', '.join(chosen(None))}, or how some of them begin")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds until one is ended (default 600)")
    options = parser.parse_args(arguments)
    if not chosen(options.only):
        parser.error(f"--only {options.only}: there is no such peer. There are {', '.join(chosen(None))}.")
    return options


def chosen(beginning: str | None) -> list[str]:
    """Name those to measure."""
    names = [OURS, *(peer.name for peer in PEERS)]
    return [name for name in names if name.startswith(beginning or "")]


def measure(peer: Peer, scenario: Scenario, timeout: float) -> dict[str, Any]:
    """Let a peer do the work on a world of its own."""
    path = running.install(*peer.tool) if peer.tool else Path(sys.executable).parent
    values = running.values_of(scenario)
    values |= {"AT_ONCE": str(scenario.slots) if peer.capped else ""}
    with sandbox_process(running.open_world(scenario)) as control, TemporaryDirectory() as name:
        folder = Path(name)
        running.write_profiles(folder / "aws_config", scenario)
        for given, target in peer.filled_in.items():
            running.fill_in(given, folder, values, target=target)
        environment = running.environment_of(folder, control.endpoint_url, path=path, values=values)
        outcome = running.run(peer.command(), folder, environment, timeout)
        found = figures(control, scenario, outcome)
    return {"peer": peer.name, **found, "lines": peer.lines(), "said": outcome.said}


def measure_ours(scenario: Scenario, timeout: float) -> dict[str, Any]:
    """Let ours do the work, as the benchmark ``pipeline`` has it: on a world of its own too."""
    scale = {name: getattr(scenario, name) for name in ("accounts", "snapshots", "copy_seconds", "slots")}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in scale.items()]
    with TemporaryDirectory() as name:
        file = Path(name) / "pipeline.json"
        command = [sys.executable, "-m", "benchmarks.pipeline", *options, f"--json={file}"]
        outcome = running.run(command, Path(name), {**os.environ, "PYTHONPATH": str(running.HERE.parent)}, timeout)
        if not file.exists():
            raise SystemExit(f"benchmarks.pipeline wrote no figures (exit status {outcome.status}): {outcome.said}")
        found = json.loads(file.read_text(encoding="utf-8"))
    settings = yaml.safe_dump(worlds.settings(scenario.world()), sort_keys=False)
    taken = ("copied", "lost", "duplicates", "kms_b_left", "calls_per_snapshot", "refusals", "peak_in_flight", "calls")
    return {
        "peer": OURS,
        **{name: found[name] for name in taken},
        "wall_s": round(found["wall_s"], 1),
        "all_calls": sum(found["calls"].values()),
        "exit": "timeout" if outcome.status is None else str(outcome.status),
        "lines": len(settings.splitlines()),
        "said": outcome.said,
    }


def figures(control: SandboxControl, scenario: Scenario, outcome: running.Outcome) -> dict[str, Any]:
    """Count what the sandbox saw; copies that are in flight when a peer ends are let finish."""
    control.advance(scenario.copy_seconds)
    calls = control.calls()["by_action"]
    total = sum(calls.values())
    return {
        **asdict(harvest(control, scenario)),
        "wall_s": round(outcome.wall_s, 1),
        "all_calls": total,
        "calls": calls,
        "calls_per_snapshot": round(total / scenario.total, 3),
        "refusals": sum(call["action"] == "CopySnapshot" and call["code"] is not None for call in control.log()),
        "peak_in_flight": control.peak_in_flight().get(f"{worlds.DR}/{worlds.REGION}", 0),
        "exit": "timeout" if outcome.status is None else str(outcome.status),
    }


def is_code(line: str) -> bool:
    """Say whether a line is neither empty nor a comment."""
    return bool(line.strip()) and not line.strip().startswith("#")


if __name__ == "__main__":
    raise SystemExit(main())
