"""An account has more snapshots than one answer of AWS."""

import pytest

from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.hooks.ebs import PAGE_SIZE, EbsSnapshotHook
from tests import worlds

ACCOUNT = worlds.account_id(1)
NUMBER = PAGE_SIZE + 1


@pytest.fixture
def hook(enter):
    """Enter an account with one more snapshot than a page has, each with its KMS-B copy."""
    sources = [worlds.source(ACCOUNT, number, start=worlds.DAY) for number in range(NUMBER)]
    copies = [worlds.copy_of(source, "kms-b", number) for number, source in enumerate(sources)]
    enter(worlds.world(accounts=1, seeds=[*sources, *copies]))
    role = f"arn:aws:iam::{ACCOUNT}:role/SnapshotDr"
    return EbsSnapshotHook("aws_tooling", role_arn=role, region_name=worlds.REGION, expected_account_id=ACCOUNT)


def test_nothing_behind_the_first_page_is_forgotten(hook):
    """Whatever is read of an account, its last snapshot is read like its first one."""
    own = {snapshot.snapshot_id for snapshot in hook.own_snapshots()}
    assert len(own) == 2 * NUMBER
    assert len(hook.copies_from(ACCOUNT, Stage.KMS_B)) == NUMBER
    assert hook.own_snapshots_by_id(own).keys() == own
