from datetime import UTC, datetime
from pathlib import Path

import pytest

from snapshot_dr_provider.sandbox import World
from snapshot_dr_provider.sandbox.decoding import WorldError
from tests.integration.sandbox.ec2_world import make_world

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ACCOUNT = 'accounts: [{id: "111111111111", name: a}]\n'
SNAPSHOT = (
    "account_id: '111111111111', region: us-east-1, snapshot_id: snap-0000000a, volume_id: vol-0000000a, size_gib: 1"
)


def test_world_survives_yaml() -> None:
    """A world written as YAML reads back as the same world."""
    assert World.from_yaml(make_world().to_yaml()) == make_world()


def test_world_is_read_from_a_file(tmp_path: Path) -> None:
    """A world can be given as a path."""
    path = tmp_path / "world.yaml"
    path.write_text(make_world().to_yaml(), encoding="utf-8")
    assert World.from_yaml(path) == World.from_yaml(str(path)) == make_world()


def test_example_world_is_the_one_described() -> None:
    """The example has five source accounts in Org-A, the DR account in Org-B, keys for all and nightly snapshots."""
    world = World.example(now=NOW)
    sources = {role.account_id for role in world.roles if role.name == "SnapshotDrSource"}
    assert sources == {str(n) * 12 for n in range(1, 6)}
    organizations = {world.organization_of(account_id) for account_id in sources}
    assert len(organizations) == 1
    assert world.organization_of("999999999999") not in organizations
    assert sources <= {key.account_id for key in world.keys}
    assert {snapshot.account_id for snapshot in world.snapshots} == sources
    assert all(world.user_of(account_id) for account_id in (*sources, "999999999999"))
    assert any(not snapshot.kms_key for snapshot in world.snapshots)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3h ago", datetime(2026, 11, 23, 6, 30, tzinfo=UTC)),
        ("1d2h ago", datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        ("1d ago at 22:15", datetime(2026, 11, 22, 22, 15, tzinfo=UTC)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    """A time is absolute, or counts back from now."""
    world = World.from_yaml(f"{ACCOUNT}snapshots: [{{{SNAPSHOT}, start_time: {text}}}]\n", now=NOW)
    assert world.snapshots[0].start_time == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("accounts: [{id: 111111111111, name: a}]\n", r"world\.accounts\[0\]\.id: expected a text.*quotes"),
        ('accounts: [{id: "123", name: a}]\n', "'123' is not 12 digits"),
        ('accounts: [{id: "111111111111"}]\n', r"world\.accounts\[0\]: missing name"),
        ('accounts: [{id: "111111111111", name: a, colour: red}]\n', r"unknown colour; known are id, name"),
        ("organisations: []\n", "unknown organisations"),
        (ACCOUNT + ACCOUNT.replace("accounts", "users"), "unknown id; known are account_id"),
        (f"{ACCOUNT}users: [{{name: a}}]\n", r"world\.users\[0\]: missing account_id, access_key_id"),
        (f"{ACCOUNT}snapshots: [{{{SNAPSHOT}, start_time: soon}}]\n", r"snapshots\[0\]\.start_time: expected a time"),
        (f"{ACCOUNT}snapshots: [{{{SNAPSHOT}, start_time: 1h ago, state: broken}}]\n", "one of completed, pending"),
        (
            f"{ACCOUNT.replace('1111', '2222')}snapshots: [{{{SNAPSHOT}, start_time: 1h ago}}]\n",
            "names the account 111111111111, which is not in the world",
        ),
        ('accounts: [{id: "111111111111", name: a}, {id: "111111111111", name: b}]\n', "is there twice"),
        ("accounts: [\n", "not valid YAML"),
        ("- 1\n- 2\n", "world: expected a mapping"),
    ],
)
def test_mistakes_are_named(text: str, reason: str) -> None:
    """A mistake in a world is told with its place and what was expected."""
    with pytest.raises(WorldError, match=reason):
        World.from_yaml(text, now=NOW)
