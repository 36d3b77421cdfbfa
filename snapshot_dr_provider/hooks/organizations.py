"""The accounts of an AWS organization."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from snapshot_dr_provider.domain.accounts import Account
from snapshot_dr_provider.exceptions import ServiceError, WrongAccountError
from snapshot_dr_provider.hooks.account import AccountHook


class OrganizationsHook(AccountHook):
    """
    List the accounts of one organization, as its management account or a delegated administrator.

    Nothing is listed before AWS has named the expected organization.

    :param organization_id: of the organization that the credentials have to belong to.
    """

    permissions: ClassVar[tuple[str, ...]] = (
        "organizations:DescribeOrganization",
        "organizations:ListAccounts",
        "organizations:ListAccountsForParent",
        "organizations:ListOrganizationalUnitsForParent",
    )

    def __init__(self, aws_conn_id: str, *, organization_id: str, **kwargs: Any) -> None:
        super().__init__(aws_conn_id, **{**kwargs, "client_type": "organizations"})
        self.organization_id = organization_id

    def source_accounts(
        self, *, dr_account_id: str, include_ous: Iterable[str] = (), exclude_accounts: Iterable[str] = ()
    ) -> tuple[Account, ...]:
        """
        List the accounts that snapshots are copied from, ordered by id.

        Accounts that are not active are left out, and so is the DR account, should it be in this organization.

        :param include_ous: ids of organizational units, or of the root; their accounts and those of the units below
            them are listed. Empty: all accounts of the organization.
        :param exclude_accounts: ids of accounts to leave out.
        :raises WrongAccountError: when the credentials belong to another organization.
        """
        self._require_organization()
        listed = {account.account_id: account for account in self._accounts(tuple(include_ous))}
        excluded = frozenset(exclude_accounts)
        self._warn_of(listed, excluded, dr_account_id)
        return tuple(
            account
            for account_id, account in sorted(listed.items())
            if account.is_active and account_id not in excluded and account_id != dr_account_id
        )

    def _require_organization(self) -> None:
        with self.asking("describe the organization") as client:
            found = client.describe_organization()["Organization"]["Id"]
        if found != self.organization_id:
            msg = (
                f"connection {self.aws_conn_id!r} belongs to the organization {found}, but the settings name "
                f"{self.organization_id}. No account was listed. Correct the connection or organization_id."
            )
            raise WrongAccountError(msg)

    def _accounts(self, include_ous: tuple[str, ...]) -> Iterator[Account]:
        if not include_ous:
            yield from map(_read_account, self._pages("list_accounts", "Accounts"))
            return
        for parent in self._with_units_below(include_ous):
            yield from map(_read_account, self._pages("list_accounts_for_parent", "Accounts", ParentId=parent))

    def _with_units_below(self, parents: Iterable[str]) -> Iterator[str]:
        """Name each of the units once, and all below them."""
        waiting, seen = list(parents), set[str]()
        while waiting:
            parent = waiting.pop()
            if parent in seen:
                continue
            seen.add(parent)
            yield parent
            units = self._pages("list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent)
            waiting.extend(unit["Id"] for unit in units)

    def _pages(self, operation: str, member: str, **arguments: str) -> list[Mapping[str, Any]]:
        """Read all pages: AWS gives 20 entries at a time, and sometimes an empty page before the last one."""
        of_parent = f" of {arguments['ParentId']}" if arguments else ""
        what = f"{operation.replace('_', ' ').removesuffix(' for parent')}{of_parent}"
        with self.asking(what) as client:
            pages = client.get_paginator(operation).paginate(**arguments)
            return [entry for page in pages for entry in page[member]]

    def _warn_of(self, listed: Mapping[str, Account], excluded: frozenset[str], dr_account_id: str) -> None:
        unknown = sorted(excluded - listed.keys())
        if unknown:
            self.log.warning("exclude_accounts names accounts that are not listed anyway: %s", ", ".join(unknown))
        if dr_account_id in listed:
            self.log.warning(
                "The DR account %s is in the organization %s of the source accounts. It is not copied from, but "
                "whoever administers that organization reaches its copies.",
                dr_account_id,
                self.organization_id,
            )
        for account in listed.values():
            if not account.is_active and account.account_id not in excluded:
                self.log.info("%s is left out: %s", account, account.state)


def _read_account(item: Mapping[str, Any]) -> Account:
    """
    Read one member of ``Accounts``.

    AWS announced the end of ``Status`` for 2026-09-09 and has ``State`` in its place (botocore's model); emulators
    know the former alone.

    :raises ServiceError: when the answer has neither: an account whose state is not known must not be left out.
    """
    state = item.get("State") or item.get("Status")
    if not state:
        msg = f"AWS Organizations did not say whether account {item['Id']} is active"
        raise ServiceError(msg)
    joined: datetime | None = item.get("JoinedTimestamp")
    return Account(
        account_id=item["Id"],
        name=item.get("Name") or item["Id"],
        state=state,
        joined=joined.astimezone(UTC) if joined else None,
    )
