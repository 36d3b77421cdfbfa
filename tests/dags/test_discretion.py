"""What a run leaves in Airflow: small JSON, no secrets; and in a dry run, nothing in AWS."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

SECRETS = ("secret-of-tooling", "secret-of-dr", "X-Amz-Signature", "X-Amz-Security-Token", "SecretAccessKey")
BYTES_PER_SNAPSHOT = 100
BYTES_PER_XCOM = 2000


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Give a function that answers all that was logged so far: Airflow's structured log is printed, the rest caught."""
    # Everything that the provider has to say, and of the SDKs what a worker logs by default.
    with caplog.at_level(logging.INFO), caplog.at_level(logging.DEBUG, logger="snapshot_dr_provider"):
        yield lambda: "\n".join((*capfd.readouterr(), *(record.getMessage() for record in caplog.records)))


def test_dry_run_changes_nothing(deployment: Deployment) -> None:
    """A dry run is green, says how many snapshots it would copy, and makes no call that changes anything."""
    deployment.start(worlds.world(2, 2))
    run = deployment.airflow.trigger(worlds.NOW, day=f"{worlds.DAY:%Y-%m-%d}", dry_run=True)
    assert run.is_green, run.errors
    assert run.xcom("audit", "return_value")["dry_run"] is True
    assert deployment.changes() == 0
    assert deployment.made("kms-b") == deployment.made("kms-c") == []


def test_dry_run_with_a_plan_that_fails_is_red(deployment: Deployment) -> None:
    """A dry run in which an account cannot be read is red: it is run to find that out."""
    deployment.start(worlds.world(2, 1))
    deployment.forbid(worlds.account_id(2), "ec2:DescribeSnapshots")
    run = deployment.airflow.trigger(worlds.NOW, day=f"{worlds.DAY:%Y-%m-%d}", dry_run=True)
    assert run.red == {"account.plan[1]", "audit"}


def test_what_a_run_leaves_is_small_and_without_secrets(deployment: Deployment, said: Callable[[], str]) -> None:
    """XComs are JSON of some bytes a snapshot; no XCom, rendered field or log holds a secret or a signed URL."""
    from tests.dags.dag_runs import rendered_fields, xcoms

    deployment.start(worlds.world(1, 6, copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    values = xcoms(run)
    for (task, key), value in values.items():
        assert len(value) <= BYTES_PER_XCOM + 6 * BYTES_PER_SNAPSHOT, (task, key)
    records = json.loads(values["account.plan[0]", "records"])
    assert len(records) == 6
    assert len(json.dumps(records)) <= 6 * BYTES_PER_SNAPSHOT
    log = said()
    assert "started snap-" in log
    for text in (*values.values(), *rendered_fields(run).values(), log):
        assert [secret for secret in SECRETS if secret in text] == []


def test_each_effect_is_logged_once(deployment: Deployment, said: Callable[[], str]) -> None:
    """Each copy that is started, each share and each deletion is one line of the log with its snapshot."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    assert deployment.run_day().is_green
    log = said()
    for copy in (*deployment.made("kms-b"), *deployment.made("kms-c")):
        assert log.count(f"started {copy['id']}") == 1
    for copy in deployment.made("kms-b"):
        assert log.count(f"shared {copy['id']}") == 1
        assert log.count(f"deleted {copy['id']}") == 1


def test_grid_names_the_account_of_each_map_index(deployment: Deployment) -> None:
    """Each mapped task instance bears the label of its route, account name and id, once it has run."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    run = deployment.run_day()
    for index, account in enumerate((worlds.account_id(1), worlds.account_id(2))):
        labels = {label for name, label in run.labels.items() if name.endswith(f"[{index}]")}
        assert labels == {f"team-{index + 1} ({account}) {worlds.REGION}"}
