"""Copy in the worker instead of the triggerer, so that a task's own process starts copies and waits for them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.delete_kms_b import DeleteKmsBOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator

WORK: dict[str, Any] = {
    "route": "{{ params.route }}",
    "options": "{{ params.options }}",
    "source_snapshot_ids": "{{ params.snapshot_ids }}",
}

with DAG(
    "copy_in_worker",
    schedule=None,
    default_args={"retries": 2},
    params={
        "route": Param(type="object"),
        "options": Param(type="object"),
        "snapshot_ids": Param(type="array"),
    },
    render_template_as_native_obj=True,
):
    (
        CopySnapshotToKmsBOperator(task_id="copy", **WORK)
        >> RotateToKmsCOperator(task_id="rotate", **WORK)
        >> DeleteKmsBOperator(task_id="delete", route=WORK["route"], source_snapshot_ids=WORK["source_snapshot_ids"])
    )
