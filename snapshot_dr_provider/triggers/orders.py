"""One order to copy: everything that a trigger needs to begin, or to begin again elsewhere, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from random import Random
from typing import Any

from snapshot_dr_provider.domain.copying import Failure, Limits, Memory
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.triggers.arrivals import shared_arrivals
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.copy_engine import CopyEngine, Outcome
from snapshot_dr_provider.triggers.desk import CopyDesk, shared_desk
from snapshot_dr_provider.triggers.supplies import SharedKmsBCopies, SourceSnapshots, Supply
from snapshot_dr_provider.triggers.window_keeper import WindowOrder, shared_keeper


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """
    Tune a copy stage.

    :param poll_seconds: time between two looks at the copies in flight.
    :param settle_seconds: how long AWS's reads may lag behind; a start without an answer is not repeated sooner.
    :param max_attempts: copies of one source that may fail before it is given up.
    :param copy_slots: copies in flight that the receiving account may have in the Region (aws 3.1).
    :param first_fire_seconds: shortest life of a trigger; below some 6 s Airflow 3.3.2 may mistake the late end of the
        deferral for a failure (airflow 5).
    :param wait_for_completion: whether a source is done when its copy is completed, or already when it is started.
    :param completion_duration_minutes: of time-based copies; ``None`` for standard ones (aws 5.10).
    """

    poll_seconds: float = 15.0
    settle_seconds: float = 60.0
    max_attempts: int = 3
    copy_slots: int = 20
    first_fire_seconds: float = 15.0
    wait_for_completion: bool = True
    completion_duration_minutes: int | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CopyOptions:
        """Read the options, leaving aside what a mapping holds beside them."""
        return cls(**{field.name: value[field.name] for field in fields(cls) if field.name in value})


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """
    Order copies of some sources of one route for one stage.

    :param sources: source snapshot ids, in the order in which they are copied.
    :param run: id of the DAG run, for the lineage.
    :param wait_until: when sources that are not ready are given up, UTC.
    :param earlier_errors: ids of copies that had ended before this try: those that failed do not count as attempts.
    :param window: the window in which the key may be used; ``None`` where it may all the time.
    :param ranks: of those sources that have one beside 0: the lowest go first, before those of other orders too.
    """

    stage: Stage
    route: Route
    sources: tuple[str, ...]
    run: str
    wait_until: datetime
    options: CopyOptions = CopyOptions()
    earlier_errors: tuple[str, ...] = ()
    window: WindowOrder | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write the order as JSON primitives."""
        written = {
            "stage": self.stage.value,
            "route": self.route.to_json(),
            "sources": list(self.sources),
            "run": self.run,
            "wait_until": self.wait_until.isoformat(),
            "options": asdict(self.options),
            "earlier_errors": list(self.earlier_errors),
            "window": self.window.to_json() if self.window else None,
        }
        return {**written, "ranks": dict(self.ranks)} if self.ranks else written

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CopyOrder:
        """Read an order written by :meth:`to_json`."""
        return cls(
            stage=Stage(value["stage"]),
            route=Route.from_json(value["route"]),
            sources=tuple(value["sources"]),
            run=value["run"],
            wait_until=datetime.fromisoformat(value["wait_until"]),
            options=CopyOptions.from_json(value["options"]),
            earlier_errors=tuple(value["earlier_errors"]),
            window=WindowOrder.from_json(value["window"]) if value.get("window") else None,
            ranks=dict(value.get("ranks", {})),
        )


async def fulfil(order: CopyOrder, hooks: RouteHooks, clock: Clock, random: Random) -> Outcome:
    """
    Copy what an order asks for, and wait for it.

    :raises SnapshotDrError: when nothing can be read, for example without a connection.
    """
    receiving = hooks.kms_b() if order.stage is Stage.KMS_B else hooks.kms_c()
    settle = timedelta(seconds=order.options.settle_seconds)
    desk = shared_desk(
        CopyDesk(
            receiving,
            order.stage,
            slots=order.options.copy_slots,
            poll_seconds=order.options.poll_seconds,
            settle=settle,
            clock=clock,
            random=random,
            completion_duration_minutes=order.options.completion_duration_minutes,
        )
    )
    limits = Limits(
        kms_key_arns=accepted_keys(order.stage, order.route),
        max_attempts=order.options.max_attempts,
        settle=settle,
        wait_until=order.wait_until,
        wait_for_completion=order.options.wait_for_completion,
        start_until=order.window.window.last_start if order.window else None,
        why_not_later=order.window.why_not_later if order.window else "",
    )
    memory = Memory(earlier_errors=frozenset(order.earlier_errors))
    keeper = shared_keeper(order.window, hooks.client_arguments, clock) if order.window else None
    poll = timedelta(seconds=order.options.poll_seconds)
    supply = _supply(order, hooks, clock)
    engine = CopyEngine(desk, supply, limits, clock, memory, poll=poll, keeper=keeper, ranks=order.ranks)
    return await engine.run(order.sources)


def accepted_keys(stage: Stage, route: Route) -> frozenset[str]:
    """Name the keys under which a completed copy of a stage counts."""
    if stage is Stage.KMS_B:
        return frozenset({route.kms_b_arn})
    return frozenset({route.kms_c_arn, *route.former_kms_c_arns})


def _supply(order: CopyOrder, hooks: RouteHooks, clock: Clock) -> Supply:
    route = order.route
    if order.stage is Stage.KMS_B:
        return SourceSnapshots(hooks.sources(), route.account_id, route.source_region, route.kms_b_arn, order.run)
    return SharedKmsBCopies(
        owner_hook=hooks.kms_b(),
        arrivals=shared_arrivals(hooks.kms_c(), clock),
        account_id=route.account_id,
        dr_account_id=route.dr_account_id,
        destination_region=route.destination_region,
        kms_b_arn=route.kms_b_arn,
        kms_c_arn=route.kms_c_arn,
        run=order.run,
    )


def write_outcome(outcome: Outcome) -> dict[str, Any]:
    """Write an outcome as the payload of a trigger event."""
    return {
        "finished": sorted(outcome.finished),
        "failures": {source: _write_failure(failure) for source, failure in outcome.failures.items()},
    }


def _write_failure(failure: Failure) -> dict[str, str]:
    message = failure.copy.state_message if failure.copy is not None else None
    return {"why": failure.why, "state_message": message or ""}


def write_error(error: SnapshotDrError) -> dict[str, Any]:
    """Write an error that ended everything as the payload of a trigger event."""
    return {"error": str(error), "permanent": error.permanent}
