"""What the two copy operators share: one engine, two hops."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

from snapshot_dr_provider._compat import AwsBaseOperator, Context, aws_template_fields, conf
from snapshot_dr_provider.domain.copying import only_copy
from snapshot_dr_provider.domain.coverage import SourceSize
from snapshot_dr_provider.domain.lineage import Stage, copies_by_source
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.links.snapshots import SnapshotCopiesLink
from snapshot_dr_provider.operators.diagnosis import explain_failures
from snapshot_dr_provider.stage import ROUTE_FIELDS, RouteStage, fail_for, raise_for_event
from snapshot_dr_provider.triggers.chance import current_random
from snapshot_dr_provider.triggers.clock import current_clock
from snapshot_dr_provider.triggers.orders import CopyOptions, CopyOrder, accepted_keys, fulfil, write_outcome
from snapshot_dr_provider.triggers.snapshot_copies import SnapshotCopiesTrigger

_SLOTS_BY_REGION: Final = {Stage.KMS_B: "source_copy_slots_by_region", Stage.KMS_C: "copy_slots_by_region"}
"""The option of a run with the slots of the accounts that receive the copies of a stage."""


class CopyStageOperator(RouteStage, AwsBaseOperator[EbsSnapshotHook]):
    """
    Copy sources until each has exactly one completed copy of the stage, or is given up.

    :param options: tuning, as a mapping with any of the fields of
        :class:`~snapshot_dr_provider.triggers.orders.CopyOptions`; ``source_timeout_hours`` beside them.
    :param wait_for_completion: whether the task ends when the copies are completed, or already when they are started.
    :param deferrable: whether it waits in the triggerer; in the worker otherwise.
    :param timeout: after which a deferred task fails whatever its progress.

    For the other arguments see :class:`~snapshot_dr_provider.stage.RouteStage`.
    """

    stage: ClassVar[Stage]
    aws_hook_class = EbsSnapshotHook
    template_fields: Sequence[str] = aws_template_fields("options", *ROUTE_FIELDS)
    operator_extra_links = (SnapshotCopiesLink(),)

    def __init__(
        self,
        *,
        options: Mapping[str, Any] | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        timeout: timedelta = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(**self._take_route(kwargs))
        self.options = options
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.timeout = timeout

    def execute(self, context: Context) -> None:
        """Look what is there already; have the rest copied."""
        route = self._the_route(context)
        sources = self._the_sources(context)
        self._link(context, route, self.stage)
        try:
            order = self._order(context, route, sources)
        except SnapshotDrError as error:
            fail_for(context, error)
        if order.sources and self.deferrable:
            trigger = SnapshotCopiesTrigger(order.to_json(), self._client_arguments())
            self.defer(trigger=trigger, method_name=self.execute_complete.__name__, timeout=self.timeout)
        self._finish(context, route, sources, self._copy_now(context, order, route))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Hand on what the trigger has copied."""
        route = self._the_route(context)
        sources = self._the_sources(context)
        raise_for_event(context, event)
        self._finish(context, route, sources, event["failures"])

    def _copy_now(self, context: Context, order: CopyOrder, route: Route) -> Mapping[str, Mapping[str, str]]:
        """Copy in this process; the failures by source, as in the trigger's event."""
        try:
            outcome = asyncio.run(fulfil(order, self._hooks(route), current_clock(), current_random()))
        except SnapshotDrError as error:
            fail_for(context, error)
        failures: Mapping[str, Mapping[str, str]] = write_outcome(outcome)["failures"]
        return failures

    def _order(self, context: Context, route: Route, sources: Mapping[str, SourceSize]) -> CopyOrder:
        to_do = self._still_to_do(route, sources)
        options = self._options_for(route)
        patience = timedelta(hours=float(options.get("source_timeout_hours", 12)))
        return CopyOrder(
            stage=self.stage,
            route=route,
            sources=tuple(to_do),
            run=str(context["run_id"]),
            wait_until=current_clock().now() + patience,
            options=CopyOptions.from_json(options),
            earlier_errors=tuple(c.snapshot_id for found in to_do.values() for c in found if c.state != "pending"),
            ranks={source: sources[source].rank for source in to_do if sources[source].rank},
        )

    def _options_for(self, route: Route) -> dict[str, Any]:
        """Choose from the options of a run, which are of all Regions and both hops, those of this hop on one route."""
        given = dict(self.options or {})
        by_region = {
            "copy_slots": _SLOTS_BY_REGION[self.stage],
            "completion_duration_minutes": "completion_duration_by_region",
        }
        region = route.destination_region
        here = {option: dict(given.get(pairs, ())).get(region) for option, pairs in by_region.items()}
        if self.stage is Stage.KMS_B and route.source_copy_slots is not None:
            here["copy_slots"] = route.source_copy_slots
        chosen = {option: value for option, value in here.items() if value is not None}
        return {**given, **chosen, "wait_for_completion": self.wait_for_completion}

    def _still_to_do(self, route: Route, sources: Mapping[str, SourceSize]) -> Mapping[str, Sequence[Snapshot]]:
        """Name the sources that do not have their one completed copy yet, each with the copies that there are."""
        hooks = self._hooks(route)
        skipped = self._not_needed(hooks, sources)
        open_sources = [source for source in sources if source not in skipped]
        hook = self._receiving(hooks)
        copies = copies_by_source(
            hook.copies_of(open_sources, self.stage), owner_id=str(hook.expected_account_id), stage=self.stage
        )
        found = {source: copies.get(source, ()) for source in open_sources}
        to_do = {source: seen for source, seen in found.items() if not self._is_done(seen, route)}
        done = len(open_sources) - len(to_do)
        message = "%s: %d sources, %d without need for a %s copy, %d have one, %d to do"
        self.log.info(message, route.label, len(sources), len(skipped), self.stage.value, done, len(to_do))
        return to_do

    def _is_done(self, copies: Sequence[Snapshot], route: Route) -> bool:
        """Whether a source has its one copy and nothing beside it that would have to be removed."""
        settle = timedelta(seconds=CopyOptions.from_json(self.options or {}).settle_seconds)
        only_one = only_copy(copies, accepted_keys(self.stage, route), settle, current_clock().now())
        return only_one is not None and len(copies) == 1

    @abstractmethod
    def _not_needed(self, hooks: RouteHooks, sources: Mapping[str, SourceSize]) -> frozenset[str]:
        """Name the sources that need no copy of this stage."""

    @abstractmethod
    def _receiving(self, hooks: RouteHooks) -> EbsSnapshotHook:
        """Open the account and Region that receive the copies."""

    def _finish(
        self,
        context: Context,
        route: Route,
        sources: Mapping[str, SourceSize],
        failures: Mapping[str, Mapping[str, str]],
    ) -> None:
        explained = {}
        if failures:
            minutes = self._options_for(route).get("completion_duration_minutes")
            explained = explain_failures(self._hooks(route), self.stage, list(sources), failures, minutes)
        good = {source: size for source, size in sources.items() if source not in failures}
        self._leave(context, good, explained)
