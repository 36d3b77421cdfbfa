"""The commands behind `airflow snapshot-dr`."""
