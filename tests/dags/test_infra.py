"""What ``airflow snapshot-dr infra`` writes is enough for a run."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import worlds
from tests.applied_templates import Applied
from tests.event_queues import EVENTS, QUEUE

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ONE = worlds.account_id(1)
AIRFLOW = f"arn:aws:iam::{worlds.TOOLING}:user/airflow"
DR_AIRFLOW = f"arn:aws:iam::{worlds.DR}:user/airflow"
DR_KEY_ADMIN = f"arn:aws:iam::{worlds.DR}:user/key-admin"


@pytest.mark.parametrize("window", ["unmanaged", "per_run"])
def test_templates_are_enough_for_a_run(deployment: Deployment, sandbox: Sandbox, window: str) -> None:
    """In a world that has nothing but what the templates make, a new snapshot is told of and gets its KMS-C copy."""
    from snapshot_dr_provider.cli.infra.command import infra_files
    from snapshot_dr_provider.cli.placeholders import placeholder
    from snapshot_dr_provider.sandbox.world import VolumeSeed
    from snapshot_dr_provider.settings import Settings

    bare = _bare_world()
    document = {
        **worlds.settings(bare),
        "dr_account": {
            "account_id": worlds.DR,
            "aws_conn_id": "aws_dr",
            "role_arn": f"arn:aws:iam::{worlds.DR}:role/SnapshotDrCopy",
            "key_admin_aws_conn_id": "aws_dr_key_admin",
            "key_admin_role_arn": f"arn:aws:iam::{worlds.DR}:role/SnapshotDrKeyAdmin",
        },
        "destinations": {worlds.REGION: {kind: placeholder(kind, worlds.REGION, worlds.DR) for kind in KEYS}},
        "kms_b_window": window,
        "events": EVENTS,
    }
    files = infra_files(Settings.model_validate(document))
    stacks = {name.split("-", 1)[1]: json.loads(text) for name, text in files.items() if name.endswith(".json")}

    deployment.start(bare)
    admin_uri = f"aws://{worlds.KEY_ADMIN.access_key_id}:{worlds.KEY_ADMIN.secret_access_key}@/"
    deployment.environment.setenv("AIRFLOW_CONN_AWS_DR_KEY_ADMIN", admin_uri)
    keys = Applied(sandbox, stacks.pop(f"keys-{worlds.REGION}.json"), worlds.DR).outputs
    arns = {"KmsBUsEast1": keys["KmsBArn"], "KmsCUsEast1": keys["KmsCArn"]}
    admin = {"KeyAdminPrincipal": DR_KEY_ADMIN} if window == "per_run" else {}
    Applied(sandbox, stacks.pop("dr-roles.json"), worlds.DR, TrustedPrincipal=DR_AIRFLOW, **admin, **arns)
    kms_b = {"KmsBUsEast1": keys["KmsBArn"]}
    Applied(sandbox, stacks.pop("source-role.json"), ONE, TrustedPrincipal=AIRFLOW, **kms_b)
    Applied(sandbox, stacks.pop("event-queue.json"), worlds.TOOLING, TrustedPrincipal=AIRFLOW)
    Applied(sandbox, stacks.pop("event-rule.json"), ONE)
    assert not stacks

    sandbox.control.add_volume(
        VolumeSeed(ONE, worlds.REGION, "vol-11111111", 8, encrypted=True, kms_key=worlds.kms_a_id(ONE))
    )
    snapshot_id = deployment.client(ONE).create_snapshot(VolumeId="vol-11111111")["SnapshotId"]
    sandbox.control.advance(60)
    assert snapshot_id in _message(sandbox)

    destinations = {worlds.REGION: {"kms_b": keys["KmsBArn"], "kms_c": keys["KmsCArn"]}}
    waits = worlds.managed_window()["tuning"]
    changes = {name: document[name] for name in ("dr_account", "kms_b_window")}
    deployment.configure(**changes, destinations=destinations, tuning=waits)
    sandbox.control.advance(timedelta(hours=14).total_seconds())
    run = deployment.run_day()
    assert run.is_green, run.errors
    copies = deployment.left("kms-c")
    assert [each["tags"]["SourceSnapshotId"] for each in copies] == [snapshot_id]
    assert [(each["state"], each["kms_key_arn"]) for each in copies] == [("completed", keys["KmsCArn"])]
    assert deployment.left("kms-b") == []


KEYS = ("kms_b", "kms_c")


def _bare_world():
    """Build one account that has neither the role nor the keys of ours, with users who can but assume roles."""
    world = worlds.world(1, seeds=(), clock=worlds.DAY + timedelta(hours=12), copy_seconds=0.3)
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/SnapshotDr*"}
    policy = {"Version": "2012-10-17", "Statement": [assume]}
    bound = {DR_AIRFLOW, DR_KEY_ADMIN}
    return replace(
        world,
        roles=(),
        keys=tuple(key for key in world.keys if key.account_id != worlds.DR),
        users=tuple(
            replace(user, policies=(policy,)) if f"arn:aws:iam::{user.account_id}:user/{user.name}" in bound else user
            for user in world.users
        ),
    )


def _message(sandbox):
    """Read the first message of the queue."""
    import boto3

    keys = sandbox.control.credentials(worlds.TOOLING)
    sqs = boto3.client(
        "sqs",
        region_name=worlds.REGION,
        endpoint_url=sandbox.endpoint_url,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    return sqs.receive_message(QueueUrl=QUEUE)["Messages"][0]["Body"]
