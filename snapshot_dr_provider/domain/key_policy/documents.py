"""JSON whose every value knows its place, so that errors name a line and a statement can be cut out byte for byte."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from snapshot_dr_provider.exceptions import KeyPolicyError

Kind = Literal["object", "array", "string", "number", "boolean", "null"]

MOST_BYTES: Final = 131_072
"""Longest document that KMS takes at all; its quota of 32 KB is a rule's to judge (aws 9.3)."""

_DEEPEST: Final = 32
_LONGEST_NUMBER: Final = 40
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final[Mapping[str, Kind]] = {"true": "boolean", "false": "boolean", "null": "null"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STRINGS: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Node:
    """
    Hold one value of a document.

    :param line: where it begins, from 1.
    :param start: offset of its first character in the text; ``end`` is that after its last.
    :param text: a string's content; a number, ``true``, ``false`` or ``null`` as written.
    :param members: of an object, in their order.
    :param items: of an array.
    """

    kind: Kind
    line: int
    start: int
    end: int
    text: str = ""
    members: Mapping[str, Node] = field(default_factory=dict)
    items: tuple[Node, ...] = ()


def parse_document(text: str) -> Node:
    """
    Parse a JSON text in time linear in its length.

    Stricter than JSON where it leaves a choice: a key may stand once only, nesting and numbers are bounded, and what
    is no Unicode (half a surrogate pair) is refused.

    :raises KeyPolicyError: with the line and what is wrong there.
    """
    found = _SURROGATE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise KeyPolicyError("the text holds half a surrogate pair, which is no Unicode; save the file as UTF-8", line)
    size = len(text.encode())
    if size > MOST_BYTES:
        raise KeyPolicyError(f"the text has {size} bytes; KMS takes no policy of more than {MOST_BYTES}")
    reader = _Reader(text)
    node = reader.value(reader.skip(0), 0)
    end = reader.skip(node.end)
    if end < len(text):
        raise reader.refusal(end, "more text follows the document; remove it")
    return node


class _Reader:
    """Walk a text from left to right; each method takes the offset where something begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks = [found.start() for found in re.finditer("\n", text)]

    def line(self, at: int) -> int:
        return bisect_left(self._breaks, at) + 1

    def refusal(self, at: int, reason: str) -> KeyPolicyError:
        return KeyPolicyError(reason, self.line(at))

    def skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def value(self, at: int, depth: int) -> Node:
        first = self._text[at : at + 1]
        if first and first in "{[":
            if depth == _DEEPEST:
                raise self.refusal(at, f"the nesting is deeper than {_DEEPEST} levels, which no policy needs")
            return self._object(at, depth + 1) if first == "{" else self._array(at, depth + 1)
        if first == '"':
            text, end = self._string(at)
            return Node("string", self.line(at), at, end, text)
        number = _NUMBER.match(self._text, at)
        if number:
            if len(number.group()) > _LONGEST_NUMBER:
                raise self.refusal(at, f"a number has more than {_LONGEST_NUMBER} digits, which no condition needs")
            return Node("number", self.line(at), at, number.end(), number.group())
        word = next((word for word in _WORDS if self._text.startswith(word, at)), None)
        if word is None:
            raise self.refusal(at, f"this is not JSON: a value is expected{self._instead(at)}")
        return Node(_WORDS[word], self.line(at), at, at + len(word), word)

    def _object(self, start: int, depth: int) -> Node:
        members: dict[str, Node] = {}
        at = self.skip(start + 1)
        while not self._text.startswith("}", at):
            at = self._next(at, members)
            if not self._text.startswith('"', at):
                raise self.refusal(at, f"this is not JSON: a name in double quotes is expected{self._instead(at)}")
            name, end = self._string(at)
            if name in members:
                first = members[name].line
                raise self.refusal(at, f"the key {_shorten(name)} stands twice (first in line {first}); keep one")
            at = self.skip(end)
            if not self._text.startswith(":", at):
                raise self.refusal(at, f"this is not JSON: a colon is expected{self._instead(at)}")
            members[name] = self.value(self.skip(at + 1), depth)
            at = self.skip(members[name].end)
        return Node("object", self.line(start), start, at + 1, members=members)

    def _array(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        at = self.skip(start + 1)
        while not self._text.startswith("]", at):
            items.append(self.value(self._next(at, items), depth))
            at = self.skip(items[-1].end)
        return Node("array", self.line(start), start, at + 1, items=tuple(items))

    def _next(self, at: int, before: object) -> int:
        """Step over the comma that has to follow what stands before, if anything does."""
        if not before:
            return at
        if not self._text.startswith(",", at):
            raise self.refusal(at, f"this is not JSON: a comma or the closing bracket is expected{self._instead(at)}")
        return self.skip(at + 1)

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = _STRINGS.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            raise KeyPolicyError(f"this is not JSON: {error.msg}", error.lineno) from error
        if _SURROGATE.search(text):
            raise self.refusal(at, "a string holds half a surrogate pair, which is no Unicode; write the character")
        return text, end

    def _instead(self, at: int) -> str:
        found = self._text[at : at + 1]
        return f" instead of {found!r}" if found else ", but the text ends"


def _shorten(name: str, most: int = 60) -> str:
    return repr(name if len(name) <= most else f"{name[:most]}...")
