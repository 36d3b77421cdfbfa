"""Check a key policy as PutKeyPolicy and CreateKey do before they store it."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from snapshot_dr_provider.sandbox.access import conditions
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.policy import Document, listed, principals_in

#: The most bytes of a key policy (aws 9.3; AWS may have made it adjustable since).
MAX_BYTES = 32_768
#: The longest text that the API takes at all (aws 9.3).
MAX_LENGTH = 131_072

#: The operations that have an effect on a key of another account (aws 2.6).
CROSS_ACCOUNT_ACTIONS = frozenset(
    f"kms:{operation}"
    for operation in (
        *("CreateGrant", "DescribeKey", "GetKeyRotationStatus", "GetPublicKey"),
        *("ListGrants", "RetireGrant", "RevokeGrant"),
        *("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "Sign", "Verify", "GenerateMac", "VerifyMac"),
        *("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "DeriveSharedSecret"),
        *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
    )
)

_DOCUMENT_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {
        *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
        *("Resource", "NotResource", "Condition"),
    }
)
_PRINCIPAL_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
#: The characters that the API takes in a policy.
_TEXT = re.compile(r"[\u0009\u000A\u000D\u0020-\u00FF]+")
_ACTION = re.compile(r"^(?:\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$")
_SERVICE = re.compile(r"^[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?$")


def check_key_policy(text: str, *, exists: Callable[[str], bool]) -> Document:
    """Return the policy in *text*. *exists* tells whether an AWS principal does: those named have to (aws 9.1).

    A statement without Action or Resource is accepted, and has no effect (aws 9.1).

    :raises ApiError: ``MalformedPolicyDocumentException``, ``LimitExceededException`` past 32 KB (aws 9.3) or
        ``ValidationException`` for a text of no length that the API takes.
    """
    if not 1 <= len(text) <= MAX_LENGTH or not _TEXT.fullmatch(text):
        raise ApiError(
            "ValidationException",
            "1 validation error detected: Value at 'policy' failed to satisfy constraint: "
            f"Member must have 1 to {MAX_LENGTH} characters of {_TEXT.pattern}",
        )
    if len(text.encode()) > MAX_BYTES:
        raise ApiError("LimitExceededException", f"Policy is larger than the limit of {MAX_BYTES} bytes")
    document = _parse(text)
    _check_document(document)
    for statement in listed(document["Statement"]):
        _check_statement(statement, exists)
    return document


def malformed(message: str) -> ApiError:
    """Return the error that KMS refuses a policy document with."""
    return ApiError("MalformedPolicyDocumentException", message)


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise malformed("Policy contains invalid JSON") from None
    if not isinstance(document, dict):
        raise malformed("Policy is not a JSON object")
    return document


def _check_document(document: dict[str, Any]) -> None:
    unknown = sorted(set(document) - _DOCUMENT_ELEMENTS)
    if unknown:
        raise malformed(f"Policy has an unknown element: {unknown[0]}")
    if document.get("Version", "2008-10-17") not in ("2008-10-17", "2012-10-17"):
        raise malformed("The policy must contain a valid version string")
    statements = document.get("Statement")
    if not isinstance(statements, (list, dict)) or not statements:
        raise malformed("Policy has no statements")


def _check_statement(statement: object, exists: Callable[[str], bool]) -> None:
    if not isinstance(statement, Mapping):
        raise malformed("A statement is not a JSON object")
    unknown = sorted(set(statement) - _STATEMENT_ELEMENTS)
    if unknown:
        raise malformed(f"A statement has an unknown element: {unknown[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise malformed(f"Invalid effect: {statement.get('Effect')}")
    for element in ("Principal", "Action", "Resource"):
        if element in statement and f"Not{element}" in statement:
            raise malformed(f"A statement has both {element} and Not{element}")
    _check_principals(statement, exists)
    _check_texts(statement)
    _check_condition(statement.get("Condition", {}))


def _check_principals(statement: Mapping[str, Any], exists: Callable[[str], bool]) -> None:
    element = statement.get("Principal", statement.get("NotPrincipal"))
    if element is None:
        raise malformed("Policy contains a statement with no principal")
    if not isinstance(element, Mapping) and element != "*":
        raise malformed("Policy contains a statement with one or more invalid principals.")
    for kind, name in principals_in(element):
        known = kind in _PRINCIPAL_KINDS
        if kind == "AWS":
            known = name == "*" or exists(name)
        elif kind == "Service":
            known = _SERVICE.match(name) is not None
        if not known:
            raise malformed("Policy contains a statement with one or more invalid principals.")


def _check_texts(statement: Mapping[str, Any]) -> None:
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        values = listed(statement.get(element, []))
        if not all(isinstance(value, str) for value in values):
            raise malformed(f"{element} is neither a string nor a list of strings")
        if element.endswith("Action") and not all(_ACTION.match(value) for value in values):
            raise malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")


def _check_condition(condition: object) -> None:
    if not isinstance(condition, Mapping):
        raise malformed("Condition is not a JSON object")
    for operator, keys in condition.items():
        if not conditions.is_known_operator(operator):
            raise malformed(f"Invalid condition operator: {operator}")
        if not isinstance(keys, Mapping):
            raise malformed(f"The condition {operator} is not a JSON object")
        for key, values in keys.items():
            if not all(isinstance(value, (str, bool, int, float)) for value in listed(values)):
                raise malformed(f"The value of the condition key {key} is neither a string nor a list of strings")
