import pytest

from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, volume_group
from tests.builders import source


@pytest.mark.parametrize(
    ("state", "is_live"),
    [("pending", True), ("completed", True), ("error", False), ("recoverable", False), ("recovering", False)],
)
def test_live_is_what_is_or_may_become_usable(state, is_live):
    """Only pending and completed snapshots are live: one in the Recycle Bin is not."""
    assert source(state=state).is_live is is_live


def test_archived_is_told_by_the_tier():
    """A snapshot in the archive tier is archived, one in the standard tier is not."""
    assert source(storage_tier="archive").is_archived
    assert not source(storage_tier="standard").is_archived


def test_snapshots_of_one_volume_share_a_group():
    """Two snapshots of one volume are in one group, those of two volumes are not."""
    assert volume_group("vol-1", "snap-1") == volume_group("vol-1", "snap-2")
    assert volume_group("vol-1", "snap-1") != volume_group("vol-2", "snap-1")


def test_the_placeholder_volume_groups_nothing():
    """Two snapshots that bear the placeholder of copies are two groups."""
    assert volume_group(PLACEHOLDER_VOLUME_ID, "snap-1") != volume_group(PLACEHOLDER_VOLUME_ID, "snap-2")
