from pathlib import Path

import pytest

from snapshot_dr_provider.cli.demo.process import clean_environment, find_dag_file
from snapshot_dr_provider.cli.environment import forget_aws


@pytest.mark.smoke
def test_dag_file_is_part_of_the_installation() -> None:
    """The demo finds the DAG in a checkout as well as in what was installed from a wheel."""
    assert 'dag_id="snapshot_dr"' in find_dag_file().read_text(encoding="utf-8")


def test_airflows_environment_has_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Airflow gets its own home, DAG and connections, no credentials, no proxy, and all else as it was."""
    for name in ("AIRFLOW_CONN_X", "_AIRFLOW_SKIP", "AWS_PROFILE", "MOTO_ACCOUNT_ID", "HTTPS_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "the user's")
    monkeypatch.setenv("LANG", "C.UTF-8")
    # Put back by monkeypatch: this changes the environment of the process.
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "the user's")
    forget_aws()
    environment = clean_environment(tmp_path, Path("/x/dags/snapshot_dr.py"), {"AWS_ENDPOINT_URL": "http://sandbox"})
    assert "the user's" not in environment.values()
    assert environment["AIRFLOW_HOME"] == str(tmp_path)
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == "/x/dags"
    assert environment["AWS_ENDPOINT_URL"] == "http://sandbox"
    assert environment["LANG"] == "C.UTF-8"
