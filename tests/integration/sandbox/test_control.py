import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from snapshot_dr_provider.sandbox import Sandbox, SandboxControl
from snapshot_dr_provider.sandbox.client import SandboxControlError
from snapshot_dr_provider.sandbox.world import VolumeSeed
from tests.integration.sandbox.ec2_world import (
    A2,
    DR,
    EAST,
    KMS_A,
    NOW,
    OUTSIDER,
    SNAP,
    VOLUME,
    A,
    Cloud,
    make_world,
    refusal,
    seed,
)


def test_frozen_clock_stands_still(cloud: Cloud) -> None:
    """A frozen clock moves by advance alone, and by exactly that."""
    assert cloud.control.now() == cloud.control.now() == NOW
    assert cloud.control.advance(90.5) == NOW + timedelta(seconds=90.5)


def test_clock_is_set_and_runs(cloud: Cloud) -> None:
    """The clock can be put to a time and run at any rate."""
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert cloud.control.freeze(at) == at
    cloud.control.run_clock(rate=100_000)
    time.sleep(0.05)
    assert cloud.control.now() > at + timedelta(minutes=30)
    stopped = cloud.control.freeze()
    assert cloud.control.now() == stopped


def test_clock_goes_forward_only(cloud: Cloud) -> None:
    """A negative advance is refused with the reason."""
    with pytest.raises(SandboxControlError, match="forward"):
        cloud.control.advance(-1)


def test_reset_goes_back_to_the_beginning(cloud: Cloud) -> None:
    """A reset brings back snapshots, tags, shares, keys, clock, lag, settings, faults, counters and events."""
    before = cloud.control.snapshots()
    cloud.share(cloud.copied(), DR)
    cloud.ec2().delete_snapshot(SnapshotId=SNAP)
    cloud.control.disable_key(KMS_A.arn)
    cloud.control.set_lag(create=5)
    cloud.control.configure(copy_slots=1)
    cloud.control.add_fault(kind="server_error", skip=1000)
    cloud.control.reset(make_world())
    assert cloud.control.snapshots() == before
    assert (cloud.control.now(), cloud.control.faults(), cloud.control.events()) == (NOW, [], [])
    assert cloud.control.calls() == {"by_action": {}, "by_account": {}, "refusals": {}}
    first, second = cloud.copy(), cloud.copy()
    assert cloud.show(first)["State"] == cloud.show(second)["State"] == "pending"


def test_reset_repeats_the_same_ids(cloud: Cloud) -> None:
    """After a reset the same calls give the same ids."""
    first = cloud.copy()
    cloud.control.reset(make_world())
    assert cloud.copy() == first


def test_reset_to_a_world_that_is_wrong_is_refused(cloud: Cloud) -> None:
    """A world with an unknown key is refused with the reason."""
    wrong = replace(make_world(), snapshots=(seed(SNAP, kms_key="alias/nowhere"),))
    with pytest.raises(SandboxControlError, match="alias/nowhere"):
        cloud.control.reset(wrong)
    assert cloud.show(SNAP)["State"] == "completed"


def test_calls_are_counted(cloud: Cloud) -> None:
    """Calls are counted by action and by account, the refused ones too."""
    cloud.copy()
    cloud.ec2(DR).describe_snapshots()
    refusal(cloud.show, snapshot_id="snap-00000000000000fff")
    assert cloud.control.calls() == {
        "by_action": {"ec2:CopySnapshot": 1, "ec2:DescribeSnapshots": 2},
        "by_account": {A: {"ec2:CopySnapshot": 1, "ec2:DescribeSnapshots": 1}, DR: {"ec2:DescribeSnapshots": 1}},
        "refusals": {"ec2:DescribeSnapshots InvalidSnapshot.NotFound": 1},
    }


def test_log_keeps_the_latest_calls(cloud: Cloud) -> None:
    """The log is bounded, by a setting that can be none at all; numbers go on, and counts are of all calls."""
    cloud.control.configure(log_size=2)
    for _ in range(5):
        cloud.ec2().describe_regions()
    assert [each["seq"] for each in cloud.control.log()] == [4, 5]
    assert [each["seq"] for each in cloud.control.log(since=4)] == [5]
    cloud.control.configure(log_size=0)
    cloud.ec2().describe_regions()
    assert cloud.control.log() == []
    assert cloud.control.calls()["by_action"] == {"ec2:DescribeRegions": 6}


def test_slots_in_use_are_told_over_time(cloud: Cloud) -> None:
    """The timeline has each change of the copies in flight, by account and Region, on the sandbox clock."""
    cloud.copy()
    cloud.control.advance(10)
    cloud.copy()
    cloud.control.advance(600)
    assert cloud.control.timeline() == {f"{A}/{EAST}": [(0.0, 1), (10.0, 2), (60.0, 1), (70.0, 0)]}
    assert cloud.control.peak_in_flight() == {f"{A}/{EAST}": 2}


def test_log_is_in_order_and_can_be_continued(cloud: Cloud) -> None:
    """The log has each call with its number, so that a reader goes on where it stopped."""
    cloud.ec2().describe_regions()
    seen = cloud.control.log()[-1]["seq"]
    cloud.ec2(A2).describe_volumes()
    rest = cloud.control.log(since=seen)
    assert [(each["seq"], each["action"], each["account_id"], each["region"]) for each in rest] == [
        (seen + 1, "DescribeVolumes", A2, EAST)
    ]


def test_truth_is_told_while_aws_lies(cloud: Cloud) -> None:
    """The control API tells the key and size of a pending copy, and what it is a copy of."""
    found = cloud.truth(cloud.copy(Description="text"))
    assert (found["state"], found["size"], found["source_snapshot_id"], found["source_account_id"]) == (
        "pending",
        8,
        SNAP,
        A,
    )
    assert found["kms_key_arn"].startswith("arn:aws:kms:")
    assert found["description"] == "text"


def test_deleted_snapshots_are_remembered(cloud: Cloud) -> None:
    """A deleted snapshot stays in the truth, marked as such."""
    cloud.ec2().delete_snapshot(SnapshotId=SNAP)
    assert cloud.truth(SNAP)["deleted"]


def test_volume_is_added(cloud: Cloud) -> None:
    """A volume can be added while the sandbox runs."""
    cloud.control.add_volume(VolumeSeed(A2, EAST, "vol-000000000000000c1", 3))
    assert cloud.ec2(A2).create_snapshot(VolumeId="vol-000000000000000c1")["VolumeSize"] == 3


def test_same_snapshot_is_not_added_twice(cloud: Cloud) -> None:
    """An id that is taken is refused."""
    with pytest.raises(SandboxControlError, match="there already"):
        cloud.control.add_snapshot(seed(SNAP))


def test_credentials_of_each_account(cloud: Cloud) -> None:
    """Every account of the world has credentials to hand out, others have none."""
    for account_id in (A, DR, OUTSIDER):
        assert cloud.control.credentials(account_id)["access_key_id"] == f"AKIA{account_id}ADMN"
    with pytest.raises(SandboxControlError):
        cloud.control.credentials("000000000000")


@pytest.mark.parametrize(
    ("operation", "arguments", "reason"),
    [
        ("configure", {"copy_slotz": 3}, "copy_slotz"),
        ("configure", {"copy_slots": "many"}, "whole number"),
        ("configure", {"lag": {}}, "lag"),
    ],
)
def test_mistakes_are_told(cloud: Cloud, operation: str, arguments: dict, reason: str) -> None:
    """A wrong setting is refused with what was expected."""
    with pytest.raises(SandboxControlError, match=reason):
        getattr(cloud.control, operation)(**arguments)


def test_one_sandbox_in_a_process(sandbox: Sandbox) -> None:
    """A second sandbox in the same process is refused, because moto's registries are global."""
    with pytest.raises(RuntimeError, match="another sandbox"):
        Sandbox(make_world()).start()
    assert SandboxControl(sandbox.endpoint_url).calls() == {"by_action": {}, "by_account": {}, "refusals": {}}


def test_seeded_volume_is_described(cloud: Cloud) -> None:
    """A volume of the world is listed with its key and its owner's tags."""
    found = cloud.ec2().describe_volumes(VolumeIds=[VOLUME])["Volumes"][0]
    assert (found["KmsKeyId"], found["Size"], found["Tags"]) == (KMS_A.arn, 8, [{"Key": "Name", "Value": "app"}])
