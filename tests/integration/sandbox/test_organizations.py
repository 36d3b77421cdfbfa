import re

import pytest
from botocore.exceptions import ClientError

from snapshot_dr_provider.sandbox.world import Account, Organization, User, World
from tests.integration.sandbox.access_world import (
    A2,
    COPY,
    MANAGER,
    ORG_A,
    ORG_B,
    OUTSIDER,
    POWERLESS,
    SUSPENDED,
    WORLD,
    A,
    B,
    as_role,
    as_user,
)

MANY = World(
    organizations=(
        Organization("o-manyaccounts", MANAGER, tuple(Account(str(100000000000 + n), f"n{n}") for n in range(45))),
    ),
    users=(User(MANAGER, "tooling", "AKIATOOLING000000000", "tooling", WORLD.users[0].policies),),
)


@pytest.fixture
def url(sandbox):
    """Give the endpoint of a sandbox with the shared world."""
    sandbox.control.reset(WORLD)
    return sandbox.endpoint_url


@pytest.fixture
def management(url):
    """Give a client of the management account."""
    return as_user(url, "organizations", f"{MANAGER}/tooling")


def refused(call, **parameters):
    """Return code and message with which *call* is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def unit(management, parent, name):
    """Return the id of the unit *name* directly under *parent*."""
    units = management.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
    return next(each["Id"] for each in units if each["Name"] == name)


def test_the_organization_has_the_id_of_the_world(url, management):
    """Ids come from the world, and every member account may describe its organization."""
    for organizations in (management, as_role(url, "organizations", COPY)):
        organization = organizations.describe_organization()["Organization"]
        assert (organization["Id"], organization["MasterAccountId"]) == (ORG_A, MANAGER)
        assert organization["Arn"] == f"arn:aws:organizations::{MANAGER}:organization/{ORG_A}"
    dr = as_user(url, "organizations", f"{B}/admin")
    assert dr.describe_organization()["Organization"]["Id"] == ORG_B


def test_all_accounts_are_listed_with_their_status(management):
    """ListAccounts names the accounts of this organization alone, those that are suspended too."""
    accounts = management.list_accounts()["Accounts"]
    assert {account["Id"]: account["Status"] for account in accounts} == {
        MANAGER: "ACTIVE",
        A: "ACTIVE",
        A2: "ACTIVE",
        SUSPENDED: "SUSPENDED",
    }
    assert {account["Name"] for account in accounts} >= {"payments-prod", "closed"}


@pytest.mark.parametrize("size", [1, 3, 20, None])
def test_accounts_come_in_pages(sandbox, url, size):
    """Each account is on exactly one page, of 20 at most, and a page that is not the last has a token."""
    sandbox.control.reset(MANY)
    organizations = as_user(url, "organizations", f"{MANAGER}/tooling")
    settings = {"PageSize": size} if size else {}
    pages = list(organizations.get_paginator("list_accounts").paginate(PaginationConfig=settings))
    most = size or 20
    assert [len(page["Accounts"]) for page in pages[:-1]] == [most] * (len(pages) - 1)
    ids = [account["Id"] for page in pages for account in page["Accounts"]]
    assert ids == [str(100000000000 + n) for n in range(45)]


@pytest.mark.parametrize("parameters", [{"NextToken": "nonsense"}, {"MaxResults": 21}, {"NextToken": "bm8="}])
def test_pages_are_asked_for_properly(management, parameters):
    """A token that no page gave out, and a page larger than 20, are invalid input."""
    assert refused(management.list_accounts, **parameters)[0] == "InvalidInputException"


def test_only_the_management_account_and_its_delegates_look_inside(url, management):
    """A member account is denied, rather than shown nothing, until it is a delegated administrator (moto 1.8)."""
    member = as_role(url, "organizations", COPY)
    calls = {
        member.list_accounts: {},
        member.list_roots: {},
        member.list_parents: {"ChildId": A},
        member.describe_account: {"AccountId": A},
    }
    for call, parameters in calls.items():
        assert refused(call, **parameters)[0] == "AccessDeniedException"
    management.register_delegated_administrator(AccountId=A, ServicePrincipal="backup.amazonaws.com")
    assert [each["Id"] for each in management.list_delegated_administrators()["DelegatedAdministrators"]] == [A]
    for call, parameters in calls.items():
        call(**parameters)
    management.deregister_delegated_administrator(AccountId=A, ServicePrincipal="backup.amazonaws.com")
    assert refused(member.list_accounts)[0] == "AccessDeniedException"


def test_an_account_in_no_organization_is_told_so(url):
    """An account that is no member gets AWSOrganizationsNotInUseException."""
    outsider = as_user(url, "organizations", f"{OUTSIDER}/admin")
    for call in (outsider.describe_organization, outsider.list_accounts):
        assert refused(call)[0] == "AWSOrganizationsNotInUseException"


def test_identity_policies_count(url):
    """Without an identity policy that allows it even the own organization is not described."""
    code, message = refused(as_role(url, "organizations", POWERLESS).describe_organization)
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:sts::{A}:assumed-role/Powerless/test is not authorized to perform: "
        "organizations:DescribeOrganization on resource: * because no identity-based policy allows the "
        "organizations:DescribeOrganization action"
    )


def test_the_tree_of_units(management):
    """Accounts and units are found under their parent and nowhere else, and know it."""
    (root,) = management.list_roots()["Roots"]
    assert re.fullmatch(r"r-[0-9a-z]{4}", root["Id"])
    workloads = unit(management, root["Id"], "Workloads")
    prod = unit(management, workloads, "Prod")
    assert re.fullmatch(r"ou-[0-9a-z]{4}-[0-9a-z]{8}", prod)

    def accounts(parent):
        return [each["Id"] for each in management.list_accounts_for_parent(ParentId=parent)["Accounts"]]

    assert (accounts(root["Id"]), accounts(workloads), accounts(prod)) == ([MANAGER], [], [A])
    assert management.list_parents(ChildId=A)["Parents"] == [{"Id": prod, "Type": "ORGANIZATIONAL_UNIT"}]
    assert management.list_parents(ChildId=prod)["Parents"][0]["Id"] == workloads
    assert management.list_parents(ChildId=MANAGER)["Parents"] == [{"Id": root["Id"], "Type": "ROOT"}]
    described = management.describe_organizational_unit(OrganizationalUnitId=prod)["OrganizationalUnit"]
    assert (described["Name"], described["Arn"].rsplit("/", 1)[1]) == ("Prod", prod)


def test_ids_of_units_are_the_same_after_a_reset(sandbox, management):
    """Root and unit ids follow from the world alone."""
    before = management.list_roots()["Roots"][0]["Id"]
    workloads = unit(management, before, "Workloads")
    sandbox.control.reset(WORLD)
    assert management.list_roots()["Roots"][0]["Id"] == before
    assert unit(management, before, "Workloads") == workloads


def test_what_does_not_exist(management):
    """An unknown parent, child, unit or account has its own error."""
    assert refused(management.list_accounts_for_parent, ParentId="r-zzzz")[0] == "ParentNotFoundException"
    assert refused(management.list_parents, ChildId=B)[0] == "ChildNotFoundException"
    assert refused(management.describe_account, AccountId=B)[0] == "AccountNotFoundException"
    missing = {"OrganizationalUnitId": "ou-zzzz-zzzzzzzz"}
    assert refused(management.describe_organizational_unit, **missing)[0] == "OrganizationalUnitNotFoundException"
    assert management.describe_account(AccountId=SUSPENDED)["Account"]["Status"] == "SUSPENDED"


def test_what_is_not_modelled_is_refused(management):
    """An operation that the sandbox does not know is an error that names it."""
    code, message = refused(management.create_account, Email="x@example.com", AccountName="x")
    assert code == "UnsupportedAPIEndpointException"
    assert message == "The sandbox does not model organizations:CreateAccount"
