"""Choose Principal, Action and Resource elements that may or may not cover a request."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tests.oracle.pair import KEY_ACCOUNT, KEY_ARN, KEY_ID, Who
from tests.oracle.vocabulary import ACTIONS, CALLERS, KEY_IDS, SERVICES

if TYPE_CHECKING:
    from tests.oracle.generation import Scene


def one_or_list(rng: Random, values: list[str]) -> str | list[str]:
    """Write a single value with or without brackets."""
    return values[0] if len(values) == 1 and rng.random() < 0.6 else values


def vary_case(rng: Random, text: str) -> str:
    """Write a text in another case now and then."""
    if rng.random() < 0.75:
        return text
    return rng.choice([text.lower(), text.upper(), "".join(rng.choice([c.lower(), c.upper()]) for c in text)])


def names_of(who: Who) -> list[str]:
    """List all by which a policy may name a caller."""
    if who.is_service:
        return [who.arn]
    return [who.root, who.account, who.arn, *([who.session] if who.session else [])]


def principals(scene: Scene, statement: dict[str, Any]) -> object:
    """Choose a Principal element."""
    rng = scene.rng
    entries = [_entry(rng, scene.who) for _ in range(rng.choice((1, 1, 2, 3)))]
    if rng.random() < 0.1:
        entries.append(("AWS", "*"))
    return _element(rng, entries)


def not_principals(scene: Scene, statement: dict[str, Any]) -> object:
    """
    Choose a NotPrincipal element.

    A Deny lists all of a caller's names or none of them: whether the account alone, or the role without its account,
    spares the caller is left open by the IAM guide.
    """
    rng = scene.rng
    strangers = [who for who in CALLERS if not set(names_of(who)) & set(names_of(scene.who))]
    entries = [_entry(rng, rng.choice(strangers), strangers) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.5:
        names = names_of(scene.who)
        own = names if statement["Effect"] == "Deny" else [rng.choice(names)]
        entries += [(_kind(scene.who), name) for name in own if name != scene.who.account or len(own) == 1]
    return _element(rng, entries)


def _kind(who: Who) -> str:
    return "Service" if who.is_service else "AWS"


def _entry(rng: Random, who: Who, others: list[Who] | None = None) -> tuple[str, str]:
    chosen = who if rng.random() < 0.5 else rng.choice(others or list(CALLERS))
    if rng.random() < 0.1:
        return "Service", rng.choice([name for name in SERVICES if others is None or name != who.arn])
    return _kind(chosen), rng.choice(names_of(chosen))


def _element(rng: Random, entries: list[tuple[str, str]]) -> object:
    element: dict[str, list[str]] = {}
    for kind, name in entries:
        element.setdefault(kind, [])
        if name not in element[kind]:
            element[kind].append(name)
    return {kind: one_or_list(rng, names) for kind, names in element.items()}


def actions(scene: Scene, statement: dict[str, Any]) -> object:
    """Choose an Action or NotAction element."""
    rng = scene.rng
    chosen = {_action(rng, scene.action) for _ in range(rng.choice((1, 1, 2, 3)))}
    return one_or_list(rng, sorted(chosen))


def _action(rng: Random, action: str) -> str:
    text = action if rng.random() < 0.5 else rng.choice(ACTIONS)
    name = text.removeprefix("kms:")
    cut = rng.randint(1, len(name))
    written = rng.choice((
        name,
        name,
        f"{name[:cut]}*",
        f"*{name[cut:]}",
        f"{name[: cut // 2]}*{name[cut:]}",
        f"{name[: cut - 1]}?{name[cut:]}",
        f"{name}?",
    ))  # fmt: skip
    return f"kms:{vary_case(rng, written)}"


def resources(scene: Scene, statement: dict[str, Any]) -> object:
    """Choose a Resource or NotResource element."""
    rng = scene.rng
    chosen = {_resource(rng) for _ in range(rng.choice((1, 1, 2)))}
    return one_or_list(rng, sorted(chosen))


def _resource(rng: Random) -> str:
    cut = rng.randint(1, len(KEY_ID) - 1)
    return rng.choice((
        KEY_ARN,
        f"arn:aws:kms:{rng.choice(('*', 'us-*', 'eu-west-1', 'us-east-?'))}:{KEY_ACCOUNT}:key/{KEY_ID}",
        f"arn:aws:kms:*:{rng.choice(('*', KEY_ACCOUNT, '9*', '111111111111'))}:key/*",
        f"arn:aws:kms:us-east-1:{KEY_ACCOUNT}:key/{KEY_ID[:cut]}{rng.choice(('*', '?', '?' * (len(KEY_ID) - cut)))}",
        f"arn:aws:kms:us-east-1:{KEY_ACCOUNT}:key/{rng.choice(KEY_IDS)}",
        f"arn:aws:kms:us-east-1:{KEY_ACCOUNT}:alias/{rng.choice(('*', 'kms-b'))}",
        "arn:aws:kms:*:*:*",
    ))  # fmt: skip
