"""The three places that a route touches, each with the credentials that reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.kms import KeyView, KmsKeyHook

HookFactory = Callable[..., EbsSnapshotHook]


_FACTORY: Final[ContextVar[HookFactory]] = ContextVar("hook_factory", default=EbsSnapshotHook)


@contextmanager
def hooks_made_by(factory: HookFactory) -> Iterator[None]:
    """Have hooks of routes made by another factory within a ``with`` block: where one process runs many tasks."""
    token = _FACTORY.set(factory)
    try:
        yield
    finally:
        _FACTORY.reset(token)


@dataclass(frozen=True, slots=True)
class RouteHooks:
    """
    Open hooks for a route.

    :param make: builds a hook from its arguments; a caller that serves many routes passes one that shares.
    :param client_arguments: ``verify`` and ``config`` of the amazon provider's hooks, for all of them.

    Each hook is opened once, so that a stage signs in to an account and Region once.
    """

    route: Route
    make: HookFactory = field(default_factory=_FACTORY.get)
    client_arguments: tuple[tuple[str, Any], ...] = ()
    _opened: dict[tuple[str, str], EbsSnapshotHook] = field(default_factory=dict, init=False, repr=False, compare=False)

    def sources(self) -> EbsSnapshotHook:
        """Open the Org-A account in the source Region."""
        return self._in_org_a(self.route.source_region)

    def kms_b(self) -> EbsSnapshotHook:
        """Open the Org-A account in the destination Region, where hop 1 is called and its copies lie."""
        return self._in_org_a(self.route.destination_region)

    def kms_c(self) -> EbsSnapshotHook:
        """
        Open the DR account in the destination Region.

        :raises ConfigurationError: when the route does not name a DR account.
        """
        route = self.route
        if not self.has_dr_account:
            msg = f"{route.label}: no DR account is named; set dr_account_id and dr_aws_conn_id"
            raise ConfigurationError(msg)
        return self._open(route.dr_conn_id, route.dr_role_arn, route.dr_account_id, route.destination_region)

    @property
    def has_dr_account(self) -> bool:
        """Whether the route says who the DR account is; hop 1 alone can do without."""
        return bool(self.route.dr_account_id and self.route.dr_conn_id)

    def key(self, key_arn: str, *, as_dr_account: bool) -> KeyView:
        """Read a key with the credentials of the Org-A account or of the DR account."""
        route = self.route
        conn_id, role_arn, account_id = (
            (route.dr_conn_id, route.dr_role_arn, route.dr_account_id)
            if as_dr_account
            else (route.source_conn_id, route.source_role_arn, route.account_id)
        )
        hook = KmsKeyHook(
            conn_id,
            role_arn=role_arn,
            expected_account_id=account_id,
            region_name=key_arn.split(":")[3],
            **dict(self.client_arguments),
        )
        return hook.view(key_arn)

    def _in_org_a(self, region: str) -> EbsSnapshotHook:
        route = self.route
        return self._open(route.source_conn_id, route.source_role_arn, route.account_id, region)

    def _open(self, conn_id: str, role_arn: str | None, account_id: str, region: str) -> EbsSnapshotHook:
        if (account_id, region) not in self._opened:
            self._opened[account_id, region] = self.make(
                conn_id,
                role_arn=role_arn,
                expected_account_id=account_id,
                region_name=region,
                **dict(self.client_arguments),
            )
        return self._opened[account_id, region]
