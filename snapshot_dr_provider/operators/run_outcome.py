"""What a run has come to: green means that every wanted snapshot has a verified KMS-C copy, whatever the tasks say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from snapshot_dr_provider.domain.audit_report import RouteCount
from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, verified_copies
from snapshot_dr_provider.domain.failure_message import MAX_TASKS, RedTask, worth_telling
from snapshot_dr_provider.domain.key_policy.findings import Finding, Verdict
from snapshot_dr_provider.domain.key_policy.run_rules import (
    CLAIMED,
    COPIED,
    ENTERED,
    REPORTED,
    SUCCEEDED,
    UNCHANGED,
)
from snapshot_dr_provider.domain.key_policy.snapshot_facts import KmsBCopy, read_kms_b_copies
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.records import read_records
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.stage import (
    CAUSE,
    FAILURES,
    KMS_B_COPIES,
    NOT_READY,
    RECORDS,
    RUN_OPTIONS,
    SETTINGS_FINGERPRINT,
)
from snapshot_dr_provider.triggers.orders import accepted_keys

SUCCESS: Final = "success"

MAX_REASONS: Final = 3
"""Snapshots of a red task whose reasons a message has."""

CLEAR: Final = "Clear the red tasks with their downstream tasks, once what they name is mended."


@dataclass(frozen=True, slots=True)
class RunTasks:
    """
    Name the tasks of a run by what they are to it.

    :param routes: id of the task that lists the routes.
    :param plan: id of the mapped task that leaves the records of what is wanted.
    :param stages: ids of all mapped tasks of an account, in their order; the last one reports the KMS-B copies left.
    :param others: ids of the tasks around them.
    """

    routes: str
    plan: str
    stages: tuple[str, ...]
    others: tuple[str, ...] = ()


@dataclass(slots=True)
class RunOutcome:
    """
    Read what a run was for and what has become of it, trusting no green task.

    It requires success of each task that it is told of, for each listed route a plan, and for each wanted snapshot a
    KMS-C copy that is verified now, read from the DR account. A stage that is missing, skipped, ``upstream_failed`` or
    was never expanded counts as failed (airflow 2, 3). Of a new account that cannot be entered yet, where the settings
    excuse that, nothing but its plan is required.

    :param task: the running task instance, which tells states and XComs of the others.

    ``states`` are those of the run's tasks, the mapped ones by ``task_id_index``; ``sizes`` those of the wanted
    sources, once :meth:`judge` has read them.
    """

    task: Any
    names: RunTasks
    routes: tuple[Route, ...] = field(init=False)
    options: Mapping[str, Any] = field(init=False)
    not_ready: Mapping[int, str] = field(init=False)
    states: Mapping[str, str | None] = field(init=False)
    sizes: dict[str, SourceSize] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        listed = self.task.xcom_pull(task_ids=self.names.routes, default=None) or ()
        self.routes = tuple(Route.from_json(item) for item in listed)
        self.options = self.task.xcom_pull(task_ids=self.names.routes, key=RUN_OPTIONS, default=None) or {}
        self.not_ready = dict(self._read_not_ready())
        answer = self.task.get_task_states(dag_id=self.task.dag_id, run_ids=[self.task.run_id])
        self.states = answer.get(self.task.run_id, {})

    def _read_not_ready(self) -> Iterator[tuple[int, str]]:
        """Read why accounts cannot be entered yet, by their place; asking only for those that may be excused."""
        for index, route in enumerate(self.routes):
            if route.grace_until is not None:
                why = self.task.xcom_pull(task_ids=self.names.plan, key=NOT_READY, map_indexes=index, default=None)
                if why:
                    yield index, why

    @property
    def dry_run(self) -> bool:
        """Whether nothing was to be copied."""
        return bool(self.options.get("dry_run"))

    def judge(self) -> tuple[list[Finding], tuple[RouteCount, ...]]:
        """
        Judge the tasks and the copies.

        :raises SnapshotDrError: for what may pass; whatever cannot pass is a finding.
        """
        findings = [*self._judge_tasks(), *self._judge_entrances()]
        if self.dry_run:
            why = "a dry run: nothing was to be copied"
            return [*findings, COPIED.finding(Verdict.NOT_APPLICABLE, "this run", why)], ()
        rows = [self._judge_route(index, route) for index, route in self.entered()]
        for row in rows:
            findings += row.findings
        findings += self._judge_claims(rows)
        return findings, tuple(RouteCount(row.route.label, len(row.wanted), row.verified) for row in rows)

    def kms_b_copies(self) -> tuple[dict[Route, tuple[KmsBCopy, ...]], list[Finding]]:
        """Read the KMS-B copies that each account has left; one that did not report is undecided, never a pass."""
        left: dict[Route, tuple[KmsBCopy, ...]] = {}
        findings: list[Finding] = []
        stage = self.names.stages[-1]
        for index, route in self.entered():
            told = self.task.xcom_pull(task_ids=stage, key=KMS_B_COPIES, map_indexes=index, default=None)
            if told is None:
                why = f"{stage} has left no report, so that nothing is known of the KMS-B copies in that account"
                findings.append(REPORTED.finding(Verdict.UNDECIDED, route.label, why, CLEAR))
            else:
                left[route] = read_kms_b_copies(told)
        return left, findings or [REPORTED.finding(Verdict.PASS, f"{len(left)} routes")]

    def judge_settings(self, fingerprint: str) -> Finding:
        """Compare the settings that the run began with with those of now."""
        began_with = self.task.xcom_pull(task_ids=self.names.routes, key=SETTINGS_FINGERPRINT, default=None)
        if began_with is None:
            why = f"{self.names.routes} has not said what it read"
            return UNCHANGED.finding(Verdict.NOT_APPLICABLE, "settings file", why)
        if began_with == fingerprint:
            return UNCHANGED.finding(Verdict.PASS, "settings file")
        why = (
            f"it has changed since {self.names.routes} read it: the accounts were worked on by the settings of then, "
            "keys and copies are judged by those of now"
        )
        remedy = (
            f"To copy by the new settings at once, clear {self.names.routes} with its downstream tasks; else the next "
            "run does."
        )
        return UNCHANGED.finding(Verdict.FAIL, "settings file", why, remedy)

    def red_tasks(self) -> list[RedTask]:
        """
        Name the tasks around the routes that have not succeeded, and of each route the first one.

        Of those that a message names it is read what they said.
        """
        wanted = self._wanted_tasks()
        alone = len(wanted) - sum(len(self._wanted_stages(index)) for index in range(len(self.routes)))
        found = [(name, -1, subject, self.states.get(key)) for key, subject, name in wanted[:alone]]
        for index, route in enumerate(self.routes):
            stages = ((name, self.states.get(f"{name}_{index}")) for name in self._wanted_stages(index))
            found += [(name, index, route.label, state) for name, state in stages if state != SUCCESS][:1]
        red = [
            RedTask(place, name, index, state or "not there") for name, index, place, state in found if state != SUCCESS
        ]
        named = worth_telling(red)[:MAX_TASKS]
        return [replace(task, why=self._cause(task)) if task in named else task for task in red]

    def _cause(self, task: RedTask) -> str:
        """Read why a task has failed: as a whole, or for some snapshots, of which it names a few."""
        pull = partial(self.task.xcom_pull, task_ids=task.task_id, map_indexes=task.map_index, default=None)
        failures = pull(key=FAILURES) or {}
        named = [f"{source}: {why}" for source, why in list(failures.items())[:MAX_REASONS]]
        more = [f"and {len(failures) - MAX_REASONS} more snapshots"] if len(failures) > MAX_REASONS else []
        return "\n".join([*filter(None, [pull(key=CAUSE)]), *named, *more])

    def entered(self) -> list[tuple[int, Route]]:
        """List the routes by their place, without those whose account cannot be entered yet."""
        return [(index, route) for index, route in enumerate(self.routes) if index not in self.not_ready]

    def _judge_entrances(self) -> Iterator[Finding]:
        """Name the new accounts that cannot be entered yet."""
        for index, why in self.not_ready.items():
            remedy = (
                "Create the role: airflow snapshot-dr policy show source-role prints its policy. Later on, runs are "
                "red without it."
            )
            yield ENTERED.finding(Verdict.FAIL, self.routes[index].label, why, remedy)
        if not self.not_ready:
            yield ENTERED.finding(Verdict.PASS, f"{len(self.routes)} routes")

    def _judge_tasks(self) -> Iterator[Finding]:
        """Name each task that has not succeeded, by what Airflow says of all of them."""
        wanted = self._wanted_tasks()
        wrong = [(key, subject, name) for key, subject, name in wanted if self.states.get(key) != SUCCESS]
        for key, subject, name in wrong:
            yield SUCCEEDED.finding(
                Verdict.FAIL, subject, f"{name} is {self.states.get(key) or 'not there'}, not success", CLEAR
            )
        if not wrong:
            yield SUCCEEDED.finding(Verdict.PASS, self.task.dag_id, f"{len(wanted)} tasks")

    def _wanted_tasks(self) -> list[tuple[str, str, str]]:
        """List the tasks by the key of their state, with whose they are and their name."""
        alone = [(name, self.task.dag_id, name) for name in (self.names.routes, *self.names.others)]
        mapped = [
            (f"{name}_{index}", route.label, name)
            for index, route in enumerate(self.routes)
            for name in self._wanted_stages(index)
        ]
        return [*alone, *mapped]

    def _wanted_stages(self, index: int) -> tuple[str, ...]:
        """List the stages of a route; where only the plan has anything to do, those behind it skip."""
        return (self.names.plan,) if self.dry_run or index in self.not_ready else self.names.stages

    def _judge_route(self, index: int, route: Route) -> RouteOutcome:
        """Compare what a route wanted with what the DR account has now."""
        left = self.task.xcom_pull(task_ids=self.names.plan, key=RECORDS, map_indexes=index, default=None)
        if left is None:
            why = "it left no plan, so that it is unknown what was wanted"
            return RouteOutcome(route, findings=[COPIED.finding(Verdict.FAIL, route.label, why, CLEAR)])
        wanted = read_records(left)
        self.sizes |= wanted
        try:
            copies = RouteHooks(route).kms_c().copies_of(wanted, Stage.KMS_C) if wanted else []
        except SnapshotDrError as error:
            if not error.permanent:
                raise
            why = f"its KMS-C copies could not be read: {error}"
            return RouteOutcome(route, wanted, findings=[COPIED.finding(Verdict.FAIL, route.label, why, CLEAR)])
        expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
        verified = verified_copies(copies, expected, wanted)
        reasons = self._reasons(index) if len(verified) < len(wanted) else {}
        missing = [
            _not_copied(route, source, reasons.get(source, "no stage said why"))
            for source in wanted
            if source not in verified
        ]
        passed = COPIED.finding(Verdict.PASS, route.label, f"{len(wanted)} snapshots")
        return RouteOutcome(route, wanted, len(wanted) - len(missing), missing or [passed])

    def _reasons(self, index: int) -> dict[str, str]:
        """Collect what the stages of a route said of the sources that failed, the earliest stage first."""
        reasons: dict[str, str] = {}
        for name in reversed([name for name in self.names.stages if name != self.names.plan]):
            reasons |= self.task.xcom_pull(task_ids=name, key=FAILURES, map_indexes=index, default=None) or {}
        return reasons

    def _judge_claims(self, rows: Sequence[RouteOutcome]) -> Iterator[Finding]:
        """Name the snapshots that the run was asked for by name and that no route has."""
        claimed = {source for row in rows for source in row.wanted}
        unclaimed = [each for each in self.options.get("snapshot_ids", ()) if each not in claimed]
        if self.options.get("by_events"):
            if unclaimed:
                why = (
                    f"{len(unclaimed)} snapshots that events named are not wanted, such as {unclaimed[0]}: they are "
                    "gone since, or the selection leaves them out"
                )
                yield CLAIMED.finding(Verdict.NOT_APPLICABLE, "events", why)
            return
        for snapshot_id in unclaimed:
            yield CLAIMED.finding(
                Verdict.FAIL,
                snapshot_id,
                "it was asked for, but no route has it",
                "Correct the param snapshot_ids, or add its account and Region to the settings file.",
            )


@dataclass(frozen=True, slots=True)
class RouteOutcome:
    """Say what was found of one route."""

    route: Route
    wanted: Mapping[str, SourceSize] = field(default_factory=dict)
    verified: int = 0
    findings: Sequence[Finding] = ()


def _not_copied(route: Route, source: str, reason: str) -> Finding:
    return COPIED.finding(Verdict.FAIL, source, f"{route.label}: it has no verified KMS-C copy: {reason}", CLEAR)
