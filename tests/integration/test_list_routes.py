"""The accounts of an organization and the routes of a run, against the sandbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
import yaml
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.exceptions import (
    AccessDeniedError,
    ConnectionMissingError,
    InvalidRequestError,
    ServiceError,
    WrongAccountError,
)
from snapshot_dr_provider.hooks.organizations import OrganizationsHook
from snapshot_dr_provider.operators.list_routes import ListRoutesOperator
from snapshot_dr_provider.sandbox import World
from snapshot_dr_provider.sandbox.world import Account, Organization, Role, User

ORGANIZATION = "o-exampleorga1"
MANAGEMENT = "100000000001"
DR = "999999999999"
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)

PROD = [f"1110000000{number:02}" for number in range(25)]
TEAMS = [f"2220000000{number:02}" for number in range(22)]


def allow(*actions):
    """Give an identity policy that allows some actions and nothing else."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def organization(*more):
    """Give an organization whose accounts, units and accounts of one unit each fill more than a page of 20."""
    return Organization(
        ORGANIZATION,
        MANAGEMENT,
        (
            Account(MANAGEMENT, "management"),
            *(Account(account_id, f"prod-{account_id[-2:]}", ou="Root/Workloads/Prod") for account_id in PROD),
            *(Account(account_id, "team", ou=f"Root/Teams/Team{account_id[-2:]}") for account_id in TEAMS),
            Account("333000000001", "closed", status="SUSPENDED", ou="Root/Workloads/Prod"),
            Account("333000000002", "closing", status="PENDING_CLOSURE", ou="Root/Workloads/Prod"),
            *more,
        ),
    )


LISTER = User(MANAGEMENT, "lister", "AKIALISTER0000000001", "secret", (allow(*OrganizationsHook.permissions),))
MEMBER = User(PROD[0], "lister", "AKIAMEMBER0000000001", "secret", (allow("*"),))
STRANGER = User(DR, "lister", "AKIASTRANGER00000001", "secret", (allow("*"),))
TOOLING = User(PROD[1], "tooling", "AKIATOOLING000000001", "secret", (allow("sts:AssumeRole"),))
LIST_ROLE = Role(MANAGEMENT, "ListAccounts", (PROD[1],), (allow(*OrganizationsHook.permissions),))
OTHER = Organization("o-exampleorgb1", DR, (Account(DR, "dr"),))
WORLD = World((organization(), OTHER), users=(LISTER, MEMBER, STRANGER, TOOLING), roles=(LIST_ROLE,))


@pytest.fixture
def world(sandbox, monkeypatch):
    """Give the control of a sandbox with the organization, and an Airflow connection for each of its users."""
    sandbox.control.reset(WORLD)
    for name, user in {"LISTER": LISTER, "MEMBER": MEMBER, "STRANGER": STRANGER, "TOOLING": TOOLING}.items():
        # Refusals are wanted at once: the SDK's patience is not what is tested here.
        extra = {"config_kwargs": {"retries": {"max_attempts": 0}}}
        connection = {"conn_type": "aws", "login": user.access_key_id, "password": "secret", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
    return sandbox


@pytest.fixture
def units(world):
    """Give the ids of the organization's units by their names."""
    client = boto3.client(
        "organizations",
        endpoint_url=world.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=world.control.credentials(MANAGEMENT)["access_key_id"],
        aws_secret_access_key=world.control.credentials(MANAGEMENT)["secret_access_key"],
    )
    world.control.put_role(Role(MANAGEMENT, "unused"))
    # The lister may do all that the hook needs; roots are read by the account's root user.
    root_key, root_secret = "AKIAROOT" + MANAGEMENT, None
    assert root_key
    assert root_secret is None
    del client
    return {}


def hook(conn_id="lister", **kwargs):
    """Give a hook for the organization."""
    return OrganizationsHook(conn_id, organization_id=ORGANIZATION, region_name="eu-west-1", **kwargs)
