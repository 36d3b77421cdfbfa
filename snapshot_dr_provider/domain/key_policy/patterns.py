"""Values of a policy as they are compared: wildcards and policy variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

Resolve = Callable[[str], str | None]
"""Value of a condition key in the request; ``None`` when it has none."""


class UndecidedValueError(Exception):
    """Say that nobody can tell what a value of a policy stands for."""


class Piece(NamedTuple):
    """Hold a part of a value; in a literal one ``*`` and ``?`` mean themselves."""

    text: str
    is_literal: bool = False


Value = tuple[Piece, ...]

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_INSIDE: Final = re.compile(r"([^\s:,'*?$]+:[^,'*?$]+)(?:, '([^']*)')?")
_SPECIAL: Final = frozenset("*?$")
_LONGEST_VARIABLE: Final = 512


def expand(written: str, resolve: Resolve) -> Value | None:
    """
    Put the request's values in the place of policy variables such as ``${aws:PrincipalOrgID}``.

    Wildcards in what is put in mean themselves, as do those written ``${*}`` and ``${?}``. A default stands behind a
    comma, one space, and in single quotes: ``${aws:PrincipalTag/team, 'all'}``.

    :returns: ``None`` when a variable has no value and no default: then the value matches nothing.
    :raises UndecidedValueError: for what only looks like a variable; what ``resolve`` raises passes.
    """
    if "${" not in written:
        return plain(written)
    pieces: list[Piece] = []
    at = 0
    for found in _VARIABLE.finditer(written):
        pieces.append(_raw(written[at : found.start()]))
        text = _substitute(found.group(1), resolve)
        if text is None:
            return None
        pieces.append(Piece(text, is_literal=True))
        at = found.end()
    pieces.append(_raw(written[at:]))
    return tuple(piece for piece in pieces if piece.text)


def plain(written: str) -> Value:
    """Take a value in which ``${`` means itself, as in a policy of Version 2008-10-17."""
    return (Piece(written),)


def text_of(value: Value) -> str:
    """Take a value for an operator without wildcards: every character means itself."""
    return "".join(piece.text for piece in value)


def matches(value: Value, text: str) -> bool:
    """Match a whole text with a value in which ``*`` is any run of characters and ``?`` any one of them."""
    if not any("*" in piece.text or "?" in piece.text for piece in value):
        return text_of(value) == text
    return _matches_chunks(_chunks(value), text)


def matches_pattern(pattern: str, text: str) -> bool:
    """Match a whole text with a pattern, without variables."""
    return matches(plain(pattern), text)


def split_value(value: Value, separator: str, most: int) -> tuple[Value, ...]:
    """Split a value at the first ``most`` separators, wherever they come from."""
    parts: list[list[Piece]] = [[]]
    for piece in value:
        first, *others = piece.text.split(separator, most - len(parts) + 1)
        parts[-1].append(Piece(first, piece.is_literal))
        parts.extend([Piece(other, piece.is_literal)] for other in others)
    return tuple(tuple(part) for part in parts)


def _raw(text: str) -> Piece:
    if "${" in text:
        raise UndecidedValueError(text)
    return Piece(text)


def _substitute(inside: str, resolve: Resolve) -> str | None:
    if inside in _SPECIAL:
        return inside
    found = _INSIDE.fullmatch(inside) if len(inside) <= _LONGEST_VARIABLE else None
    if found is None:
        raise UndecidedValueError(inside)
    text = resolve(found.group(1))
    default: str | None = found.group(2)
    return default if text is None else text


Chunk = tuple[str, ...]
"""What stands between two ``*``: runs of characters with any one character between two of them."""


@lru_cache(maxsize=4096)
def _chunks(value: Value) -> tuple[Chunk, ...]:
    chunks: list[list[str]] = [[""]]
    for piece in value:
        if piece.is_literal:
            chunks[-1][-1] += piece.text
            continue
        for number, between in enumerate(piece.text.split("*")):
            if number:
                chunks.append([""])
            first, *others = between.split("?")
            chunks[-1][-1] += first
            chunks[-1].extend(others)
    return tuple(tuple(chunk) for chunk in chunks)


def _matches_chunks(chunks: Sequence[Chunk], text: str) -> bool:
    """Take each chunk at the first place where it fits: no later place can do better, so nothing is tried twice."""
    first, last = chunks[0], chunks[-1]
    if len(chunks) == 1:
        return len(text) == _length(first) and _stands(first, text, 0)
    end = len(text) - _length(last)
    if sum(map(_length, chunks)) > len(text) or not _stands(first, text, 0) or not _stands(last, text, end):
        return False
    at = _length(first)
    for chunk in chunks[1:-1]:
        found = _find(chunk, text, at, end)
        if found is None:
            return False
        at = found + _length(chunk)
    return at <= end


def _length(chunk: Chunk) -> int:
    return sum(map(len, chunk)) + len(chunk) - 1


def _stands(chunk: Chunk, text: str, at: int) -> bool:
    for run in chunk:
        if not text.startswith(run, at):
            return False
        at += len(run) + 1
    return True


def _find(chunk: Chunk, text: str, start: int, end: int) -> int | None:
    if len(chunk) == 1:
        found = text.find(chunk[0], start, end)
        return None if found < 0 else found
    places: Iterable[int] = range(start, end - _length(chunk) + 1)
    return next((at for at in places if _stands(chunk, text, at)), None)
