"""A gate that lets nothing pass but completed copies that are what they have to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snapshot_dr_provider._compat import AwsBaseSensor, Context, aws_template_fields, conf
from snapshot_dr_provider.assets import KMS_C_COPIES, asset_of
from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, differences, is_verified
from snapshot_dr_provider.domain.lineage import Stage, copies_by_source, seniority
from snapshot_dr_provider.domain.new_copies import tell_new_copies
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.links.snapshots import SnapshotCopiesLink
from snapshot_dr_provider.stage import ROUTE_FIELDS, RouteStage, fail_for, raise_for_event
from snapshot_dr_provider.triggers.orders import CopyOptions, accepted_keys
from snapshot_dr_provider.triggers.snapshot_completed import SnapshotCompletedTrigger


@dataclass(frozen=True, slots=True)
class Findings:
    """
    Divide what a gate is about: what may pass, what is still pending, and what is wrong with the rest.

    :param verified: the copy of each source that has a verified one; of what is looked up by its source only.
    """

    good: dict[str, SourceSize] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    verified: dict[str, Snapshot] = field(default_factory=dict)


class SnapshotCompletedSensor(RouteStage, AwsBaseSensor[EbsSnapshotHook]):
    """
    Wait until copies are completed, and check what they have become: state, key, encryption, owner and size.

    It trusts nobody's word: it finds the copies by their lineage, or takes their ids, and reads them from AWS. There
    is no limit of ten minutes (aws 5.9): ``timeout`` of the sensor holds.

    With :data:`~snapshot_dr_provider.assets.KMS_C_COPIES` among its ``outlets`` it tells Airflow of the KMS-C copies
    that are new with this run, when it succeeds and there are any; ``docs/assets.md`` says what. Without that, and of
    copies that it was given by their own ids, it tells nothing.

    :param stage: ``kms-b`` for copies in the Org-A account, ``kms-c`` for copies in the DR account.
    :param snapshot_ids: ids of copies, to check these instead of looking copies up by their sources; their sizes are
        not compared then, and no lineage is asked of them.
    :param options: as of the copy operators; ``poll_seconds`` and ``first_fire_seconds`` are used.
    :param deferrable: whether it waits in the triggerer.

    For the other arguments see :class:`~snapshot_dr_provider.stage.RouteStage`.
    """

    aws_hook_class = EbsSnapshotHook
    template_fields: Sequence[str] = aws_template_fields("options", "snapshot_ids", "stage", *ROUTE_FIELDS)
    operator_extra_links = (SnapshotCopiesLink(),)

    def __init__(
        self,
        *,
        stage: str,
        snapshot_ids: Sequence[str] | str = (),
        options: Mapping[str, Any] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**self._take_route(kwargs))
        self.stage = stage
        self.snapshot_ids = snapshot_ids
        self.options = options
        self.deferrable = deferrable
        self._new_copies: tuple[Route, dict[str, Any]] | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Name sources and copies where a gate of KMS-C copies has found new ones; the OpenLineage provider asks."""
        from snapshot_dr_provider.openlineage import lineage_of  # noqa: PLC0415  # needs that provider

        return lineage_of(*self._new_copies) if self._new_copies else None

    def execute(self, context: Context) -> Any:
        """Check, and wait in the triggerer when anything is pending."""
        if not self.deferrable:
            return super().execute(context)
        if not self.poke(context):
            self._defer(context)
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Check again, now that the trigger has seen nothing pending."""
        raise_for_event(context, event)
        if not self.poke(context):
            self._defer(context)

    def poke(self, context: Context) -> bool:
        """
        Check the copies.

        :returns: whether none is pending any more.
        :raises AirflowFailException: when one is not what it has to be; the good ones are handed on.
        """
        route = self._the_route(context)
        self._link(context, route, Stage(self.stage))
        try:
            findings = self._check(context, self._hooks(route))
        except SnapshotDrError as error:
            fail_for(context, error)
        message = "%s: %d copies are good, %d pending, %d not good"
        self.log.info(message, route.label, len(findings.good), len(findings.pending), len(findings.failures))
        if findings.pending:
            return False
        self._leave(context, findings.good, findings.failures)
        self._tell(context, route, findings)
        return True

    def _tell(self, context: Context, route: Route, findings: Findings) -> None:
        """
        Add the event of what is new to the outlet, of which Airflow makes one once the task has succeeded.

        What is new is kept for whoever asks for the lineage then, outlet or not.
        """
        if Stage(self.stage) is not Stage.KMS_C:
            return
        told = tell_new_copies(route, str(context["run_id"]), findings.good, findings.verified)
        self._new_copies = (route, told) if told else None
        if KMS_C_COPIES not in self.outlets:
            return
        if told is None:
            self.log.info("%s: no copy is new with this run; no asset event", route.label)
            return
        asset = asset_of(route)
        context["outlet_events"][KMS_C_COPIES].add(asset, extra=told)
        self.log.info(
            "%s: %d new copies are told by an event of the asset %s", route.label, told["new_copies"], asset.uri
        )

    def _defer(self, context: Context) -> None:
        options = CopyOptions.from_json(self.options or {})
        ids = self._copy_ids()
        trigger = SnapshotCompletedTrigger(
            route=self._the_route(context).to_json(),
            stage=self.stage,
            sources=[] if ids else list(self._the_sources(context)),
            snapshot_ids=ids,
            poll_seconds=options.poll_seconds,
            first_fire_seconds=options.first_fire_seconds,
            client_arguments=self._client_arguments(),
        )
        self.defer(trigger=trigger, method_name=self.execute_complete.__name__, timeout=self.timeout)

    def _copy_ids(self) -> list[str]:
        return [self.snapshot_ids] if isinstance(self.snapshot_ids, str) else list(self.snapshot_ids)

    def _check(self, context: Context, hooks: RouteHooks) -> Findings:
        route, stage = hooks.route, Stage(self.stage)
        hook = hooks.kms_b() if stage is Stage.KMS_B else hooks.kms_c()
        owner_id = route.account_id if stage is Stage.KMS_B else route.dr_account_id
        expected = Expectation(stage, owner_id, accepted_keys(stage, route))
        ids = self._copy_ids()
        if ids:
            return _judge_ids(ids, hook.own_snapshots_by_id(ids), expected)
        sources = self._the_sources(context)
        grouped = copies_by_source(hook.copies_of(sources, stage), owner_id=owner_id, stage=stage)
        findings = _judge_sources(sources, grouped, expected)
        if findings.failures and stage is Stage.KMS_B and hooks.has_dr_account:
            return _without_those_beyond(findings, hooks, sources)
        return findings


def _judge_ids(ids: Sequence[str], found: Mapping[str, Snapshot], expected: Expectation) -> Findings:
    findings = Findings()
    for snapshot_id in ids:
        copy = found.get(snapshot_id)
        if copy is None:
            findings.failures[snapshot_id] = f"account {expected.owner_id} has no such snapshot"
        elif copy.state == "pending":
            findings.pending.append(snapshot_id)
        elif wrong := differences(copy, expected, SourceSize(), ask_lineage=False):
            findings.failures[snapshot_id] = _name(copy, wrong)
        else:
            findings.good[snapshot_id] = SourceSize(copy.volume_size_gib, copy.full_snapshot_bytes)
    return findings


def _judge_sources(
    sources: Mapping[str, SourceSize], grouped: Mapping[str, Sequence[Snapshot]], expected: Expectation
) -> Findings:
    findings = Findings()
    for source, size in sources.items():
        copies = sorted(grouped.get(source, ()), key=seniority)
        verified = next((copy for copy in copies if is_verified(copy, expected, size)), None)
        if verified is not None:
            findings.good[source] = size
            findings.verified[source] = verified
        elif any(copy.state == "pending" for copy in copies):
            findings.pending.append(source)
        elif copies:
            findings.failures[source] = _name(copies[-1], differences(copies[-1], expected, size))
        else:
            findings.failures[source] = f"account {expected.owner_id} has no {expected.stage.value} copy of it"
    return findings


def _without_those_beyond(findings: Findings, hooks: RouteHooks, sources: Mapping[str, SourceSize]) -> Findings:
    """Pass sources whose KMS-B copy is not needed: their KMS-C copy is there, or on its way."""
    route: Route = hooks.route
    copies = hooks.kms_c().copies_of(findings.failures, Stage.KMS_C)
    expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
    grouped = copies_by_source(copies, owner_id=route.dr_account_id, stage=Stage.KMS_C)
    beyond = _judge_sources({source: sources[source] for source in findings.failures}, grouped, expected)
    passed = beyond.good.keys() | set(beyond.pending)
    good = {s: size for s, size in sources.items() if s in findings.good or s in passed}
    failures = {source: why for source, why in findings.failures.items() if source not in passed}
    return Findings(good, findings.pending, failures)


def _name(copy: Snapshot, wrong: Sequence[str]) -> str:
    state = f" ({copy.state_message})" if copy.state == "error" and copy.state_message else ""
    return f"its copy {copy.snapshot_id}{state} is {'; '.join(wrong)}"
