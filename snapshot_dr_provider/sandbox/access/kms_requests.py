"""Find the key that a KMS request names, and judge the request before anything is done with it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from snapshot_dr_provider.sandbox.access.authority import denial_message
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.keyring import KeyRecord
from snapshot_dr_provider.sandbox.access.patterns import ARN_PARTS
from snapshot_dr_provider.sandbox.access.policy import Document
from snapshot_dr_provider.sandbox.access.responses import JudgedResponse, take_page

Item = TypeVar("Item")

_KEY_ID = re.compile(r"^(?:mrk-)?[A-Za-z0-9-]{1,36}$")


class KmsRequest(JudgedResponse):
    """Know what the KMS operations have in common. Plain moto judges none of them (moto 1.7, 2)."""

    unsupported: ClassVar[str] = "UnsupportedOperationException"

    def __init__(self) -> None:
        super().__init__(service_name="kms")

    def required(self, name: str) -> Any:
        """Return a parameter that has to be there."""
        value = self.arguments.get(name)
        if value is None:
            member = f"{name[0].lower()}{name[1:]}"
            raise invalid(f"Value null at '{member}' failed to satisfy constraint: Member must not be null")
        return value

    def key_for(
        self,
        action: str,
        *,
        parameter: str = "KeyId",
        aliases: bool = False,
        context: Mapping[str, str | tuple[str, ...]] | None = None,
    ) -> KeyRecord:
        """Return the key that the request names once the caller may do *action* with it.

        Most operations take a key id or key ARN; with *aliases* an alias or alias ARN too. A key of another account is
        reached by ARN only (aws 1.2), and a missing one there looks like one without access [M].
        """
        reference = str(self.required(parameter))
        is_alias = reference.startswith("alias/") or ":alias/" in reference
        account_id, region = self._place_of(reference)
        if is_alias and not aliases:
            raise not_found(f"Invalid keyId '{reference}'")
        if region != self.region:
            raise not_found(f"Invalid arn {region}")
        key = self.authority.keys.find(reference, self.principal.account_id, self.region, self.authority.now())
        if key is None:
            raise self._missing(action, reference, account_id)
        full = {**(context or {}), **({"kms:RequestAlias": reference} if is_alias else {})}
        self.judge(action, key, full)
        return key

    def _place_of(self, reference: str) -> tuple[str, str]:
        """Return account and Region of what a request names."""
        if not reference.startswith("arn:"):
            if not reference.startswith("alias/") and not _KEY_ID.match(reference):
                raise not_found(f"Invalid keyId '{reference}'")
            return self.principal.account_id, self.region
        parts = reference.split(":", ARN_PARTS - 1)
        if len(parts) != ARN_PARTS or parts[2] != "kms" or not parts[5].startswith(("key/", "alias/")):
            raise ApiError("InvalidArnException", f"Invalid arn {reference}")
        return parts[4], parts[3]

    def _missing(self, action: str, reference: str, account_id: str) -> ApiError:
        arn = reference
        if not reference.startswith("arn:"):
            name = reference if reference.startswith("alias/") else f"key/{reference}"
            arn = f"arn:aws:kms:{self.region}:{account_id}:{name}"
        if account_id != self.principal.account_id:
            decision = self.authority.may_use_key(self.principal, action, arn)
            return self.access_denied(denial_message(self.principal, action, arn, decision))
        if ":alias/" in arn:
            return not_found(f"Alias {arn} is not found.")
        return not_found(f"Key '{arn}' does not exist")

    def judge(
        self,
        action: str,
        key: KeyRecord,
        context: Mapping[str, str | tuple[str, ...]] | None = None,
        *,
        documents: Sequence[Document] | None = None,
        error: ApiError | None = None,
    ) -> None:
        """Refuse the request unless the caller may do *action* with *key* under its policies, or under *documents*.

        :raises ApiError: *error*, or ``AccessDeniedException`` with AWS's sentence.
        """
        decision = self.authority.judge_key_call(
            self.principal,
            action,
            key,
            context or {},
            documents=key.documents(self.authority.now()) if documents is None else documents,
        )
        if not decision.allowed:
            raise error or self.access_denied(denial_message(self.principal, action, key.arn, decision))

    def require_enabled(self, key: KeyRecord) -> None:
        """Refuse the request unless the key can be used."""
        self.require_not_pending(key)
        if not key.enabled:
            raise ApiError("DisabledException", f"{key.arn} is disabled.")

    def require_not_pending(self, key: KeyRecord) -> None:
        """Refuse the request when the key waits for its deletion."""
        if key.state(self.authority.now()) == "PendingDeletion":
            raise ApiError("KMSInvalidStateException", f"{key.arn} is pending deletion.")

    def stop_dry_run(self) -> None:
        """End a dry run that would have succeeded."""
        if self.arguments.get("DryRun"):
            raise ApiError(
                "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."
            )

    def page(
        self, name: str, items: Sequence[Item], render: Callable[[Item], Any], *, default: int, most: int
    ) -> dict[str, Any]:
        """Return one page as the List operations of KMS give it."""
        limit = self.arguments.get("Limit", default)
        if not isinstance(limit, int) or not 1 <= limit <= most:
            raise invalid(f"Value '{limit}' at 'limit' failed to satisfy constraint: Member must be 1 to {most}")
        bad = ApiError("InvalidMarkerException", "The marker is not one that a page gave out.")
        shown, marker = take_page(items, token=self.arguments.get("Marker"), limit=limit, bad_token=bad)
        answer: dict[str, Any] = {name: [render(item) for item in shown], "Truncated": marker is not None}
        return {**answer, "NextMarker": marker} if marker else answer


def not_found(message: str) -> ApiError:
    """Return the error for what does not exist."""
    return ApiError("NotFoundException", message)


def invalid(message: str) -> ApiError:
    """Return the error for a parameter of the wrong form."""
    return ApiError("ValidationException", f"1 validation error detected: {message}")
