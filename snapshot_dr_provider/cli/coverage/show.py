"""Show the coverage to people: the age of each volume's newest DR copy at a glance, the gaps first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Column, Table
from rich.text import Text

from snapshot_dr_provider.domain.coverage_report import HOUR, CoverageReport, RouteCoverage
from snapshot_dr_provider.domain.volume_coverage import State, VolumeCoverage

if TYPE_CHECKING:
    from rich.console import Console

_MANY_HOURS: Final = 100

_STYLES: Final[Mapping[State, str]] = {
    State.COVERED: "green",
    State.NEW: "yellow",
    State.BEHIND: "bold red",
    State.STALE: "bold red",
    State.MISSING: "bold red",
    State.EXCLUDED: "dim",
    State.GONE: "dim",
}

_MEANINGS: Final[Mapping[State, str]] = {
    State.MISSING: "no verified DR copy",
    State.BEHIND: "older than the RPO, and a newer snapshot waits to be copied",
    State.STALE: "older than the RPO, and no newer snapshot was taken",
    State.NEW: "no DR copy yet, and none is due: its oldest snapshot is within the RPO",
    State.GONE: "DR copies are left of it and no snapshot; not judged",
    State.EXCLUDED: "the selection leaves all of its snapshots out; not judged",
}


def show(report: CoverageReport, console: Console) -> None:
    """Print a table of all volumes, why accounts could not be read, and what it comes to."""
    table = Table(
        "Account",
        Column("Volume", no_wrap=True),
        Column("Newest DR copy", no_wrap=True),
        Column("Its age", no_wrap=True, justify="right"),
        Column("Newest source", no_wrap=True, justify="right"),
        Column("State", no_wrap=True),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for each in report.routes:
        _add_route(table, each, report)
    console.print(table)
    for each in report.routes:
        if each.error:
            excused = "is new, and new_account_grace_hours excuses it: " if each.excused else ""
            console.print(Text(f"{each.route.label} {excused or 'could not be read: '}{each.error}"))
    for line in summary(report):
        console.print(Text(line))


def _add_route(table: Table, each: RouteCoverage, report: CoverageReport) -> None:
    label = Text(each.route.label)
    if each.route.account_id in report.without_snapshots:
        table.add_row(label, "", "", "", "", Text("no snapshots", style="bold red"))
    elif each.error:
        state = Text("not ready yet", style="yellow") if each.excused else Text("could not be read", style="bold red")
        table.add_row(label, "", "", "", "", state)
    elif not each.volumes:
        table.add_row(label, "", "", "", "", Text("no snapshots in this Region", style="dim"))
    for volume in each.volumes:
        table.add_row(label, *_cells(volume, report.read_at))
        label = Text()
    table.add_section()


def _cells(volume: VolumeCoverage, now: datetime) -> Iterator[Text]:
    style = _STYLES[volume.state]
    age = volume.age(now)
    newest = volume.sources.newest if volume.sources else None
    yield Text(volume.volume)
    yield Text(volume.point.copy_id if volume.point else "none")
    yield Text("" if age is None else describe_age(age), style=style)
    yield Text("none" if newest is None else f"{describe_age(now - newest)} ago")
    yield Text(volume.state.value, style=style)


def describe_age(age: timedelta) -> str:
    """Write an age in hours, or in days where it is long; what began since the look is as old as that."""
    hours = max(age / HOUR, 0.0)
    return f"{hours:.1f} h" if hours < _MANY_HOURS else f"{hours / 24:.1f} days"


def summary(report: CoverageReport) -> Iterator[str]:
    """Say in a line what it comes to, and then what each state that somebody may ask about means."""
    counted = [f"{report.counts[state]} {state.value}" for state in State if report.counts.get(state)]
    unread = sum(bool(each.error) for each in report.routes)
    rpo = "no rpo_hours is set, so that no age is judged" if report.rpo is None else f"RPO {report.rpo / HOUR:g} h"
    oldest = "there is no DR copy" if report.oldest is None else f"the oldest is {describe_age(report.oldest)}"
    total = sum(report.counts.values())
    yield f"{total} volumes ({', '.join(counted) or 'none'}); {oldest}; {rpo}."
    if report.without_snapshots:
        yield f"Accounts without any snapshot: {', '.join(sorted(report.without_snapshots))}."
    if unread:
        yield f"{unread} of {len(report.routes)} routes could not be read; there may be more."
    for state, meaning in _MEANINGS.items():
        if report.counts.get(state):
            yield f"{state.value}: {meaning}."
