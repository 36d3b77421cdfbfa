"""What keeps the DAG from working has to be named together with its remedy, and must not change anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ACCOUNT = worlds.account_id(1)
KMS_A = worlds.kms_arn(ACCOUNT, worlds.kms_a_id(ACCOUNT))
KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
KMS_C = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)


def test_missing_connection_is_no_reason_for_other_credentials(deployment: Deployment) -> None:
    """Without its connection each account is red with the command that makes it, though AWS would let somebody in."""
    deployment.start(worlds.world(1, 1))
    deployment.environment.delenv("AIRFLOW_CONN_AWS_TOOLING")
    deployment.environment.setenv("AWS_ACCESS_KEY_ID", worlds.RESTORE.access_key_id)
    deployment.environment.setenv("AWS_SECRET_ACCESS_KEY", worlds.RESTORE.secret_access_key)
    run = deployment.run_day()
    assert run.red == {"account.plan[0]", "audit"}
    assert "'aws_tooling' does not exist" in run.errors["account.plan[0]"]
    assert "airflow connections add aws_tooling" in run.errors["account.plan[0]"]
    assert deployment.changes() == 0


@pytest.mark.parametrize(
    ("connection", "credentials_of", "expected"),
    [("aws_own", worlds.DR, ACCOUNT), ("aws_dr", worlds.TOOLING, worlds.DR)],
)
def test_credentials_of_another_account_change_nothing(
    deployment: Deployment, connection: str, credentials_of: str, expected: str
) -> None:
    """A connection with another account's credentials is red, naming both accounts, before anything is changed."""
    deployment.start(
        worlds.world(1, 1),
        accounts={"static": [{"account_id": ACCOUNT, "name": "team-1", "aws_conn_id": "aws_own"}]},
    )
    own, other = deployment.control.credentials(ACCOUNT), deployment.control.credentials(credentials_of)
    set_connection(deployment, "aws_own", own)
    set_connection(deployment, connection, other)
    run = deployment.run_day()
    assert run.red == {"account.plan[0]", "audit"}
    for part in (f"'{connection}'", f"credentials of account {credentials_of}", f"{expected} was expected", "Correct"):
        assert part in run.errors["account.plan[0]"]
    assert deployment.changes() == 0


def set_connection(deployment: Deployment, name: str, keys: dict[str, str]) -> None:
    """Give an Airflow connection some credentials."""
    uri = f"aws://{keys['access_key_id']}:{keys['secret_access_key']}@/"
    deployment.environment.setenv(f"AIRFLOW_CONN_{name.upper()}", uri)


def test_mended_connection_is_used_when_the_task_is_cleared(deployment: Deployment) -> None:
    """Connections are read anew by each task: once one is mended, clearing the red task is enough."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    good = worlds.connections(deployment.world)["AIRFLOW_CONN_AWS_TOOLING"]
    stale = good.replace("AKIATOOLING", "AKIAUNKNOWN")
    environment = deployment.environment
    deployment.airflow.before["account.copy_to_kms_b[0]"] = lambda: environment.setenv(
        "AIRFLOW_CONN_AWS_TOOLING", stale
    )
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "audit"}
    deployment.environment.setenv("AIRFLOW_CONN_AWS_TOOLING", good)
    deployment.airflow.clear(run, "account.copy_to_kms_b", 0)
    assert run.is_green, run.errors
    deployment.expect_done()


def test_role_that_does_not_exist_is_named(deployment: Deployment) -> None:
    """An account without the role is red, alone, and its error names the role and the connection."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    deployment.control.delete_role(ACCOUNT, "SnapshotDr")
    run = deployment.run_day()
    assert run.red == {"account.plan[0]", "audit"}
    assert f"arn:aws:iam::{ACCOUNT}:role/SnapshotDr" in run.errors["account.plan[0]"]
    assert "'aws_tooling'" in run.errors["account.plan[0]"]
    assert "Create the role, or correct its trust policy" in run.errors["account.plan[0]"]
    assert deployment.has_dr_copy(deployment.world.snapshots[1])


@pytest.mark.parametrize(
    ("service", "action", "code"),
    [("sts", "AssumeRole", "RegionDisabledException"), ("ec2", "DescribeSnapshots", "OptInRequired")],
)
def test_region_that_is_not_enabled_is_named(deployment: Deployment, service: str, action: str, code: str) -> None:
    """A Region that an account has not enabled is red there with its name and what to do; nothing is changed."""
    deployment.start(worlds.world(1, 1))
    deployment.control.add_fault(service=service, action=action, code=code, message="It is not activated.")
    run = deployment.run_day()
    assert run.red == {"account.plan[0]", "audit"}
    for part in (worlds.REGION, code, "The Region is not enabled there", "aws account enable-region"):
        assert part in run.errors["account.plan[0]"]
    assert deployment.changes() == 0


def test_kms_a_that_does_not_delegate_to_iam_is_named(deployment: Deployment) -> None:
    """Where only KMS-A is to blame, the error of hop 1 names that key and what its policy has to allow."""
    owner_only = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/KeyOwner"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.control.put_key_policy(KMS_A, owner_only)
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "audit"}
    error = run.errors["account.copy_to_kms_b[0]"]
    assert f"KMS-A {KMS_A} is to blame" in error
    assert f"no statement for arn:aws:iam::{ACCOUNT}:root" in error
    assert "kms:CreateGrant" in error
    assert "KMS-B arn" not in error


def test_kms_b_without_create_grant_is_named(deployment: Deployment) -> None:
    """Where KMS-B lets nobody make grants, the error of hop 1 names that key, the action and both policies."""
    policy = worlds.org_policy()
    policy["Statement"] = [each for each in policy["Statement"] if each["Action"] != "kms:CreateGrant"]
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    deployment.control.put_key_policy(KMS_B, policy)
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "account.copy_to_kms_b[1]", "audit"}
    for task in ("account.copy_to_kms_b[0]", "account.copy_to_kms_b[1]"):
        for part in (f"KMS-B {KMS_B}", "kms:CreateGrant", "key policy of KMS-B", "IAM policy"):
            assert part in run.errors[task]


def test_kms_b_that_cannot_be_seen_is_refused_at_once(deployment: Deployment) -> None:
    """Where KMS-B does not know the organization, hop 1 is refused without a copy, and the error names the key."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.control.put_key_policy(KMS_B, without_organization())
    run = deployment.run_day()
    assert run.red == {"account.copy_to_kms_b[0]", "audit"}
    assert f"KMS-B {KMS_B} is to blame: its key policy" in run.errors["account.copy_to_kms_b[0]"]
    assert deployment.made("kms-b") == []


def test_kms_b_that_cannot_be_seen_any_more_when_its_copy_is_shared_is_named(deployment: Deployment) -> None:
    """Where KMS-B is tightened too far between hop 1 and the share, hop 2 is red and names the key; then it goes on."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.airflow.before["account.rotate_to_kms_c[0]"] = lambda: deployment.control.put_key_policy(
        KMS_B, without_organization()
    )
    run = deployment.run_day()
    assert run.red == {"account.rotate_to_kms_c[0]", "audit"}
    assert f"KMS-B {KMS_B} is to blame: its key policy" in run.errors["account.rotate_to_kms_c[0]"], run.errors
    deployment.control.put_key_policy(KMS_B, worlds.org_policy())
    deployment.airflow.clear(run, "account.rotate_to_kms_c", 0)
    assert run.is_green, run.errors
    deployment.expect_done()


def without_organization() -> dict[str, Any]:
    """Write KMS-B's key policy without what it gives the organization."""
    policy = worlds.org_policy()
    return {**policy, "Statement": [each for each in policy["Statement"] if "Condition" not in each]}


def test_disabled_kms_c_is_named(deployment: Deployment) -> None:
    """Where KMS-C is disabled, the error of hop 2 names it and its state, and the KMS-B copies stay."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.control.disable_key(KMS_C)
    run = deployment.run_day()
    assert run.red == {"account.rotate_to_kms_c[0]", "audit"}
    assert f"KMS-C {KMS_C} is to blame: it is Disabled" in run.errors["account.rotate_to_kms_c[0]"]
    assert len(deployment.left("kms-b")) == 1
