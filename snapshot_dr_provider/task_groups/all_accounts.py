"""What a DAG does with the routes of a run: open KMS-B, copy all accounts, lock it again, audit."""

from __future__ import annotations

from airflow.sdk import XComArg

from snapshot_dr_provider.operators.audit_key_policies import AuditKeyPoliciesOperator
from snapshot_dr_provider.operators.lock_down_kms_b import LockDownKmsBOperator
from snapshot_dr_provider.operators.open_kms_b_window import OpenKmsBWindowOperator
from snapshot_dr_provider.operators.run_routes import RunRoutesOperator
from snapshot_dr_provider.stage import RUN_OPTIONS
from snapshot_dr_provider.task_groups.account import OPEN_WINDOW, STAGES, account


def copy_all_accounts(list_routes: RunRoutesOperator) -> None:
    """
    Add to the DAG what follows the task that lists the routes; no task may stand beside the audit at its end.

    The state of a run is decided by its leaves alone (airflow 2, 3): the audit has to be the only one, and reads the
    states of all others.
    """
    # Around the group, never in it: there, clearing one account would open every window and close one.
    open_window = OpenKmsBWindowOperator(task_id=OPEN_WINDOW, routes_from=list_routes.task_id)
    accounts = account.partial(options=XComArg(list_routes, RUN_OPTIONS)).expand(route=list_routes.output)
    lock_down = LockDownKmsBOperator(task_id="lock_down_kms_b", routes_from=list_routes.task_id).as_teardown(
        setups=open_window
    )
    audit = AuditKeyPoliciesOperator(
        task_id="audit",
        routes_from=list_routes.task_id,
        plan_task=STAGES[0],
        stage_tasks=STAGES,
        other_tasks=[open_window.task_id, lock_down.task_id],
    )
    list_routes >> open_window >> accounts >> lock_down >> audit
