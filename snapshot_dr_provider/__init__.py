"""Disaster-recovery copies of KMS-encrypted EBS snapshots across organizations, for Apache Airflow."""

__version__ = "0.1.0"
