"""Copy the snapshots of one account into the DR account, with the operators alone."""

from airflow.sdk import DAG, Param

from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.delete_kms_b import DeleteKmsBOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator
from snapshot_dr_provider.sensors.snapshot_completed import SnapshotCompletedSensor

KEY = "arn:aws:kms:us-east-1:999999999999:key/"
ROUTE = {
    "aws_conn_id": "aws_payments",
    "source_account_id": "111111111111",
    "region_name": "us-east-1",
    "kms_b_arn": KEY + "b0b0b0b0-0000-4000-8000-000000000001",
    "kms_c_arn": KEY + "c0c0c0c0-0000-4000-8000-000000000001",
    "dr_aws_conn_id": "aws_dr",
    "dr_account_id": "999999999999",
    "source_snapshot_ids": ["{{ params.snapshot_id }}"],
}

with DAG(
    "copy_one_snapshot",
    schedule=None,
    params={"snapshot_id": Param(type="string", pattern="^snap-[0-9a-f]+$")},
    default_args={"retries": 2},
):
    (
        CopySnapshotToKmsBOperator(task_id="copy", deferrable=True, **ROUTE)
        >> RotateToKmsCOperator(task_id="rotate", deferrable=True, **ROUTE)
        >> SnapshotCompletedSensor(task_id="verify", stage="kms-c", deferrable=True, **ROUTE)
        >> DeleteKmsBOperator(task_id="delete", **ROUTE)
    )
