"""The settings file that ``airflow snapshot-dr init`` writes."""
