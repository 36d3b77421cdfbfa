"""The command ``airflow snapshot-dr demo``: the unchanged DAG, run in Airflow against the sandbox."""
