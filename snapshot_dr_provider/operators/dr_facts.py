"""Read the keys and the copies of Account-B in one destination Region, with the credentials of Account-B."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from snapshot_dr_provider.domain.key_policy.facts import KeyFacts, KeyKind, Surroundings
from snapshot_dr_provider.domain.key_policy.snapshot_facts import DrRegionFacts
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.ebs import SnapshotAuditHook
from snapshot_dr_provider.hooks.key_policies import KeyPolicyHook
from snapshot_dr_provider.settings import Settings
from snapshot_dr_provider.settings.names import partition_of

COPIES: Final = "copies"
SHARING: Final = "sharing"
PUBLIC_ACCESS: Final = "public_access"

Answer = TypeVar("Answer")


@dataclass(slots=True)
class DrRegion:
    """
    Ask Account-B about one destination Region.

    What AWS refuses for good becomes a fact of its own, that it is not known; what may pass is raised, so that the task
    is tried again.

    :param share_checks: of how many copies it is asked with whom they are shared, one call for each.
    """

    settings: Settings
    region: str
    share_checks: int

    def read_keys(self) -> Iterator[KeyFacts]:
        """
        Read KMS-B, KMS-C and the former ones.

        :raises SnapshotDrError: for what may pass.
        """
        destination = self.settings.destinations[self.region]
        named: list[tuple[str, KeyKind]] = [(destination.kms_b, "kms-b"), (destination.kms_c, "kms-c")]
        named += [(arn, "kms-c") for arn in destination.former_kms_c]
        hook = KeyPolicyHook(**self.credentials)
        for arn, kind in named:
            try:
                yield hook.facts(arn, kind)
            except SnapshotDrError as error:
                if not error.permanent:
                    raise
                yield KeyFacts(arn, kind, {}, unread=(f"anything of it: {error}",))

    def read_copies(self) -> DrRegionFacts:
        """
        Read the KMS-C copies, with whom they are shared, and block public access.

        :raises SnapshotDrError: for what may pass.
        """
        destination = self.settings.destinations[self.region]
        hook = SnapshotAuditHook(**self.credentials)
        unread: dict[str, str] = {}
        copies = _unless_refused(COPIES, lambda: hook.copies(Stage.KMS_C), unread)
        public = _unless_refused(SHARING, lambda: hook.public_copies(Stage.KMS_C), unread)
        known = DrRegionFacts(
            account_id=self.settings.dr_account.account_id,
            region=self.region,
            kms_c_arns=frozenset((destination.kms_c, *destination.former_kms_c)),
            copies=None if copies is None else tuple(copies),
        )
        asked = known.shareable[: self.share_checks]
        shares = _unless_refused(SHARING, lambda: _shares(hook, asked), unread)
        return DrRegionFacts(
            account_id=known.account_id,
            region=known.region,
            kms_c_arns=known.kms_c_arns,
            copies=known.copies,
            public=public,
            shared_with=shares or {},
            public_access=_unless_refused(PUBLIC_ACCESS, hook.public_access, unread),
            unread=unread,
        )

    def surroundings(self, members: frozenset[str], now: datetime) -> Surroundings:
        """Say what is known around the keys here, when their policies are judged."""
        connection = self.settings.source_connection
        return Surroundings(
            organization_id=self.settings.organization_id,
            dr_account_id=self.settings.dr_account.account_id,
            region=self.region,
            now=now,
            partition=partition_of(self.region),
            role_name=connection.role_name if connection else None,
            member_accounts=members,
        )

    @property
    def credentials(self) -> dict[str, Any]:
        """Give the arguments of a hook that works there."""
        account = self.settings.dr_account
        return {
            "aws_conn_id": account.aws_conn_id,
            "role_arn": account.role_arn,
            "expected_account_id": account.account_id,
            "region_name": self.region,
        }


def _shares(hook: SnapshotAuditHook, copies: tuple[Snapshot, ...]) -> dict[str, tuple[str, ...]]:
    return {copy.snapshot_id: hook.shared_with(copy.snapshot_id) for copy in copies}


def _unless_refused(name: str, ask: Callable[[], Answer], unread: dict[str, str]) -> Answer | None:
    """Ask, or note why there is no answer."""
    try:
        return ask()
    except SnapshotDrError as error:
        if not error.permanent:
            raise
        unread[name] = str(error)
        return None
