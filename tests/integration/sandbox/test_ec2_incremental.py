import pytest

from tests.integration.sandbox.ec2_world import DR, EAST, KMS_A, KMS_B, KMS_C, KMS_C2, SNAP, A, Cloud, seed

DAY_2 = "snap-000000000000000b2"


@pytest.fixture
def days(cloud: Cloud) -> Cloud:
    """Return the world with a second snapshot of the same volume."""
    cloud.control.add_snapshot(seed(DAY_2))
    return cloud


def is_incremental(cloud: Cloud, snapshot_id: str) -> bool:
    """Tell what the sandbox and its event say; they have to agree (aws 4.5)."""
    found = next(
        each
        for each in cloud.control.events()
        if snapshot_id in str(each["resources"]) and "incremental" in each["detail"]
    )
    assert found["detail"]["incremental"] == ("true" if cloud.truth(snapshot_id)["incremental"] else "false")
    return found["detail"]["incremental"] == "true"


def test_same_key_is_always_incremental(days: Cloud) -> None:
    """A copy within the account and Region under the source's own key is incremental (aws 4.1)."""
    assert is_incremental(days, days.copied(key=KMS_A.arn))


def test_first_copy_to_another_key_is_full(days: Cloud) -> None:
    """The first copy under another key is full (aws 4.1)."""
    assert not is_incremental(days, days.copied())


def test_next_copy_builds_on_the_one_that_is_still_there(days: Cloud) -> None:
    """The second copy of a volume under one key is incremental to the first (aws 4.3)."""
    days.copied()
    assert is_incremental(days, days.copied(DAY_2))


def test_deleting_the_latest_copy_makes_the_next_one_full(days: Cloud) -> None:
    """When the most recent copy is gone the next one is full (aws 4.1, 4.4)."""
    days.ec2().delete_snapshot(SnapshotId=days.copied())
    assert not is_incremental(days, days.copied(DAY_2))


def test_another_key_makes_the_copy_full(days: Cloud) -> None:
    """A copy under a key that the earlier copies do not have is full (aws 4.1)."""
    days.copied()
    assert not is_incremental(days, days.copied(DAY_2, key="alias/aws/ebs"))


def test_both_hops_are_full_when_every_kms_b_copy_is_deleted(days: Cloud) -> None:
    """Without a KMS-B copy left from the day before, both hops are full on the second day (aws 4.4)."""
    assert hops(days, SNAP, keep=False) == (False, False)
    assert hops(days, DAY_2, keep=False) == (False, False)


def test_both_hops_are_incremental_when_the_newest_kms_b_copy_is_kept(days: Cloud) -> None:
    """With the KMS-B copy of the day before kept, both hops are incremental on the second day (aws 4.4)."""
    assert hops(days, SNAP, keep=True) == (False, False)
    assert hops(days, DAY_2, keep=True) == (True, True)


def test_changing_kms_c_makes_hop_2_full(days: Cloud) -> None:
    """A new KMS-C beside copies under the former one makes hop 2 full (aws 4.4)."""
    assert hops(days, SNAP, keep=True) == (False, False)
    assert hops(days, DAY_2, keep=True, key=KMS_C2.arn) == (True, False)


def hops(cloud: Cloud, source: str, *, keep: bool, key: str = KMS_C.arn) -> tuple[bool, bool]:
    """Carry one snapshot to the DR account, and return what the two copies are."""
    first = cloud.copied(source, key=KMS_B.arn)
    cloud.share(first, DR)
    second = cloud.copied(first, client=cloud.ec2(DR, EAST), key=key)
    if not keep:
        cloud.ec2(A).delete_snapshot(SnapshotId=first)
    return is_incremental(cloud, first), is_incremental(cloud, second)
