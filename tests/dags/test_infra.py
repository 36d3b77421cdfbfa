"""What ``airflow snapshot-dr infra`` writes is enough for a run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests import worlds
from tests.applied_templates import apply_keys, apply_the_rest, bare_world, stacks_of
from tests.event_queues import EVENTS, QUEUE

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ONE = worlds.account_id(1)


@pytest.mark.parametrize("window", ["unmanaged", "per_run"])
def test_templates_are_enough_for_a_run(deployment: Deployment, sandbox: Sandbox, window: str) -> None:
    """In a world that has nothing but what the templates make, a new snapshot is told of and gets its KMS-C copy."""
    from snapshot_dr_provider.cli.infra.command import infra_files
    from snapshot_dr_provider.cli.placeholders import placeholder
    from snapshot_dr_provider.sandbox.world import VolumeSeed
    from snapshot_dr_provider.settings import Settings

    bare = bare_world(clock=worlds.DAY + timedelta(hours=12), copy_seconds=0.3)
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
    stacks = stacks_of(infra_files(Settings.model_validate(document)))

    deployment.start(bare)
    admin_uri = f"aws://{worlds.KEY_ADMIN.access_key_id}:{worlds.KEY_ADMIN.secret_access_key}@/"
    deployment.environment.setenv("AIRFLOW_CONN_AWS_DR_KEY_ADMIN", admin_uri)
    keys = apply_keys(sandbox, stacks)
    apply_the_rest(sandbox, stacks, keys, ONE)

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
