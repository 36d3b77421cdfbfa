"""The command ``airflow snapshot-dr plan``: what a run would do, without doing it."""
