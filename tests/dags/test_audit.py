"""The end of a run judges keys and copies: red names the rule, and what is mended is green by clearing the audit."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
KMS_C = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)
WEEKLY = Path(__file__).parents[2] / "dags" / "key_policy_audit.py"


def open_to_the_world() -> dict[str, Any]:
    """Write KMS-B's policy with a statement that lets everybody use the key."""
    policy = worlds.org_policy()
    policy["Statement"].append(
        {"Sid": "Oops", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"}
    )
    return policy


def test_broken_policy_is_red_and_mended_green_by_the_audit_alone(deployment: Deployment) -> None:
    """A policy that lets outsiders in turns the audit red and nothing else; mended, clearing the audit is enough."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.control.put_key_policy(KMS_B, open_to_the_world())
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert "KP010 (critical) " in run.errors["audit"]
    assert "Oops" in run.errors["audit"]
    assert run.xcom("audit", "return_value")["verdict"] == "FAIL"
    deployment.control.put_key_policy(KMS_B, worlds.org_policy())
    deployment.airflow.clear(run, "audit")
    assert run.executed == ["audit"]
    assert run.is_green, run.errors
    assert run.xcom("audit", "return_value")["is_red"] is False


def findings_of(run: Any) -> set[str]:
    """Name the rules of a run's audit that are broken or undecided."""
    return {each["rule"] for each in run.xcom("audit", "return_value")["findings"]}


def test_shared_dr_copy_is_red_until_the_share_is_taken_back(deployment: Deployment) -> None:
    """A KMS-C copy that somebody shares turns the audit red with the command that takes the share back."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    client, source = deployment.client(worlds.DR), deployment.world.snapshots[0]
    share = {"Attribute": "createVolumePermission", "UserIds": ["123412341234"]}

    def give() -> None:
        copy_id = deployment.dr_copy(source)["id"]
        client.modify_snapshot_attribute(SnapshotId=copy_id, OperationType="add", **share)

    deployment.airflow.before["audit"] = give
    run = deployment.run_day()
    copy_id = deployment.dr_copy(source)["id"]
    assert run.red == {"audit"}
    assert f"KP102 (high) {copy_id}" in run.errors["audit"]
    assert f"aws ec2 modify-snapshot-attribute --snapshot-id {copy_id}" in run.errors["audit"]
    client.modify_snapshot_attribute(SnapshotId=copy_id, OperationType="remove", **share)
    deployment.airflow.clear(run, "audit")
    assert run.is_green, run.errors


def test_account_without_a_report_is_undecided(deployment: Deployment) -> None:
    """When the last stage of an account leaves no report, what it has under KMS-B is undecided and never a pass."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    deployment.airflow.marked_by_hand["account.delete_kms_b[1]"] = "success"
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert "KP113 (high, undecided) team-2 (222222222222) us-east-1" in run.errors["audit"]
    assert "KP113" not in run.errors["audit"].replace("KP113 (high, undecided) team-2", "")


def test_what_the_role_may_not_read_is_undecided(deployment: Deployment) -> None:
    """Without the permissions to audit nothing passes: each rule on what could not be read is undecided."""
    world = worlds.world(1, 1, copy_seconds=0.3)
    deployment.start(world)
    read = ["kms:GetKeyPolicy", "kms:ListKeyPolicies", "ec2:DescribeSnapshotAttribute"]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": read, "Resource": "*"}]}
    reader = next(user for user in world.users if (user.account_id, user.name) == (worlds.DR, "airflow"))
    users = [user for user in world.users if user is not reader]
    # First of its account: that is whom the connection enters as.
    users.insert(1, replace(reader, policies=(*reader.policies, deny)))
    deployment.start(replace(world, users=tuple(users)))
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert {"KP001", "KP102"} <= findings_of(run)
    assert "KP001 (high, undecided)" in run.errors["audit"]


def test_undecided_can_be_let_through(deployment: Deployment) -> None:
    """With ``audit_fail_on_undecided: false`` what is undecided is reported and does not turn the run red."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3), audit_fail_on_undecided=False)
    deployment.airflow.marked_by_hand["account.delete_kms_b[0]"] = "success"
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert run.xcom("audit", "return_value")["verdict"] == "UNDECIDED"


def test_threshold_takes_itself_and_all_above(deployment: Deployment) -> None:
    """Block public access that is off is a medium finding: green by default, red from ``audit_fail_on: medium``."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert "KP108" in findings_of(run)
    deployment.configure(audit_fail_on="medium")
    deployment.airflow.clear(run, "audit")
    assert run.red == {"audit"}
    assert "KP108 (medium)" in run.errors["audit"]
    deployment.control.set_block_public_access(worlds.DR, worlds.REGION, "block-all-sharing")
    deployment.airflow.clear(run, "audit")
    assert "KP108" not in findings_of(run)


def test_kms_b_copy_kept_on_purpose_is_not_too_old(deployment: Deployment) -> None:
    """A copy that ``newest_per_volume`` keeps may be months old: its account says so, and no rule is broken."""
    deployment.start(worlds.world(1, 1), kms_b_retention="newest_per_volume", audit_fail_on="low")
    deployment.control.set_block_public_access(worlds.DR, worlds.REGION, "block-all-sharing")
    run = deployment.run_day()
    (left,) = deployment.left("kms-b")
    (row,) = run.xcom("account.delete_kms_b[0]", "kms_b_copies")["copies"]
    assert row[0] == left["id"]
    assert row[-1] == [1, 1, 1]
    assert "KP104" not in findings_of(run)


def test_old_kms_b_copy_that_no_run_could_retire_is_named(deployment: Deployment) -> None:
    """A copy that had to stay because its KMS-C copy cannot be verified is named once it is too old."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    client = deployment.client(worlds.DR)
    source = deployment.world.snapshots[0]
    deployment.airflow.before["account.delete_kms_b[0]"] = lambda: client.delete_snapshot(
        SnapshotId=deployment.dr_copy(source)["id"]
    )
    run = deployment.run_day()
    assert run.red == {"account.delete_kms_b[0]", "audit"}
    (left,) = deployment.left("kms-b")
    named = {each["subject"]: each["why"] for each in run.xcom("audit", "return_value")["findings"]}
    assert source.snapshot_id in named[left["id"]]
    assert "KP104" in findings_of(run)


def test_unreadable_settings_do_not_hide_the_run(deployment: Deployment) -> None:
    """When the settings are broken in the middle of a run, the audit says so and still judges the run."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    deployment.airflow.before["audit"] = lambda: deployment.configure(organization_id="nonsense")
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert "KP114 (critical)" in run.errors["audit"]
    assert [each["verified"] for each in run.xcom("audit", "return_value")["routes"]] == [1]


def test_settings_that_change_in_the_middle_of_a_run_are_named(deployment: Deployment) -> None:
    """The accounts go by what the first task has read; that the file is another one by the end is a medium finding."""
    deployment.start(worlds.world(2, 1, copy_seconds=0.3))
    one = {"static": [{"account_id": worlds.account_id(1), "name": "team-1"}]}
    deployment.airflow.before["account.copy_to_kms_b[0]"] = lambda: deployment.configure(accounts=one)
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.expect_done()
    (found,) = [each for each in run.xcom("audit", "return_value")["findings"] if each["rule"] == "KP116"]
    assert (found["severity"], found["subject"]) == ("medium", "settings file")
    assert "it has changed since list_routes read it" in found["why"]
    assert "clear list_routes with its downstream tasks" in found["remedy"]
    deployment.airflow.clear(run, "list_routes")
    assert run.is_green, run.errors
    assert "KP116" not in findings_of(run)


def test_settings_that_are_gone_by_the_end_of_a_run_are_red(deployment: Deployment) -> None:
    """A file that is removed in the middle of a run keeps it from green, with its path; the copies are made."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    path = Path(os.environ["AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH"])
    text = path.read_text(encoding="utf-8")
    deployment.airflow.before["account.plan[0]"] = path.unlink
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert f"The settings file {path} does not exist. Create it" in run.errors["audit"]
    deployment.expect_done()
    path.write_text(text, encoding="utf-8")
    deployment.airflow.clear(run, "audit")
    assert run.is_green, run.errors


def test_report_files_are_written(deployment: Deployment, tmp_path: Path) -> None:
    """The report is written as JSON and as a page that needs nothing else, also by a run that is red."""
    folder = tmp_path / "audits" / "here"
    deployment.start(worlds.world(1, 1, copy_seconds=0.3), audit_report_path=f"file://{folder}")
    policy = open_to_the_world()
    policy["Statement"][-1]["Sid"] = "Oops<script>"
    deployment.control.put_key_policy(KMS_B, json.dumps(policy))
    run = deployment.run_day()
    assert run.red == {"audit"}
    files = [Path(name.removeprefix("file://")) for name in run.xcom("audit", "return_value")["files"]]
    assert sorted(folder.iterdir()) == sorted(files)
    assert [file.suffix for file in files] == [".json", ".html"]
    report = json.loads(files[0].read_text(encoding="utf-8"))
    assert (report["verdict"], report["run_id"]) == ("FAIL", run.run_id)
    assert {"PASS", "FAIL"} <= {each["verdict"] for each in report["findings"]}
    page = files[1].read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Oops&lt;script&gt;" in page


def test_report_that_cannot_be_written_is_red(deployment: Deployment, tmp_path: Path) -> None:
    """A report that has nowhere to go turns the audit red with what to correct, also when all else is well."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    deployment.start(worlds.world(1, 1, copy_seconds=0.3), audit_report_path=f"file://{tmp_path}/file/audits")
    run = deployment.run_day()
    assert run.red == {"audit"}
    assert "could not write the report" in run.errors["audit"]
    assert "Correct audit_report_path" in run.errors["audit"]
    deployment.configure()
    deployment.airflow.clear(run, "audit")
    assert run.is_green, run.errors


def test_throttling_is_no_finding(deployment: Deployment) -> None:
    """While AWS throttles the audit fails without a finding, for Airflow to try it again."""
    deployment.start(worlds.world(1, 1, copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    deployment.control.add_fault(service="kms", action="GetKeyPolicy", kind="throttle", count=100)
    deployment.airflow.clear(run, "audit")
    assert run.red == {"audit"}
    assert "ThrottlingException" in run.errors["audit"]
    assert "KP0" not in run.errors["audit"]
    assert "KP1" not in run.errors["audit"]


def run_weekly() -> tuple[str, dict[str, Any]]:
    """Run the weekly DAG as it is, and give the state of its run and what its one task has left."""
    import warnings

    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    bag = DagBag(WEEKLY)
    assert not bag.import_errors
    dag = bag.dags["snapshot_dr_key_policy_audit"]
    assert list(dag.task_ids) == ["audit"]
    dag.task_dict["audit"].retries = 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
        run = dag.test()
    with create_session() as session:
        rows = session.scalars(select(XComModel).where(XComModel.run_id == run.run_id, XComModel.dag_id == dag.dag_id))
        (value,) = [row.value for row in rows if row.key == "return_value"]
    return str(run.state), value


@pytest.mark.smoke
def test_weekly_audit_stands_alone(deployment: Deployment, tmp_path: Path) -> None:
    """The weekly DAG judges keys and copies without a run; what only a run knows does not apply, and breaks nothing."""
    deployment.start(worlds.world(1, 1), audit_report_path=f"file://{tmp_path}/weekly")
    state, value = run_weekly()
    assert (state, value["verdict"], value["routes"]) == ("success", "PASS", [])
    report = json.loads(next((tmp_path / "weekly").glob("*.json")).read_text(encoding="utf-8"))
    verdicts = {each["rule"]: each["verdict"] for each in report["findings"]}
    assert (verdicts["KP104"], verdicts["KP105"]) == ("NOT_APPLICABLE", "NOT_APPLICABLE")
    assert {"KP001", "KP010", "KP101"} <= verdicts.keys()
    assert not {"KP110", "KP111", "KP112", "KP113"} & verdicts.keys()


def test_weekly_audit_sees_a_dr_key_that_was_opened(deployment: Deployment) -> None:
    """The weekly DAG is red when KMS-C has been opened to another account since."""
    deployment.start(worlds.world(1, 1))
    statement = {"Effect": "Allow", "Principal": {"AWS": "123412341234"}, "Action": "kms:Decrypt", "Resource": "*"}
    root = {**statement, "Principal": {"AWS": f"arn:aws:iam::{worlds.DR}:root"}, "Action": "kms:*"}
    deployment.control.put_key_policy(KMS_C, {"Version": "2012-10-17", "Statement": [root, statement]})
    state, value = run_weekly()
    assert state == "failed"
    blamed = {each["subject"] for each in value["findings"] if each["severity"] in ("high", "critical")}
    assert blamed == {KMS_C}
