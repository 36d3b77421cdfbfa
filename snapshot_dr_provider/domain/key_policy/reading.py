"""Read a key policy document as it was written, or say where and why it is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from snapshot_dr_provider.domain.key_policy.documents import Kind, Node, parse_document
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest, Policy, PrincipalEntry, Statement
from snapshot_dr_provider.exceptions import KeyPolicyError

VERSIONS: Final = ("2012-10-17", "2008-10-17")

_DOCUMENT_ELEMENTS: Final = ("Version", "Id", "Statement")
_STATEMENT_ELEMENTS: Final = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
_PRINCIPAL_KINDS: Final = ("AWS", "Service", "Federated", "CanonicalUser")
_NAMES: Final[tuple[Kind, ...]] = ("string",)
_VALUES: Final[tuple[Kind, ...]] = (*_NAMES, "number", "boolean")
_ARTICLES: Final[Mapping[Kind, str]] = {
    "object": "an object",
    "array": "a list",
    "string": "a string",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def parse_policy(text: str) -> Policy:
    """
    Read a key policy document.

    It is taken as written: whether a principal exists and whether an operator means anything is not asked here. What
    KMS would refuse for its form is refused, and so is what it may read otherwise than we do, such as a key that
    stands twice. A statement without an action or a resource is read, as KMS accepts it (aws 9.1).

    :raises KeyPolicyError: with the line and the reason.
    """
    top = parse_document(text)
    _require(top, "object", "the document")
    _refuse_unknown(top, _DOCUMENT_ELEMENTS, "the document")
    listed = top.members.get("Statement")
    if listed is None:
        raise KeyPolicyError("the document has no Statement; write at least one", top.line)
    if listed.kind == "object":
        statements: tuple[Node, ...] = (listed,)
    else:
        _require(listed, "array", "Statement")
        statements = listed.items
    if not statements:
        raise KeyPolicyError("Statement is empty; write at least one", listed.line)
    return Policy(
        statements=tuple(_read_statement(index, node) for index, node in enumerate(statements)),
        version=_read_version(top),
        policy_id=_read_text(top, "Id", "the document"),
        size=len(text.encode()),
    )


def _read_version(top: Node) -> str:
    if "Version" not in top.members:
        return VERSIONS[-1]
    version = _read_text(top, "Version", "the document")
    if version not in VERSIONS:
        raise KeyPolicyError(
            f"the Version {_quote(version)} does not exist; write {VERSIONS[0]!r}", top.members["Version"].line
        )
    return version


def _read_statement(index: int, node: Node) -> Statement:
    place = f"Statement[{index}]"
    _require(node, "object", place)
    _refuse_unknown(node, _STATEMENT_ELEMENTS, place)
    for name in ("Principal", "Action", "Resource"):
        if name in node.members and f"Not{name}" in node.members:
            line = node.members[f"Not{name}"].line
            raise KeyPolicyError(f"{place} has both {name} and Not{name}; keep one of them", line)
    if "Principal" not in node.members and "NotPrincipal" not in node.members:
        raise KeyPolicyError(f"{place} has no Principal, which every statement of a key policy needs", node.line)
    effect = _read_text(node, "Effect", place)
    if effect not in {"Allow", "Deny"}:
        line = node.members["Effect"].line if "Effect" in node.members else node.line
        raise KeyPolicyError(f"{place} has the Effect {_quote(effect)}; write 'Allow' or 'Deny'", line)
    return Statement(
        index=index,
        line=node.line,
        effect="Allow" if effect == "Allow" else "Deny",
        sid=_read_text(node, "Sid", place),
        principals=_read_principals(node, "Principal", place),
        not_principals=_read_principals(node, "NotPrincipal", place),
        actions=_read_list(node, "Action", place),
        not_actions=_read_list(node, "NotAction", place),
        resources=_read_list(node, "Resource", place),
        not_resources=_read_list(node, "NotResource", place),
        conditions=_read_conditions(node, place),
    )


def _read_principals(node: Node, name: str, place: str) -> tuple[PrincipalEntry, ...] | None:
    found = node.members.get(name)
    if found is None:
        return None
    where = f"{name} of {place}"
    if found.kind == "string":
        if found.text != "*":
            written = _quote(found.text)
            raise KeyPolicyError(f"""{where} is {written}; write "*" or an object such as {{"AWS": ...}}""", found.line)
        return (PrincipalEntry("AWS", "*"),)
    _require(found, "object", where)
    _refuse_unknown(found, _PRINCIPAL_KINDS, where)
    entries = tuple(
        PrincipalEntry(kind, each.text) for kind in found.members for each in _scalars(found, kind, where, _NAMES)
    )
    if not entries:
        raise KeyPolicyError(f"{where} names nobody; name somebody or remove the statement", found.line)
    return entries


def _read_conditions(node: Node, place: str) -> tuple[ConditionTest, ...]:
    found = node.members.get("Condition")
    if found is None:
        return ()
    where = f"Condition of {place}"
    _require(found, "object", where)
    tests: list[ConditionTest] = []
    for operator, keys in found.members.items():
        inside = f"{_quote(operator)} in the {where}"
        _require(keys, "object", inside)
        for key in keys.members:
            values = tuple(each.text for each in _scalars(keys, key, inside, _VALUES))
            tests.append(ConditionTest(operator, key, values))
    return tuple(tests)


def _read_list(node: Node, name: str, place: str) -> tuple[str, ...] | None:
    if name not in node.members:
        return None
    return tuple(each.text for each in _scalars(node, name, place, _NAMES))


def _read_text(node: Node, name: str, place: str) -> str:
    if name not in node.members:
        return ""
    _require(node.members[name], "string", f"{name} of {place}")
    return node.members[name].text


def _scalars(node: Node, name: str, place: str, kinds: Collection[Kind]) -> tuple[Node, ...]:
    """Take one value or a list of them."""
    found = node.members[name]
    values = found.items if found.kind == "array" else (found,)
    for each in values:
        if each.kind not in kinds:
            wanted = " or ".join(_ARTICLES[kind] for kind in kinds)
            said = f"{_quote(name)} of {place} holds {_ARTICLES[each.kind]}; write {wanted}, or a list of them"
            raise KeyPolicyError(said, each.line)
    return values


def _require(node: Node, kind: Kind, place: str) -> None:
    if node.kind != kind:
        raise KeyPolicyError(f"{place} is {_ARTICLES[node.kind]}; it has to be {_ARTICLES[kind]}", node.line)


def _refuse_unknown(node: Node, known: Collection[str], place: str) -> None:
    unknown = next((name for name in node.members if name not in known), None)
    if unknown is not None:
        line = node.members[unknown].line
        raise KeyPolicyError(f"{_quote(unknown)} of {place} is unknown; there are {', '.join(known)}", line)


def _quote(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}...")
