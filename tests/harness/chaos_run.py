"""
One organization, one seed, everything fails now and then: the process behind ``tests.chaos``.

    python -m tests.harness.chaos_run SEED ACCOUNTS SNAPSHOTS

It prints the result as JSON. The same seed gives the same faults and waits, if ``PYTHONHASHSEED`` is the same, too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from snapshot_dr_provider.sandbox import Sandbox, SandboxControl, World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from snapshot_dr_provider.stage import FAILURES
from snapshot_dr_provider.triggers.chance import by_chance_of
from snapshot_dr_provider.triggers.clock import on_clock
from tests import worlds
from tests.harness import sdk
from tests.harness.advanced_clock import AdvancedClock, InlineLoops
from tests.harness.dag_run import DagRun
from tests.harness.end_state import broken_laws, differences, live_copies
from tests.harness.run_book import RunBook

RUNS: Final = 3
"""In so many at the most everything that can be copied has to be."""

KINDS: Final = ("throttle", "server_error", "reset_before", "lost_answer")
RATE: Final = 0.01
"""Part of the calls that each of these hits, and part of the answers that are late: 5 % together."""

LATENCY: Final = 0.2
DELAY: Final = 45.0
"""Seconds that an answer takes, and a late one."""

REFUSED: Final = 0.01
"""Part of the starts that may be refused for want of a slot."""

COPY_ERRORS: Final = 0.12
LAG: Final = {"create": 20.0, "tags": 20.0, "share": 20.0, "delete": 20.0, "policy": 5.0, "policy_read": 5.0}
ENDLESS: Final = 1_000_000_000

REVOKED, KEYLESS = 2, 3
"""Numbers of the account that nobody can enter any more, and of the one whose key is disabled."""


@dataclass(slots=True)
class Result:
    """
    Say what became of an organization.

    :param verified: of the snapshots that can be copied, after each run.
    :param complaints: what is not as it has to be.
    :param calls: that the sandbox has answered, and how many of them were disturbed.
    :param refused: starts for want of a free slot.
    :param hours: that the runs have taken on the clock; ``seconds`` is what they took of the machine's.
    """

    seed: int
    copyable: int
    verified: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    calls: int = 0
    disturbed: int = 0
    refused: int = 0
    hours: float = 0.0
    seconds: float = 0.0


def main() -> None:
    """Do as the command line says."""
    seed, accounts, snapshots = map(int, sys.argv[1:4])
    # Whatever a library prints must not come between.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.disable(logging.CRITICAL)
    print(json.dumps(asdict(run_seed(seed, accounts, snapshots))), file=answers, flush=True)


def run_seed(seed: int, accounts: int, snapshots: int) -> Result:
    """Run the DAG until everything is copied, and judge what has become of it."""
    seeds = [seed_of(account, number) for account in range(1, accounts + 1) for number in range(1, snapshots + 1)]
    # The log of calls is not read, and the numbers of calls are kept without it.
    world = worlds.world(
        accounts, seeds=seeds, locked=True, copy_seconds=240.0, refusal_seconds=5.0, clock_rate=0.0, log_size=0
    )
    broken = {worlds.account_id(REVOKED), worlds.account_id(KEYLESS)}
    copyable = [each for each in seeds if each.account_id not in broken]
    result = Result(seed, len(copyable))
    began = time.perf_counter()
    with Sandbox(world) as sandbox, tempfile.TemporaryDirectory() as folder:
        control = sandbox.control
        prepare(world, sandbox.endpoint_url, Path(folder))
        break_things(control, seed, {each.account_id for each in seeds})
        book = run_until_copied(control, seed, copyable, result)
        truth = control.snapshots()
        result.complaints += [*broken_laws(truth), *differences(truth, copyable), *unnamed(book, truth, seeds)]
        calls = control.calls()
        result.calls = sum(calls["by_action"].values())
        result.refused = calls["refusals"].get("ec2:CopySnapshot ResourceLimitExceeded", 0)
        result.complaints += too_many_refused(result.refused, calls["by_action"]["ec2:CopySnapshot"])
        result.disturbed = sum(fault["fired"] for fault in control.faults())
        result.hours = (control.now() - worlds.NOW) / timedelta(hours=1)
    result.seconds = time.perf_counter() - began
    return result


def seed_of(account: int, number: int) -> SnapshotSeed:
    """Seed one snapshot; ids of :func:`~tests.worlds.source` are for fewer accounts."""
    return worlds.source(
        worlds.account_id(account),
        number,
        snapshot_id=f"snap-{account:05x}{number:012x}",
        volume_id=f"vol-{account:05x}{number:012x}",
    )


def prepare(world: World, endpoint_url: str, folder: Path) -> None:
    """Set connections, settings and endpoint."""
    settings = worlds.settings(world, **{**worlds.managed_window(), "tuning": {}})
    os.environ.update(
        worlds.connections(world),
        AWS_ENDPOINT_URL=endpoint_url,
        AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH=worlds.write_settings(folder / "settings.yaml", settings),
    )


def break_things(control: SandboxControl, seed: int, accounts: Iterable[str]) -> None:
    """Let reads lag and calls fail, take one account's role away, and another one's key."""
    control.set_lag(**LAG)
    control.delete_role(worlds.account_id(REVOKED), "SnapshotDr")
    keyless = worlds.account_id(KEYLESS)
    control.disable_key(worlds.kms_arn(keyless, worlds.kms_a_id(keyless)))
    for service in ("ec2", "kms", "sts"):
        for kind in KINDS:
            control.add_fault(kind=kind, service=service, rate=RATE, seed=seed, count=ENDLESS)
    for account_id in sorted({worlds.DR, *accounts} - {keyless}):
        # Where every copy fails for another reason, that one shall be told.
        control.add_fault(kind="copy_error", account_id=account_id, rate=COPY_ERRORS, seed=seed, count=ENDLESS)


def run_until_copied(control: SandboxControl, seed: int, copyable: Sequence[SnapshotSeed], result: Result) -> RunBook:
    """Run the DAG for the day again and again, as often as it may take; give the book of the last run."""
    chance = random.Random(seed)
    random.seed(seed)  # The SDK spreads its pauses by this one.
    clock = AdvancedClock(control.now(), control.advance)
    sdk.wait_on(clock)
    asyncio.set_event_loop_policy(InlineLoops(clock, lambda: DELAY if chance.random() < RATE else LATENCY))
    for number in range(1, RUNS + 1):
        book = RunBook()
        run = DagRun(f"chaos-{number}", clock.now(), f"{worlds.DAY:%Y-%m-%d}", book)
        with on_clock(clock), by_chance_of(chance), asyncio.Runner() as runner:
            runner.run(run.work())
        result.complaints += surprises(book)
        truth = control.snapshots()
        result.verified.append(sum(not differences(truth, [source]) for source in copyable))
        if result.verified[-1] == len(copyable):
            break
    return book


def too_many_refused(refused: int, starts: int) -> list[str]:
    """Complain when slots are not counted: nobody else takes any here."""
    is_much = refused > starts * REFUSED
    return [f"{refused} of {starts} starts were refused for want of a slot"] if is_much else []


def surprises(book: RunBook) -> list[str]:
    """Name what has ended by a mistake of ours instead of one of AWS."""
    return [f"{name}: {error}" for name, error in book.errors.items() if not error_is_ours(error)]


def error_is_ours(error: str) -> bool:
    """Tell whether a message is one of those that we raise for what AWS has answered."""
    kind = error.partition(":")[0]
    return kind == "AirflowException" or not kind.endswith(("Error", "Exception"))


def unnamed(book: RunBook, truth: Sequence[Any], seeds: Sequence[SnapshotSeed]) -> list[str]:
    """Say of the accounts that cannot be copied what is not told about them with its reason, or copied all the same."""
    revoked, keyless = worlds.account_id(REVOKED), worlds.account_id(KEYLESS)
    lost = [each for each in seeds if each.account_id in (revoked, keyless)]
    wrong = [f"{each.snapshot_id} was copied" for each in lost if is_copied(truth, each)]
    told = book.errors.get(f"account.plan_{index_of(revoked, seeds)}", "")
    if revoked not in told or "AccessDenied" not in told:
        wrong.append(f"the account that cannot be entered is not named with the reason: {told}")
    failures = book.pull("account.copy_to_kms_b", index_of(keyless, seeds), FAILURES, {})
    wrong += [
        f"{each.snapshot_id} is not named with the reason: {failures.get(each.snapshot_id)}"
        for each in lost
        if each.account_id == keyless and "disabled" not in failures.get(each.snapshot_id, "").lower()
    ]
    audit = book.errors.get("audit", "")
    wrong += [f"the audit does not name {each}: {audit}" for each in (revoked, keyless) if each not in audit]
    return wrong


def is_copied(truth: Sequence[Any], source: SnapshotSeed) -> bool:
    """Tell whether the DR account has a completed copy of a source."""
    return any(copy["state"] == "completed" for copy in live_copies(truth, source.snapshot_id))


def index_of(account_id: str, seeds: Sequence[SnapshotSeed]) -> int:
    """Give the place of an account's route, of which there is one each, in the order of their ids."""
    return sorted({each.account_id for each in seeds}).index(account_id)


if __name__ == "__main__":
    main()
