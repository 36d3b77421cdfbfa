"""Whom to tell when a run is red: ``failure_notifier = dr_alerts.on_call`` in the section ``[snapshot_dr]``."""

from airflow.providers.amazon.aws.notifications.sns import SnsNotifier

on_call = SnsNotifier(
    aws_conn_id="aws_dr",
    region_name="us-east-1",
    target_arn="arn:aws:sns:us-east-1:999999999999:on-call",
    subject="{{ failure_subject }}",
    message="{{ failure_text }}",
)
