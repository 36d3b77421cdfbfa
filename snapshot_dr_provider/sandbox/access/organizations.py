"""Answer Organizations: read the organization, its units and its accounts, page by page."""

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from snapshot_dr_provider.sandbox.access.directory import Tree, Unit
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.responses import JudgedResponse, take_page
from snapshot_dr_provider.sandbox.world import Account

Item = TypeVar("Item")

#: The most entries of a page, also when the caller asks for no size.
_PAGE_SIZE = 20
#: When accounts joined of which the world does not say it, in seconds since the epoch: 2024-01-01.
_JOINED = 1_704_067_200


class OrganizationsResponse(JudgedResponse):
    """Answer Organizations with ids that the world fixes; plain moto makes them up and never denies (moto 1.8)."""

    operations: ClassVar[frozenset[str]] = frozenset(
        {
            *("DescribeOrganization", "DescribeAccount", "DescribeOrganizationalUnit"),
            *("ListAccounts", "ListAccountsForParent", "ListRoots", "ListOrganizationalUnitsForParent", "ListParents"),
            *("RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator", "ListDelegatedAdministrators"),
        }
    )
    unsupported: ClassVar[str] = "UnsupportedAPIEndpointException"

    def __init__(self) -> None:
        super().__init__(service_name="organizations")

    def describe_organization(self) -> str:
        """Describe the caller's organization, which every member account may ask."""
        tree = self._tree("DescribeOrganization")
        organization = tree.organization
        manager = organization.management_account_id
        return json.dumps(
            {
                "Organization": {
                    "Id": organization.id,
                    "Arn": tree.arn("organization", organization.id),
                    "FeatureSet": "ALL",
                    "MasterAccountArn": tree.arn("account", manager),
                    "MasterAccountId": manager,
                    "MasterAccountEmail": _email(tree, manager),
                    "AvailablePolicyTypes": [],
                }
            }
        )

    def list_accounts(self) -> str:
        """List all member accounts, those that are suspended too."""
        tree = self._administered("ListAccounts")
        return self._page("Accounts", tree.accounts, lambda account: _account(tree, account))

    def list_accounts_for_parent(self) -> str:
        """List the accounts directly under a root or unit."""
        tree = self._administered("ListAccountsForParent")
        accounts = tree.accounts_in(self._parent(tree))
        return self._page("Accounts", accounts, lambda account: _account(tree, account))

    def list_roots(self) -> str:
        """List the only root."""
        tree = self._administered("ListRoots")
        return self._page(
            "Roots",
            [tree.root],
            lambda root: {"Id": root.id, "Arn": tree.arn("root", root.id), "Name": root.name, "PolicyTypes": []},
        )

    def list_organizational_units_for_parent(self) -> str:
        """List the units directly under a root or unit."""
        tree = self._administered("ListOrganizationalUnitsForParent")
        return self._page("OrganizationalUnits", tree.units_in(self._parent(tree)), lambda unit: _unit(tree, unit))

    def describe_organizational_unit(self) -> str:
        """Describe one unit."""
        tree = self._administered("DescribeOrganizationalUnit")
        unit = tree.units.get(str(self.arguments.get("OrganizationalUnitId")))
        if unit is None or unit.is_root:
            raise ApiError(
                "OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist."
            )
        return json.dumps({"OrganizationalUnit": _unit(tree, unit)})

    def list_parents(self) -> str:
        """Return the only parent of an account or unit."""
        tree = self._administered("ListParents")
        child = str(self.arguments.get("ChildId"))
        unit = tree.units.get(child)
        parent = tree.units[unit.ids[-2]] if unit and not unit.is_root else tree.home(child)
        if parent is None:
            raise ApiError("ChildNotFoundException", "You specified a child that doesn't exist.")
        kind = "ROOT" if parent.is_root else "ORGANIZATIONAL_UNIT"
        return self._page("Parents", [parent], lambda each: {"Id": each.id, "Type": kind})

    def describe_account(self) -> str:
        """Describe one member account."""
        tree = self._administered("DescribeAccount")
        return json.dumps({"Account": _account(tree, self._member(tree))})

    def register_delegated_administrator(self) -> str:
        """Let a member account list the organization. The service principal is not looked at."""
        tree = self._managed("RegisterDelegatedAdministrator")
        account = self._member(tree)
        if self.authority.directory.is_delegate(account.id):
            raise ApiError(
                "AccountAlreadyRegisteredException",
                "The provided account is already a delegated administrator for your organization.",
            )
        self.authority.directory.delegate(account.id)
        return "{}"

    def deregister_delegated_administrator(self) -> str:
        """Take back that a member account may list the organization."""
        tree = self._managed("DeregisterDelegatedAdministrator")
        account = self._member(tree)
        if not self.authority.directory.is_delegate(account.id):
            raise ApiError(
                "AccountNotRegisteredException",
                "The provided account is not a registered delegated administrator for your organization.",
            )
        self.authority.directory.undelegate(account.id)
        return "{}"

    def list_delegated_administrators(self) -> str:
        """List the member accounts that may list the organization."""
        tree = self._administered("ListDelegatedAdministrators")
        delegates = [account for account in tree.accounts if self.authority.directory.is_delegate(account.id)]
        return self._page(
            "DelegatedAdministrators",
            delegates,
            lambda account: {**_account(tree, account), "DelegationEnabledDate": _JOINED},
        )

    def _tree(self, operation: str) -> Tree:
        self.require_call(f"organizations:{operation}")
        tree = self.authority.directory.tree_of(self.principal.account_id)
        if tree is None:
            raise ApiError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        return tree

    def _administered(self, operation: str) -> Tree:
        """Return the organization; only its management account and delegated administrators may look inside."""
        tree = self._tree(operation)
        if not self.authority.directory.may_list(self.principal.account_id):
            raise self.access_denied("You don't have permissions to access this resource.")
        return tree

    def _managed(self, operation: str) -> Tree:
        tree = self._tree(operation)
        if self.principal.account_id != tree.organization.management_account_id:
            raise self.access_denied("You don't have permissions to access this resource.")
        return tree

    def _parent(self, tree: Tree) -> Unit:
        unit = tree.units.get(str(self.arguments.get("ParentId")))
        if unit is None:
            raise ApiError("ParentNotFoundException", "You specified parent that doesn't exist.")
        return unit

    def _member(self, tree: Tree) -> Account:
        account = tree.account(str(self.arguments.get("AccountId")))
        if account is None:
            raise ApiError("AccountNotFoundException", "You specified an account that doesn't exist.")
        return account

    def _page(self, name: str, items: Sequence[Item], render: Callable[[Item], dict[str, Any]]) -> str:
        size = self.arguments.get("MaxResults", _PAGE_SIZE)
        if not isinstance(size, int) or not 1 <= size <= _PAGE_SIZE:
            raise ApiError("InvalidInputException", f"MaxResults has to be between 1 and {_PAGE_SIZE}.")
        bad = ApiError("InvalidInputException", "You provided a NextToken that no page gave out.")
        page, token = take_page(items, token=self.arguments.get("NextToken"), limit=size, bad_token=bad)
        return json.dumps({name: [render(item) for item in page], **({"NextToken": token} if token else {})})


def _account(tree: Tree, account: Account) -> dict[str, Any]:
    return {
        "Id": account.id,
        "Arn": tree.arn("account", account.id),
        "Email": _email(tree, account.id),
        "Name": account.name,
        "Status": account.status,
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": account.joined.timestamp() if account.joined else _JOINED,
    }


def _unit(tree: Tree, unit: Unit) -> dict[str, Any]:
    return {"Id": unit.id, "Arn": tree.arn("ou", unit.id), "Name": unit.name}


def _email(tree: Tree, account_id: str) -> str:
    account = tree.account(account_id)
    return account.email if account and account.email else f"aws+{account_id}@example.com"
