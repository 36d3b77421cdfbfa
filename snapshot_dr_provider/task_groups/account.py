"""The six stages that give one account its KMS-C copies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from airflow.sdk import task_group

from snapshot_dr_provider.assets import KMS_C_COPIES
from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.delete_kms_b import DeleteKmsBOperator
from snapshot_dr_provider.operators.plan_copies import PlanCopiesOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator
from snapshot_dr_provider.sensors.snapshot_completed import SnapshotCompletedSensor

ACCOUNT: Final = "account"

OPEN_WINDOW: Final = "open_kms_b_window"
"""Id of the task outside the group that opens KMS-B, where each run does."""

STAGES: Final = tuple(
    f"{ACCOUNT}.{name}"
    for name in ("plan", "copy_to_kms_b", "kms_b_completed", "rotate_to_kms_c", "kms_c_completed", "delete_kms_b")
)
"""Ids of the stages in their order."""

RETRY: Final[dict[str, Any]] = {
    # At least one on every deferrable task: Airflow 3.3.2 may mistake a late event of the deferral for a failure
    # (airflow 5). Every stage may run twice.
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
}


@task_group(group_id=ACCOUNT)
def account(route: dict[str, Any], options: dict[str, Any]) -> None:
    """
    Plan, copy, gate, rotate, gate, delete.

    Each stage runs whatever became of the one before and takes over the records that it left: one bad snapshot does not
    hold up its account, and clearing the one red task, with what is downstream of it, repairs the account.

    :param route: a :class:`~snapshot_dr_provider.domain.routes.Route` as JSON; mapped over.
    :param options: the :class:`~snapshot_dr_provider.domain.run_options.RunOptions` of the run as JSON.
    """
    the_same: dict[str, Any] = {"route": route, "options": options, **RETRY}
    later: dict[str, Any] = {**the_same, "trigger_rule": "all_done"}
    plan, copied, at_b, rotated, at_c, _ = STAGES
    (
        PlanCopiesOperator(task_id="plan", **the_same)
        >> CopySnapshotToKmsBOperator(
            task_id="copy_to_kms_b", records_from=plan, window_from=OPEN_WINDOW, deferrable=True, **later
        )
        >> SnapshotCompletedSensor(
            task_id="kms_b_completed", stage="kms-b", records_from=copied, deferrable=True, **later
        )
        >> RotateToKmsCOperator(task_id="rotate_to_kms_c", records_from=at_b, deferrable=True, **later)
        >> SnapshotCompletedSensor(
            task_id="kms_c_completed",
            stage="kms-c",
            records_from=rotated,
            outlets=[KMS_C_COPIES],
            deferrable=True,
            **later,
        )
        >> DeleteKmsBOperator(task_id="delete_kms_b", records_from=at_c, **later)
    )
