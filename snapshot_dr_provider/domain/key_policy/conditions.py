"""Conditions of a statement, decided as IAM decides them; ``None`` is *undecided*."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Final, Literal, TypeVar

from snapshot_dr_provider.domain.key_policy.keys import find_key
from snapshot_dr_provider.domain.key_policy.patterns import (
    UndecidedValueError,
    Value,
    expand,
    matches,
    plain,
    split_value,
    text_of,
)
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest


class Unknown(Enum):
    """Stand for a value that a request may or may not have: nobody knows."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

ContextValue = tuple[str, ...] | Unknown
"""What a request has under a condition key; a key that is absent from the context is absent from the request."""

Truth = bool | None
_T = TypeVar("_T")

Family = Literal["string", "arn", "bool", "date", "numeric", "ip", "binary"]
Match = Callable[[Value, str], bool]
"""Compare a value of the policy with one of the request; raises UndecidedValueError for a value that is none."""


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Hold a condition operator.

    :param quantifier: ``any`` and ``all`` of the request's values, or empty.
    :param matches: without the negation.
    """

    family: Family
    matches: Match
    is_negated: bool = False
    quantifier: Literal["", "any", "all"] = ""
    if_exists: bool = False


def find_operator(written: str) -> Operator | None:
    """Read an operator with its qualifier and ``IfExists``, spelt as AWS documents it; ``None`` for anything else."""
    name = written.removesuffix("IfExists")
    qualifier, colon, bare = name.rpartition(":")
    if name == "Null" or (colon and qualifier not in _QUANTIFIERS) or bare not in _OPERATORS:
        return None
    family, match, is_negated = _OPERATORS[bare]
    quantifier: Literal["", "any", "all"] = _QUANTIFIERS[qualifier] if colon else ""
    return Operator(family, match, is_negated, quantifier, written.endswith("IfExists"))


def decide_test(test: ConditionTest, context: Mapping[str, ContextValue], *, has_variables: bool) -> Truth:
    """
    Decide one test of a statement.

    An absent key fails a test, holds for a negated one, for ``IfExists`` and for ``ForAllValues``, and fails for
    ``ForAnyValue`` even when it is negated. A list without values counts as absent. A key of several values without
    ``ForAnyValue`` or ``ForAllValues`` is against the rules of IAM, so that it is not known to hold.

    :param context: its keys in lower case.
    :param has_variables: whether the policy's Version knows policy variables.
    :returns: ``None`` for an operator or key that is not understood, for a value of the policy that the operator
        cannot read, and where an unknown value of the request makes the difference.
    """
    key = find_key(test.key)
    if key is None or not test.values:
        return None
    held = context.get(test.key.lower(), ())
    if test.operator == "Null":
        return _decide_null(test.values, held)
    operator = find_operator(test.operator)
    if operator is None or isinstance(held, Unknown):
        return None
    if not held:
        return operator.if_exists or operator.quantifier == "all" or (operator.is_negated and not operator.quantifier)
    resolves = has_variables and operator.family in _WITH_VARIABLES
    wanted = [expand_value(written, context, has_variables=resolves) for written in test.values]
    found = [any_of(_compare(operator, value, one) for value in wanted) for one in held]
    if operator.is_negated:
        found = [negate(each) for each in found]
    if operator.quantifier:
        return any_of(found) if operator.quantifier == "any" else all_of(found)
    answer = all_of(found) if operator.is_negated else any_of(found)
    return answer if answer is False or not key.many else None


def any_of(truths: Iterable[Truth]) -> Truth:
    """Say whether one holds; one that holds decides whatever the others are."""
    answer: Truth = False
    for truth in truths:
        if truth:
            return True
        answer = None if truth is None else answer
    return answer


def all_of(truths: Iterable[Truth]) -> Truth:
    """Say whether all hold; one that fails decides whatever the others are."""
    return negate(any_of(map(negate, truths)))


def negate(truth: Truth) -> Truth:
    """Turn yes into no and the reverse; undecided it stays."""
    return None if truth is None else not truth


def _decide_null(values: Iterable[str], held: ContextValue) -> Truth:
    if isinstance(held, Unknown):
        return None
    return any_of(None if _read_bool(value) is None else _read_bool(value) is not bool(held) for value in values)


def expand_value(written: str, context: Mapping[str, ContextValue], *, has_variables: bool) -> Value | Unknown | None:
    """
    Put the request's values in the place of policy variables.

    :returns: ``None`` when one has no value, so that nothing matches; :data:`UNKNOWN` when it is not known what it has.
    """
    if not has_variables:
        return plain(written)

    def resolve(name: str) -> str | None:
        key = find_key(name)
        held = context.get(name.lower(), ())
        # A list of values is nothing that a variable could stand for.
        if key is None or key.many or isinstance(held, Unknown) or len(held) > 1:
            raise UndecidedValueError(name)
        return held[0] if held else None

    try:
        return expand(written, resolve)
    except UndecidedValueError:
        return UNKNOWN


def _compare(operator: Operator, value: Value | Unknown | None, one: str) -> Truth:
    if value is None:
        # IAM says that a variable without a value may make the whole statement invalid: it never holds for it.
        return None if operator.is_negated else False
    if isinstance(value, Unknown):
        return None
    try:
        return operator.matches(value, one)
    except UndecidedValueError:
        return None


def matches_arn(value: Value, text: str) -> bool:
    """
    Match an ARN segment by segment: a wildcard does not reach over the first five colons.

    :raises UndecidedValueError: for a value that has fewer segments than an ARN.
    """
    wanted = split_value(value, ":", _ARN_SEGMENTS - 1)
    if len(wanted) < _ARN_SEGMENTS:
        raise UndecidedValueError(text_of(value))
    there = text.split(":", _ARN_SEGMENTS - 1)
    return len(there) == _ARN_SEGMENTS and all(map(matches, wanted, there))


def _equals(value: Value, text: str) -> bool:
    return text_of(value) == text


def _equals_ignoring_case(value: Value, text: str) -> bool:
    return text_of(value).lower() == text.lower()


def _same_bool(value: Value, text: str) -> bool:
    return _wanted(_read_bool(text_of(value)), value) is _read_bool(text)


def _same_bytes(value: Value, text: str) -> bool:
    return _wanted(_read_bytes(text_of(value)), value) == _read_bytes(text)


def _in_network(value: Value, text: str) -> bool:
    version, first, last = _wanted(_read_network(text_of(value)), value)
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.version == version and first <= int(address) <= last


def _numbers(compare: Callable[[Decimal, Decimal], bool]) -> Match:
    def match(value: Value, text: str) -> bool:
        wanted = _wanted(_read_number(text_of(value)), value)
        there = _read_number(text)
        return there is not None and compare(there, wanted)

    return match


def _dates(compare: Callable[[datetime, datetime], bool]) -> Match:
    def match(value: Value, text: str) -> bool:
        wanted = _wanted(read_date(text_of(value)), value)
        there = read_date(text)
        return there is not None and compare(there, wanted)

    return match


def _wanted(read: _T | None, value: Value) -> _T:
    if read is None:
        raise UndecidedValueError(text_of(value))
    return read


def _read_bool(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _read_bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


@lru_cache(maxsize=1024)
def _read_network(text: str) -> tuple[int, int, int] | None:
    """Read addresses in CIDR notation, or a single one, as the IP version with the first and the last of them."""
    if not _NETWORK.fullmatch(text):
        return None
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return network.version, int(network[0]), int(network[-1])


def _read_number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=1024)
def read_date(text: str) -> datetime | None:
    """
    Read a date as policies write it: in a W3C form of ISO 8601, or in seconds since 1970.

    Four bare digits could be either, and a time without its zone is neither: both give ``None``.
    """
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(text))
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, minutes, seconds, fraction, zone = found.groups(default="")
    moment = f"{minutes or '00:00'}:{seconds or '00'}.{fraction[:6]:0<6}{zone or 'Z'}"
    try:
        return datetime.fromisoformat(f"{year}-{month}-{day or '01'}T{moment}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_ARN_SEGMENTS: Final = 6
_NETWORK: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3})?")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_EPOCH: Final = re.compile(r"[0-9]{1,3}|[0-9]{5,11}")
_DATE: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:[0-9]{2}))?)?"
)
_WITH_VARIABLES: Final = frozenset({"string", "arn", "bool"})
_QUANTIFIERS: Final[Mapping[str, Literal["any", "all"]]] = {"ForAnyValue": "any", "ForAllValues": "all"}
_OPERATORS: Final[Mapping[str, tuple[Family, Match, bool]]] = {
    "StringEquals": ("string", _equals, False),
    "StringNotEquals": ("string", _equals, True),
    "StringEqualsIgnoreCase": ("string", _equals_ignoring_case, False),
    "StringNotEqualsIgnoreCase": ("string", _equals_ignoring_case, True),
    "StringLike": ("string", matches, False),
    "StringNotLike": ("string", matches, True),
    "ArnEquals": ("arn", matches_arn, False),
    "ArnNotEquals": ("arn", matches_arn, True),
    "ArnLike": ("arn", matches_arn, False),
    "ArnNotLike": ("arn", matches_arn, True),
    "Bool": ("bool", _same_bool, False),
    "BinaryEquals": ("binary", _same_bytes, False),
    "IpAddress": ("ip", _in_network, False),
    "NotIpAddress": ("ip", _in_network, True),
    "NumericEquals": ("numeric", _numbers(eq), False),
    "NumericNotEquals": ("numeric", _numbers(eq), True),
    "NumericLessThan": ("numeric", _numbers(lt), False),
    "NumericLessThanEquals": ("numeric", _numbers(le), False),
    "NumericGreaterThan": ("numeric", _numbers(gt), False),
    "NumericGreaterThanEquals": ("numeric", _numbers(ge), False),
    "DateEquals": ("date", _dates(eq), False),
    "DateNotEquals": ("date", _dates(eq), True),
    "DateLessThan": ("date", _dates(lt), False),
    "DateLessThanEquals": ("date", _dates(le), False),
    "DateGreaterThan": ("date", _dates(gt), False),
    "DateGreaterThanEquals": ("date", _dates(ge), False),
}
