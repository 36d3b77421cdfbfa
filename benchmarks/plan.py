"""
Measure what it takes to plan one account: seconds and memory, and how both grow with the number of its snapshots.

    python -m benchmarks.plan [--snapshots 100000] [--records 100000] [--rounds 3] [--newest-per-volume] [--json FILE]

Two decisions are measured, with a tenth, a quarter, a half and all of the snapshots and records:

- *plan*: what :class:`~snapshot_dr_provider.operators.plan_copies.PlanCopiesOperator` decides: ``candidates``, then
  ``plan_copies``, of N source snapshots against R copies with lineage tags, half of them under KMS-B, half under KMS-C;
- *retire*: what :class:`~snapshot_dr_provider.operators.delete_kms_b.DeleteKmsBOperator` decides: ``plan_retirement``,
  with N wanted sources against the same R copies.

The settings are the defaults; with ``--newest-per-volume`` only the newest snapshot of each volume is wanted, and its
KMS-B copy is kept, which is more to do. The values are there before the clock starts, and making them is told apart; in
a run the hooks make them from the answers of AWS. As there, no two of them share a string.

Each figure comes from a process of its own. The seconds are the processor's, the median of some rounds: a decision
waits for nothing, so that a clock shows the same where nothing else runs, and ``wall_s`` is what it did show. They, and
what the process takes at its peak (``process_mb``), are measured without tracemalloc; ``extra_mb``, the peak of what a
decision allocates on top of the values, is measured with it, in another process. *Growth* is the slope of the
least-squares line through the logarithms of sizes and figures: 1 is linear.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import linear_regression
from typing import Any, Final

from benchmarks.report import parser_of, print_table, report
from snapshot_dr_provider.domain.coverage import Expectation, size_of
from snapshot_dr_provider.domain.lineage import Lineage, Stage, describe_copy, encode_tags
from snapshot_dr_provider.domain.planning import Origin, Selection, candidates, plan_copies
from snapshot_dr_provider.domain.retirement import plan_retirement
from snapshot_dr_provider.domain.routes import Retention, Scope
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot

FRACTIONS: Final = (0.1, 0.25, 0.5, 1.0)
SECONDS_AT_MOST: Final = 3.0
MEGABYTES_AT_MOST: Final = 500.0

ACCOUNT: Final = "111111111111"
DR_ACCOUNT: Final = "999999999999"
REGION: Final = "us-east-1"
KEYS: Final = {stage: f"arn:aws:kms:{REGION}:{DR_ACCOUNT}:key/{stage.value}-4000-8000-0000000001" for stage in Stage}
OWNERS: Final = {Stage.KMS_B: ACCOUNT, Stage.KMS_C: DR_ACCOUNT}
EXPECTED: Final = {stage: Expectation(stage, OWNERS[stage], frozenset({KEYS[stage]})) for stage in Stage}

DAY: Final = datetime(2026, 3, 1, tzinfo=UTC)
VOLUME_AGES: Final = 4
"""Snapshots of each volume, one a day: of the interval, and of the three days that are looked back on."""


@dataclass(frozen=True, slots=True)
class Work:
    """Say how much is decided, and under which settings."""

    snapshots: int
    records: int
    scope: Scope = "every"
    retention: Retention = "none"


@dataclass(frozen=True, slots=True)
class Account:
    """What is read of one account before anything is decided."""

    sources: list[Snapshot]
    kms_b_copies: list[Snapshot]
    kms_c_copies: list[Snapshot]


@dataclass(frozen=True, slots=True)
class Figures:
    """
    State what one decision took.

    :param making_s: seconds of the processor that making the values took.
    :param seconds: those of the decision itself.
    :param wall_s: seconds that went by during the decision.
    :param process_mb: most memory that the process ever had, the interpreter and the values among it.
    :param extra_mb: most memory that the decision had allocated at a time; ``None`` where it was not traced.
    """

    snapshots: int
    records: int
    making_s: float
    seconds: float
    wall_s: float
    process_mb: float
    extra_mb: float | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write JSON if asked to."""
    parser = parser_of("plan", "Measure the planning of copies.")
    parser.add_argument("--snapshots", type=int, default=100_000, help="sources of the account (default 100000)")
    parser.add_argument("--records", type=int, default=100_000, help="copies with lineage (default 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (default 3)")
    parser.add_argument("--newest-per-volume", action="store_true", help="scope and retention that do more")
    options = parser.parse_args(arguments)
    figures = {name: examine(name, options) for name in DECISIONS}
    report("plan", figures, options.json)
    return 0


def examine(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one decision at all sizes and print its table."""
    found = [measure(name, make_work(options, part), options.rounds) for part in FRACTIONS]
    sizes = [figures.snapshots + figures.records for figures in found]
    growth = {
        "seconds": growth_of(sizes, [figures.seconds for figures in found]),
        "extra_mb": growth_of(sizes, [figures.extra_mb or 0 for figures in found]),
    }
    met = found[-1].seconds < SECONDS_AT_MOST and found[-1].process_mb < MEGABYTES_AT_MOST
    print_table(
        f"{name}: {TITLES[name]}",
        [asdict(figures) for figures in found],
        note=f"Growth: seconds {growth['seconds']:.2f}, extra memory {growth['extra_mb']:.2f}; 1 is linear. "
        f"Target, below {SECONDS_AT_MOST:g} s and {MEGABYTES_AT_MOST:g} MB: {'met' if met else 'MISSED'}.",
    )
    return {"sizes": [asdict(figures) for figures in found], "growth": growth, "met": met}


def make_work(options: argparse.Namespace, part: float) -> Work:
    """Say what is decided at one size."""
    sizes = int(options.snapshots * part), int(options.records * part)
    return Work(*sizes, "newest_per_volume", "newest_per_volume") if options.newest_per_volume else Work(*sizes)


def measure(name: str, work: Work, rounds: int) -> Figures:
    """Take the figures of one size: time and the process without tracing, and what is allocated with it."""
    timed = sorted((alone(name, work) for _ in range(rounds)), key=lambda figures: figures.seconds)
    traced = alone(name, work, traced=True)
    return replace(timed[len(timed) // 2], extra_mb=traced.extra_mb)


def alone(name: str, work: Work, *, traced: bool = False) -> Figures:
    """Take the figures in an interpreter that has done nothing else."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(decide_once, name, work, traced=traced).result()


def decide_once(name: str, work: Work, *, traced: bool) -> Figures:
    """Make the values, decide, and say what it took."""
    started = time.process_time()
    account = make_account(work.snapshots, work.records)
    making = time.process_time() - started
    if traced:
        tracemalloc.start()
    began, started = time.perf_counter(), time.process_time()
    DECISIONS[name](account, work)
    return Figures(
        snapshots=work.snapshots,
        records=work.records,
        making_s=making,
        seconds=time.process_time() - started,
        wall_s=time.perf_counter() - began,
        # Linux counts in KiB. An interpreter that was spawned starts with the peak of its parent, which is small here.
        process_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        extra_mb=tracemalloc.get_traced_memory()[1] / 2**20 if traced else None,
    )


def plan(account: Account, work: Work) -> None:
    """Decide what is copied, as the first stage of an account does."""
    selection = Selection(
        start=DAY,
        end=DAY + timedelta(days=1),
        lookback=timedelta(days=VOLUME_AGES - 1),
        exclude_tags=(("backup", "no*"),),
        scope=work.scope,
    )
    origin = Origin(ACCOUNT, REGION, EXPECTED[Stage.KMS_C])
    candidates(account.sources, account.kms_b_copies, selection, origin)
    plan_copies(
        account.sources,
        account.kms_b_copies,
        account.kms_c_copies,
        selection,
        origin,
        retention=work.retention,
    )


def retire(account: Account, work: Work) -> None:
    """Decide what is deleted, as the last stage of an account does."""
    plan_retirement(
        wanted={source.snapshot_id: size_of(source) for source in account.sources},
        kms_b_copies=account.kms_b_copies,
        kms_c_copies=account.kms_c_copies,
        kms_b=EXPECTED[Stage.KMS_B],
        kms_c=EXPECTED[Stage.KMS_C],
        retention=work.retention,
    )


DECISIONS: Final[Mapping[str, Callable[[Account, Work], None]]] = {"plan": plan, "retire": retire}
TITLES: Final = {
    "plan": "snapshots of an account, against records of copies",
    "retire": "wanted sources, against records of copies",
}


def make_account(snapshots: int, records: int) -> Account:
    """Make sources, and for the first of them a KMS-B and a KMS-C copy each; in no order, as AWS lists them."""
    account = Account(
        sources=[make_source(number) for number in range(snapshots)],
        kms_b_copies=[make_copy(number, Stage.KMS_B) for number in range((records + 1) // 2)],
        kms_c_copies=[make_copy(number, Stage.KMS_C) for number in range(records // 2)],
    )
    shuffle = random.Random(1).shuffle  # noqa: S311  # an order, not a secret
    shuffle(account.sources)
    shuffle(account.kms_b_copies)
    shuffle(account.kms_c_copies)
    return account


def make_source(number: int) -> Snapshot:
    """Make a snapshot of one of the account's volumes; every tenth is excluded by a tag."""
    tags = {"Name": f"disk of server {number}", "team": "payments", "backup": "none" if number % 10 == 0 else "daily"}
    return Snapshot(
        snapshot_id=f"snap-{number:017x}",
        owner_id=fresh(ACCOUNT),
        volume_id=f"vol-{number // VOLUME_AGES:017x}",
        state="completed",
        start_time=start_of(number),
        volume_size_gib=300 + number % 700,
        full_snapshot_bytes=10**11 + number,
        encrypted=True,
        kms_key_arn=fresh(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/a0a0a0a0-0000-4000-8000-000000000001"),
        description=f"Created by the daily job {number}",
        progress_percent=100,
        tags={fresh(key): fresh(value) for key, value in tags.items()},
    )


def make_copy(number: int, stage: Stage) -> Snapshot:
    """Make the completed copy of a source, as the engine would have started it and AWS would list it."""
    lineage = Lineage(
        source_account=ACCOUNT,
        source_region=REGION,
        source_snapshot_id=f"snap-{number:017x}",
        source_volume_id=f"vol-{number // VOLUME_AGES:017x}",
        source_start_time=start_of(number),
        stage=stage,
        kms_key_arn=KEYS[stage],
        run="scheduled__2026-03-02T00:00:00+00:00",
    )
    return Snapshot(
        snapshot_id=f"snap-{'bc'[stage is Stage.KMS_C]}{number:016x}",
        owner_id=fresh(OWNERS[stage]),
        volume_id=fresh(PLACEHOLDER_VOLUME_ID),
        state="completed",
        start_time=start_of(number) + timedelta(hours=26, seconds=number % 3600),
        volume_size_gib=300 + number % 700,
        full_snapshot_bytes=10**11 + number,
        encrypted=True,
        kms_key_arn=fresh(KEYS[stage]),
        description=describe_copy(lineage),
        progress_percent=100,
        tags={fresh(key): fresh(value) for key, value in encode_tags(lineage).items()},
    )


def start_of(number: int) -> datetime:
    """Say when a source was taken: each of a volume on another day, all of them at another second."""
    return DAY - timedelta(days=number % VOLUME_AGES) + timedelta(seconds=number % 86_400)


def fresh(text: str) -> str:
    """Copy a string, as whatever reads an answer from a wire does: equal values there are not the same object."""
    return text.encode().decode()


def growth_of(sizes: Sequence[int], figures: Sequence[float]) -> float:
    """Fit the exponent with which figures grow."""
    slope, _ = linear_regression([math.log(size) for size in sizes], [math.log(figure) for figure in figures])
    return slope


if __name__ == "__main__":
    sys.exit(main())
