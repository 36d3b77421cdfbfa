"""What opening and locking KMS-B have in common: the keys of a run, their policies, and waiting."""

from __future__ import annotations

import asyncio
import json
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import unified_diff
from typing import Any, Final

from snapshot_dr_provider._compat import BaseOperator, Context
from snapshot_dr_provider.domain.key_policy.facts import Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.questions import can_organization_copy
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.domain.key_policy.searching import QuestionAnswer
from snapshot_dr_provider.domain.key_policy.window import Terms, without_windows
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.exceptions import KeyPolicyError
from snapshot_dr_provider.hooks.key_policies import DEFAULT, KeyAdministrationHook, key_administration
from snapshot_dr_provider.stage import RUN_OPTIONS
from snapshot_dr_provider.triggers.clock import current_clock
from snapshot_dr_provider.triggers.moment import MomentTrigger

PREVIOUS_POLICIES: Final = "previous_policies"

MAX_WRITES: Final = 4
"""How often a policy is written when other writers lose the change."""

SHORT_SECONDS: Final = 5.0
"""Pauses up to here are sat out in the worker: a deferral takes longer (airflow 5)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowJob:
    """
    Say what a task is to do: for which run, and what the run is about.

    :param run: id of the DAG run.
    """

    run: str
    routes: tuple[Route, ...]
    options: RunOptions

    def kms_b_keys(self) -> list[KmsB]:
        """Open each KMS-B that the routes use, once, with the credentials of its administrator."""
        options = self.options
        arns = sorted({route.kms_b_arn for route in self.routes})
        return [
            KmsB(
                arn,
                Terms.of_key(arn, options.organization_id),
                key_administration(arn, options.key_admin_conn_id, options.key_admin_role_arn, {}),
            )
            for arn in arns
        ]


@dataclass(frozen=True, slots=True)
class KmsB:
    """Hold one KMS-B and the way to its policy."""

    arn: str
    terms: Terms
    hook: KeyAdministrationHook

    def ask_standing_policy(self, now: datetime) -> QuestionAnswer:
        """
        Ask whether the organization can copy when all windows of ours are set aside; every policy counts (aws 9.2).

        :raises KeyPolicyError: when a policy cannot be read; it is not passed then.
        """
        texts = self.hook.policies(self.arn)
        account_id = self.arn.split(":")[4]
        around = Surroundings(
            self.terms.organization_id, account_id, self.terms.region, now, self.terms.partition, key_arn=self.arn
        )
        try:
            standing = [
                without_windows(text, self.terms, now=now) if name == DEFAULT else text for name, text in texts.items()
            ]
            return can_organization_copy([parse_policy(text) for text in standing], around)
        except KeyPolicyError as error:
            msg = f"the policy of {self.arn} cannot be judged: {error}"
            raise KeyPolicyError(msg) from error

    def revise(self, change: Callable[[str], str]) -> tuple[str, str]:
        """Change the policy where that is needed, log the difference, and answer it before and after."""
        try:
            before, after = self.hook.revise_policy(self.arn, change)
        except KeyPolicyError as error:
            msg = f"the policy of {self.arn} was not changed: {error}"
            raise KeyPolicyError(msg) from error
        if before != after:
            # Of the policies as people read them: the text itself often is a single line.
            lines = unified_diff(_as_lines(before), _as_lines(after), "before", "after", lineterm="", n=1)
            log.info("policy of %s:\n%s", self.arn, "\n".join(lines))
        return before, after


def _as_lines(policy: str) -> list[str]:
    return json.dumps(json.loads(policy), indent=2).splitlines()


def open_doors(keys: Iterable[KmsB], now: datetime) -> list[str]:
    """Complain of each key whose standing policy is not certain to be locked."""
    answers = {key.arn: key.ask_standing_policy(now) for key in keys}
    return [_complaint(arn, found) for arn, found in answers.items() if found.answer is not Answer.NO]


def _complaint(arn: str, found: QuestionAnswer) -> str:
    named = " and ".join(found.statements) or "its statements"
    verb = "lets" if found.answer is Answer.YES else "may let"
    return (
        f"the standing policy of KMS-B {arn} {verb} the organization copy without a window, by {named} ({found.why}). "
        f"Remove {named}, so that the policy has the locked form (airflow snapshot-dr policy show kms-b-locked), or "
        "set kms_b_window to unmanaged."
    )


class KeyWindowOperator(BaseOperator):
    """
    Find out what there is to do, and wait without holding a worker.

    :param routes_from: id of the task that lists the routes and leaves the options of the run.
    :param routes: the routes themselves as a list of JSON mappings, instead.
    :param options: the :class:`~snapshot_dr_provider.domain.run_options.RunOptions` with them.
    :param deferrable: whether longer pauses are made in the triggerer.
    """

    template_fields: Sequence[str] = ("routes", "options")

    def __init__(
        self,
        *,
        routes_from: str | None = None,
        routes: Sequence[Mapping[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.routes_from = routes_from
        self.routes = routes
        self.options = options
        self.deferrable = deferrable

    def _job(self, context: Context) -> WindowJob | None:
        """Tell what is to be done; ``None`` where no window is managed, with the reason in the log."""
        routes, options = self.routes, self.options
        if self.routes_from:
            task = context["ti"]
            routes = task.xcom_pull(task_ids=self.routes_from, default=None)
            options = task.xcom_pull(task_ids=self.routes_from, key=RUN_OPTIONS, default=None)
        if not routes or not options:
            self.log.info("no routes were listed, so that there is no window to care for")
            return None
        read = RunOptions.from_json(options)
        if read.dry_run or read.kms_b_window != "per_run":
            why = "this is a dry run" if read.dry_run else "the window of KMS-B is not managed (kms_b_window)"
            self.log.info("%s: nothing to do", why)
            return None
        return WindowJob(str(context["run_id"]), tuple(Route.from_json(route) for route in routes), read)

    def _pause(self, seconds: float, options: RunOptions, **state: Any) -> None:
        """
        Wait: a short time here, a longer one in the triggerer.

        :param state: what :meth:`resume` is called with after a longer one.
        """
        if seconds <= SHORT_SECONDS or not self.deferrable:
            asyncio.run(current_clock().sleep(seconds))
            return
        moment = current_clock().now() + timedelta(seconds=max(seconds, options.first_fire_seconds))
        self.defer(trigger=MomentTrigger(moment.isoformat()), method_name=self.resume.__name__, kwargs=state)

    @abstractmethod
    def resume(self, context: Context, event: Any = None, **state: Any) -> Any:
        """Go on after a pause."""
