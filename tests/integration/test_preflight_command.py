"""``airflow snapshot-dr preflight`` against the sandbox: what it finds missing, what it says to do, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshot_dr_provider.sandbox import Sandbox, World
from tests import worlds
from tests.event_queues import DEAD, EVENTS, QUEUE, EventQueues
from tests.integration.command import Command

ONE, TWO = worlds.account_id(1), worlds.account_id(2)
KMS_A = worlds.kms_arn(ONE, worlds.kms_a_id(ONE))
KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
KMS_C = worlds.kms_arn(worlds.DR, worlds.KMS_C_ID)
CHANGES = {
    "ec2:DeleteSnapshot",
    "ec2:ModifySnapshotAttribute",
    "ec2:CreateTags",
    "kms:PutKeyPolicy",
    "kms:CreateGrant",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "sqs:DeleteMessage",
}


@pytest.fixture
def command(enter: Callable[[World], Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give the command, for a DR account in which no snapshot can become public."""

    def start(world: World) -> Sandbox:
        sandbox = enter(world)
        sandbox.control.set_block_public_access(worlds.DR, worlds.REGION, "block-all-sharing")
        return sandbox

    return Command("preflight", start, tmp_path, capsys)


def under_rendered_policies(accounts: int = 2) -> World:
    """Build a world in which everybody may do exactly what ``policy show`` prints."""
    world = worlds.world(accounts, 2)
    settings = worlds.settings(world)
    source, copy = (worlds.rendered_policy(name, settings) for name in ("source-role", "dr-copy-role"))
    keys = {worlds.KMS_B_ID: "kms-b", worlds.KMS_C_ID: "kms-c"}
    return replace(
        world,
        roles=tuple(replace(role, policies=(source,)) for role in world.roles),
        users=tuple(
            replace(user, policies=(copy,)) if user.policies == (worlds.DR_POLICY,) else user for user in world.users
        ),
        keys=tuple(
            replace(key, policy=worlds.rendered_policy(keys[key.key_id], settings)) if key.key_id in keys else key
            for key in world.keys
        ),
    )


def not_ok(said: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name the checks that are not ok: what was checked, of what, and what became of it."""
    return [(each["check"], each["subject"], each["outcome"]) for each in said["checks"] if each["outcome"] != "ok"]


def test_all_is_ok_under_the_policies_that_are_printed(command: Command) -> None:
    """Under exactly the policies of ``policy show`` nothing stands against a run, the status is 0, and each is told."""
    command.prepare(under_rendered_policies())
    said = command.json()
    assert not_ok(said) == [], said
    assert said["status"] == 0
    found = {(each["check"], each["subject"]) for each in said["checks"]}
    label = f"Account-B ({worlds.DR}) {worlds.REGION}"
    assert found >= {
        ("source-accounts", f"organization {worlds.ORG_A}"),
        *((kind, f"team-{n} ({worlds.account_id(n)}) us-east-1") for kind in ("sign-in", "permission") for n in (1, 2)),
        ("source-key", f"{KMS_A} of 2 snapshots"),
        *((kind, label) for kind in ("sign-in", "permission", "dr-room", "public-access")),
        *(
            (kind, f"{name} {arn}")
            for kind in ("key-state", "key-policy")
            for name, arn in (("KMS-B", KMS_B), ("KMS-C", KMS_C))
        ),
    }


def test_public_snapshots_are_warned_of(command: Command) -> None:
    """A DR account that could make snapshots public is a warning with its remedy, or fails where the audit would."""
    sandbox = command.prepare(under_rendered_policies())
    label = f"Account-B ({worlds.DR}) {worlds.REGION}"
    for state in ("unblocked", "block-new-sharing"):
        sandbox.control.set_block_public_access(worlds.DR, worlds.REGION, state)
        said = command.json()
        assert (said["status"], not_ok(said)) == (0, [("public-access", label, "warning")])
        (check,) = (each for each in said["checks"] if each["check"] == "public-access")
        assert "aws ec2 enable-snapshot-block-public-access --state block-all-sharing" in check["remedy"]
    sandbox = command.prepare(under_rendered_policies(), audit_fail_on="medium")
    sandbox.control.set_block_public_access(worlds.DR, worlds.REGION, "unblocked")
    said = command.json()
    assert (said["status"], not_ok(said)) == (1, [("public-access", label, "failed")])


def test_nothing_is_changed(command: Command) -> None:
    """It starts no copy and calls nothing that changes anything; copies are rehearsed."""
    sandbox = command.prepare(under_rendered_policies())
    before = len(sandbox.control.snapshots())
    command.json()
    assert len(sandbox.control.snapshots()) == before
    calls = sandbox.control.calls()["by_action"]
    assert calls["ec2:CopySnapshot"] == 3  # rehearsed: by two accounts and by Account-B
    assert CHANGES.isdisjoint(calls)


def test_people_see_marks_and_what_to_do(command: Command) -> None:
    """Each check is a line with a mark and a word; what has failed has its remedy below it, in one piece."""
    sandbox = command.prepare(worlds.world(2, 1))
    worlds.forbid(sandbox.control, ONE, "ec2:CopySnapshot")
    status, out, _ = command.run()
    assert status == 1
    assert f"✓ ok      sign-in          team-2 ({TWO}) us-east-1: STS names account {TWO}" in out
    assert f"✗ failed  permission       team-1 ({ONE}) us-east-1\n" in out
    assert "\n    Remedy: airflow snapshot-dr policy show source-role prints what it has to be allowed.\n" in out
    assert "1 failed. A run would fail." in out


def test_an_account_that_cannot_be_entered_is_one_failure(command: Command) -> None:
    """Where the role is missing, that is told and nothing more of that account; the others are checked all the same."""
    world = worlds.world(2, 1)
    command.prepare(replace(world, roles=tuple(role for role in world.roles if role.account_id != ONE)))
    said = command.json()
    label = f"team-1 ({ONE}) us-east-1"
    assert not_ok(said) == [("sign-in", label, "failed")]
    assert [each["check"] for each in said["checks"] if each["subject"] == label] == ["sign-in"]
    (failure,) = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert "Create the role, or correct its trust policy" in failure["detail"]


def test_a_connection_that_is_missing_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the connection into Account-B that is told with the command that creates it; accounts are checked."""
    command.prepare(worlds.world(1, 1))
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DR")
    said = command.json()
    assert not_ok(said) == [("sign-in", f"Account-B ({worlds.DR}) us-east-1", "failed")]
    (failure,) = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert "airflow connections add aws_dr" in failure["detail"]


def test_credentials_of_another_account_are_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection into another account than the settings say fails, with both accounts."""
    world = worlds.world(1, 1)
    command.prepare(world)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DR", worlds.connections(world)["AIRFLOW_CONN_AWS_TOOLING"])
    said = command.json()
    assert not_ok(said) == [("sign-in", f"Account-B ({worlds.DR}) us-east-1", "failed")]
    (failure,) = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert worlds.TOOLING in failure["detail"]
    assert worlds.DR in failure["detail"]


def test_a_source_key_that_is_off_fails_with_the_command(command: Command) -> None:
    """A disabled key of wanted snapshots fails, with how many there are and the command that enables it."""
    sandbox = command.prepare(worlds.world(1, 3))
    sandbox.control.disable_key(KMS_A)
    said = command.json()
    assert not_ok(said) == [("source-key", f"{KMS_A} of 3 snapshots", "failed")]
    (failure,) = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert failure["remedy"] == f"aws kms enable-key --region us-east-1 --key-id {KMS_A}"


def test_keys_of_snapshots_that_nobody_wants_do_not_matter(command: Command) -> None:
    """A disabled key whose snapshots the selection leaves out is not even named."""
    sandbox = command.prepare(worlds.world(1, 3), selection={"exclude_tags": {"Name": "data-*"}})
    sandbox.control.disable_key(KMS_A)
    said = command.json()
    assert said["status"] == 0
    assert "source-key" not in {each["check"] for each in said["checks"]}


def test_a_source_key_that_shuts_iam_out_is_unknown_with_the_statement(command: Command) -> None:
    """A key that the role may not describe is not known; the statements to add are told, as valid JSON."""
    sandbox = command.prepare(worlds.world(1, 1))
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ONE}:role/Owner"},
        "Action": "kms:*",
        "Resource": "*",
    }
    sandbox.control.put_key_policy(KMS_A, {"Version": "2012-10-17", "Statement": [owner]})
    said = command.json()
    assert (said["status"], not_ok(said)) == (2, [("source-key", f"{KMS_A} of 1 snapshots", "unknown")])
    (unknown,) = [each for each in said["checks"] if each["outcome"] == "unknown"]
    statements = json.loads(unknown["remedy"].split("its owner adds: ")[1])
    assert {each["Principal"]["AWS"] for each in statements} == {f"arn:aws:iam::{ONE}:role/SnapshotDr"}
    sandbox.control.put_key_policy(KMS_A, {"Version": "2012-10-17", "Statement": [owner, *statements]})
    assert command.json()["status"] == 0


@pytest.mark.parametrize(("name", "arn"), [("KMS-B", KMS_B), ("KMS-C", KMS_C)])
def test_a_key_that_is_off_or_not_there_fails(command: Command, name: str, arn: str) -> None:
    """A disabled key of Account-B fails with the command, one that is not there with what to correct."""
    world = worlds.world(1, 1)
    sandbox = command.prepare(world)
    sandbox.control.disable_key(arn)
    said = command.json()
    assert not_ok(said) == [("key-state", f"{name} {arn}", "failed")]
    assert f"aws kms enable-key --region us-east-1 --key-id {arn}" in json.dumps(said)
    command.prepare(replace(world, keys=tuple(key for key in world.keys if not arn.endswith(key.key_id))))
    said = command.json()
    assert ("key-state", f"{name} {arn}", "failed") in not_ok(said)
    assert "correct its ARN in the settings file" in json.dumps(said)


def test_findings_of_the_audit_are_failures(command: Command) -> None:
    """A KMS-B that everybody may use fails by the rule of the audit, with its remedy."""
    sandbox = command.prepare(worlds.world(1, 1))
    policy = worlds.org_policy()
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    sandbox.control.put_key_policy(KMS_B, {**policy, "Statement": [*policy["Statement"], everybody]})
    said = command.json()
    failures = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert {each["check"] for each in failures} == {"key-policy"}
    assert all(each["detail"].startswith("KP0") and each["remedy"] for each in failures)


def test_kms_b_without_create_grant_is_found(command: Command) -> None:
    """A KMS-B whose policy leaves CreateGrant out, as AWS's page on foreign accounts does, fails with the action."""
    sandbox = command.prepare(worlds.world(1, 1))
    policy = worlds.org_policy()
    without = [each for each in policy["Statement"] if each["Action"] != "kms:CreateGrant"]
    sandbox.control.put_key_policy(KMS_B, {**policy, "Statement": without})
    said = command.json()
    failures = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert {(each["check"], each["subject"]) for each in failures} == {("key-policy", f"KMS-B {KMS_B}")}
    assert "kms:CreateGrant" in json.dumps(failures)


def test_a_managed_window_needs_its_administrator_and_a_locked_key(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``per_run`` the administrator is signed in, and a standing policy that is open fails."""
    window = worlds.managed_window()
    command.prepare(worlds.world(1, 1, locked=True), **window)
    said = command.json()
    administrator = f"administrator of KMS-B ({worlds.DR}) us-east-1"
    assert said["status"] == 0
    assert ("sign-in", administrator) in {(each["check"], each["subject"]) for each in said["checks"]}
    command.prepare(worlds.world(1, 1), **window)
    assert ("key-policy", f"KMS-B {KMS_B}", "failed") in not_ok(command.json())
    command.prepare(worlds.world(1, 1, locked=True), **window)
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DR_KEY_ADMIN")
    assert not_ok(command.json()) == [("sign-in", administrator, "failed")]


def test_queues_are_looked_at(command: Command) -> None:
    """Queues that are there are ok, messages that were set aside are a warning, and a queue that is missing fails."""
    sandbox = command.prepare(worlds.world(1, 1), events=dict(EVENTS))
    assert not_ok(command.json()) == [("event-queue", QUEUE, "failed"), ("event-queue", DEAD, "failed")]
    queues = EventQueues(sandbox, [])
    queues.sqs.set_queue_attributes(QueueUrl=QUEUE, Attributes={"Policy": json.dumps(fills())})
    assert not_ok(command.json()) == []
    queues.send("no event", to=DEAD)
    said = command.json()
    assert (said["status"], not_ok(said)) == (0, [("event-queue", DEAD, "warning")])


@pytest.mark.parametrize(
    "change", [{"Principal": {"Service": "sns.amazonaws.com"}}, {"Action": "sqs:ReceiveMessage"}, {"Effect": "Deny"}]
)
def test_a_queue_that_eventbridge_may_not_fill_fails(command: Command, change: dict[str, Any]) -> None:
    """A queue whose policy does not let EventBridge send, or that has none, fails with a statement that lets it."""
    sandbox = command.prepare(worlds.world(1, 1), events=dict(EVENTS))
    queues = EventQueues(sandbox, [])
    assert not_ok(command.json()) == [("queue-policy", QUEUE, "failed")]
    queues.sqs.set_queue_attributes(QueueUrl=QUEUE, Attributes={"Policy": json.dumps(fills(**change))})
    said = command.json()
    assert not_ok(said) == [("queue-policy", QUEUE, "failed")]
    (failure,) = [each for each in said["checks"] if each["outcome"] == "failed"]
    statement = json.loads(failure["remedy"].split("of your rule: ")[1])
    mended = {"Version": "2012-10-17", "Statement": [statement]}
    queues.sqs.set_queue_attributes(QueueUrl=QUEUE, Attributes={"Policy": json.dumps(mended)})
    assert not_ok(command.json()) == []


def fills(**change: Any) -> dict[str, Any]:
    """Write the policy of a queue that a rule fills, as the docs have it."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": f"arn:aws:sqs:{worlds.REGION}:{worlds.TOOLING}:{QUEUE.rsplit('/', 1)[1]}",
        "Condition": {
            "ArnEquals": {"aws:SourceArn": f"arn:aws:events:{worlds.REGION}:{worlds.TOOLING}:rule/snapshot-dr"}
        },
    }
    return {"Version": "2012-10-17", "Statement": [{**statement, **change}]}


def test_an_organization_that_cannot_be_listed_fails(command: Command) -> None:
    """Where the accounts come from AWS Organizations and it cannot be listed, that fails; Account-B is checked."""
    command.prepare(worlds.world(1, 1), accounts={"organizations": {"aws_conn_id": "aws_dr"}})
    said = command.json()
    assert not_ok(said) == [("source-accounts", f"organization {worlds.ORG_A}", "failed")]
    assert "dr-room" in {each["check"] for each in said["checks"]}


def test_an_account_that_throttles_is_unknown(command: Command) -> None:
    """What may pass is not known, and no failure: the status is 2."""
    sandbox = command.prepare(worlds.world(1, 1))
    sandbox.control.add_fault(kind="throttle", action="DescribeSnapshots", account_id=ONE, count=100)
    said = command.json()
    assert (said["status"], not_ok(said)) == (2, [("permission", f"team-1 ({ONE}) us-east-1", "unknown")])


def test_a_new_account_is_excused(command: Command) -> None:
    """An account within its grace period may lack its role, which is a warning; beyond it that is a failure."""
    world = worlds.world(1, 1)
    source, other = world.organizations
    joined = datetime.now(UTC) - timedelta(days=1)
    members = tuple(replace(member, joined=joined) if member.id == ONE else member for member in source.accounts)
    world = replace(world, roles=(), organizations=(replace(source, accounts=members), other))
    listed = {"aws_conn_id": "aws_tooling", "exclude_accounts": [worlds.TOOLING]}
    for hours, outcome, status in ((48, "warning", 0), (12, "failed", 1)):
        command.prepare(world, accounts={"organizations": {**listed, "new_account_grace_hours": hours}})
        said = command.json()
        assert (said["status"], not_ok(said)) == (status, [("sign-in", f"team-1 ({ONE}) us-east-1", outcome)])


def test_settings_that_cannot_be_read_are_told(command: Command) -> None:
    """A mistake in the settings file ends with 2 and its place, and no stack trace."""
    command.prepare(worlds.world(1, 1), lookback_days=-1)
    status, out, err = command.run()
    assert (status, out) == (2, "")
    assert "lookback_days" in err


def test_an_account_outside_the_organization_is_told(command: Command) -> None:
    """An account that the settings list and KMS-B's organization does not have cannot look at KMS-B, which is told."""
    seeded = worlds.world(1, 1)
    outside = worlds.org_policy()
    text = json.dumps(outside).replace(worlds.ORG_A, worlds.ORG_B)
    sandbox = command.prepare(seeded)
    sandbox.control.put_key_policy(worlds.kms_arn(worlds.DR, worlds.KMS_B_ID), json.loads(text))
    said = command.json()
    told = [each for each in said["checks"] if each["check"] == "permission" and each["outcome"] == "failed"]
    assert (said["status"], len(told)) == (1, 1)
    assert "cannot look at KMS-B" in told[0]["detail"]
    assert "kms:DescribeKey" in told[0]["remedy"]
