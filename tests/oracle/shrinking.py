"""Make a pair on which somebody disagrees as small as it can be."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.oracle.pair import Pair

Ask = Callable[[Sequence[Pair]], list[str | None]]


def shrink(pair: Pair, oracle: Ask, evaluator: Callable[[Pair], str]) -> Pair:
    """Leave out one part after the other as long as the evaluator and the oracle go on disagreeing."""
    while True:
        candidates = list(_smaller(pair))
        answers = zip(candidates, oracle(candidates), strict=True)
        found = next((each for each, answer in answers if answer and evaluator(each) != answer), None)
        if found is None:
            return pair
        pair = found


def _smaller(pair: Pair) -> Iterator[Pair]:
    for key in pair.context:
        yield replace(pair, context={name: value for name, value in pair.context.items() if name != key})
    for policy in _without_one(pair.policy):
        yield replace(pair, policy=policy)


def _without_one(value: Any) -> Iterator[Any]:
    """Leave out one entry of a list or of a condition, at any depth, but never all of them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: each} for each in _without_one(inner))
            if key in ("Sid", "Condition") or (len(value) > 1 and "Effect" not in value and "Statement" not in value):
                yield {name: each for name, each in copy.deepcopy(value).items() if name != key}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], each, *value[place + 1 :]] for each in _without_one(inner))
            if len(value) > 1:
                yield [*value[:place], *value[place + 1 :]]
