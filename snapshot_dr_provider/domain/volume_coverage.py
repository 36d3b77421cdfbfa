"""
How old the newest DR copy of each volume is, what is missing, and which of it is a gap.

The age is that of the data: it counts from the StartTime of the source, whenever its copy was made. A recovery point
objective (RPO) is how old it may become.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, verified_copies
from snapshot_dr_provider.domain.lineage import (
    SOURCE_ACCOUNT,
    SOURCE_REGION,
    SOURCE_VOLUME_ID,
    seniority,
    source_start_time,
)
from snapshot_dr_provider.domain.planning import Origin, Selection, why_excluded, why_no_source
from snapshot_dr_provider.domain.snapshots import Snapshot, volume_group

Place = tuple[str, str]
"""A source account and Region."""


class State(StrEnum):
    """Say how a volume stands."""

    COVERED = "covered"
    NEW = "new"
    BEHIND = "behind"
    STALE = "stale"
    MISSING = "missing"
    EXCLUDED = "excluded"
    GONE = "gone"

    @property
    def is_gap(self) -> bool:
        """Whether somebody has to do something about it."""
        return self in GAPS


GAPS: Final = frozenset({State.MISSING, State.BEHIND, State.STALE})

_ORDER: Final = (State.MISSING, State.BEHIND, State.STALE, State.NEW, State.COVERED, State.GONE, State.EXCLUDED)


@dataclass(frozen=True, slots=True)
class VolumeSources:
    """
    State what an account has of one volume.

    :param oldest: StartTime of its oldest snapshot, UTC; failed ones count, those that nobody wants copied do not.
    :param newest: StartTime of the newest that can be copied or is being created; ``None`` when all have failed.
    :param newest_id: id of that one.
    :param excluded: why nobody wants any of its snapshots copied; empty when somebody does.
    """

    oldest: datetime
    newest: datetime | None = None
    newest_id: str = ""
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class SourceStock:
    """
    State what an account has in one source Region, without our own copies.

    :param snapshots: how many, of whatever kind; an account that has none has no backup either.
    :param volumes: by volume id, or by the id of a snapshot that counts as a volume of its own.
    """

    snapshots: int = 0
    volumes: Mapping[str, VolumeSources] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """
    Name a verified KMS-C copy.

    :param taken: StartTime of the source, UTC: what the copy has the data of.
    """

    copy_id: str
    source_snapshot_id: str
    taken: datetime


@dataclass(frozen=True, slots=True)
class VolumeCoverage:
    """
    Say how a volume stands.

    :param sources: what the account has of it; ``None`` when all of it is gone.
    :param point: its newest verified KMS-C copy.
    """

    volume: str
    state: State
    sources: VolumeSources | None = None
    point: RecoveryPoint | None = None

    def age(self, now: datetime) -> timedelta | None:
        """Tell how old the data of the newest copy is; ``None`` without one."""
        return None if self.point is None else now - self.point.taken


def take_stock(sources: Iterable[Snapshot], selection: Selection, origin: Origin) -> SourceStock:
    """
    Say what an account has of each volume.

    :param sources: all snapshots that the account owns in the source Region, our own copies among them.
    :param selection: its period is of no account.
    """
    own = [source for source in sources if not why_no_source(source, origin)]
    by_volume: dict[str, list[Snapshot]] = {}
    for source in own:
        by_volume.setdefault(volume_group(source.volume_id, source.snapshot_id), []).append(source)
    return SourceStock(len(own), {name: _sum_up(some, selection) for name, some in sorted(by_volume.items())})


def _sum_up(sources: list[Snapshot], selection: Selection) -> VolumeSources:
    sources.sort(key=seniority)
    reasons = [why_excluded(source, selection) for source in sources]
    wanted = [source for source, reason in zip(sources, reasons, strict=True) if not reason]
    if not wanted:
        return VolumeSources(sources[0].start_time, excluded=reasons[-1])
    live = [source for source in wanted if source.is_live]
    if not live:
        return VolumeSources(wanted[0].start_time)
    return VolumeSources(wanted[0].start_time, live[-1].start_time, live[-1].snapshot_id)


def recovery_points(
    kms_c_copies: Iterable[Snapshot], expected: Expectation, sizes: Mapping[str, SourceSize]
) -> dict[Place, dict[str, RecoveryPoint]]:
    """
    Find the newest verified KMS-C copy of each volume, by account and source Region.

    :param kms_c_copies: of any accounts and Regions; what is not verified is passed over.
    :param sizes: size by source snapshot id; a source that is not named is compared by nothing.
    """
    found: dict[Place, dict[str, RecoveryPoint]] = {}
    for source, copy in verified_copies(kms_c_copies, expected, sizes).items():
        points = found.setdefault((copy.tags[SOURCE_ACCOUNT], copy.tags[SOURCE_REGION]), {})
        volume = volume_group(copy.tags[SOURCE_VOLUME_ID], source)
        point = RecoveryPoint(copy.snapshot_id, source, source_start_time(copy).astimezone(UTC))
        if volume not in points or _recency(points[volume]) < _recency(point):
            points[volume] = point
    return found


def _recency(point: RecoveryPoint) -> tuple[datetime, str]:
    return (point.taken, point.source_snapshot_id)


def judge_volumes(
    stock: SourceStock, points: Mapping[str, RecoveryPoint], *, rpo: timedelta | None, now: datetime
) -> tuple[VolumeCoverage, ...]:
    """
    Say how each volume of an account stands, the gaps first, of these the oldest data first.

    - *missing*: it has snapshots and no verified copy; *new* while its oldest snapshot is not beyond the RPO;
    - *behind*: its newest copy is beyond the RPO, and there is a newer snapshot to copy;
    - *stale*: its newest copy is beyond the RPO, and there is no newer snapshot: its backup has stopped;
    - *covered*: its newest copy is within the RPO, or no RPO is set. A snapshot that counts as a volume of its own is
      covered by its copy for good: nothing newer of it can come;
    - *excluded*: nobody wants any of its snapshots copied;
    - *gone*: it has copies and no snapshot any more, so that nobody can tell whether the volume is still there.

    :param points: of that account and Region, as :func:`recovery_points` has them.
    :param rpo: ``None``: ages are not judged, and a volume without a copy is missing from the start.
    """
    names = stock.volumes.keys() | points.keys()
    covered = [_judge(name, stock.volumes.get(name), points.get(name), rpo, now) for name in names]
    return tuple(sorted(covered, key=_place_in_a_list))


def _judge(
    name: str, sources: VolumeSources | None, point: RecoveryPoint | None, rpo: timedelta | None, now: datetime
) -> VolumeCoverage:
    if sources is None:
        state = State.GONE
    elif sources.excluded:
        state = State.EXCLUDED
    elif point is None:
        state = State.NEW if rpo is not None and now - sources.oldest <= rpo else State.MISSING
    elif rpo is None or now - point.taken <= rpo or name == point.source_snapshot_id:
        state = State.COVERED
    else:
        state = State.BEHIND if sources.newest is not None and sources.newest > point.taken else State.STALE
    return VolumeCoverage(name, state, sources, point)


def _place_in_a_list(volume: VolumeCoverage) -> tuple[int, datetime, str]:
    taken = volume.point.taken if volume.point else datetime.min.replace(tzinfo=UTC)
    return (_ORDER.index(volume.state), taken, volume.volume)


def without_snapshots(stocks: Iterable[tuple[str, SourceStock | None]]) -> frozenset[str]:
    """
    Name the accounts that have no snapshot in any of their source Regions.

    :param stocks: pairs of an account id and what it has in one Region; ``None`` where that is not known.
    """
    some: dict[str, bool] = {}
    for account_id, stock in stocks:
        some[account_id] = some.get(account_id, False) or stock is None or stock.snapshots > 0
    return frozenset(account_id for account_id, has_some in some.items() if not has_some)


def write_stock(stock: SourceStock) -> dict[str, Any]:
    """
    Write a stock as JSON primitives, for an XCom.

    ``{"snapshots": int, "excluded": int, "volumes": [[volume, oldest, newest or null, id of the newest], ...]}`` with
    times in whole seconds, about 75 bytes a volume; those that nobody wants copied are only counted. However many
    snapshots a volume has, it takes one row.
    """
    wanted = {name: volume for name, volume in stock.volumes.items() if not volume.excluded}
    return {
        "snapshots": stock.snapshots,
        "excluded": len(stock.volumes) - len(wanted),
        "volumes": [
            [name, _seconds(volume.oldest), volume.newest and _seconds(volume.newest), volume.newest_id]
            for name, volume in wanted.items()
        ],
    }


def read_stock(written: Mapping[str, Any]) -> SourceStock:
    """
    Read what :func:`write_stock` wrote: all but the volumes that nobody wants copied.

    :raises KeyError: when a part is missing.
    """
    return SourceStock(
        written["snapshots"],
        {
            name: VolumeSources(_moment(oldest), None if newest is None else _moment(newest), newest_id)
            for name, oldest, newest, newest_id in written["volumes"]
        },
    )


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
