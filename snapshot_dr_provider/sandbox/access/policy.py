"""Evaluate IAM policies and key policies: pure, and of the standard library only.

``evaluate`` judges one set of documents by itself. ``combine`` puts identity policies and a resource policy together as
IAM does inside one account and across accounts (aws 2.5, 9.9).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from snapshot_dr_provider.sandbox.access import conditions, patterns
from snapshot_dr_provider.sandbox.access.patterns import Values
from snapshot_dr_provider.sandbox.access.principals import Principal

Context = Mapping[str, str | tuple[str, ...]]
Document = Mapping[str, Any]


class Reach(IntEnum):
    """Say how closely a statement names the caller; the closer, the less is still asked of other policies."""

    NOBODY = 0
    #: The caller's account, which hands the decision on to the account's identity policies (aws 9.9).
    ACCOUNT = 1
    #: The caller's user or role, everybody, or a policy that has no principals since it is attached to the caller.
    IDENTITY = 2
    #: The caller's very session, which session policies do not limit.
    SESSION = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """Tell whether a set of policies allows a call.

    *explicit_deny* distinguishes a Deny from the want of an Allow. *reason* is the end of the sentence with which AWS
    refuses. *reach* is that of the closest Allow.
    """

    allowed: bool
    explicit_deny: bool
    reason: str
    reach: Reach = Reach.NOBODY

    @classmethod
    def allow(cls, reason: str, reach: Reach = Reach.IDENTITY) -> "Decision":
        """Return a decision that allows."""
        return cls(allowed=True, explicit_deny=False, reason=reason, reach=reach)

    @classmethod
    def deny(cls, reason: str, *, explicit: bool = False) -> "Decision":
        """Return a decision that denies."""
        return cls(allowed=False, explicit_deny=explicit, reason=reason)


class NormalContext(dict[str, Values]):
    """Hold a context whose keys are lower-case and whose values are tuples, for several judgements of one call."""


@dataclass(frozen=True, slots=True)
class _Request:
    principal: Principal | None
    action: str
    resource: str
    context: Mapping[str, Values]


def evaluate(
    documents: Sequence[Document],
    *,
    principal: Principal | None,
    action: str,
    resource: str,
    context: Context,
    kind: Literal["identity-based", "resource-based", "session"] = "identity-based",
) -> Decision:
    """Judge one set of policies: an explicit Deny wins, then an Allow, else the call is denied.

    A statement without a Principal applies to whomever the policy is attached to. With *principal* ``None`` the caller
    is anonymous and only ``*`` names it. The keys of *context* are compared without regard to case. *kind* only words
    the reason.
    """
    request = _Request(principal, action, resource, normalise(context))
    reaches: dict[str, Reach] = {"Allow": Reach.NOBODY, "Deny": Reach.NOBODY}
    for document in documents:
        for effect, reach in _applying(document, request):
            reaches[effect] = max(reaches[effect], reach)
    if reaches["Deny"]:
        return Decision.deny(f"with an explicit deny in {_article(kind)} {kind} policy", explicit=True)
    if reaches["Allow"]:
        return Decision.allow(f"allowed by {_article(kind)} {kind} policy", reaches["Allow"])
    return Decision.deny(f"because no {kind} policy allows the {action} action")


def combine(identity: Decision, resource: Decision, *, session: Decision | None, same_account: bool) -> Decision:
    """Combine the verdicts of a caller's identity policies and of a resource's policy, as for a KMS key.

    In one account a resource policy that names the caller is enough, and one that names the account asks for an
    identity policy too (aws 9.9); across accounts both have to allow (aws 2.5). *session* is the verdict of the
    policies given to AssumeRole; they limit everything but a grant to that very session.
    """
    verdicts = [resource, identity, *([session] if session else [])]
    denial = next((verdict for verdict in verdicts if verdict.explicit_deny), None)
    if denial:
        return denial
    if not resource.allowed:
        return resource
    if not identity.allowed and not (same_account and resource.reach >= Reach.IDENTITY):
        return identity
    if session and not session.allowed and resource.reach < Reach.SESSION:
        return session
    return resource


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeiou" else "a"


def normalise(context: Context) -> NormalContext:
    """Return *context* as the conditions are compared with it; one that is so already is returned as it is."""
    if isinstance(context, NormalContext):
        return context
    return NormalContext(
        {key.lower(): (value,) if isinstance(value, str) else tuple(value) for key, value in context.items()}
    )


def listed(value: object) -> list[Any]:
    """Return *value* as a list: policies write one entry without brackets."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def statements_of(document: Document) -> list[Mapping[str, Any]]:
    """Return the statements of *document*, leaving out what is no statement."""
    return [each for each in listed(document.get("Statement", [])) if isinstance(each, Mapping)]


def _applying(document: Document, request: _Request) -> Iterable[tuple[str, Reach]]:
    """Yield effect and reach of each statement that applies to *request*."""
    version = str(document.get("Version", ""))
    for statement in statements_of(document):
        effect = statement.get("Effect")
        if effect not in ("Allow", "Deny"):
            continue
        if not _covers_action(statement, request):
            continue
        reach = _reach(statement, effect, request.principal)
        if not (reach and _covers_resource(statement, request, version)):
            continue
        held = conditions.holds(statement.get("Condition", {}), request.context, version=version)
        if held or (held is None and effect == "Deny"):
            yield effect, reach


def _covers_action(statement: Mapping[str, Any], request: _Request) -> bool:
    """Tell whether the statement is about the action; one that names no action has no effect (aws 9.1)."""

    def covered(element: str) -> bool:
        return any(patterns.covers_action(str(each), request.action) for each in listed(statement[element]))

    if "Action" in statement:
        return covered("Action")
    return "NotAction" in statement and not covered("NotAction")


def _covers_resource(statement: Mapping[str, Any], request: _Request, version: str) -> bool:
    """Tell whether the statement is about the resource; one that names no resource has no effect (aws 9.1)."""

    def covered(element: str) -> bool:
        resolved = (
            patterns.resolve(str(each), request.context, version=version) for each in listed(statement[element])
        )
        return any(tokens is not None and patterns.is_like(tokens, request.resource) for tokens in resolved)

    if "Resource" in statement:
        return covered("Resource")
    return "NotResource" in statement and not covered("NotResource")


def _reach(statement: Mapping[str, Any], effect: str, principal: Principal | None) -> Reach:
    if "Principal" in statement:
        entries = principals_in(statement["Principal"])
        return max((_named(kind, name, principal) for kind, name in entries), default=Reach.NOBODY)
    if "NotPrincipal" in statement:
        return Reach.IDENTITY if _is_outside(statement["NotPrincipal"], effect, principal) else Reach.NOBODY
    return Reach.IDENTITY


def principals_in(element: object) -> list[tuple[str, str]]:
    """Return a Principal element as pairs of its kind (``AWS``, ``Service``, ...) and name; ``"*"`` is AWS."""
    if isinstance(element, Mapping):
        return [(str(kind), str(name)) for kind, names in element.items() for name in listed(names)]
    return [("AWS", str(name)) for name in listed(element)]


def _named(kind: str, name: str, principal: Principal | None) -> Reach:
    """Return how closely one entry of a Principal element names *principal*. Part of an ARN is never a wildcard."""
    if kind == "AWS" and name == "*":
        return Reach.IDENTITY
    if principal is None or kind != ("Service" if principal.is_service else "AWS"):
        return Reach.NOBODY
    if name == principal.arn:
        return Reach.IDENTITY
    if name == principal.session_arn:
        return Reach.SESSION
    if name in (principal.account_id, principal.root_arn):
        return Reach.IDENTITY if principal.is_root else Reach.ACCOUNT
    return Reach.NOBODY


def _is_outside(element: object, effect: str, principal: Principal | None) -> bool:
    """Tell whether NotPrincipal leaves *principal* to the statement.

    To be spared by a Deny, both the account and the user, role or session have to be listed; to be left out of an
    Allow, either is enough. The IAM guide only says that AWS may look at the account before the identity, so this is
    the reading that grants less [M].
    """
    reaches = {_named(kind, name, principal) for kind, name in principals_in(element)}
    if principal is None or principal.is_service or principal.is_root:
        return reaches <= {Reach.NOBODY}
    everybody = ("AWS", "*") in principals_in(element)
    identity = bool(reaches & {Reach.IDENTITY, Reach.SESSION})
    account = Reach.ACCOUNT in reaches
    if effect == "Deny":
        return not (everybody or (identity and account))
    return not (identity or account)
