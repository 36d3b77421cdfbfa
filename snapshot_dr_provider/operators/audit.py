"""The end of a run: it is green only if every wanted snapshot has a verified KMS-C copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from snapshot_dr_provider._compat import AirflowFailException, BaseOperator, Context
from snapshot_dr_provider.domain.coverage import Expectation, verified_copies
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.records import read_records
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.stage import FAILURES, MAX_NAMED, RECORDS, RUN_OPTIONS, fail_for
from snapshot_dr_provider.triggers.orders import accepted_keys

SUCCESS: Final = "success"


class AuditRunOperator(BaseOperator):
    """
    Check that a run has done what it was for, and fail if it has not.

    Trusts no green task: it requires success of each task that it is told of, for each listed route a plan, and for
    each wanted snapshot a KMS-C copy that is verified now, read from the DR account. A stage that is missing, skipped,
    ``upstream_failed`` or was never expanded counts as failed. The state of a run is decided by its leaves alone, so
    that this task has to be the only one, with ``trigger_rule="all_done"`` (airflow 2, 3).

    The policy audit itself is another operator's.

    :param routes_from: id of the task that lists the routes.
    :param plan_task: id of the mapped task that leaves the records of what is wanted.
    :param stage_tasks: ids of all mapped tasks of an account, in their order.
    :param other_tasks: ids of the tasks around them.
    """

    def __init__(
        self,
        *,
        routes_from: str,
        plan_task: str,
        stage_tasks: Sequence[str],
        other_tasks: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"trigger_rule": "all_done", **kwargs})
        self.routes_from = routes_from
        self.plan_task = plan_task
        self.stage_tasks = tuple(stage_tasks)
        self.other_tasks = tuple(other_tasks)

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Gather, check, print, and fail on any finding.

        :returns: ``{"dry_run": bool, "routes": [{"route": label, "wanted": n, "verified": n}]}``.
        """
        task = context["ti"]
        routes = [Route.from_json(item) for item in task.xcom_pull(task_ids=self.routes_from, default=None) or ()]
        options = task.xcom_pull(task_ids=self.routes_from, key=RUN_OPTIONS, default=None) or {}
        dry_run = bool(options.get("dry_run"))
        findings = self._failed_tasks(task, routes, dry_run=dry_run)
        rows = [] if dry_run else [self._audit_route(task, index, route) for index, route in enumerate(routes)]
        findings += [f"{row.label}: {problem}" for row in rows for problem in row.problems]
        findings += [] if dry_run else self._unclaimed(options.get("snapshot_ids", ()), rows)
        for row in rows:
            self.log.info("%-50s %5d wanted %5d verified", row.label, len(row.wanted), len(row.verified))
        if dry_run:
            self.log.info("dry run: nothing was to be copied, so that nothing was checked but the plans")
        if findings:
            raise AirflowFailException(self._complaint(findings))
        counts = [{"route": r.label, "wanted": len(r.wanted), "verified": len(r.verified)} for r in rows]
        return {"dry_run": dry_run, "routes": counts}

    def _complaint(self, findings: Sequence[str]) -> str:
        for finding in findings:
            self.log.error("%s", finding)
        named = list(findings[:MAX_NAMED])
        if len(findings) > MAX_NAMED:
            named.append(f"and {len(findings) - MAX_NAMED} more, all of them in the log above")
        return "\n  ".join([f"{len(findings)} findings. Clear the red tasks with their downstream tasks.", *named])

    def _failed_tasks(self, task: Any, routes: Sequence[Route], *, dry_run: bool) -> list[str]:
        """Name each task that has not succeeded, by what Airflow says of all of them."""
        answer = task.get_task_states(dag_id=task.dag_id, run_ids=[task.run_id])
        states: Mapping[str, str | None] = answer.get(task.run_id, {})
        alone = [(name, name) for name in (self.routes_from, *self.other_tasks)]
        # In a dry run the stages behind the plan have nothing to do and skip.
        stages = [self.plan_task] if dry_run else self.stage_tasks
        mapped = [
            (f"{name}_{index}", f"{route.label}: {name}") for index, route in enumerate(routes) for name in stages
        ]
        return [
            f"{label} is {states.get(key) or 'not there'}, not success"
            for key, label in (*alone, *mapped)
            if states.get(key) != SUCCESS
        ]

    def _audit_route(self, task: Any, index: int, route: Route) -> RouteAudit:
        """Compare what a route wanted with what the DR account has now."""
        left = task.xcom_pull(task_ids=self.plan_task, key=RECORDS, map_indexes=index, default=None)
        if left is None:
            return RouteAudit(route.label, problems=["left no plan, so that it is unknown what was wanted"])
        wanted = read_records(left)
        try:
            copies = RouteHooks(route).kms_c().copies_of(wanted, Stage.KMS_C) if wanted else []
        except SnapshotDrError as error:
            if not error.permanent:
                fail_for(error)
            return RouteAudit(route.label, tuple(wanted), problems=[f"its KMS-C copies could not be read: {error}"])
        expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
        verified = verified_copies(copies, expected, wanted)
        reasons = self._reasons(task, index) if len(verified) < len(wanted) else {}
        problems = [
            f"{source} has no verified KMS-C copy: {reasons.get(source, 'no stage said why')}"
            for source in wanted
            if source not in verified
        ]
        return RouteAudit(route.label, tuple(wanted), tuple(verified), problems)

    def _reasons(self, task: Any, index: int) -> dict[str, str]:
        """Collect what the stages of a route said of the sources that failed, the earliest stage first."""
        reasons: dict[str, str] = {}
        for name in reversed([task for task in self.stage_tasks if task != self.plan_task]):
            reasons |= task.xcom_pull(task_ids=name, key=FAILURES, map_indexes=index, default=None) or {}
        return reasons

    def _unclaimed(self, asked_for: Sequence[str], rows: Sequence[RouteAudit]) -> list[str]:
        """Name the snapshots that the run was asked for by name and that no route has."""
        claimed = {source for row in rows for source in row.wanted}
        return [
            f"{snapshot_id} was asked for, but no route has it"
            for snapshot_id in asked_for
            if snapshot_id not in claimed
        ]


@dataclass(frozen=True, slots=True)
class RouteAudit:
    """Say what was found of one route."""

    label: str
    wanted: Sequence[str] = ()
    verified: Sequence[str] = ()
    problems: Sequence[str] = ()
