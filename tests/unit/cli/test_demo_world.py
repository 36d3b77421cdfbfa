from datetime import UTC, date, datetime, timedelta

import pytest

from snapshot_dr_provider.cli.demo.world import KMS_B, KMS_C, ORG_A, REGION, Scene, build_scene, settings_of
from snapshot_dr_provider.sandbox.world import SnapshotSeed

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
YESTERDAY = date(2026, 11, 23)


def scene(accounts=5, volumes=4, now=NOON) -> Scene:
    """Build the world of the demo."""
    return build_scene(accounts, volumes, 2.0, now)


def of_yesterday(built: Scene) -> list[SnapshotSeed]:
    """Pick the snapshots of the day that is copied."""
    return [each for each in built.world.snapshots if each.start_time.date() == built.day]


def test_same_moment_gives_same_world() -> None:
    """Nothing in the world is left to chance, so that two people see the same demo."""
    assert scene() == scene()


def test_later_moment_moves_the_dates_alone() -> None:
    """Ids and sizes stay from one day to the next."""
    assert [(each.snapshot_id, each.size_gib) for each in scene().world.snapshots] == [
        (each.snapshot_id, each.size_gib) for each in scene(now=NOON + timedelta(days=9)).world.snapshots
    ]


@pytest.mark.parametrize(("accounts", "volumes"), [(1, 1), (1, 2), (5, 4), (40, 3), (2, 25)])
def test_size_is_as_asked(accounts: int, volumes: int) -> None:
    """There are as many accounts, and as many volumes in each, as asked for."""
    built = scene(accounts, volumes)
    owners = [each.account_id for each in built.world.volumes]
    assert len(built.accounts) == len(set(built.accounts.values())) == accounts
    assert {owners.count(account) for account in built.accounts} == {volumes}


@pytest.mark.parametrize(
    "now", [NOON, datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)]
)
def test_world_is_believable_at_any_time_of_day(now: datetime) -> None:
    """Nothing is of the future, and exactly one snapshot of yesterday is pending and will complete."""
    built = scene(now=now)
    assert built.day == YESTERDAY
    assert max(each.start_time for each in built.world.snapshots) <= now
    pending = [each for each in built.world.snapshots if each.state == "pending"]
    assert [each.start_time.date() for each in pending] == [YESTERDAY]
    assert [now < (each.completes_at or now) < now + timedelta(minutes=1) for each in pending] == [True]


def test_every_kind_of_snapshot_is_there() -> None:
    """Yesterday has snapshots under both kinds of keys, an unencrypted one and one that its tag excludes."""
    built = scene()
    keys = {each.kms_key for each in of_yesterday(built)}
    assert {None, "aws/ebs"} < keys
    assert len(keys) == 2 + len(built.accounts)
    assert [each.tags["Backup"] for each in of_yesterday(built)].count("none") == 1
    assert {(built.day - each.start_time.date()).days for each in built.world.snapshots} == {-1, 0, 1, 2, 3, 4, 5, 6}


def test_single_volume_is_one_to_be_copied() -> None:
    """The smallest demo still has something to show."""
    only = scene(1, 1).world.volumes[0]
    assert only.kms_key not in (None, "aws/ebs")


def test_only_kms_b_trusts_anybody_but_its_owner() -> None:
    """KMS-A has the default policy and KMS-C one for Account-B alone; KMS-B admits the organization beside it."""
    policies = {key.arn: key.policy for key in scene().world.keys}
    kms_b, kms_c = policies.pop(KMS_B), policies.pop(KMS_C)
    assert set(policies.values()) == {None}
    assert kms_b is not None
    assert kms_c is not None
    assert [each["Sid"] for each in kms_c["Statement"]] == ["AccountB"]
    everybody = [each for each in kms_b["Statement"] if each["Principal"] == {"AWS": "*"}]
    assert {each["Condition"]["StringEquals"]["aws:PrincipalOrgID"] for each in everybody} == {ORG_A}


def test_no_principal_may_do_everything() -> None:
    """No statement of a user or a role has the action ``*``, and the users may only assume a role."""
    world = scene().world
    policies = [policy for user in world.users for policy in user.policies]
    policies += [policy for role in world.roles for policy in role.policies]
    actions = {str(statement["Action"]) for policy in policies for statement in policy["Statement"]}
    assert not any(action in ("*", "ec2:*", "kms:*") for action in actions)
    assert {s["Action"] for user in world.users for p in user.policies for s in p["Statement"]} == {"sts:AssumeRole"}


def test_settings_name_the_accounts_of_the_world() -> None:
    """The settings file lists the accounts of the world, and both keys."""
    built = scene(3, 1)
    settings = settings_of(built)
    assert [each["account_id"] for each in settings["accounts"]["static"]] == list(built.accounts)
    assert settings["destinations"] == {REGION: {"kms_b": KMS_B, "kms_c": KMS_C}}
