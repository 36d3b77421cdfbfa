"""The tasks of the DAG, each of use alone."""
