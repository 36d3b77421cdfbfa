"""Choose conditions that may or may not hold for a request, and give the request the keys that they ask for."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING, Any

from tests.oracle.elements import one_or_list, vary_case
from tests.oracle.vocabulary import ADDRESSES, ALIKE, KEYS, Key, Kind

if TYPE_CHECKING:
    from tests.oracle.generation import Scene

STRING = tuple(f"String{each}" for each in (
    "Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike",
))  # fmt: skip
COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    "string": STRING,
    "arn": ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
    "bool": ("Bool",),
    "date": tuple(f"Date{each}" for each in COMPARISONS),
    "epoch": tuple(f"Date{each}" for each in COMPARISONS),
    "numeric": tuple(f"Numeric{each}" for each in COMPARISONS),
    "ip": ("IpAddress", "NotIpAddress"),
}
FAMILIES = ("string", "arn", "bool", "date", "epoch", "numeric", "ip", "null", "set", "variable")
_PLAIN = re.compile(r"[\w.+-]+")
NETWORKS = (
    *("10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "10.1.2.3/32", "128.0.0.0/1", "192.0.2.64/26", "10.1.2.2/31"),
    *("2001:db8::/32", "2001:db8::1/128", "2001:db8:1::/48", "::/0"),
)


def add_test(scene: Scene, statement: dict[str, Any], family: str) -> None:
    """Add one condition of a family to a statement, and its key to the request unless it stays absent."""
    rng = scene.rng
    key = rng.choice([key for key in KEYS if _fits(key, family) and scene.action in key.actions] or [KEYS[0]])
    _decide(scene, key)
    found = scene.context.get(key.name)
    operator = "Null" if family == "null" else _operator(rng, key, family, is_absent=found is None)
    block = statement.setdefault("Condition", {}).setdefault(operator, {})
    if key.name.lower() not in {name.lower() for name in block}:
        block[vary_case(rng, key.name)] = _values(scene, key, family, operator)


def _fits(key: Key, family: str) -> bool:
    if family in ("null", "set"):
        return key.is_multi or family == "null" or key.kind in ("string", "arn", "bool")
    if key.is_multi:
        return False
    if family == "variable":
        return any(key.name in group for group in ALIKE)
    return key.kind == family or (family == "string" and key.kind == "arn")


def _decide(scene: Scene, key: Key) -> None:
    rng = scene.rng
    if key.name in scene.decided:
        return
    if rng.random() < 0.25:
        scene.decide(key.name, None)
    elif key.is_multi:
        scene.decide(key.name, rng.sample(key.values, rng.randint(1, 3)))
    else:
        scene.decide(key.name, rng.choice(key.values))


def _operator(rng: Random, key: Key, family: str, *, is_absent: bool) -> str:
    kind: Kind = "string" if family == "string" else key.kind
    operator = rng.choice(OPERATORS[kind])
    if key.is_multi or family == "set" or rng.random() < 0.05:
        qualifier = rng.choice(("ForAllValues", "ForAnyValue"))
        # ForAnyValue with IfExists on an absent key is left out: see the exclusions.
        suffix = "" if is_absent and qualifier == "ForAnyValue" else rng.choice(("", "", "", "IfExists"))
        return f"{qualifier}:{operator}{suffix}"
    return operator + rng.choice(("", "", "", "IfExists"))


def _values(scene: Scene, key: Key, family: str, operator: str) -> object:
    rng = scene.rng
    if operator == "Null":
        return rng.choice(("true", "false", "True", True, False, ["true"]))
    if key.kind == "bool" and "Bool" in operator:
        return rng.choice(("true", "false", "TRUE", "False", True, False, ["true", "false"]))
    written = {_value(scene, key, family, operator) for _ in range(rng.choice((1, 1, 1, 2, 3)))}
    return one_or_list(rng, sorted(written))


def _value(scene: Scene, key: Key, family: str, operator: str) -> str:
    rng = scene.rng
    found = scene.context.get(key.name)
    own = rng.choice(found) if isinstance(found, list) else found
    text = own if own is not None and rng.random() < 0.5 else rng.choice(key.values)
    if "IpAddress" in operator:
        return _network(rng, own or text)
    if family == "variable":
        return _with_variable(scene, key, text, operator)
    if "Arn" in operator:
        return _arn(rng, text)
    if "String" in operator:
        return _text(rng, text, has_wildcards="Like" in operator)
    return text


def _network(rng: Random, address: str) -> str:
    """Choose an address, or a network: a plain address is compared with its own version only, see the exclusions."""
    alike = [each for each in ADDRESSES if (":" in each) == (":" in address)]
    return (
        rng.choice((address, rng.choice(alike), *rng.sample(NETWORKS, 3)))
        if rng.random() < 0.5
        else rng.choice(NETWORKS)
    )


def _text(rng: Random, text: str, *, has_wildcards: bool) -> str:
    """Write a text with a wildcard or in another case; the escapes for wildcard operators only, see the exclusions."""
    if "${" in text:
        return text.replace("${", "${$}{") if has_wildcards else "core"
    cut = rng.randint(0, len(text) - 1)
    return rng.choice((
        text,
        text,
        f"{text[:cut]}*",
        f"*{text[cut:]}",
        f"{text[:cut]}?{text[cut + 1 :]}",
        text.swapcase(),
        text.replace("*", "${*}").replace("?", "${?}") if has_wildcards else text,
        "*",
    ))  # fmt: skip


def _arn(rng: Random, arn: str) -> str:
    parts = arn.split(":", 5)
    if rng.random() < 0.1:
        # A wildcard that would have to reach over a colon: the parts of an ARN are compared one by one.
        return ":".join([*parts[:4], "*", parts[5].rpartition(":")[2]])
    place = rng.randint(1, 5)
    part = parts[place]
    cut = rng.randint(0, len(part))
    parts[place] = rng.choice((part, "*", f"{part[:cut]}*", f"*{part[cut:]}", f"{part[:cut]}?{part[cut + 1 :]}"))
    return ":".join(parts)


def _with_variable(scene: Scene, key: Key, text: str, operator: str) -> str:
    """Write a policy variable; one that has no value only for operators that are not negated, see the exclusions."""
    rng = scene.rng
    name = rng.choice(next((group for group in ALIKE if key.name in group), ALIKE[0]))
    if name.startswith("aws:PrincipalTag/") and name not in scene.decided and rng.random() < 0.4:
        # A wildcard that comes out of a variable means itself.
        scene.decide(name, f"{text[:1]}*")
    if name not in scene.decided:
        known = next((each for each in KEYS if each.name == name), None)
        _decide(scene, known) if known else scene.decide(name, None)
    value = scene.context.get(name)
    if value is None and "Not" in operator:
        return _text(rng, text, has_wildcards="Like" in operator)
    variable = "${" + vary_case(rng, name) + "}"
    if value is not None and rng.random() < 0.7:
        return rng.choice((variable, variable, f"{variable}*", f"*{variable}", f"{variable}x"))
    default = text if _PLAIN.fullmatch(text) else "core"
    return rng.choice((variable, f"${{{name}, '{default}'}}"))
