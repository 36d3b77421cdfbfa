"""What a set of statements distinguishes requests by: its keys, patterns, principals and accounts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from snapshot_dr_provider.domain.key_policy.evaluation import VARIABLES_SINCE
from snapshot_dr_provider.domain.key_policy.examples import Groups
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest, Policy, PrincipalEntry, Statement

_VARIABLE: Final = re.compile(r"\$\{([^},]*)(?:,[^}]*)?\}")
_ACCOUNT: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_IDENTITY_ARN: Final = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d{12}):(role|user|assumed-role)/.+")

ARN_PARTS: Final = 6


def operator_family(operator: str) -> str:
    """Name the family of an operator without qualifier, ``IfExists`` and comparison, in lower case."""
    plain = operator.rpartition(":")[2].lower().removesuffix("ifexists")
    families = ("string", "arn", "bool", "date", "numeric", "ipaddress", "notipaddress", "binary", "null")
    return next((family for family in families if plain.startswith(family)), "")


@dataclass(frozen=True)
class Vocabulary:
    """Collect what some policies distinguish by."""

    policies: tuple[Policy, ...]

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Put the statements of all policies together."""
        return tuple(statement for policy in self.policies for statement in policy.statements)

    @cached_property
    def tests(self) -> tuple[ConditionTest, ...]:
        """Put all condition tests together."""
        return tuple(test for statement in self.statements for test in statement.conditions)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Name the condition keys in lower case, those in policy variables too."""
        variables = (name.strip().lower() for text in self._expanded for name in _VARIABLE.findall(text))
        return frozenset({test.key.lower() for test in self.tests} | {name for name in variables if ":" in name})

    @cached_property
    def _expanded(self) -> frozenset[str]:
        """Collect the texts in which policy variables count."""
        statements = [s for policy in self.policies if policy.version >= VARIABLES_SINCE for s in policy.statements]
        texts = [value for s in statements for test in s.conditions for value in test.values]
        texts += [text for s in statements for text in (*(s.resources or ()), *(s.not_resources or ()))]
        return frozenset(text for text in texts if "${" in text)

    def has_variables(self, *keys: str, whole: bool = False) -> bool:
        """
        Tell whether any of some keys is compared with a text that contains a policy variable.

        :param whole: whether a text that is nothing but a variable counts: for a key whose values follow from who
            calls it hides no further kinds.
        """
        values = {value for test in self.tests if test.key.lower() in keys for value in test.values}
        return any(whole or not _VARIABLE.fullmatch(value) for value in values & self._expanded)

    def tests_of(self, *keys: str) -> list[tuple[str, frozenset[str]]]:
        """
        List the tests of some keys, each as the family of its operator and the patterns of which one has to match.

        Policy variables are taken for any text.
        """
        return [
            (
                operator_family(test.operator),
                frozenset(
                    pattern
                    for value in test.values
                    for pattern in _spellings(
                        test.operator, _VARIABLE.sub("*", value) if value in self._expanded else value
                    )
                ),
            )
            for test in self.tests
            if test.key.lower() in keys and operator_family(test.operator) != "null"
        ]

    def groups(self, *keys: str) -> Groups:
        """Collect the patterns of the tests of some keys, test by test."""
        return frozenset(patterns for _, patterns in self.tests_of(*keys))

    def patterns(self, *keys: str) -> frozenset[str]:
        """Collect all patterns that any of some keys is compared with."""
        return frozenset(pattern for group in self.groups(*keys) for pattern in group)

    def families(self, key: str) -> frozenset[str]:
        """Name the families of the operators that a key is tested with."""
        return frozenset(operator_family(test.operator) for test in self.tests if test.key.lower() == key)

    @cached_property
    def principals(self) -> frozenset[PrincipalEntry]:
        """Collect all principals that are named, also those of NotPrincipal."""
        return frozenset(
            entry for statement in self.statements for entry in (statement.principals or statement.not_principals or ())
        )

    @cached_property
    def accounts(self) -> Mapping[str, frozenset[tuple[int, str, str]]]:
        """
        Collect the accounts that are written out, in principals and in conditions, each with where it stands.

        Accounts that stand in the same places are alike to the policies.
        """
        places: dict[str, set[tuple[int, str, str]]] = {}
        for statement in self.statements:
            texts = [(entry.kind, entry.value) for entry in statement.principals or statement.not_principals or ()]
            texts += [(f"{t.operator} {t.key}", value) for t in statement.conditions for value in t.values]
            for where, text in texts:
                for number in _ACCOUNT.findall(text):
                    place = (statement.index, where, text.replace(number, "#"))
                    places.setdefault(number, set()).add(place)
        return {number: frozenset(found) for number, found in places.items()}

    def identities_in(self, account_id: str) -> list[str]:
        """List the ARNs of roles, users and sessions of an account that are named as principals."""
        found = (_IDENTITY_ARN.fullmatch(entry.value) for entry in self.principals if entry.kind == "AWS")
        return sorted(match.string for match in found if match and match[1] == account_id)

    @cached_property
    def services(self) -> list[str]:
        """List services that may be meant as principals: those that are named, and one where everybody is."""
        named = {entry.value for entry in self.principals if entry.kind == "Service"}
        if any(entry.value == "*" for entry in self.principals):
            named |= {"s3.amazonaws.com"} | {
                value
                for value in self.patterns("aws:principalservicename", "aws:principalservicenameslist")
                if "*" not in value and "?" not in value
            }
        return sorted(named)


def _spellings(operator: str, value: str) -> Sequence[str]:
    """Add the other spelling where case does not matter, so that there are examples of both."""
    return (value, value.swapcase()) if "IgnoreCase" in operator else (value,)
