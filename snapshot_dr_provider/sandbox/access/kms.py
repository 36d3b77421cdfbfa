"""Answer KMS: keys, aliases and key policies, each call judged by the key policy and the caller's identity policies."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.key_policies import check_key_policy, malformed
from snapshot_dr_provider.sandbox.access.keyring import DEFAULT_POLICY, RAM_POLICY, KeyRecord, default_policy
from snapshot_dr_provider.sandbox.access.kms_cryptography import CryptographicOperations
from snapshot_dr_provider.sandbox.access.kms_grants import GrantOperations
from snapshot_dr_provider.sandbox.access.kms_requests import invalid, not_found

_ALIAS = re.compile(r"^alias/[a-zA-Z0-9/_-]{1,250}$")
#: Days that a key may wait for its deletion.
_SHORTEST_WAIT, _LONGEST_WAIT = 7, 30


class KmsResponse(GrantOperations, CryptographicOperations):
    """Answer KMS."""

    operations: ClassVar[frozenset[str]] = frozenset(
        {
            *("CreateKey", "DescribeKey", "ListKeys", "EnableKey", "DisableKey"),
            *("ScheduleKeyDeletion", "CancelKeyDeletion", "CreateAlias", "DeleteAlias", "ListAliases"),
            *("GetKeyPolicy", "PutKeyPolicy", "ListKeyPolicies"),
            *("TagResource", "UntagResource", "ListResourceTags"),
            *("CreateGrant", "ListGrants", "RevokeGrant", "RetireGrant"),
            *("Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        }
    )

    def create_key(self) -> str:
        """Create a symmetric encryption key, with the default policy when none is given."""
        self.require_call("kms:CreateKey")
        unknown = sorted(
            set(self.arguments)
            - {"Policy", "Description", "Tags", "BypassPolicyLockoutSafetyCheck"}
            - {name for name, value in _ONLY.items() if self.arguments.get(name, value) == value}
        )
        if unknown:
            raise ApiError(self.unsupported, f"The sandbox does not model {unknown[0]} of kms:CreateKey")
        account_id = self.principal.account_id
        text = self.arguments.get("Policy") or json.dumps(default_policy(account_id))
        key = KeyRecord(account_id, self.region, str(uuid4()), created=self.authority.now())
        key.description = self.arguments.get("Description", "")
        key.tags = {tag["TagKey"]: tag["TagValue"] for tag in self.arguments.get("Tags", [])}
        self._check_policy(key, text)
        key.put_policy(text)
        self.authority.keys.add(key)
        return json.dumps({"KeyMetadata": self._metadata(key)})

    def describe_key(self) -> str:
        """Describe a key; the only read that works across accounts, by ARN (aws 2.6)."""
        return json.dumps({"KeyMetadata": self._metadata(self.key_for("kms:DescribeKey", aliases=True))})

    def _metadata(self, key: KeyRecord) -> dict[str, Any]:
        info = key.info(self.authority.now())
        metadata = {
            "AWSAccountId": key.account_id,
            "KeyId": key.key_id,
            "Arn": key.arn,
            "CreationDate": int(key.created.timestamp()),
            "Enabled": info.enabled,
            "Description": key.description,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": info.state,
            "Origin": "AWS_KMS",
            "KeyManager": key.manager,
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": False,
        }
        return {**metadata, "DeletionDate": key.deletion.timestamp()} if key.deletion else metadata

    def list_keys(self) -> str:
        """List the caller's own keys."""
        self.require_call("kms:ListKeys")
        keys = self.authority.keys.of_account(self.principal.account_id, self.region, self.authority.now())
        return json.dumps(
            self.page("Keys", keys, lambda key: {"KeyId": key.key_id, "KeyArn": key.arn}, default=100, most=1000)
        )

    def enable_key(self) -> str:
        """Enable a key."""
        key = self.key_for("kms:EnableKey")
        self.require_not_pending(key)
        key.enabled = True
        return "{}"

    def disable_key(self) -> str:
        """Disable a key."""
        key = self.key_for("kms:DisableKey")
        self.require_not_pending(key)
        key.enabled = False
        return "{}"

    def schedule_key_deletion(self) -> str:
        """Have a key deleted after 7 to 30 days on the sandbox clock; until then it cannot be used."""
        key = self.key_for("kms:ScheduleKeyDeletion")
        days = self.arguments.get("PendingWindowInDays", _LONGEST_WAIT)
        if not isinstance(days, int) or not _SHORTEST_WAIT <= days <= _LONGEST_WAIT:
            raise invalid(f"Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: 7 to 30")
        self.require_not_pending(key)
        key.enabled = False
        key.deletion = self.authority.now() + timedelta(days=days)
        answer = {"KeyId": key.arn, "DeletionDate": key.deletion.timestamp(), "KeyState": "PendingDeletion"}
        return json.dumps({**answer, "PendingWindowInDays": days})

    def cancel_key_deletion(self) -> str:
        """Keep a key that was to be deleted; it stays disabled."""
        key = self.key_for("kms:CancelKeyDeletion")
        if key.deletion is None:
            raise ApiError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
        key.deletion = None
        return json.dumps({"KeyId": key.arn})

    def create_alias(self) -> str:
        """Name a key; allowed by the identity policy on the alias and by both policies on the key."""
        name = str(self.required("AliasName"))
        if not _ALIAS.match(name):
            raise ApiError("InvalidAliasNameException", f"Alias name {name} is not valid")
        if name.startswith("alias/aws/"):
            raise ApiError("NotAuthorizedException", "")
        arn = self._alias_arn(name)
        self.require_call("kms:CreateAlias", arn)
        key = self.key_for("kms:CreateAlias", parameter="TargetKeyId")
        self.require_not_pending(key)
        if self._named(name):
            raise ApiError("AlreadyExistsException", f"An alias with the name {arn} already exists")
        key.aliases.append(name)
        return "{}"

    def delete_alias(self) -> str:
        """Take a key's name away."""
        name = str(self.required("AliasName"))
        self.require_call("kms:DeleteAlias", self._alias_arn(name))
        key = self._named(name)
        if key is None:
            raise not_found(f"Alias {self._alias_arn(name)} is not found.")
        self.judge("kms:DeleteAlias", key)
        key.aliases.remove(name)
        return "{}"

    def list_aliases(self) -> str:
        """List the aliases of the caller's account, or of one of its keys."""
        self.require_call("kms:ListAliases")
        keys = self.authority.keys.of_account(self.principal.account_id, self.region, self.authority.now())
        if "KeyId" in self.arguments:
            wanted = self.authority.keys.find(
                str(self.arguments["KeyId"]), self.principal.account_id, self.region, self.authority.now()
            )
            if wanted not in keys:
                raise not_found(f"Key '{self.arguments['KeyId']}' does not exist")
            keys = [key for key in keys if key is wanted]
        entries = [(alias, key) for key in keys for alias in key.aliases]
        return json.dumps(self.page("Aliases", entries, self._alias_entry, default=50, most=100))

    def _alias_entry(self, entry: tuple[str, KeyRecord]) -> dict[str, Any]:
        alias, key = entry
        return {"AliasName": alias, "AliasArn": self._alias_arn(alias), "TargetKeyId": key.key_id}

    def _alias_arn(self, name: str) -> str:
        return f"arn:aws:kms:{self.region}:{self.principal.account_id}:{name}"

    def _named(self, name: str) -> KeyRecord | None:
        keys = self.authority.keys.of_account(self.principal.account_id, self.region, self.authority.now())
        return next((key for key in keys if name in key.aliases), None)

    def get_key_policy(self) -> str:
        """Return the bytes of a policy that were last put, in effect already or not (aws 9.2, 9.4)."""
        name = self._policy_name()
        key = self.key_for("kms:GetKeyPolicy", context={"kms:PolicyName": name})
        texts = key.policies(self.authority.now())
        if name not in texts:
            raise not_found("No such policy exists")
        return json.dumps({"Policy": texts[name], "PolicyName": name})

    def list_key_policies(self) -> str:
        """List the policies of a key: ``default``, and ``AWS_RAM`` of one that RAM shares (aws 9.2)."""
        key = self.key_for("kms:ListKeyPolicies")
        names = list(key.policies(self.authority.now()))
        return json.dumps(self.page("PolicyNames", names, str, default=100, most=1000))

    def put_key_policy(self) -> str:
        """Replace the whole default policy of a key once it is checked (aws 9.1).

        ``AWS_RAM`` cannot be put (aws 9.2); the code of the refusal is [M].
        """
        name = self._policy_name()
        key = self.key_for("kms:PutKeyPolicy", context={**self._bypass_context(), "kms:PolicyName": name})
        if name == RAM_POLICY:
            raise ApiError(self.unsupported, "The AWS_RAM key policy is managed by AWS RAM.")
        if name != DEFAULT_POLICY:
            raise not_found("No such policy exists")
        text = str(self.required("Policy"))
        self._check_policy(key, text)
        self.authority.put_policy(key, text)
        return "{}"

    def _policy_name(self) -> str:
        return str(self.arguments.get("PolicyName", DEFAULT_POLICY))

    def _bypass_context(self) -> Mapping[str, str]:
        bypass = bool(self.arguments.get("BypassPolicyLockoutSafetyCheck", False))
        return {"kms:BypassPolicyLockoutSafetyCheck": str(bypass).lower()}

    def _check_policy(self, key: KeyRecord, text: str) -> None:
        """Refuse a policy that is malformed, or under which the caller could not put another one (aws 9.1).

        The policy that RAM manages does not count in this (aws 9.2).
        """
        document = check_key_policy(text, exists=self.authority.identities.exists)
        if not self.arguments.get("BypassPolicyLockoutSafetyCheck", False):
            self.judge(
                "kms:PutKeyPolicy",
                key,
                self._bypass_context(),
                documents=[document],
                error=malformed("The new key policy will not allow you to update the key policy in the future."),
            )

    def tag_resource(self) -> str:
        """Add tags to a key."""
        key = self.key_for("kms:TagResource")
        key.tags.update({tag["TagKey"]: tag["TagValue"] for tag in self.required("Tags")})
        return "{}"

    def untag_resource(self) -> str:
        """Remove tags from a key."""
        key = self.key_for("kms:UntagResource")
        for name in self.required("TagKeys"):
            key.tags.pop(name, None)
        return "{}"

    def list_resource_tags(self) -> str:
        """List the tags of a key."""
        key = self.key_for("kms:ListResourceTags")
        tags = [{"TagKey": name, "TagValue": value} for name, value in key.tags.items()]
        return json.dumps(self.page("Tags", tags, dict, default=50, most=50))


#: Parameters of CreateKey that are taken with this value alone: symmetric keys of KMS's own.
_ONLY: Mapping[str, object] = {
    "KeyUsage": "ENCRYPT_DECRYPT",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "Origin": "AWS_KMS",
    "MultiRegion": False,
}
