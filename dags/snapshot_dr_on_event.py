"""
The disaster-recovery copy of a snapshot as soon as EventBridge tells that it has been created.

Wiring only. The settings file names the queue under ``events``; ``docs/events.md`` says what to set up. The daily DAG
stays: it makes up for whatever an event has not brought.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher

from snapshot_dr_provider.notifications import tell_lost_audit
from snapshot_dr_provider.operators.list_event_routes import ListEventRoutesOperator
from snapshot_dr_provider.task_groups.account import RETRY
from snapshot_dr_provider.task_groups.all_accounts import copy_all_accounts
from snapshot_dr_provider.triggers.snapshot_events import SnapshotEventsTrigger

created_snapshots = Asset(
    name="created_ebs_snapshots",
    uri="x-snapshot-dr://created-ebs-snapshots",
    watchers=[AssetWatcher(name="event_queue", trigger=SnapshotEventsTrigger())],
)

with DAG(
    dag_id="snapshot_dr_on_event",
    description="Copies EBS snapshots under KMS-C into the DR account as soon as they are created.",
    doc_md=__doc__,
    schedule=[created_snapshots],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # While so many runs are at work further events wait, and the next run takes all of them.
    max_active_runs=3,
    max_active_tasks=64,
    default_args=RETRY,
    on_failure_callback=tell_lost_audit,
    tags=["aws", "ebs", "disaster-recovery"],
) as dag:
    copy_all_accounts(ListEventRoutesOperator(task_id="list_routes", inlets=[created_snapshots]))
