"""Add statements to the text of a policy and cut them out of it, without touching a byte of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snapshot_dr_provider.domain.key_policy.documents import parse_document
from snapshot_dr_provider.exceptions import KeyPolicyError


@dataclass(frozen=True, slots=True)
class StatementText:
    """
    Say where a statement lies in the text of its policy.

    :param start: of its first character; ``end`` is behind its last one.
    :param value: what it says, as JSON.
    """

    start: int
    end: int
    value: object


def find_statements(text: str) -> tuple[StatementText, ...]:
    """
    Find the statements of a policy in its text; one without a list around it is the only one.

    :raises KeyPolicyError: when it is no policy.
    """
    listed = parse_document(text).members.get("Statement")
    nodes = () if listed is None else (listed,) if listed.kind == "object" else listed.items
    if not nodes:
        msg = "the document has no statement; write at least one"
        raise KeyPolicyError(msg)
    return tuple(StatementText(node.start, node.end, json.loads(text[node.start : node.end])) for node in nodes)


def cut_statements(text: str, going: Sequence[bool]) -> str:
    """
    Cut statements out, each with the comma that joined it to its neighbour.

    :param going: for each statement in its order whether it goes; at least one stays.
    """
    found = find_statements(text)
    first_kept = going.index(False)
    for at in reversed([place for place, goes in enumerate(going) if goes]):
        if at < first_kept:
            text = text[: found[at].start] + text[found[at + 1].start :]
        else:
            text = text[: found[at - 1].end] + text[found[at].end :]
    return text


def add_statements(text: str, statements: Sequence[Mapping[str, object]]) -> str:
    """Add statements behind the last one, each on a line of its own where the others are."""
    last = find_statements(text)[-1]
    before = text[: last.start]
    indent = before[len(before.rstrip(" \t\r\n")) :]
    is_list = before.endswith(("[" + indent, "," + indent))
    separator = "," + (indent[indent.rfind("\n") :] if is_list and "\n" in indent else "")
    added = "".join(separator + json.dumps(each, separators=(",", ":")) for each in statements)
    if is_list:
        return text[: last.end] + added + text[last.end :]
    return before + "[" + text[last.start : last.end] + added + "]" + text[last.end :]
