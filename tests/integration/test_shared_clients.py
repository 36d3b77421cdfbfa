"""Accounts share clients: what must not be shared is who they are."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.credentials import Credentials

from snapshot_dr_provider.exceptions import AccessDeniedError, ConfigurationError, WrongAccountError
from snapshot_dr_provider.hooks.clients import signed_by
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.errors import translated
from tests import worlds

ACCOUNTS = [worlds.account_id(number) for number in (1, 2, 3)]


@pytest.fixture
def world(enter):
    """Give the control of a sandbox with three accounts of three snapshots each."""
    return enter(worlds.world(accounts=3)).control


def hook_of(account, **arguments):
    """Open an account by its role."""
    role = f"arn:aws:iam::{account}:role/SnapshotDr"
    return EbsSnapshotHook(
        "aws_tooling",
        **{"role_arn": role, "region_name": worlds.REGION, "expected_account_id": account, **arguments},
    )


def owners(hook):
    """Name the accounts whose snapshots a hook reads as its own."""
    return {snapshot.owner_id for snapshot in hook.own_snapshots()}


def test_accounts_share_one_client_and_stay_themselves(world):
    """Hooks of three accounts have one client between them, and each reads its own account's snapshots."""
    hooks = {account: hook_of(account) for account in ACCOUNTS}
    assert len({id(hook.client) for hook in hooks.values()}) == 1
    assert {account: owners(hook) for account, hook in hooks.items()} == {account: {account} for account in ACCOUNTS}


def test_threads_never_sign_for_each_other(world):
    """Calls of three accounts from eight threads at once are each made as the account that they are of."""
    hooks = {account: hook_of(account) for account in ACCOUNTS}
    asked = ACCOUNTS * 40
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda account: owners(hooks[account]), asked))
    assert found == [{account} for account in asked]


def test_an_account_is_entered_once_for_all_its_calls(world):
    """However often a hook asks, it assumes its role once, whose answer names the account: STS is not asked again."""
    hook = hook_of(ACCOUNTS[0])
    for _ in range(3):
        hook.own_snapshots()
    calls = world.calls()["by_action"]
    assert calls["sts:AssumeRole"] == 1
    assert "sts:GetCallerIdentity" not in calls


def test_a_role_of_another_account_is_refused(world):
    """The account that AssumeRole names has to be the expected one; nothing is asked of EC2 before."""
    hook = hook_of(ACCOUNTS[1], role_arn=f"arn:aws:iam::{ACCOUNTS[0]}:role/SnapshotDr")
    with pytest.raises(WrongAccountError, match=f"credentials of account {ACCOUNTS[0]}, but account {ACCOUNTS[1]}"):
        hook.own_snapshots()
    assert not [action for action in world.calls()["by_action"] if action.startswith("ec2:")]


def test_a_call_without_a_caller_is_not_made(world):
    """Outside of asking, the shared client has no credentials: not those of whoever used it last."""
    hook = hook_of(ACCOUNTS[0])
    hook.own_snapshots()
    before = world.calls()["by_action"]
    with pytest.raises(ConfigurationError, match="Unable to locate credentials"), translated("ask as nobody"):
        hook.client.describe_snapshots(OwnerIds=["self"])
    assert world.calls()["by_action"] == before


def test_a_call_within_another_accounts_call_is_an_error():
    """Who signs is never in doubt: calls of two accounts are not nested."""
    one, other = (Credentials(f"AKIA{name}", "secret") for name in ("ONE", "OTHER"))
    with signed_by(one), signed_by(one), pytest.raises(RuntimeError, match="end the first one"), signed_by(other):
        pytest.fail("it was nested")


def test_revoked_credentials_of_one_account_are_its_own_trouble(world):
    """An account whose sessions are no longer taken is refused; one that signs in afterwards with the client is not."""
    old = hook_of(ACCOUNTS[0])
    old.own_snapshots()
    world.expire_sessions()
    with pytest.raises(AccessDeniedError):
        old.own_snapshots()
    assert owners(hook_of(ACCOUNTS[1])) == {ACCOUNTS[1]}


def test_connections_that_differ_do_not_share_a_client(world, monkeypatch):
    """A connection with a configuration of its own has a client of its own."""
    user = next(user for user in worlds.world().users if user.account_id == worlds.TOOLING)
    extra = {"config_kwargs": {"read_timeout": 7}}
    connection = {"conn_type": "aws", "login": user.access_key_id, "password": user.secret_access_key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_PATIENT", json.dumps(connection))
    role = f"arn:aws:iam::{ACCOUNTS[0]}:role/SnapshotDr"
    patient = EbsSnapshotHook("aws_patient", role_arn=role, region_name=worlds.REGION)
    assert owners(patient) == {ACCOUNTS[0]}
    assert patient.client is not hook_of(ACCOUNTS[0]).client
    assert patient.client.meta.config.read_timeout == 7
