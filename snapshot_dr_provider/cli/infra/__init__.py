"""What ``airflow snapshot-dr infra`` writes: templates of the keys, roles and queues that the settings need."""
