"""Answer the three questions that every call raises: who is it, may it, and may it use that key."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from snapshot_dr_provider.sandbox.access import keyring
from snapshot_dr_provider.sandbox.access.context import principal_context
from snapshot_dr_provider.sandbox.access.directory import Directory
from snapshot_dr_provider.sandbox.access.identities import Identities, parse_session_policies
from snapshot_dr_provider.sandbox.access.key_policies import CROSS_ACCOUNT_ACTIONS
from snapshot_dr_provider.sandbox.access.keyring import Grant, KeyInfo, KeyRecord, KeyRing
from snapshot_dr_provider.sandbox.access.policy import Context, Decision, Document, Reach, combine, evaluate, normalise
from snapshot_dr_provider.sandbox.access.principals import Principal
from snapshot_dr_provider.sandbox.world import GrantSeed, Lag, Role, World

_UNSEEN = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)


class Authority:
    """Know the principals, organizations and keys of one sandbox, and judge calls.

    *clock* gives the sandbox's time; *lag* how late a key policy that is put takes effect and reads back (aws 9.4).
    Compound work (look up, judge, change) holds ``lock``.
    """

    def __init__(self, clock: Callable[[], datetime], lag: Callable[[], Lag]) -> None:
        self.lock = RLock()
        self.identities = Identities()
        self.keys = KeyRing()
        self.directory = Directory()
        self._clock = clock
        self._lag = lag

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return self._clock()

    def seed(self, world: World) -> None:
        """Forget everything, sessions included, and start again from *world*.

        :raises WorldError: for a key policy that KMS would not store.
        """
        with self.lock:
            self.identities.seed(world)
            self.directory.seed(world)
            self.keys.seed(world, self.now(), exists=self.identities.exists)

    def principal_of(self, access_key_id: str | None, session_token: str | None = None) -> Principal:
        """Return whom the access key stands for; a *session_token* that is given has to belong to it.

        :raises UnknownCredentials: for a key that is of nobody, or from before a reset (moto 3).
        """
        with self.lock:
            return self.identities.principal_of(access_key_id, session_token)

    def root_credentials(self, account_id: str) -> tuple[str, str]:
        """Return access key id and secret of an account's root user.

        :raises KeyError: for an account that is not in the world.
        """
        return self.identities.root_credentials(account_id)

    def may_call(
        self, principal: Principal, action: str, resources: Sequence[str], context: Context | None = None
    ) -> Decision:
        """Judge a call by the caller's identity policies alone: each of *resources* has to be allowed.

        *context* adds the keys of the service to the global ones. Returns the first refusal, so ask for one resource
        at a time where the message has to name it.
        """
        with self.lock:
            full = normalise({**self.global_context(principal), **(context or {})})
            decisions = [self._identity(principal, action, resource, full) for resource in resources]
        return next((each for each in decisions if not each.allowed), decisions[0])

    def may_use_key(self, principal: Principal, action: str, key_arn: str, context: Context | None = None) -> Decision:
        """Judge a KMS call by the key policies in effect, the key's grants and the caller's identity policies.

        Whether the key is enabled is not part of it. Across accounts only some operations exist at all (aws 2.6).
        """
        with self.lock:
            now = self.now()
            key = self.keys.find(key_arn, principal.account_id, "", now)
            if key is None:
                return Decision.deny(_UNSEEN)
            return self.judge_key_call(principal, action, key, context or {}, documents=key.documents(now))

    def judge_key_call(
        self, principal: Principal, action: str, key: KeyRecord, context: Context, *, documents: Sequence[Document]
    ) -> Decision:
        """Judge a KMS call as if *documents* were the policies of *key*. That a Deny of either wins is [I]."""
        same_account = principal.account_id == key.account_id
        if not same_account and action not in CROSS_ACCOUNT_ACTIONS:
            return Decision.deny(f"because {action} has no effect across accounts")
        full = {**self.global_context(principal), **self._key_context(principal, key), **context}
        normal = normalise(full)
        resource = evaluate(
            documents, principal=principal, action=action, resource=key.arn, context=normal, kind="resource-based"
        )
        # A grant counts beside the key policy (aws 2.11). That a grantee of another account needs an identity policy
        # as well is the stricter reading of AWS's documentation [I].
        closer = not resource.explicit_deny and resource.reach < Reach.IDENTITY
        if closer and _is_granted(principal, action, key, full):
            resource = Decision.allow("allowed by a grant")
        return combine(
            self._attached(principal, action, key.arn, normal),
            resource,
            session=self._session(principal, action, key.arn, normal),
            same_account=same_account,
        )

    def may_assume(self, principal: Principal, role: Role, trust: Document, context: Context) -> Decision:
        """Judge AssumeRole: the trust policy of *role* together with the caller's identity policies."""
        arn = f"arn:aws:iam::{role.account_id}:role/{role.name}"
        full = {**self.global_context(principal), **context}
        action = "sts:AssumeRole"
        return combine(
            self._attached(principal, action, arn, full),
            evaluate([trust], principal=principal, action=action, resource=arn, context=full, kind="resource-based"),
            session=self._session(principal, action, arn, full),
            same_account=principal.account_id == role.account_id,
        )

    def _identity(self, principal: Principal, action: str, resource: str, context: Context) -> Decision:
        attached = self._attached(principal, action, resource, context)
        session = self._session(principal, action, resource, context)
        return session if session and attached.allowed and not session.allowed else attached

    def _attached(self, principal: Principal, action: str, resource: str, context: Context) -> Decision:
        documents = self.identities.documents_of(principal)
        if documents is None:
            return Decision.allow("allowed as the root user of the account")
        return evaluate(documents, principal=principal, action=action, resource=resource, context=context)

    def _session(self, principal: Principal, action: str, resource: str, context: Context) -> Decision | None:
        if not principal.session_policies:
            return None
        documents = parse_session_policies(principal.session_policies)
        return evaluate(
            documents, principal=principal, action=action, resource=resource, context=context, kind="session"
        )

    def global_context(self, principal: Principal) -> dict[str, str | tuple[str, ...]]:
        """Return the condition keys that every call of *principal* has at this moment."""
        context = principal_context(principal, self.now())
        path = self.directory.path_of(principal.account_id)
        if path is not None:
            context["aws:PrincipalOrgPaths"] = (path,)
        return context

    def _key_context(self, principal: Principal, key: KeyRecord) -> dict[str, str | tuple[str, ...]]:
        context: dict[str, str | tuple[str, ...]] = {
            "kms:CallerAccount": principal.account_id,
            "kms:KeyOrigin": "AWS_KMS",
            "kms:KeySpec": "SYMMETRIC_DEFAULT",
            "kms:KeyUsage": "ENCRYPT_DECRYPT",
            "aws:ResourceAccount": key.account_id,
            "aws:RequestedRegion": key.region,
            "kms:ResourceAliases": tuple(key.aliases),
        }
        owner = self.identities.organization_id(key.account_id)
        return {**context, "aws:ResourceOrgID": owner} if owner else context

    def key(self, key_ref: str, *, account_id: str, region: str) -> KeyInfo | None:
        """Return the key that *key_ref* names for a caller of *account_id* in *region*, or ``None``.

        *key_ref* is a key ARN, an alias ARN, a key id, an alias, ``alias/aws/ebs`` or ``aws/ebs``; only ARNs reach
        another account (aws 1.2).
        """
        with self.lock:
            now = self.now()
            record = self.keys.find(key_ref, account_id, region, now)
            return record.info(now) if record else None

    def put_policy(self, key: KeyRecord, text: str) -> None:
        """Put a key policy as PutKeyPolicy does: it reads back and takes effect each after its own lag (aws 9.4).

        AWS promises an order of the two as little as it promises a time [I].
        """
        lag = self._lag()
        key.put_policy(text, effective=self._later(lag.policy), readable=self._later(lag.policy_read))

    def _later(self, seconds: float) -> datetime | None:
        return self.now() + timedelta(seconds=seconds) if seconds > 0 else None

    def key_policy(self, arn: str) -> Mapping[str, Any]:
        """Return the policy of a key that calls are evaluated against, without that of RAM.

        :raises KeyError: for a key that is not there.
        """
        with self.lock:
            return self._record(arn).documents(self.now())[0]

    def put_key_policy(self, arn: str, document: Mapping[str, Any] | str) -> None:
        """Set a key's policy from outside, at once and unchecked; a text is kept as it is.

        :raises KeyError: for a key that is not there.
        :raises ValueError: for a text that is no JSON, or TypeError for one that is no object.
        """
        with self.lock:
            self._record(arn).put_policy(_text(document))

    def put_ram_policy(self, arn: str, document: Mapping[str, Any] | str | None) -> None:
        """Set the policy that RAM manages, at once and unchecked, or take it away (aws 9.2).

        :raises KeyError: for a key that is not there.
        :raises ValueError: for a text that is no JSON, or TypeError for one that is no object.
        """
        text = None if document is None else _text(document)
        with self.lock:
            self._record(arn).ram_policy = text

    def add_grant(self, arn: str, seed: GrantSeed) -> str:
        """Add a grant from outside, unchecked, and return its id. :raises KeyError: for a key that is not there."""
        with self.lock:
            return keyring.add_grant(self._record(arn), seed, self.now()).grant_id

    def enable_key(self, arn: str) -> None:
        """Enable a key. :raises KeyError: for a key that is not there."""
        with self.lock:
            self._record(arn).enabled = True

    def disable_key(self, arn: str) -> None:
        """Disable a key. :raises KeyError: for a key that is not there."""
        with self.lock:
            self._record(arn).enabled = False

    def _record(self, arn: str) -> KeyRecord:
        key = self.keys.find(arn, "", "", self.now()) if arn.startswith("arn:") else None
        if key is None:
            raise KeyError(f"there is no key {arn}")
        return key

    def put_role(self, role: Role) -> None:
        """Create or replace a role."""
        with self.lock:
            self.identities.put_role(role)

    def put_role_policies(self, account_id: str, name: str, policies: Sequence[Mapping[str, Any]]) -> None:
        """Replace the identity policies of a role, at once. :raises KeyError: for a role that is not there."""
        with self.lock:
            self.identities.put_policies(account_id, name, tuple(policies))

    def expire_sessions(self) -> None:
        """Let all temporary credentials that were given out so far have expired."""
        with self.lock:
            self.identities.expire_sessions()

    def delete_role(self, account_id: str, name: str) -> None:
        """Delete a role. :raises KeyError: for a role that is not there."""
        with self.lock:
            self.identities.delete_role(account_id, name)


def _text(document: Mapping[str, Any] | str) -> str:
    """Return a policy as a text. :raises ValueError: for no JSON, and TypeError for JSON that is no object."""
    if not isinstance(document, str):
        return json.dumps(document)
    if not isinstance(json.loads(document), dict):
        raise TypeError("the policy is not a JSON object")
    return document


def _is_granted(principal: Principal, action: str, key: KeyRecord, context: Context) -> bool:
    return any(_covers(grant, principal, action, context) for grant in key.grants.values())


def _covers(grant: Grant, principal: Principal, action: str, context: Context) -> bool:
    if grant.grantee not in (principal.arn, principal.session_arn):
        return False
    operation = action.removeprefix("kms:")
    if operation not in grant.operations:
        return False
    # Neither has an encryption context, so that the constraints of a grant do not apply to them.
    return operation in ("DescribeKey", "RetireGrant") or keyring.constraints_met(grant, context)


def denial_message(principal: Principal, action: str, resource: str, decision: Decision) -> str:
    """Return the sentence with which AWS refuses, naming principal, action, resource and why."""
    return (
        f"User: {principal.session_arn} is not authorized to perform: {action} on resource: {resource} "
        f"{decision.reason}"
    )
