"""Two DAGs that run when there are new KMS-C copies: of one account, and of any."""

from typing import Any

from airflow.sdk import DAG, task

from snapshot_dr_provider.assets import KMS_C_COPIES, kms_c_copies

PAYMENTS = kms_c_copies(dr_account_id="999999999999", region="us-east-1", account_id="111111111111")


@task
def restore_drill(triggering_asset_events: Any) -> list[str]:
    """Restore one of the new copies in the DR account; here it only says of when they are."""
    new = [event.extra for event in triggering_asset_events[PAYMENTS]]
    return [f"{each['new_copies']} copies, the newest of {each['newest_source_start_time']}" for each in new]


@task
def report(triggering_asset_events: Any) -> dict[str, int]:
    """Count the new copies of each account."""
    counts: dict[str, int] = {}
    for event in triggering_asset_events[KMS_C_COPIES]:
        account = event.extra["account_name"]
        counts[account] = counts.get(account, 0) + event.extra["new_copies"]
    return counts


with DAG("payments_restore_drill", schedule=[PAYMENTS]):
    restore_drill()

with DAG("new_copies_report", schedule=[KMS_C_COPIES]):
    report()
