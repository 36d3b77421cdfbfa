"""Keep the AWS organizations: roots, units and member accounts, with ids that follow from their names."""

import hashlib
from dataclasses import dataclass

from snapshot_dr_provider.sandbox.world import Account, Organization, World


@dataclass(frozen=True, slots=True)
class Unit:
    """Name a root or an organizational unit. *path* is its names from the root down, *ids* the ids likewise."""

    id: str
    name: str
    path: tuple[str, ...]
    ids: tuple[str, ...]

    @property
    def is_root(self) -> bool:
        """Tell whether this is the root of the organization."""
        return len(self.path) == 1


class Tree:
    """Hold the units of one organization. Ids are digests of the names, so they are the same in every run."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.accounts = organization.accounts
        root_id = "r-" + _digest(organization.id, 4)
        self.root = Unit(root_id, "Root", ("Root",), (root_id,))
        self.units: dict[str, Unit] = {root_id: self.root}
        self._homes = {account.id: self._home(account) for account in organization.accounts}

    def _home(self, account: Account) -> Unit:
        """Return the unit that the account's ``Root/A/B`` path leads to, making those on the way."""
        unit = self.root
        names = [name for name in account.ou.split("/") if name]
        for name in names[1:] if names[:1] == ["Root"] else names:
            path = (*unit.path, name)
            suffix = _digest("/".join((self.organization.id, *path)), 8)
            unit_id = f"ou-{self.root.id.removeprefix('r-')}-{suffix}"
            unit = self.units.setdefault(unit_id, Unit(unit_id, name, path, (*unit.ids, unit_id)))
        return unit

    def home(self, account_id: str) -> Unit | None:
        """Return the root or unit that holds the account directly, or ``None`` for no member."""
        return self._homes.get(account_id)

    def account(self, account_id: str) -> Account | None:
        """Return the member account, or ``None``."""
        return next((account for account in self.accounts if account.id == account_id), None)

    def accounts_in(self, unit: Unit) -> list[Account]:
        """Return the accounts directly under *unit*, not those of units below it."""
        return [account for account in self.accounts if self._homes[account.id] == unit]

    def units_in(self, unit: Unit) -> list[Unit]:
        """Return the units directly under *unit*."""
        return [each for each in self.units.values() if each.ids[:-1] == unit.ids]

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of an object of the organization, such as ``("ou", "ou-...")``."""
        middle = "" if kind == "organization" else f"{self.organization.id}/"
        return f"arn:aws:organizations::{self.organization.management_account_id}:{kind}/{middle}{name}"


class Directory:
    """Find an account's organization, and who may list it."""

    def __init__(self) -> None:
        self._trees: dict[str, Tree] = {}
        self._delegates: set[str] = set()

    def seed(self, world: World) -> None:
        """Start again with the organizations of *world*."""
        self._trees = {}
        self._delegates = set()
        for organization in world.organizations:
            tree = Tree(organization)
            self._trees.update({account.id: tree for account in organization.accounts})

    def tree_of(self, account_id: str) -> Tree | None:
        """Return the organization that the account is a member of, or ``None``."""
        return self._trees.get(account_id)

    def path_of(self, account_id: str) -> str | None:
        """Return the account's ``aws:PrincipalOrgPaths`` value: ``o-id/r-id/ou-id/``."""
        tree = self._trees.get(account_id)
        home = tree.home(account_id) if tree else None
        return "/".join((tree.organization.id, *home.ids, "")) if tree and home else None

    def delegate(self, account_id: str) -> None:
        """Make a member account a delegated administrator, which may list the organization."""
        self._delegates.add(account_id)

    def undelegate(self, account_id: str) -> None:
        """Take the delegation back."""
        self._delegates.discard(account_id)

    def is_delegate(self, account_id: str) -> bool:
        """Tell whether the account is a delegated administrator."""
        return account_id in self._delegates

    def may_list(self, account_id: str) -> bool:
        """Tell whether the account is the management account or a delegated administrator of its organization."""
        tree = self._trees.get(account_id)
        return tree is not None and (
            account_id == tree.organization.management_account_id or account_id in self._delegates
        )


def _digest(text: str, length: int) -> str:
    """Return *length* lower-case letters and digits that depend on *text* alone."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(alphabet[number // 36**place % 36] for place in range(length))
