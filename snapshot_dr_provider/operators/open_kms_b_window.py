"""The setup around the accounts: let the organization copy under KMS-B, for this run and until a certain time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from snapshot_dr_provider._compat import AirflowException, Context
from snapshot_dr_provider.domain.key_policy.window import Window, close_windows, open_window
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.operators.key_window import (
    MAX_WRITES,
    PREVIOUS_POLICIES,
    KeyWindowOperator,
    KmsB,
    WindowJob,
    open_doors,
)
from snapshot_dr_provider.stage import WINDOWS, fail, fail_for
from snapshot_dr_provider.triggers.clock import current_clock


class OpenKmsBWindowOperator(KeyWindowOperator):
    """
    Open every KMS-B that a run uses, for the time of ``kms_b_window_hours``.

    Adds two statements of its own to each key policy and touches no other. If the standing policy, that without windows
    of ours, is not certain to keep the organization from copying, it fails and changes nothing: locking would be for
    show. It waits ``policy_settle_seconds`` for the change to take effect, and repeats it when another writer has lost
    it meanwhile.

    Where the window is not managed, and in dry runs, it succeeds without doing anything. It never skips: everything
    behind a setup that skips is skipped too (airflow 3).

    Pushes XCom ``windows``, the end of each key's window in ISO 8601 by the key's ARN, and ``previous_policies``.

    For the arguments see :class:`~snapshot_dr_provider.operators.key_window.KeyWindowOperator`.
    """

    ui_color = "#e6f4ea"

    def execute(self, context: Context) -> None:
        """
        Open, and see that it stays open.

        :raises AirflowFailException: naming the statement, when a standing policy is not locked.
        """
        job = self._job(context)
        if job is None:
            return
        now = current_clock().now()
        end = (now + timedelta(hours=job.options.kms_b_window_hours)).replace(microsecond=0)
        keys = job.kms_b_keys()
        try:
            problems = open_doors(keys, now)
        except SnapshotDrError as error:
            fail_for(context, error)
        if problems:
            fail(context, "\n  ".join(["KMS-B was not opened:", *problems]))
        self._open(context, job, keys, end, writes=0)

    def resume(self, context: Context, event: Any = None, **state: Any) -> None:
        """Look again after a pause."""
        job = self._job(context)
        if job is not None:
            self._open(context, job, job.kms_b_keys(), datetime.fromisoformat(state["end"]), writes=state["writes"])

    def _open(self, context: Context, job: WindowJob, keys: Sequence[KmsB], end: datetime, writes: int) -> None:
        """Write until a look some time after the last writing finds the window where it was put."""
        try:
            while before := self._write(job, keys, end):
                writes += 1
                if writes == 1:
                    context["ti"].xcom_push(key=PREVIOUS_POLICIES, value=before)
                elif writes > MAX_WRITES:
                    self._withdraw(job, keys, end)
                    raise AirflowException(_lost(before))
                self._pause(job.options.policy_settle_seconds, job.options, end=end.isoformat(), writes=writes)
        except SnapshotDrError as error:
            self._withdraw(job, keys, end)
            fail_for(context, error)
        context["ti"].xcom_push(key=WINDOWS, value={key.arn: end.isoformat() for key in keys})
        self.log.info("open for this run until %s: %s", end, ", ".join(key.arn for key in keys))

    def _write(self, job: WindowJob, keys: Sequence[KmsB], end: datetime) -> dict[str, str]:
        """Open what is not open; answer the policies, as they were, that had to be changed for it."""
        role = job.options.copy_role_name
        found = {
            key.arn: key.revise(partial(open_window, window=Window(key.terms, job.run, end, role))) for key in keys
        }
        return {arn: before for arn, (before, after) in found.items() if before != after}

    def _withdraw(self, job: WindowJob, keys: Sequence[KmsB], end: datetime) -> None:
        """Close again what was opened: the teardown of a setup that has failed is not run (airflow 3)."""
        for key in keys:
            try:
                key.revise(partial(close_windows, terms=key.terms, run=job.run, now=current_clock().now()))
            except SnapshotDrError as error:
                self.log.warning("%s; a window that was opened ends by itself at %s", error, end)


def _lost(keys: Iterable[str]) -> str:
    return (
        f"the window was written {MAX_WRITES} times into the policy of {' and '.join(keys)} and is gone each time: "
        "somebody else writes that policy, too. Let no other tool manage it while runs open it."
    )
