"""The end of a run, or an audit of its own: the keys, the copies, and whether the run has done what it was for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from snapshot_dr_provider._compat import AirflowFailException, BaseOperator, Context
from snapshot_dr_provider.domain.audit_page import render_page
from snapshot_dr_provider.domain.audit_report import (
    AuditReport,
    RouteCount,
    bounded,
    complaint,
    file_stem,
    in_order,
    table,
)
from snapshot_dr_provider.domain.failure_message import RedTask, word_failure
from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rules import KeyExpectations, judge_key
from snapshot_dr_provider.domain.key_policy.run_rules import SETTINGS, judge_duration
from snapshot_dr_provider.domain.key_policy.snapshot_rules import (
    judge_dr_region,
    judge_kms_b_copies,
    kms_b_rules_do_not_apply,
)
from snapshot_dr_provider.domain.run_options import SCHEDULED
from snapshot_dr_provider.exceptions import ConfigurationError, ReportError, SettingsError, SnapshotDrError
from snapshot_dr_provider.hooks.report_files import write_report
from snapshot_dr_provider.notifications import FAILURE, configured_notifiers, log_link, tell_failure
from snapshot_dr_provider.operators.dr_facts import DrRegion
from snapshot_dr_provider.operators.run_coverage import RunCoverage, coverage_does_not_apply
from snapshot_dr_provider.operators.run_outcome import RunOutcome, RunTasks
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings
from snapshot_dr_provider.stage import fail_for
from snapshot_dr_provider.triggers.clock import current_clock

RETURN_VALUE: Final = "return_value"


class AuditKeyPoliciesOperator(BaseOperator):
    """
    Audit keys, grants and copies, and the run that this task ends; fail on what must not be.

    Keys and copies are read with the credentials of the DR account. As the end of a run it also requires, whatever the
    tasks say of themselves, that each of them has succeeded and that each wanted snapshot has a KMS-C copy that is
    verified now; the KMS-B copies that are left are known from what the last stage of each account has reported, and
    the volumes that ``rpo_hours`` is about from what each plan has left. The state of a run is decided by its leaves
    alone, so that this task has to be the only one (airflow 2, 3).

    Alone in a DAG, without ``routes_from``, it audits keys and copies, and the rules on runs do not apply.

    When it fails, the notifiers of the option ``[snapshot_dr] failure_notifier`` tell so, once for the whole run.

    Returns the report as JSON, pushed also when the task fails: what was broken or left undecided, no more than some
    200 findings one by one, and counts of the rest. The files of the report have everything; a later try replaces
    them. Nothing else is changed.

    :param settings_path: path of the settings file (templated); without it that of Airflow's configuration.
    :param report_path: where the report is written as JSON and as a page (templated), instead of the setting
        ``audit_report_path``.
    :param fail_on: severity from which a broken rule fails the task, instead of ``audit_fail_on``.
    :param fail_on_undecided: whether a rule that could not be decided does so, instead of ``audit_fail_on_undecided``.
    :param share_checks: of how many KMS-C copies in a Region it is asked with whom they are shared, instead of
        ``audit_share_checks``; the newest, each by a call of its own.
    :param routes_from: id of the task that lists the routes; without it there is no run to judge.
    :param plan_task: id of the mapped task that leaves the records of what is wanted.
    :param stage_tasks: ids of all mapped tasks of an account, in their order.
    :param other_tasks: ids of the tasks around them.
    """

    template_fields: Sequence[str] = ("settings_path", "report_path")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        settings_path: str | None = None,
        report_path: str | None = None,
        fail_on: str | None = None,
        fail_on_undecided: bool | None = None,
        share_checks: int | None = None,
        routes_from: str | None = None,
        plan_task: str = "",
        stage_tasks: Sequence[str] = (),
        other_tasks: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"trigger_rule": "all_done", **kwargs})
        if fail_on is not None and fail_on.upper() not in Severity.__members__:
            labels = ", ".join(severity.label for severity in Severity)
            msg = f"AuditKeyPoliciesOperator {self.task_id!r}: fail_on is one of {labels}, not {fail_on!r}"
            raise ConfigurationError(msg)
        self.settings_path = settings_path
        self.report_path = report_path
        self.fail_on = fail_on
        self.fail_on_undecided = fail_on_undecided
        self.share_checks = share_checks
        self.routes_from = routes_from
        self.plan_task = plan_task
        self.stage_tasks = tuple(stage_tasks)
        self.other_tasks = tuple(other_tasks)
        # Beside the callbacks of the DAG's author, whether those are its own or of default_args.
        self.on_failure_callback = [*self.on_failure_callback, tell_failure]

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Read, judge, print, write, and fail on what must not be.

        :returns: the report; ``docs/audit.md`` describes it.
        :raises AirflowFailException: for findings that the audit fails on.
        :raises AirflowException: for what may pass, such as throttling; it is left to retries.
        """
        now = current_clock().now()
        outcome = self._outcome(context)
        try:
            settings, findings = self._settings()
            found, routes = self._judge_run(outcome, settings, now)
            findings += found
            findings += self._judge_duration(context, routes, now) if routes else []
            if settings:
                coverage, said = _coverage(outcome, settings, now)
                findings += [*said, *self._judge_dr_account(outcome, coverage, settings, now)]
        except SnapshotDrError as error:
            fail_for(context, error)
        dry_run = outcome is not None and outcome.dry_run
        report = self._empty_report(context, settings, now)
        report = replace(report, findings=in_order(findings), routes=routes, dry_run=dry_run)
        return self._conclude(context, report, settings, outcome.red_tasks() if outcome and report.blocking else [])

    def _outcome(self, context: Context) -> RunOutcome | None:
        """Look at the run that this task ends, if it ends one."""
        if self.routes_from is None:
            return None
        return RunOutcome(context["ti"], RunTasks(self.routes_from, self.plan_task, self.stage_tasks, self.other_tasks))

    def _settings(self) -> tuple[Settings | None, list[Finding]]:
        """Read the settings; without them the run can still be judged, but it cannot be green."""
        try:
            return load_settings(self.settings_path or configured_settings_path()), []
        except SettingsError as error:
            return None, [
                SETTINGS.finding(Verdict.FAIL, "settings file", str(error), "Correct it and clear this task.")
            ]

    def _judge_run(
        self, outcome: RunOutcome | None, settings: Settings | None, now: datetime
    ) -> tuple[list[Finding], tuple[RouteCount, ...]]:
        if outcome is None:
            return kms_b_rules_do_not_apply("no run is audited, and only its accounts see their KMS-B copies"), ()
        findings, routes = outcome.judge()
        if settings is not None:
            findings.append(outcome.judge_settings(settings.fingerprint))
        if outcome.dry_run:
            return [*findings, *kms_b_rules_do_not_apply("in a dry run no account reports its KMS-B copies")], routes
        left, reports = outcome.kms_b_copies()
        findings += reports
        if settings is not None:
            max_age = timedelta(days=settings.kms_b_max_age_days)
            findings += judge_kms_b_copies(left, max_age=max_age, now=now)
        return findings, routes

    def _judge_duration(self, context: Context, routes: tuple[RouteCount, ...], now: datetime) -> list[Finding]:
        """Judge how long a scheduled run has taken; another one has no interval to keep up with."""
        run = context["dag_run"]
        start, end = run.data_interval_start, run.data_interval_end
        if run.run_type.value != SCHEDULED or not (start and end and run.start_date):
            return []
        return [judge_duration(run.run_id, now - run.start_date, end - start, sum(route.wanted for route in routes))]

    def _judge_dr_account(
        self, outcome: RunOutcome | None, coverage: RunCoverage | None, settings: Settings, now: datetime
    ) -> list[Finding]:
        """Judge keys and copies of each destination Region."""
        checks = settings.audit_share_checks if self.share_checks is None else self.share_checks
        expectations = KeyExpectations(window_managed=settings.kms_b_window == "per_run")
        members = {account.account_id for account in settings.static_accounts}
        members |= {route.account_id for route in outcome.routes} if outcome else set()
        findings: list[Finding] = []
        for region in sorted(settings.destinations):
            place = DrRegion(settings, region, checks)
            around = place.surroundings(frozenset(members), now)
            for facts in place.read_keys():
                findings += judge_key(facts, around, expectations)
            copies = place.read_copies()
            findings += judge_dr_region(copies)
            findings += coverage.judge_region(copies) if coverage else []
        return findings

    def _empty_report(self, context: Context, settings: Settings | None, now: datetime) -> AuditReport:
        """Begin the report; what cannot be read from the settings fails on the usual."""
        task = context["ti"]
        fail_on = self.fail_on or (settings.audit_fail_on if settings else Severity.HIGH.label)
        undecided = self.fail_on_undecided
        if undecided is None:
            undecided = settings.audit_fail_on_undecided if settings else True
        return AuditReport(
            dag_id=task.dag_id,
            run_id=task.run_id,
            written_at=now,
            findings=(),
            fail_on=Severity.of(fail_on),
            fail_on_undecided=undecided,
        )

    def _conclude(
        self, context: Context, report: AuditReport, settings: Settings | None, red: Sequence[RedTask]
    ) -> dict[str, Any]:
        """Print the report, write it, hand it on, and fail if it says so."""
        for line in table(bounded(report.findings)):
            self.log.info("%s", line)
        for route in report.routes:
            self.log.info("%-50s %5d wanted %5d verified", route.label, route.wanted, route.verified)
        value = report.to_json(brief=True)
        folder = self.report_path or (settings.audit_report_path if settings else None)
        beside = ""
        try:
            value["files"] = list(self._write(folder, report)) if folder else []
            # Whoever is only told that nobody can be told when a run is red is told too late.
            configured_notifiers()
        except (ReportError, ConfigurationError) as error:
            if not report.blocking:
                fail_for(context, error)
            beside = f"\n  {error}"
        context["ti"].xcom_push(key=RETURN_VALUE, value=value)
        if report.blocking:
            link = partial(log_link, report.dag_id, report.run_id)
            context["ti"].xcom_push(key=FAILURE, value=asdict(word_failure(report, red, self.task_id, link)))
            raise AirflowFailException(complaint(report) + beside)
        return value

    def _write(self, folder: str, report: AuditReport) -> tuple[str, ...]:
        stem = file_stem(report.dag_id, report.run_id)
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
        return write_report(folder, {f"{stem}.json": f"{text}\n", f"{stem}.html": render_page(report)})


def _coverage(
    outcome: RunOutcome | None, settings: Settings, now: datetime
) -> tuple[RunCoverage | None, Sequence[Finding]]:
    """Begin to judge volumes by their RPO, or say why that is not done."""
    if outcome is None:
        return None, ()
    if settings.rpo_hours is None:
        return None, coverage_does_not_apply("rpo_hours is not set")
    if outcome.dry_run:
        return None, coverage_does_not_apply("a dry run: nothing was to be copied")
    if outcome.routes and not outcome.options.get("coverage"):
        return None, coverage_does_not_apply("rpo_hours was not set when the run began; the next run is judged by it")
    coverage = RunCoverage(outcome, timedelta(hours=settings.rpo_hours), now)
    return coverage, coverage.judge_accounts()
