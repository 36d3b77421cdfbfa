"""Answer the grant operations of KMS."""

import json
import secrets
from typing import Any

from snapshot_dr_provider.sandbox.access.context import grant_context
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.keyring import Grant, KeyRecord
from snapshot_dr_provider.sandbox.access.kms_requests import KmsRequest, invalid, not_found

#: What a grant can allow on a symmetric encryption key.
_OPERATIONS = (
    *("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"),
    *("CreateGrant", "RetireGrant", "DescribeKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
)


class GrantOperations(KmsRequest):
    """Create, list, retire and revoke grants. They work across accounts (aws 2.6)."""

    def create_grant(self) -> str:
        """Create a grant, or return the one of the same name and content."""
        grantee, retiring = str(self.required("GranteePrincipal")), self.arguments.get("RetiringPrincipal")
        operations = self.required("Operations")
        context = grant_context(grantee, retiring, operations, self.arguments.get("Constraints"))
        key = self.key_for("kms:CreateGrant", context=context)
        self._check_grant(grantee, retiring, operations)
        self.require_enabled(key)
        self.stop_dry_run()
        grant = self._same(key, grantee, operations) or Grant(
            grant_id=secrets.token_hex(32),
            token=secrets.token_urlsafe(96),
            name=self.arguments.get("Name"),
            grantee=grantee,
            retiring=retiring,
            operations=tuple(operations),
            constraints=self.arguments.get("Constraints"),
            created=self.authority.now(),
            issuing_account=self.principal.root_arn,
        )
        key.grants[grant.grant_id] = grant
        return json.dumps({"GrantId": grant.grant_id, "GrantToken": grant.token})

    def _check_grant(self, grantee: str, retiring: str | None, operations: list[str]) -> None:
        for name in (grantee, retiring):
            if name is not None and not (name.startswith("arn:") and self.authority.identities.exists(name)):
                raise ApiError("InvalidArnException", f"{name} is not a principal of this world")
        unknown = [operation for operation in operations if operation not in _OPERATIONS]
        if unknown or not operations:
            raise invalid(f"Value '{operations}' at 'operations' failed to satisfy constraint: enum {_OPERATIONS}")

    def _same(self, key: KeyRecord, grantee: str, operations: list[str]) -> Grant | None:
        name, constraints = self.arguments.get("Name"), self.arguments.get("Constraints")
        wanted = (name, grantee, self.arguments.get("RetiringPrincipal"), tuple(operations), constraints)
        for grant in key.grants.values():
            found = (grant.name, grant.grantee, grant.retiring, grant.operations, grant.constraints)
            if name is not None and found == wanted:
                return grant
        return None

    def list_grants(self) -> str:
        """List the grants of a key, of one id or one grantee where asked for.

        Only a service may ask for GranteeServicePrincipal, and not beside GranteePrincipal; the code is [M].
        """
        key = self.key_for("kms:ListGrants")
        if "GranteeServicePrincipal" in self.arguments:
            raise invalid("GranteeServicePrincipal is for callers that are AWS services, and not with GranteePrincipal")
        grant_id, grantee = self.arguments.get("GrantId"), self.arguments.get("GranteePrincipal")
        grants = [
            grant
            for grant in key.grants.values()
            if grant_id in (None, grant.grant_id) and grantee in (None, grant.grantee)
        ]
        return json.dumps(self.page("Grants", grants, lambda grant: _entry(key, grant), default=50, most=100))

    def revoke_grant(self) -> str:
        """Take a grant back."""
        key = self.key_for("kms:RevokeGrant")
        grant = self._grant_of(key)
        self.stop_dry_run()
        del key.grants[grant.grant_id]
        return "{}"

    def retire_grant(self) -> str:
        """Give a grant up: by its token, or by key and grant id.

        Its retiring principal may, so may a grantee whose grant says so, and whoever has kms:RetireGrant.
        """
        key, grant = self._retirable()
        names = (self.principal.arn, self.principal.session_arn)
        if grant.retiring not in names and not (grant.grantee in names and "RetireGrant" in grant.operations):
            self.judge("kms:RetireGrant", key)
        self.stop_dry_run()
        del key.grants[grant.grant_id]
        return "{}"

    def _retirable(self) -> tuple[KeyRecord, Grant]:
        now, token = self.authority.now(), self.arguments.get("GrantToken")
        if token is not None:
            for key in self.authority.keys.live(now):
                for grant in key.grants.values():
                    if grant.token == token and key.region == self.region:
                        return key, grant
            raise ApiError("InvalidGrantTokenException", "The grant token is not one of a grant.")
        reference = str(self.required("KeyId"))
        if not reference.startswith("arn:"):
            raise ApiError("InvalidArnException", "RetireGrant takes the ARN of the key.")
        found = self.authority.keys.find(reference, self.principal.account_id, self.region, now)
        if found is None:
            raise not_found(f"Key '{reference}' does not exist")
        return found, self._grant_of(found)

    def _grant_of(self, key: KeyRecord) -> Grant:
        grant_id = str(self.required("GrantId"))
        if grant_id not in key.grants:
            raise not_found(f"Grant ID {grant_id} not found")
        return key.grants[grant_id]


def _entry(key: KeyRecord, grant: Grant) -> dict[str, Any]:
    entry = {
        "KeyId": key.arn,
        "GrantId": grant.grant_id,
        "Name": grant.name or "",
        "CreationDate": int(grant.created.timestamp()),
        "GranteePrincipal": grant.grantee or None,
        "GranteeServicePrincipal": grant.grantee_service,
        "RetiringPrincipal": grant.retiring,
        "IssuingAccount": grant.issuing_account,
        "Operations": list(grant.operations),
        "Constraints": grant.constraints,
    }
    return {name: value for name, value in entry.items() if value is not None}
