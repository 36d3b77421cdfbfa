"""Generate pairs, from a seed: one feature decides each of them, except in those of the family ``mixed``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.oracle import conditions, elements
from tests.oracle.pair import Pair, Who
from tests.oracle.vocabulary import ACTIONS, CALLERS, MEMBERS, ORGANIZATION

Statement = dict[str, Any]
Feature = Callable[["Scene", Statement], None]


class Scene:
    """Hold the request while a policy for it is being made: a condition may add keys to it."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.who: Who = rng.choice(CALLERS)
        self.action: str = rng.choice(ACTIONS)
        self.context: dict[str, str | list[str]] = {}
        #: Keys that have been given a value or been left out; both are decided once.
        self.decided: set[str] = set()
        if not self.who.is_service:
            self.decide("aws:PrincipalArn", self.who.arn)
            self.decide("aws:PrincipalAccount", self.who.account)
            self.decide("kms:CallerAccount", self.who.account)
            self.decide("aws:PrincipalOrgID", ORGANIZATION if self.who.account in MEMBERS else None)
        self.decide("aws:username", self.who.arn.rpartition("/")[2] if ":user/" in self.who.arn else None)

    def decide(self, key: str, value: str | list[str] | None) -> None:
        """Give a key its value, or leave it out of the request."""
        self.decided.add(key)
        if value is not None:
            self.context[key] = value

    def statement(self, effect: str) -> Statement:
        """Write a statement that applies to the request."""
        return {"Effect": effect, "Principal": "*", "Action": "kms:*", "Resource": "*"}


def condition(family: str) -> Feature:
    """Return the feature that adds one condition of an operator family."""

    def add(scene: Scene, statement: Statement) -> None:
        conditions.add_test(scene, statement, family)

    return add


def replace(old: str, new: str, choose: Callable[[Scene, Statement], object]) -> Feature:
    """Return the feature that puts another element in the place of one."""

    def put(scene: Scene, statement: Statement) -> None:
        del statement[old]
        statement[new] = choose(scene, statement)

    return put


FEATURES: dict[str, Feature] = {
    **{family: condition(family) for family in conditions.FAMILIES},
    "principal": replace("Principal", "Principal", elements.principals),
    "not-principal": replace("Principal", "NotPrincipal", elements.not_principals),
    "action": replace("Action", "Action", elements.actions),
    "not-action": replace("Action", "NotAction", elements.actions),
    "resource": replace("Resource", "Resource", elements.resources),
    "not-resource": replace("Resource", "NotResource", elements.resources),
}
#: How often each family is made: operators have more to get wrong than elements.
WEIGHTS = {"string": 5, "arn": 3, "date": 2, "numeric": 2, "ip": 2, "variable": 5, "set": 4, "principal": 4, "mixed": 6}


def generate(seed: int, count: int) -> Iterator[Pair]:
    """Generate pairs; the same seed gives the same ones."""
    rng = Random(seed)
    families = [*FEATURES, "mixed"]
    weights = [WEIGHTS.get(family, 2) for family in families]
    for family in rng.choices(families, weights, k=count):
        yield _mixed(Scene(rng)) if family == "mixed" else _single(Scene(rng), family)


def _single(scene: Scene, family: str) -> Pair:
    """Let one feature decide: whether the only Allow applies, or a Deny beside an Allow of everything."""
    if scene.rng.random() < 0.65:
        statements = [scene.statement("Allow")]
    else:
        statements = [scene.statement("Allow"), scene.statement("Deny")]
    FEATURES[family](scene, statements[-1])
    return _pair(scene, family, statements)


def _mixed(scene: Scene) -> Pair:
    statements = [scene.statement("Allow") for _ in range(scene.rng.randint(1, 3))]
    statements += [scene.statement("Deny") for _ in range(scene.rng.choice((0, 0, 1)))]
    for statement in statements:
        names = scene.rng.sample(sorted(FEATURES), scene.rng.randint(1, 3))
        kinds = {name.removeprefix("not-"): name for name in names}
        for name in kinds.values():
            FEATURES[name](scene, statement)
    return _pair(scene, "mixed", statements)


def _pair(scene: Scene, family: str, statements: list[Statement]) -> Pair:
    rng = scene.rng
    for statement in statements:
        _loosen(rng, statement)
    rng.shuffle(statements)
    for number, statement in enumerate(statements):
        if rng.random() < 0.5:
            statement["Sid"] = f"S{number}"
    uses_variables = "${" in str(statements)
    document: dict[str, Any] = {
        "Statement": statements[0] if len(statements) == 1 and rng.random() < 0.3 else statements
    }
    if uses_variables or rng.random() < 0.8:
        document["Version"] = "2012-10-17"
    context = {elements.vary_case(rng, key): value for key, value in scene.context.items()}
    return Pair(family, document, scene.who, scene.action, context)


def _loosen(rng: Random, statement: Statement) -> None:
    """Write what is the same in another way: a list of one, the wildcard principal as an object."""
    for element in ("Action", "Resource"):
        if isinstance(statement.get(element), str) and rng.random() < 0.2:
            statement[element] = [statement[element]]
    if statement.get("Principal") == "*" and rng.random() < 0.5:
        statement["Principal"] = {"AWS": rng.choice(["*", ["*"]])}
