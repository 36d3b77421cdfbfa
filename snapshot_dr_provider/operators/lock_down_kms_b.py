"""The teardown around the accounts: take from the organization what the run has given it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from snapshot_dr_provider._compat import AirflowException, Context
from snapshot_dr_provider.domain.key_policy.window import close_windows, look_alikes
from snapshot_dr_provider.domain.lineage import MAX_TAG_VALUE, Stage, lineage_of
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.operators.key_window import (
    MAX_WRITES,
    PREVIOUS_POLICIES,
    KeyWindowOperator,
    KmsB,
    WindowJob,
    open_doors,
)
from snapshot_dr_provider.stage import MAX_NAMED, fail, fail_for
from snapshot_dr_provider.triggers.clock import current_clock
from snapshot_dr_provider.triggers.threads import in_thread

LOCK_DOWN: Final = "lock_down"

log = logging.getLogger(__name__)


class LockDownKmsBOperator(KeyWindowOperator):
    """
    Close the window of a run in every KMS-B that it uses.

    First waits up to ``lock_down_wait_seconds`` for KMS-B copies of the run that are still in flight; a copy that has
    to wait may ask for the key late (aws 2.11). Those that are left are named, and the key is locked all the same.
    Removes this run's statements and those of ours whose time is over, and no others. It looks again
    ``policy_settle_seconds`` later, since a writer that had read the policy before may bring them back.

    Succeeds only if the organization cannot copy then, live windows of other runs aside. Where the window is not
    managed, in dry runs and without routes it succeeds without doing anything, and never skips.

    Pushes XCom ``previous_policies`` and ``lock_down``: ``{"keys": [key ARN], "in_flight": [copy id], "unseen":
    [why an account could not be looked at]}``.

    For the arguments see :class:`~snapshot_dr_provider.operators.key_window.KeyWindowOperator`.
    """

    ui_color = "#fce8e6"

    def execute(self, context: Context) -> None:
        """
        Wait, lock, and make sure.

        :raises AirflowFailException: naming the statement, when the organization can copy all the same.
        """
        job = self._job(context)
        if job is not None:
            self._wait(context, job, current_clock().now() + timedelta(seconds=job.options.lock_down_wait_seconds))

    def resume(self, context: Context, event: Any = None, **state: Any) -> None:
        """Go on with waiting or with locking after a pause."""
        job = self._job(context)
        if job is None:
            return
        if "until" in state:
            self._wait(context, job, datetime.fromisoformat(state["until"]))
        else:
            self._lock(context, job, writes=state["writes"])

    def _wait(self, context: Context, job: WindowJob, until: datetime) -> None:
        in_flight, unseen = asyncio.run(_copies_in_flight(job))
        while in_flight and current_clock().now() < until:
            self.log.info("%d KMS-B copies of this run are in flight, such as %s", len(in_flight), in_flight[0])
            self._pause(4 * job.options.poll_seconds, job.options, until=until.isoformat())
            in_flight, unseen = asyncio.run(_copies_in_flight(job))
        for why in unseen:
            self.log.warning("%s; locking without knowing what is in flight there", why)
        if in_flight:
            named = ", ".join(in_flight[:MAX_NAMED])
            message = "locking although %d KMS-B copies are in flight, which may fail now: %s"
            self.log.warning(message, len(in_flight), named)
        report = {"keys": [key.arn for key in job.kms_b_keys()], "in_flight": in_flight, "unseen": unseen}
        context["ti"].xcom_push(key=LOCK_DOWN, value=report)
        self._lock(context, job, writes=0)

    def _lock(self, context: Context, job: WindowJob, writes: int) -> None:
        """Write until a look some time after the last writing finds no window of this run."""
        keys = job.kms_b_keys()
        try:
            while before := _close(job, keys):
                writes += 1
                if writes == 1:
                    context["ti"].xcom_push(key=PREVIOUS_POLICIES, value=before)
                elif writes > MAX_WRITES:
                    raise AirflowException(_back(before))
                self._pause(job.options.policy_settle_seconds, job.options, writes=writes)
            problems = open_doors(keys, current_clock().now())
        except SnapshotDrError as error:
            fail_for(context, error)
        if problems:
            fail(context, "\n  ".join(["KMS-B is not locked:", *problems]))
        self.log.info("locked: %s", ", ".join(key.arn for key in keys))


def _close(job: WindowJob, keys: Iterable[KmsB]) -> dict[str, str]:
    """
    Close the windows that are to be closed, of each key whatever becomes of another.

    :returns: the policies, as they were, that had to be changed for it.
    :raises SnapshotDrError: of the first key that could not be locked.
    """
    now = current_clock().now()
    changed: dict[str, str] = {}
    errors: list[SnapshotDrError] = []
    for key in keys:
        try:
            before, after = key.revise(partial(close_windows, terms=key.terms, run=job.run, now=now))
            changed_by_others = look_alikes(after, key.terms, now=now)
        except SnapshotDrError as error:
            errors.append(error)
        else:
            changed |= {key.arn: before} if before != after else {}
            for sid in changed_by_others:
                log.warning("%s in the policy of %s was changed by somebody and stays; remove it by hand", sid, key.arn)
    if errors:
        raise errors[0]
    return changed


def _back(keys: Iterable[str]) -> str:
    return (
        f"the window was cut {MAX_WRITES} times out of the policy of {' and '.join(keys)} and is back each time: "
        "somebody else writes that policy, too. Let no other tool manage it while runs open it, then clear this task."
    )


async def _copies_in_flight(job: WindowJob) -> tuple[list[str], list[str]]:
    """Name the KMS-B copies of a run that are pending, and say which accounts could not be looked at."""
    places = {(route.account_id, route.destination_region): route for route in job.routes}
    looks = [in_thread(_pending, route, job.run) for route in places.values()]
    found = await asyncio.gather(*looks, return_exceptions=True)
    in_flight: list[str] = []
    unseen: list[str] = []
    for route, result in zip(places.values(), found, strict=True):
        if isinstance(result, SnapshotDrError):
            unseen.append(f"{route.label}: {result}")
        elif isinstance(result, BaseException):
            raise result
        else:
            in_flight += result
    return in_flight, unseen


def _pending(route: Route, run: str) -> Sequence[str]:
    copies = RouteHooks(route).kms_b().copies_from(route.account_id, Stage.KMS_B)
    lineages = {c.snapshot_id: lineage_of(c, owner_id=route.account_id) for c in copies if c.state == "pending"}
    return [copy_id for copy_id, lineage in lineages.items() if lineage and lineage.run == run[:MAX_TAG_VALUE]]
