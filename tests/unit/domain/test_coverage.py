from dataclasses import replace

import pytest

from snapshot_dr_provider.domain.coverage import (
    Expectation,
    SourceSize,
    differences,
    is_verified,
    size_of,
    verified_copies,
)
from snapshot_dr_provider.domain.lineage import Stage
from tests.builders import DR, FORMER_KMS_C, KMS_A, KMS_B, KMS_C, ORG_A, at, copy, lineage, source

EXPECTED = Expectation(Stage.KMS_C, DR, frozenset({KMS_C, FORMER_KMS_C}))
SIZE = SourceSize(8, 4096)
GOOD = copy("snap-c", lineage(stage=Stage.KMS_C))


def test_a_good_copy_differs_in_nothing():
    """A completed copy of ours in the DR account, under KMS-C and of the source's size, is verified."""
    assert differences(GOOD, EXPECTED, SIZE) == ()
    assert is_verified(GOOD, EXPECTED, SIZE)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (replace(GOOD, owner_id=ORG_A), f"owned by {ORG_A}, not by {DR}"),
        (replace(GOOD, tags={}), "name its source"),
        (replace(GOOD, description="restored"), "name its source"),
        (replace(GOOD, snapshot_id="snap-1"), "name its source"),
        (copy("snap-b", lineage(), owner_id=DR, kms_key_arn=KMS_C), "a kms-b copy, not a kms-c copy"),
        (replace(GOOD, state="pending"), "pending, not completed"),
        (replace(GOOD, state="error"), "error, not completed"),
        (replace(GOOD, state="recoverable"), "recoverable, not completed"),
        (replace(GOOD, encrypted=False, kms_key_arn=None), "not encrypted"),
        (replace(GOOD, kms_key_arn=KMS_B), f"under {KMS_B}, not under"),
        (replace(GOOD, kms_key_arn=KMS_A), f"under {KMS_A}, not under"),
        (replace(GOOD, kms_key_arn=None), "under None, not under"),
        (replace(GOOD, volume_size_gib=7), "7 GiB where its source has 8 GiB"),
        (replace(GOOD, full_snapshot_bytes=0), "0 bytes in full where its source has 4096"),
    ],
)
def test_each_difference_is_named(bad, named):
    """Whatever keeps a snapshot from being a verified copy is named, alone, and keeps it from being one."""
    (difference,) = differences(bad, EXPECTED, SIZE)
    assert named in difference
    assert not is_verified(bad, EXPECTED, SIZE)


def test_all_differences_are_named_at_once():
    """A copy that is wrong in several ways is told all of them, so that nobody mends it in turns."""
    bad = replace(GOOD, owner_id=ORG_A, kms_key_arn=KMS_B, volume_size_gib=7, full_snapshot_bytes=1)
    assert len(differences(bad, EXPECTED, SIZE)) == 4


def test_a_copy_under_a_former_key_is_verified():
    """A rotated KMS-C does not make the copies under the former one worthless."""
    assert is_verified(replace(GOOD, kms_key_arn=FORMER_KMS_C), EXPECTED, SIZE)


@pytest.mark.parametrize("size", [SourceSize(), SourceSize(8, None), SourceSize(0, 4096)])
def test_sizes_that_the_source_does_not_report_are_not_compared(size):
    """A source whose size is unknown, wholly or in part, cannot differ in that part."""
    assert differences(GOOD, EXPECTED, size) == ()


def test_bytes_that_the_copy_does_not_report_are_not_compared():
    """A completed copy without FullSnapshotSizeInBytes is compared by its volume's size alone."""
    assert differences(replace(GOOD, full_snapshot_bytes=None), EXPECTED, SIZE) == ()


def test_lineage_need_not_be_asked_for():
    """Snapshots that are named by their ids are judged without lineage, but by everything else."""
    bare = replace(GOOD, tags={}, description="", kms_key_arn=KMS_B)
    (difference,) = differences(bare, EXPECTED, SIZE, ask_lineage=False)
    assert KMS_B in difference


def test_sizes_come_from_a_source():
    """A completed source gives both sizes; a pending one does not know yet how many bytes it will have."""
    assert size_of(source()) == SIZE
    assert size_of(source(state="pending", full_snapshot_bytes=17)) == SourceSize(8, None)


def test_the_oldest_good_copy_counts():
    """Of several copies the oldest that is verified counts, and bad ones do not stand in its way."""
    target = lineage(stage=Stage.KMS_C)
    failed = copy("snap-c1", target, state="error", start_time=at(25))
    good = copy("snap-c2", target, start_time=at(26))
    spare = copy("snap-c3", target, start_time=at(27))
    assert verified_copies([spare, good, failed], EXPECTED, {"snap-1": SIZE}) == {"snap-1": good}


def test_a_source_without_a_good_copy_is_not_covered():
    """A source of which all copies differ has no verified copy."""
    wrong = replace(GOOD, volume_size_gib=9)
    assert verified_copies([wrong, copy("snap-b", lineage())], EXPECTED, {"snap-1": SIZE}) == {}
    assert verified_copies([wrong], EXPECTED, {}) == {"snap-1": wrong}
