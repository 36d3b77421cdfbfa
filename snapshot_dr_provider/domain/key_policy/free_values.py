"""Values of a condition key that a caller can choose freely: one of each kind that the policies can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network

from snapshot_dr_provider.domain.key_policy.examples import Examples, examples
from snapshot_dr_provider.domain.key_policy.vocabulary import Vocabulary


def values_of(key: str, words: Vocabulary) -> Examples:
    """
    Find values by the operators that a key is tested with.

    :param key: in lower case.
    """
    patterns = words.patterns(key)
    families = words.families(key)
    if families & {"numeric", "date"}:
        return Examples(tuple(_around_each(patterns)), complete=len(families) == 1)
    if families & {"ipaddress", "notipaddress"}:
        return Examples(tuple(_addresses(patterns)), complete=False)
    if families == {"bool"}:
        return Examples(("true", "false"))
    return examples(words.groups(key), "?*")


def _around_each(values: Iterable[str]) -> Iterator[str]:
    """Take each bound itself, and a value below and above it."""
    for value in values:
        try:
            number = Decimal(value)
        except InvalidOperation:
            yield from _moments_around(value)
        else:
            yield from (value, *(f"{number + step:f}" for step in (-1, 1) if number.is_finite()))


def _moments_around(value: str) -> Iterator[str]:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return
    yield value
    for step in (timedelta(days=-1), timedelta(days=1)):
        try:
            yield (moment + step).isoformat()
        except OverflowError:
            continue


def _addresses(networks: Iterable[str]) -> Iterator[str]:
    """Take an address of each network, and one that is in none that people write."""
    for network in networks:
        try:
            found = ip_network(network, strict=False)
        except ValueError:
            continue
        yield from (str(found[0]), str(found[-1]))
    yield "198.51.100.7"
