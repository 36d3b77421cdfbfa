"""The command ``airflow snapshot-dr coverage``: how old the newest DR copy of each volume is."""
