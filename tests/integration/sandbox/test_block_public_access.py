from dataclasses import replace
from typing import Any

import pytest

from snapshot_dr_provider.sandbox.client import SandboxControlError
from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.world import BlockPublicAccess
from tests.integration.sandbox.ec2_world import A2, DR, EAST, SNAP, SNAP_PLAIN, WEST, A, Cloud, make_world, refusal

EVERYBODY = {"SnapshotId": SNAP_PLAIN, "Attribute": "createVolumePermission", "GroupNames": ["all"]}


def state(cloud: Cloud, account_id: str = A, region: str = EAST) -> str:
    """Return the setting as the account reads it."""
    answer: dict[str, Any] = cloud.ec2(account_id, region).get_snapshot_block_public_access_state()
    assert answer["ManagedBy"] == "account"
    found: str = answer["State"]
    return found


def is_public(cloud: Cloud) -> bool:
    """Tell whether a stranger sees the unencrypted snapshot."""
    seen = cloud.ec2(A2).describe_snapshots(RestorableByUserIds=["all"])["Snapshots"]
    return [each["SnapshotId"] for each in seen] == [SNAP_PLAIN]


def test_nothing_is_blocked_by_default(cloud: Cloud) -> None:
    """An account blocks public snapshots only once it says so, in each Region by itself (aws 7.2)."""
    assert state(cloud) == "unblocked"
    answer = cloud.ec2().enable_snapshot_block_public_access(State="block-new-sharing")
    assert answer["State"] == state(cloud) == "block-new-sharing"
    assert state(cloud, region=WEST) == state(cloud, DR) == "unblocked"
    assert cloud.ec2().disable_snapshot_block_public_access()["State"] == state(cloud) == "unblocked"


@pytest.mark.parametrize("blocked", ["block-all-sharing", "block-new-sharing"])
def test_new_public_shares_are_blocked(cloud: Cloud, blocked: str) -> None:
    """With either state a snapshot cannot be shared with everyone, and still with an account (aws 7.2)."""
    cloud.ec2().enable_snapshot_block_public_access(State=blocked)
    call = cloud.ec2().modify_snapshot_attribute
    assert refusal(call, OperationType="add", **EVERYBODY)[0] == "OperationNotPermitted"
    cloud.share(SNAP, DR)
    cloud.ec2().disable_snapshot_block_public_access()
    call(OperationType="add", **EVERYBODY)


def test_public_shares_that_are_there(cloud: Cloud) -> None:
    """Blocking all makes a public snapshot private while its permission stays; blocking new ones does not."""
    cloud.ec2().modify_snapshot_attribute(OperationType="add", **EVERYBODY)
    seen = []
    for blocked in ("block-new-sharing", "block-all-sharing", "unblocked"):
        cloud.control.set_block_public_access(A, EAST, blocked)
        seen.append(is_public(cloud))
    assert seen == [True, False, True]
    cloud.control.set_block_public_access(A, EAST, "block-all-sharing")
    answer = cloud.ec2().describe_snapshot_attribute(SnapshotId=SNAP_PLAIN, Attribute="createVolumePermission")
    assert answer["CreateVolumePermissions"] == [{"Group": "all"}]
    copy = cloud.copied(SNAP_PLAIN, client=cloud.ec2(A2), key=None)
    assert cloud.show(copy, A2)["StateMessage"] == "Source snapshot is not found"


def test_requests_that_are_refused(cloud: Cloud) -> None:
    """Enabling needs a state that blocks, and a dry run changes nothing."""
    enable = cloud.ec2().enable_snapshot_block_public_access
    assert refusal(enable, State="unblocked")[0] == "InvalidParameterValue"
    assert refusal(enable, State="block-all-sharing", DryRun=True)[0] == "DryRunOperation"
    assert state(cloud) == "unblocked"


def test_the_world_may_block(cloud: Cloud) -> None:
    """A world sets it for an account and a Region, once, and the control API for accounts of the world alone."""
    setting = BlockPublicAccess(DR, EAST, "block-all-sharing")
    cloud.control.reset(replace(make_world(), block_public_access=(setting,)))
    assert (state(cloud, DR), state(cloud, DR, WEST), state(cloud)) == ("block-all-sharing", "unblocked", "unblocked")
    cloud.control.reset(make_world())
    assert state(cloud, DR) == "unblocked"
    with pytest.raises(WorldError, match="twice"):
        replace(make_world(), block_public_access=(setting, setting))
    with pytest.raises(SandboxControlError, match="not in this world"):
        cloud.control.set_block_public_access("123456789012", EAST, "unblocked")
    with pytest.raises(SandboxControlError, match="block-all-sharing"):
        cloud.control.set_block_public_access(DR, EAST, "open")  # type: ignore[arg-type]  # What the test is about.
