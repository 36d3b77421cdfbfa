"""
What a run would do, by what is there now: copy, adopt, keep and delete.

What a run wants is decided by :func:`~.planning.plan_copies`, as in the run itself. The rest is what its stages would
come to if every copy succeeded: the copies that are missing are imagined, and :func:`~.retirement.plan_retirement` is
asked what goes then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from snapshot_dr_provider.domain.copying import survivor
from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, differences
from snapshot_dr_provider.domain.lineage import (
    KMS_KEY_ID,
    SOURCE_REGION,
    SOURCE_VOLUME_ID,
    Lineage,
    Stage,
    copies_by_source,
    describe_copy,
    encode_tags,
    source_start_time,
)
from snapshot_dr_provider.domain.planning import CopyPlan, Origin
from snapshot_dr_provider.domain.retirement import KEPT, Retirement, plan_retirement
from snapshot_dr_provider.domain.routes import Retention, Route
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot, volume_group

IMAGINED: Final = "snap-imagined-"
"""How the ids of copies begin that are not there yet."""

GIB: Final = 2**30


class Step(StrEnum):
    """Say what a hop has to do for a source."""

    COPY = "copy"
    ADOPT = "adopt"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """
    Say what a run would do for a source that it wants.

    :param volume: what its copies are grouped by.
    :param full_gib: GiB of all its blocks where AWS reports that, else of its volume: the most that a copy moves.
    :param may_be_incremental: whether hop 1 can build on an earlier KMS-B copy of the volume that is there.
    """

    snapshot_id: str
    volume: str
    taken: datetime
    full_gib: float
    hop_1: Step
    hop_2: Step
    may_be_incremental: bool = False


@dataclass(frozen=True, slots=True)
class RouteForecast:
    """
    Say what a run would do on one route.

    :param sources: what it wants, in the order in which it is copied.
    :param not_wanted: the reason by snapshot id.
    :param deletes: KMS-B copies that are there now and would go, each with why; of those that the run makes itself,
        only ``passing`` tells how many go again.
    :param kept_gib: GiB of each KMS-B copy that ``newest_per_volume`` would keep, whether or not it is set.
    :param failing: what is wrong, by source, where the run would be red for all that can be seen now.
    :param warnings: what is, or may be, gone without a KMS-C copy.
    :param error: why nothing is known; empty when all was read.
    """

    route: Route
    sources: tuple[PlannedSource, ...] = ()
    not_wanted: Mapping[str, str] = field(default_factory=dict)
    deletes: tuple[tuple[str, str], ...] = ()
    passing: int = 0
    kept_gib: tuple[float, ...] = ()
    failing: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str = ""
    excused: bool = False


def forecast_route(
    route: Route,
    plan: CopyPlan,
    *,
    sources: Iterable[Snapshot],
    kms_b_copies: Iterable[Snapshot],
    kms_c_copies: Iterable[Snapshot],
    origin: Origin,
    retention: Retention,
    now: datetime,
) -> RouteForecast:
    """
    Say what a run would do on a route, if every copy succeeded.

    :param plan: of the same snapshots, as :func:`~.planning.plan_copies` makes it.
    """
    scene = _Scene(
        route, plan, origin=origin, sources=sources, kms_b_copies=kms_b_copies, kms_c_copies=kms_c_copies, now=now
    )
    retired = scene.retire(retention)
    there = {copy.snapshot_id for copy in scene.kms_b}
    return RouteForecast(
        route,
        sources=tuple(scene.planned(source) for source in plan.wanted),
        not_wanted=plan.not_wanted,
        deletes=tuple((copy.snapshot_id, why) for copy, why in retired.delete if copy.snapshot_id in there),
        passing=sum(copy.snapshot_id not in there for copy, _ in retired.delete),
        kept_gib=scene.kept_gib(),
        failing={**retired.unverified, **scene.unfit()},
        warnings=plan.warnings,
    )


class _Scene:
    """Hold what is there, and imagine what is not there yet."""

    def __init__(
        self,
        route: Route,
        plan: CopyPlan,
        *,
        origin: Origin,
        sources: Iterable[Snapshot],
        kms_b_copies: Iterable[Snapshot],
        kms_c_copies: Iterable[Snapshot],
        now: datetime,
    ) -> None:
        self.route, self.plan, self.now = route, plan, now
        self.kms_c = origin.kms_c
        self.kms_b_expected = Expectation(Stage.KMS_B, route.account_id, frozenset({route.kms_b_arn}))
        self.present = {source.snapshot_id: source for source in sources}
        self.kms_b = [copy for copy in kms_b_copies if copy.tags.get(SOURCE_REGION) == route.source_region]
        self.kms_c_copies = list(kms_c_copies)
        self.by_b = copies_by_source(self.kms_b, owner_id=route.account_id, stage=Stage.KMS_B)
        self.by_c = copies_by_source(self.kms_c_copies, owner_id=self.kms_c.owner_id, stage=Stage.KMS_C)
        self.volumes_at_b = {
            volume_group(copy.tags[SOURCE_VOLUME_ID], source)
            for source, copies in self.by_b.items()
            for copy in copies
            if copy.state == "completed"
        }

    def hops(self, source: str) -> tuple[Step, Step]:
        """Say what each hop has to do for a source, as their stages decide it."""
        copies = self.by_c.get(source, ())
        if source in self.plan.kept:
            return Step.NONE, Step.NONE
        hop_2 = Step.ADOPT if survivor(copies, self.kms_c.kms_key_arns) else Step.COPY
        if any(copy.state == "pending" for copy in copies):
            return Step.NONE, hop_2
        adopted = survivor(self.by_b.get(source, ()), self.kms_b_expected.kms_key_arns)
        return (Step.ADOPT if adopted else Step.COPY), hop_2

    def unfit(self) -> dict[str, str]:
        """Say what is wrong with KMS-B copies that the run would adopt, by source."""
        found: dict[str, str] = {}
        for source, size in self.plan.wanted.items():
            copy = survivor(self.by_b.get(source, ()), self.kms_b_expected.kms_key_arns)
            if self.hops(source)[0] is Step.ADOPT and copy is not None and copy.state == "completed":
                wrong = differences(copy, self.kms_b_expected, size)
                if wrong:
                    found[source] = f"its KMS-B copy {copy.snapshot_id} is {'; '.join(wrong)}"
        return found

    def planned(self, source: str) -> PlannedSource:
        """Say what is done for a source."""
        hop_1, hop_2 = self.hops(source)
        lineage = self._lineage(source)
        volume = volume_group(lineage.source_volume_id, source)
        return PlannedSource(
            source,
            volume,
            lineage.source_start_time,
            _gib(self.plan.wanted[source]),
            hop_1,
            hop_2,
            may_be_incremental=hop_1 is Step.COPY and volume in self.volumes_at_b,
        )

    def retire(self, retention: Retention) -> Retirement:
        """Ask what goes once every copy is there."""
        return plan_retirement(
            wanted=self.plan.wanted,
            kms_b_copies=self.kms_b_imagined,
            kms_c_copies=self.kms_c_imagined,
            kms_b=self.kms_b_expected,
            kms_c=self.kms_c,
            retention=retention,
        )

    def kept_gib(self) -> tuple[float, ...]:
        """Size the KMS-B copies that stay where the newest of each volume does."""
        stay = {copy_id for copy_id, why in self.retire("newest_per_volume").keep.items() if why == KEPT}
        return tuple(
            _gib(SourceSize(copy.volume_size_gib, copy.full_snapshot_bytes))
            for copy in self.kms_b_imagined
            if copy.snapshot_id in stay
        )

    @cached_property
    def kms_b_imagined(self) -> list[Snapshot]:
        """Name the KMS-B copies as they are once every copy is there."""
        return self._imagine(self.kms_b, Stage.KMS_B, self.route.kms_b_arn)

    @cached_property
    def kms_c_imagined(self) -> list[Snapshot]:
        """Name the KMS-C copies as they are then."""
        return self._imagine(self.kms_c_copies, Stage.KMS_C, self.route.kms_c_arn)

    def _imagine(self, there: Sequence[Snapshot], stage: Stage, key_arn: str) -> list[Snapshot]:
        """Have all pending copies of wanted sources completed, and those made that a hop has to make."""
        hop = 0 if stage is Stage.KMS_B else 1
        owner = self.route.account_id if stage is Stage.KMS_B else self.kms_c.owner_id
        pending = {
            copy.snapshot_id: source
            for source, copies in (self.by_b if stage is Stage.KMS_B else self.by_c).items()
            for copy in copies
            if copy.state == "pending" and source in self.plan.wanted
        }
        done = [self._complete(c, pending[c.snapshot_id]) if c.snapshot_id in pending else c for c in there]
        made = [
            self._make(source, stage, key_arn, owner)
            for source in self.plan.wanted
            if self.hops(source)[hop] is Step.COPY
        ]
        return [*done, *made]

    def _complete(self, copy: Snapshot, source: str) -> Snapshot:
        size = self.plan.wanted[source]
        return replace(
            copy,
            state="completed",
            volume_size_gib=size.volume_size_gib,
            full_snapshot_bytes=size.full_snapshot_bytes,
            encrypted=True,
            kms_key_arn=copy.tags.get(KMS_KEY_ID),
        )

    def _make(self, source: str, stage: Stage, key_arn: str, owner_id: str) -> Snapshot:
        lineage = self._lineage(source).at(stage, key_arn, "a run that is only planned")
        copy = Snapshot(
            snapshot_id=f"{IMAGINED}{stage.value}-{source}",
            owner_id=owner_id,
            volume_id=PLACEHOLDER_VOLUME_ID,
            state="pending",
            start_time=self.now,
            description=describe_copy(lineage),
            tags=encode_tags(lineage),
        )
        return self._complete(copy, source)

    def _lineage(self, source: str) -> Lineage:
        """Give the lineage of a source that is there, or that a copy is left of."""
        snapshot = self.present.get(source)
        if snapshot is not None:
            volume, start = snapshot.volume_id, snapshot.start_time
        else:
            copy = (*self.by_b.get(source, ()), *self.by_c.get(source, ()))[0]
            volume, start = copy.tags[SOURCE_VOLUME_ID], source_start_time(copy)
        return Lineage(
            source_account=self.route.account_id,
            source_region=self.route.source_region,
            source_snapshot_id=source,
            source_volume_id=volume,
            source_start_time=start,
            stage=Stage.KMS_B,
            kms_key_arn=self.route.kms_b_arn,
            run="",
        )


def _gib(size: SourceSize) -> float:
    if size.full_snapshot_bytes is not None:
        return size.full_snapshot_bytes / GIB
    return float(size.volume_size_gib)
