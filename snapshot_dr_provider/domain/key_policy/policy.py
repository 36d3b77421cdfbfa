"""A policy document as values: what was written, unjudged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PrincipalEntry:
    """
    Name one principal as the document does.

    :param kind: ``AWS``, ``Service``, ``Federated`` or ``CanonicalUser``; a bare ``"*"`` is of kind ``AWS``.
    :param value: an ARN, 12 digits, the name of a service, or ``*``.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ConditionTest:
    """
    Hold one operator with one condition key; all tests of a statement have to hold.

    :param operator: as it is written, qualifier and ``IfExists`` included: ``ForAnyValue:StringLikeIfExists``.
    :param key: as it is written; compared without regard to case.
    :param values: any of them is enough, or none of them for a negated operator; ``True`` and ``5`` as texts.
    """

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """
    Hold one statement. Of each pair of elements (``Action`` and ``NotAction``) at most one is there.

    :param index: place in the document, from 0.
    :param line: line in the document, from 1.
    :param principals: ``None`` when the statement has no such element; likewise the others.
    """

    index: int
    line: int
    effect: Literal["Allow", "Deny"]
    sid: str = ""
    principals: tuple[PrincipalEntry, ...] | None = None
    not_principals: tuple[PrincipalEntry, ...] | None = None
    actions: tuple[str, ...] | None = None
    not_actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    not_resources: tuple[str, ...] | None = None
    conditions: tuple[ConditionTest, ...] = ()

    @property
    def label(self) -> str:
        """Name the statement: its Sid, or its place."""
        return self.sid or f"Statement[{self.index}]"


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Hold one document.

    :param version: ``2012-10-17`` or ``2008-10-17``; policy variables work in the first only.
    :param size: bytes of the document in UTF-8.
    """

    statements: tuple[Statement, ...]
    version: str = "2008-10-17"
    policy_id: str = ""
    size: int = 0
