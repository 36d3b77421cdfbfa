"""What the rules on policies judge, and how an answer becomes a finding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from snapshot_dr_provider.domain.key_policy.facts import Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Answer, Finding, Verdict
from snapshot_dr_provider.domain.key_policy.policy import Policy
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.searching import QuestionAnswer
from snapshot_dr_provider.domain.key_policy.statements import Document, Trust, copy_statements, describe_statement


@dataclass(frozen=True)
class PolicyCase:
    """
    Hold what the rules judge.

    :param policies: all policies of the key, live windows included.
    :param standing: the same without windows of ours.
    :param window_managed: whether runs open the key, so that its standing policy has to be locked.
    """

    subject: str
    policies: Sequence[Policy]
    standing: Sequence[Policy]
    around: Surroundings
    window_managed: bool

    @property
    def trust(self) -> Trust:
        """Say for whom remedies are written."""
        return Trust.around(self.around)

    @property
    def least_privilege(self) -> str:
        """Name the remedy where what the organization may do has to be written anew."""
        command = "airflow snapshot-dr policy show kms-b"
        statements: tuple[Document, ...] = copy_statements(self.trust)
        if self.window_managed:
            command, statements = f"{command}-locked", (describe_statement(self.trust),)
        return f"Let these be the only statements for the organization ({command}): {json.dumps(statements)}"


def _found(rule: Rule, verdict: Verdict, case: PolicyCase, answer: QuestionAnswer, remedy: str) -> Finding:
    return rule.finding(verdict, case.subject, answer.why, remedy, statement=", ".join(answer.statements))


def wrong_if_yes(rule: Rule, case: PolicyCase, answer: QuestionAnswer, remedy: str) -> Finding:
    """Fail a rule that an answer of *yes* breaks."""
    return _of_answer(rule, case, answer, remedy, wrong=Answer.YES)


def wrong_if_no(rule: Rule, case: PolicyCase, answer: QuestionAnswer, remedy: str) -> Finding:
    """Fail a rule that an answer of *no* breaks."""
    return _of_answer(rule, case, answer, remedy, wrong=Answer.NO)


def _of_answer(rule: Rule, case: PolicyCase, answer: QuestionAnswer, remedy: str, *, wrong: Answer) -> Finding:
    if answer.answer is wrong:
        return _found(rule, Verdict.FAIL, case, answer, remedy)
    if answer.answer is Answer.UNDECIDED:
        return _found(rule, Verdict.UNDECIDED, case, answer, f"Write it so that it can be decided. {remedy}")
    return rule.finding(Verdict.PASS, case.subject)
