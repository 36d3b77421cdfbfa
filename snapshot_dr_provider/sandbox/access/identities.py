"""Keep the users, roles and sessions of every account, and the access keys that stand for them."""

import hashlib
import json
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from snapshot_dr_provider.sandbox.access.policy import Document
from snapshot_dr_provider.sandbox.access.principals import (
    ExpiredCredentials,
    Principal,
    UnknownCredentials,
    role_arn,
    root_arn,
    user_arn,
)
from snapshot_dr_provider.sandbox.world import Role, User, World

_ROOT_KEY = "AKIAROOT"
_ROLE_ARN = re.compile(r"^arn:aws:iam::(\d{12}):role/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)$")


@dataclass(frozen=True, slots=True)
class Session:
    """Hold the temporary credentials that AssumeRole gave out."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime
    principal: Principal


class Identities:
    """Know every principal of the sandbox. Not thread-safe by itself; the authority guards it."""

    def __init__(self) -> None:
        self._accounts: dict[str, str | None] = {}
        self._users: dict[str, User] = {}
        self._users_by_key: dict[str, User] = {}
        self._roles: dict[str, Role] = {}
        self._sessions: dict[str, Session] = {}

    def seed(self, world: World) -> None:
        """Start again from *world*; sessions given out before are unknown from now on (moto 3)."""
        self._accounts = {account.id: None for account in world.all_accounts()}
        for organization in world.organizations:
            self._accounts.update({account.id: organization.id for account in organization.accounts})
        self._users = {user_arn(user.account_id, user.name): user for user in world.users}
        self._users_by_key = {user.access_key_id: user for user in world.users}
        self._roles = {role_arn(role.account_id, role.name): role for role in world.roles}
        self._sessions = {}

    def organization_id(self, account_id: str) -> str | None:
        """Return the organization that the account is in, or ``None``."""
        return self._accounts.get(account_id)

    def root_credentials(self, account_id: str) -> tuple[str, str]:
        """Return access key id and secret of the account's root user; they are the same in every sandbox."""
        if account_id not in self._accounts:
            raise KeyError(f"account {account_id} is not in this world")
        return f"{_ROOT_KEY}{account_id}", hashlib.sha256(account_id.encode()).hexdigest()[:40]

    def principal_of(self, access_key_id: str | None, session_token: str | None) -> Principal:
        """Return whom an access key stands for now.

        A *session_token* that is not ``None`` has to be the one that belongs to the key (empty for a permanent one).

        :raises UnknownCredentials: for a key that is of nobody, or no longer.
        :raises ExpiredCredentials: for a session that has ended.
        """
        session = self._sessions.get(access_key_id or "")
        if session_token is not None and session_token != (session.session_token if session else ""):
            raise UnknownCredentials(access_key_id)
        if session is not None:
            if session.expiration <= datetime.now(UTC):
                raise ExpiredCredentials(access_key_id)
            return session.principal
        return self._permanent(access_key_id or "")

    def _permanent(self, access_key_id: str) -> Principal:
        account_id = access_key_id.removeprefix(_ROOT_KEY)
        if access_key_id.startswith(_ROOT_KEY) and account_id in self._accounts:
            return self._principal(account_id, root_arn(account_id))
        user = self._users_by_key.get(access_key_id)
        if user is None:
            raise UnknownCredentials(access_key_id)
        return self._principal(user.account_id, user_arn(user.account_id, user.name))

    def _principal(self, account_id: str, arn: str, session_arn: str = "", policies: tuple[str, ...] = ()) -> Principal:
        return Principal(account_id, arn, session_arn or arn, self._accounts.get(account_id), policies)

    def open_session(self, role: Role, name: str, policies: tuple[str, ...], seconds: int) -> Session:
        """Give out credentials of *role* that end after some seconds on the machine's clock.

        The SDKs compare the end with that clock and renew in time; on the sandbox clock it would mean nothing to them.
        """
        expiration = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        session_arn = f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{name}"
        principal = self._principal(role.account_id, role_arn(role.account_id, role.name), session_arn, policies)
        alphabet = string.ascii_uppercase + string.digits
        session = Session(
            access_key_id="ASIA" + "".join(secrets.choice(alphabet) for _ in range(16)),
            secret_access_key=secrets.token_urlsafe(30),
            session_token=secrets.token_urlsafe(120),
            expiration=expiration,
            principal=principal,
        )
        self._forget_ended_before(expiration - timedelta(days=1))
        self._sessions[session.access_key_id] = session
        return session

    def expire_sessions(self) -> None:
        """End every session that was given out so far."""
        moment = datetime.now(UTC)
        self._sessions = {key: replace(session, expiration=moment) for key, session in self._sessions.items()}

    def _forget_ended_before(self, moment: datetime) -> None:
        """Drop sessions that ended long ago, so that a long run does not collect them."""
        ended = [key for key, session in self._sessions.items() if session.expiration < moment]
        for key in ended:
            del self._sessions[key]

    def role(self, arn: str) -> Role | None:
        """Return the role with this ARN, or ``None``."""
        return self._roles.get(arn)

    def put_role(self, role: Role) -> None:
        """Create *role*, or replace it; its sessions go on with the new policies."""
        self._roles[role_arn(role.account_id, role.name)] = role

    def put_policies(self, account_id: str, name: str, policies: tuple[Document, ...]) -> None:
        """Replace the identity policies of a role."""
        arn = role_arn(account_id, name)
        self._roles[arn] = replace(self._roles[arn], policies=policies)

    def delete_role(self, account_id: str, name: str) -> None:
        """Delete a role with its sessions; a role made later under its name is another one [M]."""
        arn = role_arn(account_id, name)
        del self._roles[arn]
        self._sessions = {key: each for key, each in self._sessions.items() if each.principal.arn != arn}

    def documents_of(self, principal: Principal) -> list[Document] | None:
        """Return the identity policies of *principal*; ``None`` for a root user, whom none limits."""
        if principal.is_root:
            return None
        owner = self._users.get(principal.arn) or self._roles.get(principal.arn)
        return list(owner.policies) if owner else []

    def exists(self, name: str) -> bool:
        """Tell whether an entry of a policy's Principal names an account, user, role or session of this world."""
        if name in self._accounts or name in self._users or name in self._roles:
            return True
        root = re.fullmatch(r"arn:aws:iam::(\d{12}):root", name)
        if root:
            return root[1] in self._accounts
        session = re.fullmatch(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/[^/]+", name)
        return session is not None and role_arn(session[1], session[2]) in self._roles


def is_role_arn(text: str) -> bool:
    """Tell whether *text* has the form of a role's ARN."""
    return _ROLE_ARN.match(text) is not None


def trust_document(role: Role) -> Mapping[str, Any]:
    """Return the trust policy of *role*, from whom it trusts and the external id it asks for."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": list(role.trusts)},
        "Action": "sts:AssumeRole",
        "Resource": "*",
    }
    if role.external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": role.external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def parse_session_policies(texts: tuple[str, ...]) -> list[Document]:
    """Return the policies given to AssumeRole as documents."""
    return [json.loads(text) for text in texts]
