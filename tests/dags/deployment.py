"""The DAG deployed against a sandbox: its settings, its connections, and the truth about what it has done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from snapshot_dr_provider.sandbox import Sandbox, World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds

if TYPE_CHECKING:
    import pytest

    from tests.dags.dag_runs import InlineAirflow, Run

FAST = {"settle_seconds": 0.5, "poll_seconds": 0.1, "first_fire_seconds": 0, "max_attempts": 2}
"""Waits as short as a sandbox allows; what they guard against happens on AWS and on real schedulers only."""

CHANGES = {"ec2:CopySnapshot", "ec2:ModifySnapshotAttribute", "ec2:DeleteSnapshot", "ec2:CreateTags"}
"""Calls by which the DAG changes anything."""

SETTINGS_PATH = "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH"


class Deployment:
    """Run the DAG against a world and look at that world. Snapshots are told as by ``SandboxControl.snapshots``."""

    def __init__(self, sandbox: Sandbox, airflow: InlineAirflow, environment: pytest.MonkeyPatch, folder: Path) -> None:
        self.airflow = airflow
        self.control = sandbox.control
        self.endpoint_url = sandbox.endpoint_url
        self.environment = environment
        self._settings_path = folder / "settings.yaml"

    def start(self, world: World, **settings: Any) -> None:
        """Begin with a world, and with the settings and connections that go with it."""
        self.world = world
        self.control.reset(world)
        self.configure(**settings)
        for name, uri in worlds.connections(world).items():
            self.environment.setenv(name, uri)

    def configure(self, **changes: Any) -> None:
        """Write the settings anew, with changes."""
        document = worlds.settings(self.world, **{"tuning": FAST, **changes})
        self.environment.setenv(SETTINGS_PATH, worlds.write_settings(self._settings_path, document))

    def run_day(self) -> Run:
        """Run the DAG by hand for DAY, on the morning after."""
        return self.airflow.trigger(worlds.NOW, day=f"{worlds.DAY:%Y-%m-%d}")

    def forbid(self, account_id: str, action: str) -> None:
        """Take a permission from the role by which the DAG enters an account."""
        worlds.forbid(self.control, account_id, action)

    def permit(self, account_id: str) -> None:
        """Give that role its permissions back."""
        worlds.permit(self.control, account_id)

    def live(self, account_id: str) -> dict[str, dict[str, Any]]:
        """Tell what an account has, by snapshot id."""
        return {each["id"]: each for each in self.control.snapshots(account_id) if not each["deleted"]}

    def made(self, stage: str) -> list[dict[str, Any]]:
        """Tell all copies of ours of one stage, deleted ones too, in the order in which they were started."""
        copies = [each for each in self.control.snapshots() if each["tags"].get("snapshot-dr:stage") == stage]
        return sorted(copies, key=lambda each: each["start_time"])

    def left(self, stage: str) -> list[dict[str, Any]]:
        """Tell the copies of ours of one stage that are there now."""
        return [each for each in self.made(stage) if not each["deleted"]]

    def dr_copy(self, source: SnapshotSeed) -> dict[str, Any]:
        """Tell the one copy that the DR account has of a source, and fail if there is not exactly one."""
        found = [each for each in self.left("kms-c") if each["tags"]["SourceSnapshotId"] == source.snapshot_id]
        assert len(found) == 1, f"{source.snapshot_id} has {len(found)} KMS-C copies"
        return found[0]

    def has_dr_copy(self, source: SnapshotSeed) -> bool:
        """Tell whether the DR account has a completed copy of a source."""
        sources = {each["tags"]["SourceSnapshotId"] for each in self.left("kms-c") if each["state"] == "completed"}
        return source.snapshot_id in sources

    def calls(self, action: str, account_id: str | None = None) -> int:
        """Count the calls of an action so far."""
        calls = self.control.calls()
        by_action: Mapping[str, int] = calls["by_account"].get(account_id, {}) if account_id else calls["by_action"]
        return by_action.get(f"ec2:{action}", 0)

    def changes(self) -> int:
        """Count the calls so far that change anything."""
        return sum(number for action, number in self.control.calls()["by_action"].items() if action in CHANGES)

    def client(self, account_id: str, region: str = worlds.REGION) -> Any:
        """Speak EC2 as an administrator of an account."""
        keys = self.control.credentials(account_id)
        if account_id == worlds.DR:
            keys = {
                "access_key_id": worlds.RESTORE.access_key_id,
                "secret_access_key": worlds.RESTORE.secret_access_key,
            }
        session = boto3.session.Session(
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            region_name=region,
        )
        return session.client("ec2", endpoint_url=self.endpoint_url)

    def expect_done(self) -> None:
        """Expect one completed copy under KMS-C of each seeded source, and no KMS-B copy."""
        for source in self.world.snapshots:
            copy = self.dr_copy(source)
            assert (copy["state"], copy["kms_key_arn"]) == ("completed", worlds.kms_arn(worlds.DR, worlds.KMS_C_ID))
        assert self.left("kms-b") == []
