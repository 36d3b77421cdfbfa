"""
The weekly audit: the keys and the disaster-recovery copies in the DR account, apart from any run.

It looks at more copies than the audit at the end of each run does, and it also notices what has gone wrong while no run
was due. The settings file is the same: the Airflow option ``[snapshot_dr] settings_path`` names it.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable

from snapshot_dr_provider.notifications import tell_lost_audit
from snapshot_dr_provider.operators.audit_key_policies import AuditKeyPoliciesOperator
from snapshot_dr_provider.task_groups.account import RETRY

with DAG(
    dag_id="snapshot_dr_key_policy_audit",
    description="Audits the keys and the disaster-recovery copies in the DR account.",
    doc_md=__doc__,
    # Mondays at 6, when the night's run is over and somebody is there to read it.
    schedule=CronDataIntervalTimetable("0 6 * * 1", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=RETRY,
    on_failure_callback=tell_lost_audit,
    tags=["aws", "ebs", "kms", "disaster-recovery"],
) as dag:
    # A call for each copy: 20,000 take about 17 minutes at the rate that EC2 grants (aws 3.4).
    AuditKeyPoliciesOperator(task_id="audit", share_checks=20_000)
