"""The commands ``airflow snapshot-dr policy ...``: key policies and IAM policies to apply, and to check."""
