"""The window of KMS-B: open while hop 1 copies, locked before and after, whatever happens in between."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from snapshot_dr_provider.domain.key_policy.window import Terms, Window, open_window, windows_in
from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ACCOUNT = worlds.account_id(1)
KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
TERMS = Terms(worlds.ORG_A, worlds.REGION)
AROUND = {"open_kms_b_window", "lock_down_kms_b", "audit"}


def start(deployment: Deployment, accounts: int = 1, snapshots: int = 1, **settings: Any) -> str:
    """Begin with a locked KMS-B whose window runs open; answer its policy."""
    deployment.start(
        worlds.world(accounts, snapshots, locked=True, copy_seconds=0.3), **{**worlds.managed_window(), **settings}
    )
    return policy(deployment)


def kms(deployment: Deployment) -> Any:
    """Speak KMS as the administrator of KMS-B's policy."""
    session = boto3.session.Session(
        aws_access_key_id=worlds.KEY_ADMIN.access_key_id,
        aws_secret_access_key=worlds.KEY_ADMIN.secret_access_key,
        region_name=worlds.REGION,
    )
    return session.client("kms", endpoint_url=deployment.endpoint_url)


def policy(deployment: Deployment) -> str:
    """Read the policy of KMS-B."""
    text: str = kms(deployment).get_key_policy(KeyId=KMS_B)["Policy"]
    return text


def put(deployment: Deployment, text: str) -> None:
    """Write the policy of KMS-B as its administrator."""
    kms(deployment).put_key_policy(KeyId=KMS_B, Policy=text)


def window_of(run: str, hours: float = 6) -> Window:
    """Make the window of another run."""
    return Window(TERMS, run, datetime.now(UTC) + timedelta(hours=hours), "SnapshotDr")


def markers(deployment: Deployment) -> set[str]:
    """Name the windows that the policy has."""
    return {window.marker for window in windows_in(policy(deployment), TERMS, now=datetime.now(UTC))}


def test_run_opens_and_locks(deployment: Deployment) -> None:
    """A run under a locked KMS-B is green, and leaves its policy the same to the byte."""
    before = start(deployment, 2, 2)
    seen: list[str] = []
    deployment.airflow.before["account.copy_to_kms_b[0]"] = lambda: seen.append(policy(deployment))
    deployment.airflow.before["account.rotate_to_kms_c[0]"] = lambda: seen.append(policy(deployment))
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()
    assert policy(deployment) == before
    assert [len(json.loads(text)["Statement"]) for text in seen] == [4, 4]
    assert run.xcom("open_kms_b_window", "previous_policies") == {KMS_B: before}
    assert run.xcom("lock_down_kms_b", "previous_policies") == {KMS_B: seen[0]}
    assert run.xcom("lock_down_kms_b", "lock_down") == {"keys": [KMS_B], "in_flight": [], "unseen": []}


def test_unmanaged_window_is_left_alone(deployment: Deployment) -> None:
    """Where the window is not managed, nothing is asked of KMS with the administrator's credentials, nor needed."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.environment.delenv("AIRFLOW_CONN_AWS_DR_KEY_ADMIN")
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert not any(name.startswith("kms:PutKeyPolicy") for name in deployment.control.calls()["by_action"])


def test_dry_run_opens_nothing(deployment: Deployment) -> None:
    """A dry run writes no key policy."""
    start(deployment)
    run = deployment.airflow.trigger(worlds.NOW, day=f"{worlds.DAY:%Y-%m-%d}", dry_run=True)
    assert run.is_green, run.errors
    assert "kms:PutKeyPolicy" not in deployment.control.calls()["by_action"]


def test_open_standing_policy_is_refused(deployment: Deployment) -> None:
    """Under a standing policy that lets the organization copy, nothing is opened or copied, and it is named."""
    start(deployment)
    deployment.control.put_key_policy(KMS_B, worlds.org_policy())
    before = policy(deployment)
    run = deployment.run_day()
    assert {"open_kms_b_window", "audit"} <= run.red
    for part in ("KMS-B was not opened", KMS_B, "OrganizationMayGrantToEc2", "kms-b-locked", "unmanaged"):
        assert part in run.errors["open_kms_b_window"]
    assert policy(deployment) == before
    assert deployment.changes() == 0


def test_failing_lock_down_is_red(deployment: Deployment) -> None:
    """A run that has copied everything is red when it cannot lock, and clearing the lock-down repairs it."""
    before = start(deployment)
    deployment.airflow.before["lock_down_kms_b"] = lambda: deployment.control.add_fault(
        service="kms", action="PutKeyPolicy", code="AccessDeniedException", count=1
    )
    run = deployment.run_day()
    assert run.red == {"lock_down_kms_b", "audit"}
    assert f"could not write the policy of {KMS_B}" in run.errors["lock_down_kms_b"]
    deployment.airflow.clear(run, "lock_down_kms_b")
    assert run.is_green, run.errors
    assert policy(deployment) == before


def test_clearing_one_account_opens_and_locks_again(deployment: Deployment) -> None:
    """Clearing one account opens KMS-B for it and locks it again, without anybody knowing of it."""
    before = start(deployment, 2, 1)
    deployment.airflow.before["account.copy_to_kms_b[0]"] = lambda: deployment.forbid(ACCOUNT, "ec2:CopySnapshot")
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "audit"}
    assert policy(deployment) == before
    deployment.permit(ACCOUNT)
    deployment.airflow.clear(run, "account.copy_to_kms_b", 0)
    assert run.is_green, run.errors
    assert set(run.executed) >= AROUND
    deployment.expect_done()
    assert policy(deployment) == before


def test_run_closes_its_own_window_and_dead_ones(deployment: Deployment) -> None:
    """The live window of another run survives a run, and one whose time is over does not."""
    before = start(deployment)
    live, dead = window_of("another run"), window_of("a dead run", hours=-1)
    put(deployment, open_window(open_window(before, dead), live))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert markers(deployment) == {live.marker}
    assert policy(deployment) == open_window(before, live)


def test_window_that_another_writer_loses_is_put_back(deployment: Deployment) -> None:
    """When another writer of the policy loses the window before hop 1 has begun, hop 1 puts it back and copies."""
    before = start(deployment, 1, 2)
    deployment.airflow.before["account.copy_to_kms_b[0]"] = lambda: put(deployment, before)
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()
    assert policy(deployment) == before
