"""
The daily disaster-recovery copy: every encrypted EBS snapshot of the organization, under KMS-C, in the DR account.

Wiring only. What is copied, from where and under which keys is in the settings file that the Airflow option
``[snapshot_dr] settings_path`` names.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from snapshot_dr_provider.notifications import tell_lost_audit
from snapshot_dr_provider.operators.list_routes import ListRoutesOperator
from snapshot_dr_provider.task_groups.account import RETRY
from snapshot_dr_provider.task_groups.all_accounts import copy_all_accounts

with DAG(
    dag_id="snapshot_dr",
    description="Copies each day's EBS snapshots of all accounts under KMS-C into the DR account.",
    doc_md=__doc__,
    # A plain cron string has no data interval: every run would copy nothing of its day.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=64,
    default_args=RETRY,
    on_failure_callback=tell_lost_audit,
    tags=["aws", "ebs", "disaster-recovery"],
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="Copy the snapshots of this UTC day (YYYY-MM-DD).",
        ),
        "accounts": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "pattern": "^[0-9]{12}$"},
            title="Accounts",
            description="Only these account ids; all of the settings when empty.",
        ),
        "snapshot_ids": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "pattern": "^snap-[0-9a-f]+$"},
            title="Snapshots",
            description="Only these source snapshots, whatever their age.",
        ),
        "dry_run": Param(default=False, type="boolean", title="Dry run", description="Plan, and copy nothing."),
    },
) as dag:
    copy_all_accounts(ListRoutesOperator(task_id="list_routes"))
