"""Judge whether copies work under KMS-B when they should, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from snapshot_dr_provider.domain.key_policy import questions
from snapshot_dr_provider.domain.key_policy.findings import Answer, Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.policy_case import PolicyCase, wrong_if_no, wrong_if_yes
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.searching import QuestionAnswer

COPY: Final = Rule("KP015", "Every role of the organization can copy under KMS-B", Severity.HIGH)
DOCUMENTED: Final = Rule("KP016", "KMS-B allows all that AWS documents for a copy", Severity.LOW)
LOCKED: Final = Rule("KP019", "Outside its windows KMS-B is locked", Severity.HIGH)
RESTORES: Final = Rule("KP020", "The organization cannot restore from KMS-B copies by itself", Severity.MEDIUM)
OWNER_COPIES: Final = Rule("KP021", "Account-B can copy from KMS-B copies", Severity.HIGH)

COPY_RULES: Final = (COPY, DOCUMENTED, LOCKED, RESTORES, OWNER_COPIES)

DOCUMENTED_ACTIONS: Final = ("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
"""What AWS documents for a copy beside what was seen to be evaluated (aws 2.1, 2.2)."""


def judge_copying(case: PolicyCase) -> Iterator[Finding]:
    """Judge whether copies work; a key whose windows runs open has to be locked instead."""
    answer = questions.can_organization_copy(case.policies, case.around)
    standing = questions.can_organization_copy(case.standing, case.around)
    is_locked = _is_locked(case, standing)
    if case.window_managed:
        yield _judge_locked(case, standing)
        yield COPY.finding(Verdict.NOT_APPLICABLE, case.subject, "its window is opened by the runs themselves")
    else:
        yield LOCKED.finding(Verdict.NOT_APPLICABLE, case.subject, "its window is not managed")
        yield _judge_open(case, answer, is_locked=is_locked)
    yield from _judge_documented(case, answer)
    if is_locked:
        yield _judge_restores(case)
    owner = questions.can_owner_copy_from(case.policies, case.around)
    yield wrong_if_no(OWNER_COPIES, case, owner, "Keep the root statement, and deny Account-B no kms:CreateGrant.")


def _is_locked(case: PolicyCase, standing: QuestionAnswer) -> bool:
    """Whether the organization can look at the key, as sharing needs (aws 1.10), and no role of it can copy."""
    look = questions.can_organization_do(case.standing, case.around, questions.DESCRIBE)
    use = [
        questions.can_organization_do(case.standing, case.around, action)
        for action in questions.COPY
        if action != questions.DESCRIBE
    ]
    unusable = any(each.answer is Answer.NO for each in use) and all(each.answer is not Answer.YES for each in use)
    return standing.answer is Answer.NO and look.answer is Answer.YES and unusable


def _judge_locked(case: PolicyCase, standing: QuestionAnswer) -> Finding:
    remedy = (
        f"Remove {', '.join(standing.statements) or 'the statements that allow it'} from the standing policy: "
        "airflow snapshot-dr policy show kms-b-locked"
    )
    return wrong_if_yes(LOCKED, case, standing, remedy)


def _judge_open(case: PolicyCase, answer: QuestionAnswer, *, is_locked: bool) -> Finding:
    if answer.answer is Answer.NO and is_locked:
        why = "it is locked: copies work only while a run has opened it, so kms_b_window has to be per_run"
        return COPY.finding(Verdict.FAIL, case.subject, why, case.least_privilege, severity=Severity.LOW)
    remedy = case.least_privilege
    if answer.answer is Answer.UNDECIDED and case.around.role_name is None:
        remedy = f"If a condition names the role, say which one copies (--role NAME). {remedy}"
    return wrong_if_no(COPY, case, answer, remedy)


def _judge_documented(case: PolicyCase, answer: QuestionAnswer) -> Iterator[Finding]:
    if answer.answer is Answer.NO:
        yield DOCUMENTED.finding(Verdict.NOT_APPLICABLE, case.subject, "no copy works under it")
        return
    replies = {a: questions.can_organization_do(case.policies, case.around, a) for a in DOCUMENTED_ACTIONS}
    missing = [action for action, reply in replies.items() if reply.answer is Answer.NO]
    if not missing:
        yield DOCUMENTED.finding(Verdict.PASS, case.subject)
        return
    why = (
        f"{', '.join(missing)} is not allowed. Copies were seen to work without it, which AWS does not promise: "
        "it documents the whole list"
    )
    yield DOCUMENTED.finding(Verdict.FAIL, case.subject, why, case.least_privilege)


def _judge_restores(case: PolicyCase) -> Finding:
    """Look for a way to grant a locked key: enough to restore, and to copy where an earlier copy is (aws 2.2)."""
    grant = questions.can_anybody_of_organization(case.standing, case.around, "kms:CreateGrant")
    remedy = (
        "If accounts of the organization are to restore from KMS-B copies, this is what it takes; a role that may do "
        "so may also copy wherever an earlier copy under the key exists. Else remove the statement."
    )
    return wrong_if_yes(RESTORES, case, grant, remedy)
