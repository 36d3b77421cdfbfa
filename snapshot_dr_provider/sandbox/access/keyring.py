"""Keep the KMS keys: state, aliases, grants and the policies that were put, with the time from which each counts."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.key_policies import check_key_policy
from snapshot_dr_provider.sandbox.access.patterns import ARN_PARTS
from snapshot_dr_provider.sandbox.access.policy import Context, Document
from snapshot_dr_provider.sandbox.access.principals import root_arn
from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.world import GrantSeed, Key, World

#: The alias of the key that EBS uses when a caller names none.
EBS_ALIAS = "alias/aws/ebs"
#: The policy that PutKeyPolicy writes, and the one that RAM manages (aws 9.2).
DEFAULT_POLICY, RAM_POLICY = "default", "AWS_RAM"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """Describe a key to the rest of the sandbox. *state* is KMS's ``KeyState``, *manager* ``CUSTOMER`` or ``AWS``."""

    arn: str
    account_id: str
    region: str
    enabled: bool
    state: str
    manager: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Hold one grant of a key. *grantee* is empty for one to a *grantee_service*."""

    grant_id: str
    token: str
    name: str | None
    grantee: str
    retiring: str | None
    operations: tuple[str, ...]
    constraints: Mapping[str, Any] | None
    created: datetime
    issuing_account: str
    grantee_service: str | None = None


@dataclass(frozen=True, slots=True)
class _PutPolicy:
    """Hold a policy that was put, and from when it is evaluated and read; ``None`` is from the beginning."""

    text: str
    document: Document
    effective: datetime | None
    readable: datetime | None


@dataclass(slots=True)
class KeyRecord:
    """Hold one key. Policies are kept as texts: GetKeyPolicy gives back the very bytes that were put (moto 1.7).

    *ram_policy* is the text of the second policy, which counts beside the one that is put (aws 9.2).
    """

    account_id: str
    region: str
    key_id: str
    created: datetime
    manager: str = "CUSTOMER"
    description: str = ""
    enabled: bool = True
    deletion: datetime | None = None
    aliases: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    ram_policy: str | None = None
    _policies: list[_PutPolicy] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """Return the key's ARN."""
        return f"arn:aws:kms:{self.region}:{self.account_id}:key/{self.key_id}"

    def policies(self, now: datetime) -> dict[str, str]:
        """Return the texts of the policies by name as they read at *now*, in effect already or not."""
        texts = {DEFAULT_POLICY: next(each.text for each in reversed(self._policies) if _is_due(each.readable, now))}
        return {**texts, RAM_POLICY: self.ram_policy} if self.ram_policy is not None else texts

    def put_policy(self, text: str, *, effective: datetime | None = None, readable: datetime | None = None) -> None:
        """Put a policy that is evaluated from *effective* and read from *readable* on, both at once if not given."""
        if effective is None and readable is None:
            self._policies.clear()
        self._policies.append(_PutPolicy(text, json.loads(text), effective, readable))

    def documents(self, now: datetime) -> list[Document]:
        """Return the policies that calls are evaluated against at *now*: the last put of those in effect, and RAM's."""
        default = next(each.document for each in reversed(self._policies) if _is_due(each.effective, now))
        return [default] if self.ram_policy is None else [default, json.loads(self.ram_policy)]

    def state(self, now: datetime) -> str:
        """Return ``KeyState`` at *now*."""
        if self.deletion is not None:
            return "PendingDeletion" if now < self.deletion else "Deleted"
        return "Enabled" if self.enabled else "Disabled"

    def info(self, now: datetime) -> KeyInfo:
        """Return what the rest of the sandbox needs to know of the key at *now*."""
        state = self.state(now)
        return KeyInfo(self.arn, self.account_id, self.region, state == "Enabled", state, self.manager)


class KeyRing:
    """Know every key of every account and Region. Not thread-safe by itself; the authority guards it."""

    def __init__(self) -> None:
        self._keys: dict[str, KeyRecord] = {}
        self._by_place: dict[tuple[str, str], list[KeyRecord]] = {}

    def seed(self, world: World, now: datetime, *, exists: Callable[[str], bool]) -> None:
        """Start again with the keys of *world*; *exists* tells whether a principal does.

        :raises WorldError: for a key policy that KMS would not store.
        """
        self._keys, self._by_place = {}, {}
        for key in world.keys:
            policy = key.policy if key.policy is not None else default_policy(key.account_id)
            record = _seeded(key, now)
            text = json.dumps(policy)
            try:
                check_key_policy(text, exists=exists)
            except ApiError as error:
                raise WorldError(f"the policy of {key.arn}: {error}") from None
            record.put_policy(text)
            self.add(record)

    def add(self, record: KeyRecord) -> None:
        """Add a key that was just made."""
        self._keys[record.arn] = record
        self._by_place.setdefault((record.account_id, record.region), []).append(record)

    def of_account(self, account_id: str, region: str, now: datetime) -> list[KeyRecord]:
        """Return the keys of an account in a Region, in a fixed order."""
        return [key for key in self._by_place.get((account_id, region), ()) if key.state(now) != "Deleted"]

    def live(self, now: datetime) -> Iterable[KeyRecord]:
        """Yield the keys that are not deleted."""
        return (key for key in self._keys.values() if key.state(now) != "Deleted")

    def find(self, reference: str, account_id: str, region: str, now: datetime) -> KeyRecord | None:
        """Return the key that *reference* names: key ARN, alias ARN, key id, alias, or ``aws/ebs``.

        What is no ARN belongs to *account_id* and *region*, however another account may call it (aws 1.2). The key
        behind ``alias/aws/ebs`` is made when it is first named by its own account.
        """
        caller = account_id
        if reference.startswith("arn:"):
            parts = reference.split(":", ARN_PARTS - 1)
            if len(parts) != ARN_PARTS or parts[2] != "kms":
                return None
            region, account_id, name = parts[3], parts[4], parts[5].removeprefix("key/")
        else:
            name = EBS_ALIAS if reference == EBS_ALIAS.removeprefix("alias/") else reference
        if not name.startswith("alias/"):
            key = self._keys.get(f"arn:aws:kms:{region}:{account_id}:key/{name}")
            return key if key and key.state(now) != "Deleted" else None
        found = next((key for key in self.of_account(account_id, region, now) if name in key.aliases), None)
        if found is None and name == EBS_ALIAS and account_id == caller:
            return self._create_ebs_key(account_id, region, now)
        return found

    def _create_ebs_key(self, account_id: str, region: str, now: datetime) -> KeyRecord:
        key_id = str(uuid5(NAMESPACE_URL, f"{EBS_ALIAS}/{region}/{account_id}"))
        record = KeyRecord(account_id, region, key_id, created=now, manager="AWS", aliases=[EBS_ALIAS])
        record.description = "Default key that protects my EBS volumes when no other key is defined"
        record.put_policy(json.dumps(ebs_policy(account_id, region)))
        self.add(record)
        return record


def add_grant(key: KeyRecord, seed: GrantSeed, now: datetime) -> Grant:
    """Give *key* the grant that *seed* describes, issued by the key's own account, and return it."""
    number = len(key.grants)
    grant = Grant(
        grant_id=sha256(f"{key.arn}/{number}/{seed}".encode()).hexdigest(),
        token=sha256(f"token of {key.arn}/{number}/{seed}".encode()).hexdigest(),
        name=seed.name,
        grantee=seed.grantee or "",
        retiring=seed.retiring,
        operations=seed.operations,
        constraints=None,
        created=seed.created or now,
        issuing_account=root_arn(key.account_id),
        grantee_service=seed.grantee_service,
    )
    key.grants[grant.grant_id] = grant
    return grant


def _seeded(key: Key, now: datetime) -> KeyRecord:
    """Return the record of a key of the world, still without its policy."""
    record = KeyRecord(key.account_id, key.region, key.key_id, created=now, enabled=key.enabled)
    record.aliases = [alias if alias.startswith("alias/") else f"alias/{alias}" for alias in key.aliases]
    record.ram_policy = None if key.ram_policy is None else json.dumps(key.ram_policy)
    for grant in key.grants:
        add_grant(record, grant, now)
    return record


def _is_due(since: datetime | None, now: datetime) -> bool:
    return since is None or since <= now


def constraints_met(grant: Grant, context: Context) -> bool:
    """Tell whether the call's encryption context is one that the grant is limited to."""
    prefix = "kms:EncryptionContext:"
    found = {key.removeprefix(prefix): value for key, value in context.items() if key.startswith(prefix)}
    constraints = grant.constraints or {}
    if "EncryptionContextEquals" in constraints:
        return found == dict(constraints["EncryptionContextEquals"])
    return dict(constraints.get("EncryptionContextSubset", {})).items() <= found.items()


def default_policy(account_id: str) -> Document:
    """Return the policy of a key made without one: all to the account, so to its identity policies (aws 9.9)."""
    return {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": root_arn(account_id)},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def ebs_policy(account_id: str, region: str) -> Document:
    """Return the policy of the AWS managed key for EBS: everybody of the account, and only through EC2 (aws 2.8)."""
    return {
        "Version": "2012-10-17",
        "Id": "auto-ebs-2",
        "Statement": [
            {
                "Sid": "Allow access through EBS for all principals in the account that are authorized to use EBS",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:Encrypt",
                    "kms:Decrypt",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:CreateGrant",
                    "kms:DescribeKey",
                ],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "kms:CallerAccount": account_id,
                        "kms:ViaService": f"ec2.{region}.amazonaws.com",
                    }
                },
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": root_arn(account_id)},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    }
