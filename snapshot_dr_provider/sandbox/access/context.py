"""Build the condition keys that a request is evaluated with."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from snapshot_dr_provider.sandbox.access.principals import Principal, user_id


def principal_context(principal: Principal, now: datetime) -> dict[str, str | tuple[str, ...]]:
    """Return the global condition keys of a call that *principal* makes at *now*.

    ``aws:PrincipalOrgID`` is there only for a principal of an organization (aws 2.10) and ``aws:CurrentTime`` always
    (aws 9.7). The sandbox is reached by plain HTTP, but its callers would use TLS, so ``aws:SecureTransport`` is true.
    """
    seconds = int(now.timestamp())
    return {"aws:CurrentTime": _iso_time(seconds), "aws:EpochTime": str(seconds), **_lasting_context(principal)}


@lru_cache(maxsize=16)
def _iso_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4096)
def _lasting_context(principal: Principal) -> Mapping[str, str | tuple[str, ...]]:
    """Return the keys that depend on the caller alone; the mapping is shared, so it is only read."""
    context: dict[str, str | tuple[str, ...]] = {
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalAccount": principal.account_id,
        "aws:PrincipalType": principal.kind,
        "aws:userid": user_id(principal),
        "aws:PrincipalIsAWSService": "true" if principal.is_service else "false",
        "aws:ViaAWSService": "false",
        "aws:SecureTransport": "true",
    }
    if principal.organization_id:
        context["aws:PrincipalOrgID"] = principal.organization_id
    if principal.kind == "User":
        context["aws:username"] = principal.name
    return context


def via_service_context(
    principal: Principal, region: str, now: datetime, *, grant: bool
) -> dict[str, str | tuple[str, ...]]:
    """Return the condition keys of a KMS call that EC2 makes on behalf of *principal* (aws 2.8, 2.10).

    With *grant* the call is CreateGrant, ListGrants or RevokeGrant, the only ones that carry
    ``kms:GrantIsForAWSResource`` (aws 2.4). The caller's address is left out: such calls come from EC2 (aws 2.10).
    """
    context = principal_context(principal, now)
    context["kms:CallerAccount"] = principal.account_id
    context["kms:ViaService"] = f"ec2.{region}.amazonaws.com"
    context["aws:ViaAWSService"] = "true"
    context["aws:CalledVia"] = ("ec2.amazonaws.com",)
    context["aws:CalledViaFirst"] = "ec2.amazonaws.com"
    context["aws:CalledViaLast"] = "ec2.amazonaws.com"
    context["aws:RequestedRegion"] = region
    if grant:
        context["kms:GrantIsForAWSResource"] = "true"
    return context


def grant_context(
    grantee: str, retiring: str | None, operations: Sequence[str], constraints: Mapping[str, Any] | None
) -> dict[str, str | tuple[str, ...]]:
    """Return the condition keys of a CreateGrant call that describe the grant, encryption context included.

    *constraints* are those of the API: ``{"EncryptionContextEquals": {...}}`` or ``EncryptionContextSubset``. That the
    keys of the encryption context are in a CreateGrant call at all is [M].
    """
    context: dict[str, str | tuple[str, ...]] = {
        "kms:GranteePrincipal": grantee,
        "kms:GrantOperations": tuple(operations),
    }
    if retiring:
        context["kms:RetiringPrincipal"] = retiring
    for kind, pairs in (constraints or {}).items():
        context["kms:GrantConstraintType"] = kind
        if isinstance(pairs, Mapping):  # The constraint SourceArn is a text.
            context.update(encryption_context(pairs))
    return context


def encryption_context(pairs: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """Return the condition keys of a call with this encryption context; none without one."""
    context: dict[str, str | tuple[str, ...]] = {f"kms:EncryptionContext:{key}": each for key, each in pairs.items()}
    return {**context, "kms:EncryptionContextKeys": tuple(pairs)} if pairs else context
