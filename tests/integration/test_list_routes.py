"""The accounts of an organization and the routes of a run, against the sandbox."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.stub import Stubber

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
ADMIN = User(MANAGEMENT, "admin", "AKIAADMIN00000000001", "secret", (allow("*"),))
MEMBER = User(PROD[0], "lister", "AKIAMEMBER0000000001", "secret", (allow("*"),))
STRANGER = User(DR, "lister", "AKIASTRANGER00000001", "secret", (allow("*"),))
TOOLING = User(PROD[1], "tooling", "AKIATOOLING000000001", "secret", (allow("sts:AssumeRole"),))
USERS = {"LISTER": LISTER, "MEMBER": MEMBER, "STRANGER": STRANGER, "TOOLING": TOOLING}
LIST_ROLE = Role(MANAGEMENT, "ListAccounts", (PROD[1],), (allow(*OrganizationsHook.permissions),))
OTHER = Organization("o-exampleorgb1", DR, (Account(DR, "dr"),))
WORLD = World((organization(), OTHER), users=(ADMIN, *USERS.values()), roles=(LIST_ROLE,))


@pytest.fixture
def world(sandbox, monkeypatch):
    """Give a sandbox with the organization, and an Airflow connection for each of its users."""
    sandbox.control.reset(WORLD)
    # A refusal is wanted at once: the patience of the SDK is not what is tested here.
    extra = {"config_kwargs": {"retries": {"max_attempts": 0}}}
    for name, user in USERS.items():
        connection = {"conn_type": "aws", "login": user.access_key_id, "password": "secret", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
    return sandbox


@pytest.fixture
def unit_ids(world):
    """Give the ids of the root and of the units directly below it and below Workloads, by name."""
    client = boto3.client(
        "organizations",
        endpoint_url=world.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=ADMIN.access_key_id,
        aws_secret_access_key="secret",
    )

    def below(parent):
        found = client.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
        return {unit["Name"]: unit["Id"] for unit in found}

    root = client.list_roots()["Roots"][0]["Id"]
    first = below(root)
    return {"Root": root, **first, **below(first["Workloads"])}


def list_accounts(conn_id="lister", *, role_arn=None, **kwargs):
    """List the accounts of the organization by a connection."""
    hook = OrganizationsHook(conn_id, organization_id=ORGANIZATION, region_name="eu-west-1", role_arn=role_arn)
    return hook.source_accounts(**{"dr_account_id": DR, **kwargs})


def listed_from(pages):
    """List the accounts of an organization that answers with these pages."""
    hook = OrganizationsHook("lister", organization_id=ORGANIZATION, region_name="us-east-1")
    with Stubber(hook.client) as answers:
        answers.add_response("describe_organization", {"Organization": {"Id": ORGANIZATION}})
        for page in pages:
            answers.add_response("list_accounts", page)
        return hook.source_accounts(dr_account_id=DR)


def ids(accounts):
    """Give the ids of accounts."""
    return [account.account_id for account in accounts]


class TestOrganization:
    """The accounts that AWS Organizations lists."""

    def test_all_pages_are_read(self, world):
        """Every active account is listed, ordered by id, though a page has 20; the declared actions suffice."""
        assert ids(list_accounts()) == [MANAGEMENT, *PROD, *TEAMS]
        assert world.control.calls()["by_action"]["organizations:ListAccounts"] == 3

    def test_accounts_have_their_names(self, world):
        """An account is called as the organization calls it."""
        assert str(list_accounts()[1]) == f"prod-00 ({PROD[0]})"

    def test_units_are_listed_with_those_below_them(self, world, unit_ids):
        """A unit stands for its accounts and for those of the units below it, over all pages of both."""
        assert ids(list_accounts(include_ous=[unit_ids["Prod"]])) == PROD
        assert ids(list_accounts(include_ous=[unit_ids["Workloads"]])) == PROD
        assert ids(list_accounts(include_ous=[unit_ids["Teams"]])) == TEAMS
        assert ids(list_accounts(include_ous=[unit_ids["Root"]])) == [MANAGEMENT, *PROD, *TEAMS]

    def test_units_that_overlap_are_read_once(self, world, unit_ids):
        """A unit that is named beside one above it adds neither accounts nor calls."""
        before = world.control.calls()["by_action"].get("organizations:ListAccountsForParent", 0)
        assert ids(list_accounts(include_ous=[unit_ids["Prod"], unit_ids["Workloads"], unit_ids["Prod"]])) == PROD
        # Prod has two pages, Workloads one.
        assert world.control.calls()["by_action"]["organizations:ListAccountsForParent"] - before == 3

    def test_excluded_accounts_are_left_out(self, world, capfd):
        """An account that is excluded is not listed, and one that is not there is told."""
        assert ids(list_accounts(exclude_accounts=[MANAGEMENT, *TEAMS, "444444444444"])) == PROD
        assert "exclude_accounts names accounts that are not listed anyway: 444444444444" in capfd.readouterr().out

    def test_the_dr_account_is_never_a_source(self, world, capfd):
        """Should the DR account be in the same organization, it is left out and the danger is told."""
        assert PROD[3] not in ids(list_accounts(dr_account_id=PROD[3]))
        assert f"The DR account {PROD[3]} is in the organization {ORGANIZATION}" in capfd.readouterr().out

    def test_a_role_is_assumed_to_list(self, world):
        """The connection of a tooling account lists by a role of the management account, and not without it."""
        role_arn = f"arn:aws:iam::{MANAGEMENT}:role/ListAccounts"
        assert len(list_accounts("tooling", role_arn=role_arn)) == 48
        with pytest.raises(AccessDeniedError, match="could not describe the organization"):
            list_accounts("tooling")

    def test_another_organization_is_refused_before_anything_is_listed(self, world):
        """Credentials of another organization are an error that names both, not a list of foreign accounts."""
        with pytest.raises(
            WrongAccountError, match="belongs to the organization o-exampleorgb1, but the settings name"
        ):
            list_accounts("stranger")
        assert "organizations:ListAccounts" not in world.control.calls()["by_action"]

    def test_a_member_may_not_list(self, world):
        """A member account that administers nothing is refused; its answer is no empty list."""
        with pytest.raises(AccessDeniedError, match="could not list accounts"):
            list_accounts("member")

    def test_a_unit_that_is_not_there_is_refused(self, world):
        """A unit that was removed, or is of another organization, is an error with its id."""
        with pytest.raises(InvalidRequestError, match=r"list accounts of ou-zzzz-12345678.*ParentNotFoundException"):
            list_accounts(include_ous=["ou-zzzz-12345678"])

    def test_a_page_that_fails_fails_the_list(self, world):
        """The accounts before a page that is lost are not taken for all accounts."""
        world.control.add_fault(service="organizations", action="ListAccounts", kind="server_error", skip=1)
        with pytest.raises(ServiceError):
            list_accounts()

    def test_state_counts_where_aws_has_it(self, world):
        """AWS has State in the place of Status; a page without accounts is not the end of the list."""
        answers = [
            {"Accounts": [{"Id": PROD[0], "Name": "a", "State": "ACTIVE"}], "NextToken": "1"},
            {"Accounts": [], "NextToken": "2"},
            {
                "Accounts": [{"Id": PROD[1], "Name": "b", "State": "PENDING_ACTIVATION", "Status": "ACTIVE"}],
                "NextToken": "3",
            },
            {"Accounts": [{"Id": PROD[2], "Name": "c", "Status": "ACTIVE"}]},
        ]
        assert ids(listed_from(answers)) == [PROD[0], PROD[2]]

    def test_an_account_whose_state_is_not_known_is_an_error(self, world):
        """It might be active, and leaving it out would leave its snapshots without a copy."""
        with pytest.raises(ServiceError, match=f"did not say whether account {PROD[0]} is active"):
            listed_from([{"Accounts": [{"Id": PROD[0], "Name": "a"}]}])

    def test_a_missing_connection_is_refused(self, world):
        """Without the connection nothing falls back to other credentials (airflow 7)."""
        with pytest.raises(ConnectionMissingError, match="'nowhere' does not exist"):
            list_accounts("nowhere")


def test_the_page_names_the_actions_that_listing_needs():
    """The policy that the page of the settings asks for is the one that the hook declares."""
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^- `(organizations:\w+)`$", page, re.MULTILINE)) == OrganizationsHook.permissions


KMS = "arn:aws:kms:us-east-1:999999999999:key/{}0000000-0000-4000-8000-000000000001"
SETTINGS: dict[str, Any] = {
    "organization_id": ORGANIZATION,
    "dr_account": {"account_id": DR, "aws_conn_id": "dr"},
    "destinations": {"us-east-1": {"kms_b": KMS.format("b"), "kms_c": KMS.format("c")}},
    "source_regions": {"us-east-1": "us-east-1", "eu-west-1": "us-east-1"},
    "accounts": {"static": [{"account_id": PROD[1], "name": "one"}, {"account_id": PROD[0], "name": "zero"}]},
    "source_connection": {"aws_conn_id": "tooling", "role_name": "SnapshotDr"},
}
KEY_ADMIN = f"arn:aws:iam::{DR}:role/SnapshotDrKeyAdmin"
BY_ORGANIZATION = {"accounts": {"organizations": {"aws_conn_id": "lister"}}}


class Run:
    """One run of the task, with what it pushes."""

    def __init__(self, path):
        self.path = path
        self.pushed = {}
        self.earlier = None

    dag_id = "snapshot_dr"

    def get_previous_dagrun(self):
        """Give the run before this one."""
        return self.earlier

    def xcom_push(self, key, value):
        """Keep what is pushed, as the JSON that XCom makes of it."""
        self.pushed[key] = json.loads(json.dumps(value))

    def list(self, params=None, *, run_type=DagRunType.MANUAL, run_after=MIDNIGHT, interval=(None, None), **settings):
        """Run the operator with the plain settings and these changes of them, and give the routes."""
        self.path.write_text(yaml.safe_dump(SETTINGS | settings), encoding="utf-8")
        dag_run = SimpleNamespace(
            run_type=run_type, run_after=run_after, data_interval_start=interval[0], data_interval_end=interval[1]
        )
        return self.execute(ListRoutesOperator(task_id="list_routes", settings_path=str(self.path)), dag_run, params)

    def execute(self, operator, dag_run, params=None):
        """Run an operator with as much of a context as it reads."""
        context: Any = {"dag_run": dag_run, "params": params or {}, "ti": self}
        return [Route.from_json(route) for route in json.loads(json.dumps(operator.execute(context)))]

    @property
    def options(self):
        """The options that were pushed."""
        return RunOptions.from_json(self.pushed["run_options"])


@pytest.fixture
def run(tmp_path):
    """Give a run of the task."""
    return Run(tmp_path / "dr.yaml")


class TestRoutes:
    """The routes of a run."""

    def test_a_static_list_asks_nothing_of_aws(self, run):
        """Each account has a route for each source Region, ordered by account and Region, whatever the file's order."""
        assert [(route.account_id, route.source_region) for route in run.list()] == [
            (PROD[0], "eu-west-1"),
            (PROD[0], "us-east-1"),
            (PROD[1], "eu-west-1"),
            (PROD[1], "us-east-1"),
        ]

    def test_the_organization_is_listed(self, world, run):
        """Each active account of the organization has its routes, with its name and its role."""
        routes = run.list(**BY_ORGANIZATION)
        assert len(routes) == 48 * 2
        assert routes[2].label == f"prod-00 ({PROD[0]}) eu-west-1 to us-east-1"
        assert routes[2].source_role_arn == f"arn:aws:iam::{PROD[0]}:role/SnapshotDr"

    def test_a_run_may_name_its_accounts(self, world, run):
        """Of the accounts that are listed only those that the param names have routes."""
        assert {route.account_id for route in run.list({"accounts": [PROD[1], TEAMS[0]]}, **BY_ORGANIZATION)} == {
            PROD[1],
            TEAMS[0],
        }

    @pytest.mark.parametrize("account_id", ["123456789012", DR, "333000000001"])
    def test_an_unknown_account_is_an_error(self, world, run, account_id):
        """An account that is not there, the DR account and a suspended one are no empty and therefore green run."""
        with pytest.raises(AirflowFailException, match=f"param accounts names {account_id}, which is not among the"):
            run.list({"accounts": [PROD[0], account_id]}, **BY_ORGANIZATION)
        assert list(run.pushed) == ["cause"]

    def test_an_organization_without_accounts_is_an_error(self, world, run, unit_ids):
        """When everything is excluded, nothing would be copied, which must not be green."""
        accounts = {"aws_conn_id": "lister", "include_ous": [unit_ids["Prod"]], "exclude_accounts": PROD}
        with pytest.raises(AirflowFailException, match=f"{ORGANIZATION} has no active account in {unit_ids['Prod']}"):
            run.list(accounts={"organizations": accounts})

    def test_more_routes_than_airflow_maps_over_are_an_error(self, run, monkeypatch):
        """The limit is named with the number that is needed, before the scheduler refuses it (airflow 9)."""
        monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "4")
        assert len(run.list()) == 4
        monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
        with pytest.raises(AirflowFailException, match=r"There are 4 routes.*over 3 at most.*MAX_MAP_LENGTH\) to 4"):
            run.list()

    def test_more_accounts_than_airflow_maps_over_by_default_are_an_error(self, run):
        """An organization of 1,100 accounts is refused by the first task, with what has to be configured for it."""
        accounts = [{"account_id": f"4{number:011}", "name": f"team-{number}"} for number in range(1100)]
        regions = {"us-east-1": "us-east-1"}
        with pytest.raises(AirflowFailException) as refused:
            run.list(accounts={"static": accounts}, source_regions=regions)
        for part in ("There are 1100 routes", "over 1024 at most", "AIRFLOW__CORE__MAX_MAP_LENGTH) to 1100", "divide"):
            assert part in str(refused.value)
        assert list(run.pushed) == ["cause"]
        assert len(run.list(accounts={"static": accounts[:1024]}, source_regions=regions)) == 1024

    def test_an_interval_to_come_fails_at_once(self, run):
        """A run of a time that has not come leaves no routes, so that nothing of it can be green."""
        with pytest.raises(AirflowFailException, match="is in the future: the run was due at 2026-03-02 00:00 UTC"):
            run.list(run_type=DagRunType.SCHEDULED, interval=(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY))
        assert list(run.pushed) == ["cause"]

    def test_a_new_account_has_its_grace_from_the_day_it_joined(self, world, run):
        """Only where the settings give it, and counted from when the organization says that the account joined."""
        joined = MIDNIGHT - timedelta(hours=5)
        world.control.reset(
            replace(WORLD, organizations=(organization(Account("444000000001", "new", joined=joined)), OTHER))
        )
        given = {"organizations": {"aws_conn_id": "lister", "new_account_grace_hours": 24}}
        grace = {route.account_id: route.grace_until for route in run.list(accounts=given)}
        assert grace["444000000001"] == joined + DAY
        assert grace[PROD[0]] == datetime(2024, 1, 2, tzinfo=UTC)
        assert {route.grace_until for route in run.list(**BY_ORGANIZATION)} == {None}

    def test_settings_that_cannot_be_used_fail_at_once(self, run):
        """No retry mends a settings file."""
        with pytest.raises(AirflowFailException, match="organization_id: 'x' is not the id of an organization"):
            run.list(organization_id="x")

    def test_refused_credentials_fail_at_once(self, world, run):
        """No retry mends a policy."""
        with pytest.raises(AirflowFailException, match="could not list accounts"):
            run.list(accounts={"organizations": {"aws_conn_id": "member"}})

    def test_throttling_is_left_to_retries(self, world, run):
        """An error that may pass does not keep Airflow from trying again."""
        world.control.add_fault(service="organizations", action="ListAccounts", kind="throttle")
        with pytest.raises(AirflowException) as failed:
            run.list(**BY_ORGANIZATION)
        assert not isinstance(failed.value, AirflowFailException)
        assert len(run.list(**BY_ORGANIZATION)) == 96

    def test_the_path_of_the_settings_is_airflows_where_none_is_given(self, run, monkeypatch):
        """Without the argument, [snapshot_dr] settings_path says where the file is; nothing is read before the run."""
        monkeypatch.delenv("AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH", raising=False)
        operator = ListRoutesOperator(task_id="list_routes")
        dag_run = SimpleNamespace(
            run_type=DagRunType.MANUAL, run_after=MIDNIGHT, data_interval_start=None, data_interval_end=None
        )
        with pytest.raises(AirflowFailException, match="does not say where the settings file is"):
            run.execute(operator, dag_run)
        routes = run.list()
        monkeypatch.setenv("AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH", str(run.path))
        assert run.execute(operator, dag_run) == routes


def earlier_run(covered_until, *, ended_at, **changes):
    """Describe the run before this one as Airflow does."""
    values = {"run_type": DagRunType.SCHEDULED, "conf": {}, "data_interval_end": covered_until, "end_date": ended_at}
    return SimpleNamespace(**{**values, **changes})


class TestOptions:
    """What a run is about."""

    def test_a_scheduled_run(self, run):
        """It has its data interval and the lookback of the settings."""
        run.list(run_type=DagRunType.SCHEDULED, interval=(MIDNIGHT - DAY, MIDNIGHT), lookback_days=1.5)
        assert (run.options.interval_start, run.options.interval_end) == (MIDNIGHT - DAY, MIDNIGHT)
        assert run.options.lookback_hours == 36

    def test_a_scheduled_run_after_a_long_one(self, run):
        """It reaches back over the days of which no run was made because the one before took too long."""
        run.earlier = earlier_run(MIDNIGHT - 6 * DAY, ended_at=MIDNIGHT)
        run.list(run_type=DagRunType.SCHEDULED, interval=(MIDNIGHT - DAY, MIDNIGHT))
        assert run.options.lookback_hours == 5 * 24

    @pytest.mark.parametrize("changes", [{"conf": {"accounts": ["111111111111"]}}, {"run_type": DagRunType.MANUAL}])
    def test_a_scheduled_run_after_one_that_was_about_less(self, run, changes):
        """A run that somebody made by hand, or for some accounts, does not say up to when everything was copied."""
        run.earlier = earlier_run(MIDNIGHT - 6 * DAY, ended_at=MIDNIGHT, **changes)
        run.list(run_type=DagRunType.SCHEDULED, interval=(MIDNIGHT - DAY, MIDNIGHT))
        assert run.options.lookback_hours == 72

    def test_a_scheduled_run_after_a_pause(self, run, capsys):
        """It has the lookback alone, and the log has the command that copies what lies between."""
        run.earlier = earlier_run(MIDNIGHT - 6 * DAY, ended_at=MIDNIGHT - 6 * DAY)
        run.list(run_type=DagRunType.SCHEDULED, interval=(MIDNIGHT - DAY, MIDNIGHT))
        assert run.options.lookback_hours == 72
        first, last = MIDNIGHT - 6 * DAY, MIDNIGHT - 4 * DAY - timedelta(seconds=1)
        dates = f"--from-date {first:%Y-%m-%dT%H:%M:%S} --to-date {last:%Y-%m-%dT%H:%M:%S}"
        assert f"airflow backfill create --dag-id snapshot_dr {dates}" in capsys.readouterr().out

    def test_a_backfill(self, run):
        """It has its data interval alone."""
        run.list(run_type=DagRunType.BACKFILL, run_after=MIDNIGHT + 40 * DAY, interval=(MIDNIGHT - DAY, MIDNIGHT))
        assert (run.options.interval_end, run.options.lookback_hours) == (MIDNIGHT, 0)

    def test_a_run_by_hand_is_the_same_when_it_is_tried_again(self, run):
        """It is about the day in which it was asked for and the lookback, at whatever time its task runs."""
        run.list(run_after=MIDNIGHT + timedelta(hours=9))
        first = run.options
        assert (first.interval_start, first.interval_end, first.lookback_hours) == (MIDNIGHT, MIDNIGHT + DAY, 72)
        run.list(run_after=MIDNIGHT + timedelta(hours=9))
        assert run.options == first

    def test_a_day_that_is_asked_for(self, run):
        """It is that day of UTC without lookback."""
        run.list({"day": "2026-02-27"})
        assert run.options.interval_start == datetime(2026, 2, 27, tzinfo=UTC)
        assert run.options.interval_end == datetime(2026, 2, 28, tzinfo=UTC)
        assert run.options.lookback_hours == 0

    @pytest.mark.parametrize(
        ("params", "part"),
        [
            ({"day": "2026-03-03"}, "is in the future"),
            ({"day": "soon"}, "is not a date"),
            ({"dry_run": "no"}, "dry_run"),
        ],
    )
    def test_params_that_cannot_be_used_fail_at_once(self, run, params, part):
        """No retry mends a param."""
        with pytest.raises(AirflowFailException, match=part):
            run.list(params)

    def test_all_else_comes_from_the_settings_and_the_params(self, run):
        """Filters, times and bounds reach the stages, and so do the snapshots that are named."""
        run.list(
            {"snapshot_ids": ["snap-0123456789abcdef0"], "dry_run": True},
            destinations={
                "us-east-1": SETTINGS["destinations"]["us-east-1"]
                | {"copy_slots": 70, "source_copy_slots": 7, "completion_duration_minutes": 60}
            },
            selection={
                "include_tags": {"Env": ["prod", "prod-*"]},
                "exclude_tags": {"dr": "skip"},
                "snapshots": "newest_per_volume",
                "include_unencrypted": True,
                "priority_tag": "Backup-Priority",
            },
            kms_b_retention="newest_per_volume",
            source_timeout_hours=6,
            kms_b_window="per_run",
            kms_b_window_hours=2,
            dr_account=SETTINGS["dr_account"] | {"key_admin_aws_conn_id": "admin", "key_admin_role_arn": KEY_ADMIN},
            tuning={
                "settle_seconds": 1,
                "poll_seconds": 2,
                "first_fire_seconds": 0,
                "max_attempts": 5,
                "policy_settle_seconds": 3,
                "lock_down_wait_seconds": 4,
            },
        )
        assert run.options == RunOptions(
            interval_start=MIDNIGHT,
            interval_end=MIDNIGHT + DAY,
            lookback_hours=0,
            snapshot_ids=("snap-0123456789abcdef0",),
            dry_run=True,
            include_tags=(("Env", "prod"), ("Env", "prod-*")),
            exclude_tags=(("dr", "skip"),),
            scope="newest_per_volume",
            include_unencrypted=True,
            kms_b_retention="newest_per_volume",
            source_timeout_hours=6,
            settle_seconds=1,
            poll_seconds=2,
            first_fire_seconds=0,
            max_attempts=5,
            copy_slots=7,
            copy_slots_by_region=(("us-east-1", 70),),
            source_copy_slots_by_region=(("us-east-1", 7),),
            completion_duration_by_region=(("us-east-1", 60),),
            priority_tag="Backup-Priority",
            organization_id=SETTINGS["organization_id"],
            copy_role_name="SnapshotDr",
            kms_b_window="per_run",
            kms_b_window_hours=2,
            key_admin_conn_id="admin",
            key_admin_role_arn=KEY_ADMIN,
            policy_settle_seconds=3,
            lock_down_wait_seconds=4,
        )

    def test_role_that_the_accounts_do_not_share_is_left_open(self, run):
        """Where an account has an entrance of its own, the window cannot be for one role alone."""
        accounts = [{"account_id": f"{number}" * 12, "name": f"team-{number}"} for number in (1, 2)]
        run.list(accounts={"static": accounts})
        assert run.options.copy_role_name == "SnapshotDr"
        run.list(accounts={"static": [accounts[0], {**accounts[1], "aws_conn_id": "aws_own"}]})
        assert run.options.copy_role_name is None
