"""Match policy texts: wildcards and policy variables.

A policy text becomes a tuple of tokens once, in which a wildcard is a ``Wildcard`` and everything else is literal text,
so that a ``*`` that came out of a variable, or was written ``${*}``, never acts as a wildcard.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

#: The policy version in which ``${...}`` is a variable. In 2008-10-17, which is also the default, it is plain text.
VARIABLES_VERSION = "2012-10-17"

#: An ARN's parts: arn, partition, service, Region, account and resource; the last may contain colons itself.
ARN_PARTS = 6

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"^(?P<key>[^,]+?)\s*,\s*'(?P<default>[^']*)'$")
_ESCAPES = frozenset("*?$")


class Wildcard(Enum):
    """Stand for any run of characters, or for exactly one."""

    MANY = "*"
    ONE = "?"

    #: That of an Enum goes by the name and is slow; tokens are looked up in caches all the time.
    __hash__ = object.__hash__


Token = str | Wildcard
Values = tuple[str, ...]


def resolve(text: str, context: Mapping[str, Values], *, version: str) -> tuple[Token, ...] | None:
    """Return *text* as tokens with its variables replaced, or ``None`` when a variable has no single value.

    *context* has lower-case keys. ``${key, 'default'}`` falls back to its default; ``${*}``, ``${?}`` and ``${$}`` are
    those characters themselves. A key with several values cannot be used as a variable.
    """
    if version != VARIABLES_VERSION or "${" not in text:
        return _tokens(text)
    tokens: list[Token] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        tokens.extend(_tokens(text[end : match.start()]))
        value = _value_of(match[1].strip(), context)
        if value is None:
            return None
        tokens.append(value)
        end = match.end()
    return (*tokens, *_tokens(text[end:]))


def _value_of(name: str, context: Mapping[str, Values]) -> str | None:
    if name in _ESCAPES:
        return name
    with_default = _DEFAULT.match(name)
    key, default = (with_default["key"], with_default["default"]) if with_default else (name, None)
    values = context.get(key.lower(), ())
    return values[0] if len(values) == 1 else default if not values else None


@lru_cache(maxsize=4096)
def _tokens(text: str) -> tuple[Token, ...]:
    parts = (part for part in re.split(r"([*?])", text) if part)
    return tuple(Wildcard(part) if part in ("*", "?") else part for part in parts)


def literal(tokens: tuple[Token, ...]) -> str:
    """Return *tokens* as text in which ``*`` and ``?`` mean themselves."""
    return "".join(token.value if isinstance(token, Wildcard) else token for token in tokens)


@lru_cache(maxsize=4096)
def _like(tokens: tuple[Token, ...]) -> re.Pattern[str]:
    regex = {Wildcard.MANY: ".*", Wildcard.ONE: "."}
    parts = (regex[token] if isinstance(token, Wildcard) else re.escape(token) for token in tokens)
    return re.compile("".join(parts), re.DOTALL)


def is_like(tokens: tuple[Token, ...], value: str) -> bool:
    """Tell whether *value* matches the whole pattern; ``*`` also stands for nothing and for any separator."""
    return _like(tokens).fullmatch(value) is not None


@lru_cache(maxsize=16_384)
def covers_action(pattern: str, action: str) -> bool:
    """Tell whether an Action element covers *action*; case does not matter and variables are not allowed there."""
    return is_like(_tokens(pattern.lower()), action.lower())


def covers_arn(tokens: tuple[Token, ...], value: str) -> bool:
    """Tell whether *value* matches as the Arn operators do: each of the six parts of an ARN by itself.

    A lone ``*`` matches every value [M]; any other pattern with fewer than six parts matches none.
    """
    if tokens == (Wildcard.MANY,):
        return True
    parts, pattern = value.split(":", ARN_PARTS - 1), _split(tokens)
    return len(parts) == len(pattern) == ARN_PARTS and all(map(is_like, pattern, parts))


def _split(tokens: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """Split *tokens* into the parts of an ARN at the colons of their literal texts."""
    parts: list[tuple[Token, ...]] = [()]
    for token in tokens:
        if isinstance(token, Wildcard):
            parts[-1] += (token,)
            continue
        head, *rest = token.split(":", ARN_PARTS - len(parts))
        parts[-1] += (head,) if head else ()
        parts.extend((piece,) if piece else () for piece in rest)
    return parts
