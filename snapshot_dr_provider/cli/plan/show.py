"""Show people what a run would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Column, Table
from rich.text import Text

from snapshot_dr_provider.domain.forecast import RouteForecast, Step
from snapshot_dr_provider.domain.forecast_report import RunForecast, full_gib

if TYPE_CHECKING:
    from rich.console import Console

MAX_NAMED: Final = 20
"""Snapshots of an account, and of each kind, that are named one by one; the JSON has them all."""


def show(report: RunForecast, console: Console) -> None:
    """Print what each account would do, why some is not wanted, and what it comes to."""
    days = f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC"
    console.print(Text(f"A run for {days} and {report.lookback_hours:g} hours before. Nothing was changed."))
    table = Table(
        "Account",
        *(Column(name, justify="right") for name in ("Wanted", "Kept", "Hop 1", "Adopted", "Hop 2", "GiB", "Deletes")),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for each in report.routes:
        _add(table, each, report)
    console.print(table)
    for line in _details(report):
        console.print(Text(line))
    for line in summary(report):
        console.print(Text(line))


def _add(table: Table, each: RouteForecast, report: RunForecast) -> None:
    if each.error:
        table.add_row(each.route.label, Text("not ready yet" if each.excused else "could not be read", style="red"))
        return
    kept = sum(source.hop_1 is Step.NONE and source.hop_2 is Step.NONE for source in each.sources)
    adopted = sum(Step.ADOPT in (source.hop_1, source.hop_2) for source in each.sources)
    first, second = report.hop_1([each]), report.hop_2([each])
    gib = full_gib(first) + full_gib(second)
    counts = (len(each.sources), kept, len(first), adopted, len(second))
    table.add_row(each.route.label, *map(str, counts), f"{gib:,.1f}", str(len(each.deletes) + each.passing))


def _details(report: RunForecast) -> Iterator[str]:
    for each in report.routes:
        label = each.route.label
        if each.error:
            yield f"{label}: {each.error}"
        for reason, number in Counter(each.not_wanted.values()).most_common():
            yield f"{label}: {number} not wanted: {reason}"
        for warning in each.warnings:
            yield f"{label}: {warning}"
        yield from _named(f"{label}: would fail", each.failing.items())
        yield from _named(f"{label}: deletes KMS-B copy", each.deletes)


def _named(what: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    listed = list(pairs)
    for name, why in listed[:MAX_NAMED]:
        yield f"{what} {name}: {why}"
    if len(listed) > MAX_NAMED:
        yield f"{what} {len(listed) - MAX_NAMED} more; --json has them all"


def summary(report: RunForecast) -> Iterator[str]:
    """Say what all of it comes to, and how far that can be relied on."""
    first, second = report.hop_1(), report.hop_2()
    yield (
        f"Hop 1: {len(first)} copies, {full_gib(first):,.1f} GiB. Hop 2: {len(second)} copies, {full_gib(second):,.1f} "
        "GiB. These are full sizes, an upper bound: incremental copies move less."
    )
    minutes = sorted({f"{slots.copy_minutes:g}" for slots in report.slots.values()}, key=float)
    yield (
        f"About {report.hours:.2f} hours with the slots of the settings, at {' or '.join(minutes)} minutes a copy "
        "(--copy-minutes; completion_duration_minutes where it is set)."
    )
    yield from _retention(report)
    cost = report.cost()
    if cost is None:
        yield "No cost: the settings have no prices."
        return
    missing = f" Not counted, for want of a price: {', '.join(cost.not_counted)}." if cost.not_counted else ""
    yield (
        f"At most {cost.once:,.2f} {cost.currency} for copying, and {cost.per_month:,.2f} {cost.currency} a month for "
        f"the new KMS-C copies, by the prices of the settings.{missing}"
    )


def _retention(report: RunForecast) -> Iterator[str]:
    first = report.hop_1()
    full = [source for source in first if not source.may_be_incremental]
    kept = [gib for each in report.routes for gib in each.kept_gib]
    cost = report.cost()
    price = f" ({cost.kept_per_month:,.2f} {cost.currency} a month at most)" if cost and cost.kept_per_month else ""
    keeps = f"{len(kept)} KMS-B copies of {sum(kept):,.1f} GiB at most in the source accounts{price}"
    are_full = (
        f"kms_b_retention is {report.retention}: {len(full)} of {len(first)} copies of hop 1 are full ones, "
        f"{full_gib(full):,.1f} GiB"
    )
    if report.retention == "none":
        yield f"{are_full}. newest_per_volume would keep {keeps}, on which the next copies could build."
    else:
        yield f"{are_full}. It keeps {keeps}, on which the next copies can build."
