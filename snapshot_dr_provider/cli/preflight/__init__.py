"""The command ``airflow snapshot-dr preflight``: what is missing before a run."""
