"""
Search for somebody whom policies allow something, or for somebody whom they do not.

*Yes* names who was found. *No* needs an example of every kind of request that the policies can tell apart, and all else
is *undecided*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from snapshot_dr_provider.domain.key_policy.evaluation import ContextValue, Decision, Request, evaluate
from snapshot_dr_provider.domain.key_policy.facts import Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.patterns import matches_pattern
from snapshot_dr_provider.domain.key_policy.policy import Policy, Statement
from snapshot_dr_provider.domain.key_policy.scenes import GRANT_OPERATIONS, ORGANIZATION_KEYS, Identity, Path, Stage
from snapshot_dr_provider.domain.key_policy.vocabulary import Vocabulary

MAX_WORK: Final = 40_000
"""Statements that are judged in one search; past that its answer stays undecided."""


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """
    Answer one question.

    :param statements: labels of the statements that decide it; empty when no statement does.
    :param why: who can do what, or why nobody can, or what is not known.
    :param some_can: of an undecided answer: whether it is *yes* for some and *no* for others.
    """

    answer: Answer
    statements: tuple[str, ...] = ()
    why: str = ""
    some_can: bool = False


Who = Callable[[Stage], Iterable[Identity]]
How = Callable[[Stage], Sequence[Path]]


def anybody(
    policies: Sequence[Policy], around: Surroundings, actions: Sequence[str], who: Who, how: How
) -> QuestionAnswer:
    """Look for anybody who is allowed any of the actions; one statement that allows at a time, with all that deny."""
    denials = [_only(each, [s for s in each.statements if s.effect == "Deny"]) for each in policies]
    doubt: QuestionAnswer | None = None
    allows = [(each, s) for each in policies for s in each.statements if s.effect == "Allow"]
    for policy, statement in allows:
        allowed = [action for action in actions if _is_about(statement, action)]
        alone = [_only(policy, [statement])]
        found = _look_for(alone, around, allowed, who, how)
        if found.answer is not Answer.NO:
            # Only now do the denials matter, and what they distinguish.
            found = _look_for([*alone, *denials], around, allowed, who, how)
        if found.answer is Answer.YES:
            return found
        if found.answer is Answer.UNDECIDED:
            doubt = doubt or found
    return doubt or QuestionAnswer(Answer.NO, why="no statement allows it to anybody of these")


def _look_for(
    policies: Sequence[Policy], around: Surroundings, actions: Sequence[str], who: Who, how: How
) -> QuestionAnswer:
    stage = Stage(Vocabulary(tuple(policies)), around)
    kinds = _kinds_of(actions, statements_of(policies))
    key_arn = _key_arn(policies, around)
    doubt: QuestionAnswer | None = None
    paths = how(stage)
    trials, most = 0, _most_trials(policies)
    asking = ((i, a) for i in who(stage) for a in kinds if _has_a_chance(policies, i, a, key_arn, stage))
    # A service that calls as itself is not called through another one.
    calls = ((i, a, p) for i, a in asking for p in paths if not (i.caller.service and p.via_service))
    for identity, action, path in calls:
        for context in stage.contexts(identity, path, action):
            trials += 1
            if trials > most:
                return doubt or _too_many(policies)
            decision = evaluate(policies, Request(identity.caller, action, key_arn, context))
            if decision.answer is Answer.NO or _is_outsiders_door(policies, identity, action, key_arn, context):
                continue
            found = _worded(decision, f"{identity.words} may {action} {path.words}")
            if decision.answer is Answer.YES:
                return found
            doubt = doubt or found
    if doubt is None and not stage.is_complete:
        return _too_intricate(policies)
    return doubt or QuestionAnswer(Answer.NO, why="nobody of these is allowed it")


def _has_a_chance(policies: Sequence[Policy], identity: Identity, action: str, key_arn: str, stage: Stage) -> bool:
    """Rule out at once who is refused whatever the rest of the request is like."""
    decision = evaluate(policies, Request(identity.caller, action, key_arn, stage.anything(identity)))
    return decision.answer is not Answer.NO


def _is_outsiders_door(
    policies: Sequence[Policy], identity: Identity, action: str, key_arn: str, context: Mapping[str, ContextValue]
) -> bool:
    """
    Whether an account that is written out gets in without being of the organization.

    It is then counted among those outside, and not once more among those of the organization.
    """
    if not identity.may_be_outside or identity.fixed["aws:principalorgid"] == [None]:
        return False
    outside = {key: value for key, value in context.items() if key not in ORGANIZATION_KEYS}
    answer = evaluate(policies, Request(identity.caller, action, key_arn, outside)).answer
    return answer is not Answer.NO


def everybody(
    policies: Sequence[Policy], around: Surroundings, action: str, who: Who, *, by_ec2: bool
) -> QuestionAnswer:
    """Ask whether all of some callers are allowed one action, in all circumstances."""
    relevant = [_only(policy, [s for s in policy.statements if _is_about(s, action)]) for policy in policies]
    stage = Stage(Vocabulary(tuple(relevant)), around)
    path = stage.ec2 if by_ec2 else Path()
    key_arn = _key_arn(relevant, around)
    seen: dict[Answer, QuestionAnswer] = {}
    trials, most = 0, _most_trials(relevant)
    for identity in who(stage):
        telling = _telling_contexts(relevant, stage, identity, path=path, action=action, key_arn=key_arn, by_ec2=by_ec2)
        for context in telling:
            trials += 1
            if trials > most:
                return _too_many(relevant)
            decision = evaluate(relevant, Request(identity.caller, action, key_arn, context))
            may = {Answer.YES: "may", Answer.NO: "may not", Answer.UNDECIDED: "perhaps may"}[decision.answer]
            if decision.answer not in seen:
                seen[decision.answer] = _worded(decision, f"{identity.words} {may} {action} {path.words}")
            if Answer.YES in seen and Answer.NO in seen:
                # Nothing that follows changes that only some qualify.
                return _put_together(seen, complete=True, policies=relevant)
    return _put_together(seen, complete=stage.is_complete, policies=relevant)


def _telling_contexts(
    policies: Sequence[Policy], stage: Stage, identity: Identity, *, path: Path, action: str, key_arn: str, by_ec2: bool
) -> Iterable[Mapping[str, ContextValue]]:
    """Fill what the policies ask for in every way that matters; in one only where the rest decides nothing."""
    anything = stage.anything(identity)
    decision = evaluate(policies, Request(identity.caller, action, key_arn, anything))
    if decision.answer is not Answer.UNDECIDED:
        return [anything]
    return stage.contexts(identity, path, action, by_ec2=by_ec2)


def _most_trials(policies: Sequence[Policy]) -> int:
    return MAX_WORK // max(1, sum(len(policy.statements) for policy in policies))


def _put_together(
    seen: Mapping[Answer, QuestionAnswer], *, complete: bool, policies: Sequence[Policy]
) -> QuestionAnswer:
    if len(seen) == 1 and Answer.UNDECIDED not in seen:
        return next(iter(seen.values())) if complete else _too_intricate(policies)
    if Answer.YES in seen and Answer.NO in seen:
        yes, no = seen[Answer.YES], seen[Answer.NO]
        labels = tuple(dict.fromkeys((*yes.statements, *no.statements)))
        return QuestionAnswer(Answer.UNDECIDED, labels, f"only some qualify: {yes.why}; {no.why}", some_can=True)
    return seen.get(Answer.UNDECIDED) or QuestionAnswer(Answer.NO, why="there is nobody to ask about")


def _worded(decision: Decision, words: str) -> QuestionAnswer:
    hint = ", as far as the statement is understood" if decision.answer is Answer.UNDECIDED else ""
    labels = tuple(dict.fromkeys(statement.label for statement in decision.statements))
    return QuestionAnswer(decision.answer, labels, words + hint)


def _too_many(policies: Sequence[Policy]) -> QuestionAnswer:
    return QuestionAnswer(
        Answer.UNDECIDED, _labels(policies), "its conditions distinguish more kinds of requests than are tried"
    )


def _too_intricate(policies: Sequence[Policy]) -> QuestionAnswer:
    why = "nobody was found, but its patterns, variables or networks leave cases that were not tried"
    return QuestionAnswer(Answer.UNDECIDED, _labels(policies), why)


def _labels(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s.label for s in statements_of(policies) if s.effect == "Allow"))[:5]


def _key_arn(policies: Sequence[Policy], around: Surroundings) -> str:
    """Name the key; where nobody has, it is the one that the policies write out as their resource."""
    place = f"arn:{around.partition}:kms:{around.region}:{around.dr_account_id}:key/"
    written = (text for s in statements_of(policies) for text in (*(s.resources or ()), *(s.not_resources or ())))
    return around.key_arn or next((text for text in written if text.startswith(place)), f"{place}any")


def _only(policy: Policy, statements: Sequence[Statement]) -> Policy:
    return replace(policy, statements=tuple(statements))


def statements_of(policies: Iterable[Policy]) -> Iterator[Statement]:
    """Go through the statements of all policies."""
    return (statement for policy in policies for statement in policy.statements)


def _is_about(statement: Statement, action: str) -> bool:
    """Whether a statement may be about an action; one that says what it is not about counts always."""
    return any(matches_pattern(pattern.lower(), action.lower()) for pattern in statement.actions or ()) or bool(
        statement.not_actions
    )


def _kinds_of(actions: Sequence[str], statements: Iterable[Statement]) -> list[str]:
    """Take one action of each kind that the statements tell apart."""
    patterns = {p.lower() for s in statements for p in (*(s.actions or ()), *(s.not_actions or ()))}
    kinds = {
        (action in GRANT_OPERATIONS, *sorted(p for p in patterns if matches_pattern(p, action.lower()))): action
        for action in reversed(actions)
    }
    return [action for action in actions if action in kinds.values()]
