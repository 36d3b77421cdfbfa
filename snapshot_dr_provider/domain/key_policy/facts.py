"""What is known of a key, its policies and its surroundings when they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

KeyKind = Literal["kms-b", "kms-c"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    Say who is who around a key.

    :param organization_id: Org-A, whose accounts are copied.
    :param dr_account_id: Account-B, which owns the key and belongs to another organization.
    :param region: Region of the key; that of its service endpoint in ``kms:ViaService``.
    :param now: the time of asking, UTC.
    :param partition: of the ARNs, such as ``aws``.
    :param role_name: role by which the copies are made, with its path if it has one; ``None`` when any may be meant.
    :param member_accounts: accounts that are known to be in Org-A; more may be.
    :param key_arn: of the key, for policies that write it out as their resource; empty when it is not known.
    """

    organization_id: str
    dr_account_id: str
    region: str
    now: datetime
    partition: str = "aws"
    role_name: str | None = None
    member_accounts: frozenset[str] = frozenset()
    key_arn: str = ""


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """State one grant as ListGrants gives it; ``grantee`` is an ARN, or the name of a service."""

    grant_id: str
    grantee: str
    operations: tuple[str, ...]
    name: str = ""
    issuing_account: str = ""
    retiring: str = ""
    constraints: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """
    State one key as it was read with the credentials of Account-B.

    :param policies: text of each policy by its name: ``default``, and ``AWS_RAM`` where the key is shared by AWS RAM
        (aws 9.2).
    :param state: ``Enabled``, ``Disabled``, ``PendingDeletion`` and so on; ``None`` when it is not known, as of a file.
    :param grants: ``None`` when they were not read.
    :param unread: what could not be read and why; each makes the rules that need it undecided.
    """

    arn: str
    kind: KeyKind
    policies: Mapping[str, str]
    state: str | None = None
    grants: tuple[GrantFacts, ...] | None = None
    unread: tuple[str, ...] = ()
