"""Decide whether key policies permit a request, as IAM does; where that cannot be known, say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from snapshot_dr_provider.domain.key_policy.conditions import (
    UNKNOWN,
    ContextValue,
    Truth,
    Unknown,
    all_of,
    any_of,
    decide_test,
    expand_value,
    matches_arn,
    negate,
)
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.patterns import UndecidedValueError, matches, matches_pattern, text_of
from snapshot_dr_provider.domain.key_policy.policy import Policy, PrincipalEntry, Statement

__all__ = ["UNKNOWN", "Caller", "ContextValue", "Decision", "Request", "Unknown", "applies", "evaluate"]

VARIABLES_SINCE: Final = "2012-10-17"
"""Version of the policy language that knows policy variables."""


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Say who asks.

    :param account_id: 12 digits; empty for a service, and for somebody without credentials.
    :param arn: IAM ARN of the role, user or root.
    :param session_arn: ``arn:aws:sts::...:assumed-role/...``; empty when it is not known or there is no session.
    :param service: name of an AWS service (``cloudtrail.amazonaws.com``) that calls as itself, else empty.
    """

    account_id: str = ""
    arn: str = ""
    session_arn: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """
    Hold what is asked.

    :param action: such as ``kms:Decrypt``.
    :param resource: ARN of the key.
    :param context: by condition key, in any case; what is absent here is absent from the request.
    """

    caller: Caller
    action: str
    resource: str
    context: Mapping[str, ContextValue]


@dataclass(frozen=True, slots=True)
class Decision:
    """
    Hold an answer.

    :param statements: those that decide: the Denies that apply, else the Allows that apply, else those of which it is
        undecided whether they do; none when nothing allows the request.
    """

    answer: Answer
    statements: tuple[Statement, ...] = ()


def evaluate(policies: Sequence[Policy], request: Request) -> Decision:
    """
    Decide whether the policies of a key permit a request.

    Identity policies are taken to allow everything: the question is what the key policy permits, so that an account
    as principal stands for everybody in it (aws 2.5). Grants, and the policies of organizations, are not asked.
    """
    context = {key.lower(): value for key, value in request.context.items()}
    truths = [
        (statement, applies(statement, policy.version, request, context))
        for policy in policies
        for statement in policy.statements
    ]

    def of(effect: str, truth: Truth) -> tuple[Statement, ...]:
        return tuple(statement for statement, found in truths if statement.effect == effect and found is truth)

    denies, allows = of("Deny", truth=True), of("Allow", truth=True)
    if denies:
        return Decision(Answer.NO, denies)
    open_denies, open_allows = of("Deny", truth=None), of("Allow", truth=None)
    if allows:
        return Decision(Answer.UNDECIDED, open_denies) if open_denies else Decision(Answer.YES, allows)
    if open_allows:
        return Decision(Answer.UNDECIDED, (*open_denies, *open_allows))
    return Decision(Answer.NO)


def applies(statement: Statement, version: str, request: Request, context: Mapping[str, ContextValue]) -> Truth:
    """
    Say whether a statement covers a request; one part that definitely does not beats others that are undecided.

    :param context: that of the request with its keys in lower case.
    """
    has_variables = version == VARIABLES_SINCE
    parts: tuple[Callable[[], Truth], ...] = (
        lambda: _covers_action(statement, request.action),
        lambda: _covers_principal(statement, request.caller),
        lambda: _covers_resource(statement, request.resource, context, has_variables=has_variables),
        lambda: all_of(decide_test(test, context, has_variables=has_variables) for test in statement.conditions),
    )
    return all_of(part() for part in parts)


def _covers_action(statement: Statement, action: str) -> Truth:
    asked = action.lower()
    return _covers(statement.actions, statement.not_actions, lambda pattern: matches_pattern(pattern.lower(), asked))


def _covers_resource(
    statement: Statement, resource: str, context: Mapping[str, ContextValue], *, has_variables: bool
) -> Truth:
    def match(written: str) -> Truth:
        value = expand_value(written, context, has_variables=has_variables)
        if value is None:
            return False if statement.not_resources is None else None
        if isinstance(value, Unknown):
            return None
        if text_of(value).strip("*") == "" and matches(value, resource):
            return True
        try:
            return matches_arn(value, resource)
        except UndecidedValueError:
            # IAM completes some ARNs that are too short; which, is not told.
            return None if matches(value, resource) else False

    return _covers(statement.resources, statement.not_resources, match)


def _covers(wanted: tuple[str, ...] | None, unwanted: tuple[str, ...] | None, match: Callable[[str], Truth]) -> Truth:
    """Say whether one of the wanted matches, or none of the unwanted; without either a statement has no effect."""
    if wanted is not None:
        return any_of(map(match, wanted))
    if unwanted is None:
        return False
    return negate(any_of(map(match, unwanted))) if unwanted else None


def _covers_principal(statement: Statement, caller: Caller) -> Truth:
    if statement.principals is not None:
        return any_of(is_caller(entry, caller) for entry in statement.principals)
    if statement.not_principals is None:
        return False
    listed = any_of(is_caller(entry, caller) for entry in statement.not_principals)
    if listed and statement.effect == "Deny" and not _is_spared(statement.not_principals, caller):
        return None
    return negate(listed)


def _is_spared(entries: Sequence[PrincipalEntry], caller: Caller) -> bool:
    """
    Say whether a Deny with ``NotPrincipal`` surely spares somebody whom it lists.

    IAM may validate the account before the principal, and then denies a role whose account is not listed; what
    becomes of a role when its account alone is listed is left open.
    """
    if caller.service or any(entry.value == "*" for entry in entries):
        return True
    accounts = [entry for entry in entries if _ACCOUNT.fullmatch(entry.value)]
    others = [entry for entry in entries if not _ACCOUNT.fullmatch(entry.value)]
    is_root = _ACCOUNT.fullmatch(caller.arn) is not None
    return all(
        any_of(is_caller(entry, caller) for entry in named) is True
        for named in ([accounts] if is_root else [accounts, others])
    )


def is_caller(entry: PrincipalEntry, caller: Caller) -> Truth:
    """
    Say whether an entry under ``Principal`` stands for the caller.

    A unique id such as ``AROA...`` is what AWS leaves of a principal that was deleted: it stands for nobody. An ARN
    with a wildcard is refused by AWS, so nobody knows what it would mean. That ``*`` stands for services that call as
    themselves too is not documented, but AWS's examples for ``aws:PrincipalIsAWSService`` exempt them explicitly.
    """
    if entry.kind == "Service":
        return _is_service(entry.value, caller)
    if entry.kind != "AWS":
        return None
    if entry.value == "*":
        return True
    if caller.service or _UNIQUE_ID.fullmatch(entry.value):
        return False
    account = _ACCOUNT.fullmatch(entry.value)
    if account:
        return caller.account_id == (account.group(1) or account.group(2))
    if not _PRINCIPAL_ARN.fullmatch(entry.value):
        return None
    if entry.value in {caller.arn, caller.session_arn}:
        return True
    return None if _may_be_session(entry.value, caller) else False


def _is_service(name: str, caller: Caller) -> Truth:
    if not caller.service:
        return False
    return None if "*" in name else name.lower() == caller.service.lower()


def _may_be_session(arn: str, caller: Caller) -> bool:
    """Say whether an ARN names some session of the caller's role, while it is not known which session calls."""
    session = _SESSION_ARN.fullmatch(arn)
    role = _ROLE_ARN.fullmatch(caller.arn)
    return session is not None and role is not None and not caller.session_arn and session.groups() == role.groups()


_UNIQUE_ID: Final = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
_ACCOUNT: Final = re.compile(r"([0-9]{12})|arn:[a-z-]+:iam::([0-9]{12}):root")
_PRINCIPAL_ARN: Final = re.compile(
    r"arn:[a-z-]+:(?:iam::[^:*?]+:(?:role|user)/[^*?]+|sts::[0-9]{12}:(?:assumed-role|federated-user)/[^*?]+)"
)
_SESSION_ARN: Final = re.compile(r"arn:([a-z-]+):sts::([0-9]{12}):assumed-role/([^/]+)/.+")
_ROLE_ARN: Final = re.compile(r"arn:([a-z-]+):iam::([0-9]{12}):role/(?:.*/)?([^/]+)")
