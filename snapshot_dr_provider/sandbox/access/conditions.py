"""Evaluate the Condition element of a policy statement.

A condition is true, false, or ``None``: undecidable, because an operator is unknown or a policy value is no number,
date, address or boolean. AWS refuses to store such a document; here the statement can then not allow, and still denies.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from snapshot_dr_provider.sandbox.access import patterns
from snapshot_dr_provider.sandbox.access.patterns import Token, Values

Tokens = tuple[Token, ...]


class _Undecidable(Exception):
    """Say that a policy value is not of its operator's kind."""


@dataclass(frozen=True, slots=True)
class _Operator:
    """Compare one policy value with one value of the request; a negated operator holds where no value matches."""

    matches: Callable[[Tokens, str], bool]
    negated: bool = False
    variables: bool = False


def _equal(pattern: Tokens, value: str) -> bool:
    return patterns.literal(pattern) == value


def _equal_ignoring_case(pattern: Tokens, value: str) -> bool:
    return patterns.literal(pattern).lower() == value.lower()


def _boolean(pattern: Tokens, value: str) -> bool:
    wanted = patterns.literal(pattern).lower()
    if wanted not in ("true", "false"):
        raise _Undecidable
    return wanted == value.lower()


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _moment(text: str) -> Decimal | None:
    """Return a date as seconds since the epoch: ISO 8601 (UTC where no zone is given) or a number of seconds."""
    number = _number(text)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(f"{text}-01" if len(text) == len("YYYY-MM") else text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(delta.days * 86_400 + delta.seconds) + Decimal(delta.microseconds) / 1_000_000


def _comparing(parse: Callable[[str], Decimal | None], holds: Callable[[Decimal, Decimal], bool]) -> Any:
    """Return a comparison of *value* with *pattern*; a value of the request of another kind matches nothing."""

    def matches(pattern: Tokens, value: str) -> bool:
        wanted, found = parse(patterns.literal(pattern)), parse(value)
        if wanted is None:
            raise _Undecidable
        return found is not None and holds(found, wanted)

    return matches


def _in_network(pattern: Tokens, value: str) -> bool:
    try:
        network = ipaddress.ip_network(patterns.literal(pattern), strict=False)
    except ValueError:
        raise _Undecidable from None
    try:
        return ipaddress.ip_address(value) in network
    except ValueError:
        return False


def _ordered(kind: str, parse: Callable[[str], Decimal | None]) -> dict[str, _Operator]:
    equal = _comparing(parse, lambda found, wanted: found == wanted)
    return {
        f"{kind}Equals": _Operator(equal),
        f"{kind}NotEquals": _Operator(equal, negated=True),
        f"{kind}LessThan": _Operator(_comparing(parse, lambda found, wanted: found < wanted)),
        f"{kind}LessThanEquals": _Operator(_comparing(parse, lambda found, wanted: found <= wanted)),
        f"{kind}GreaterThan": _Operator(_comparing(parse, lambda found, wanted: found > wanted)),
        f"{kind}GreaterThanEquals": _Operator(_comparing(parse, lambda found, wanted: found >= wanted)),
    }


_OPERATORS: Mapping[str, _Operator] = {
    "StringEquals": _Operator(_equal, variables=True),
    "StringNotEquals": _Operator(_equal, negated=True, variables=True),
    "StringEqualsIgnoreCase": _Operator(_equal_ignoring_case, variables=True),
    "StringNotEqualsIgnoreCase": _Operator(_equal_ignoring_case, negated=True, variables=True),
    "StringLike": _Operator(patterns.is_like, variables=True),
    "StringNotLike": _Operator(patterns.is_like, negated=True, variables=True),
    # The two ArnEquals behave as the two ArnLike: both take wildcards.
    "ArnEquals": _Operator(patterns.covers_arn, variables=True),
    "ArnLike": _Operator(patterns.covers_arn, variables=True),
    "ArnNotEquals": _Operator(patterns.covers_arn, negated=True, variables=True),
    "ArnNotLike": _Operator(patterns.covers_arn, negated=True, variables=True),
    "Bool": _Operator(_boolean),
    "BinaryEquals": _Operator(_equal),
    "IpAddress": _Operator(_in_network),
    "NotIpAddress": _Operator(_in_network, negated=True),
    **_ordered("Numeric", _number),
    **_ordered("Date", _moment),
}


@dataclass(frozen=True, slots=True)
class _Test:
    """Hold an operator's name taken apart: ``ForAnyValue:StringLikeIfExists``."""

    operator: _Operator
    quantifier: str
    if_exists: bool


def is_known_operator(name: str) -> bool:
    """Tell whether *name* is a condition operator of IAM, with its prefix and suffix."""
    return name == "Null" or _parse(name) is not None


def _parse(name: str) -> _Test | None:
    quantifier, _, rest = name.rpartition(":")
    base = rest.removesuffix("IfExists")
    if quantifier not in ("", "ForAllValues", "ForAnyValue") or base not in _OPERATORS:
        return None
    return _Test(_OPERATORS[base], quantifier, if_exists=base != rest)


def holds(condition: object, context: Mapping[str, Values], *, version: str) -> bool | None:
    """Tell whether every operator and key of *condition* holds for *context*, whose keys are lower-case.

    False wins over undecidable: a statement of which one condition is certainly unmet does not apply.
    """
    if not isinstance(condition, Mapping):
        return None
    results = [
        _key_holds(str(name), str(key).lower(), _texts(values), context, version)
        for name, keys in condition.items()
        for key, values in (keys.items() if isinstance(keys, Mapping) else [("", None)])
    ]
    return False if False in results else None if None in results else True


def _texts(values: object) -> Values | None:
    """Return the values of a condition key as texts; JSON booleans and numbers are spelt as in JSON."""
    each = values if isinstance(values, (list, tuple)) else [values]
    if not all(isinstance(value, (str, bool, int, float, Decimal)) for value in each):
        return None
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in each)


def _key_holds(name: str, key: str, wanted: Values | None, context: Mapping[str, Values], version: str) -> bool | None:
    if wanted is None:
        return None
    if name == "Null":
        return _is_null(wanted, context.get(key, ()))
    test = _parse(name)
    if test is None:
        return None
    plain = version if test.operator.variables else ""
    tokens = [pattern for text in wanted if (pattern := patterns.resolve(text, context, version=plain)) is not None]
    try:
        return _test_holds(test, tokens, context.get(key, ()))
    except _Undecidable:
        return None


def _is_null(wanted: Values, found: Values) -> bool | None:
    """Tell whether the key is absent as the Null operator asks."""
    answers = [text.lower() for text in wanted]
    if not set(answers) <= {"true", "false"}:
        return None
    return ("false" if found else "true") in answers


def _test_holds(test: _Test, wanted: list[Tokens], found: Values) -> bool | None:
    def accepts(value: str) -> bool:
        # Every value is compared, so that one that is of no sense is found wherever it stands in the list.
        matched = True in [test.operator.matches(pattern, value) for pattern in wanted]
        return matched is not test.operator.negated

    if test.if_exists and not found:
        return True
    if test.quantifier:
        # Values that are all empty texts count as no values, as the IAM guide has it for both quantifiers [M].
        accepted = [accepts(value) for value in found] if any(found) else []
        return all(accepted) if test.quantifier == "ForAllValues" else any(accepted)
    if not found:
        return test.operator.negated
    # A key with several values needs a quantifier; what IAM does without one is not documented [M].
    return accepts(found[0]) if len(found) == 1 else None
