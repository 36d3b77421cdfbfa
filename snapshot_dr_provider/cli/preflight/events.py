"""Check the queues by which EventBridge tells of new snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from snapshot_dr_provider.cli.preflight.answers import refused
from snapshot_dr_provider.domain.key_policy.evaluation import UNKNOWN, Caller, Request, evaluate
from snapshot_dr_provider.domain.key_policy.findings import Answer
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.domain.preflight import Check, Kind, Outcome
from snapshot_dr_provider.exceptions import AccessDeniedError, SnapshotDrError
from snapshot_dr_provider.hooks.event_queue import EventQueueHook, QueueView, event_queue
from snapshot_dr_provider.settings.model import Events

_EVENTBRIDGE: Final = "events.amazonaws.com"
_OF_THE_RULE: Final = {"aws:SourceArn": UNKNOWN, "aws:SourceAccount": UNKNOWN, "aws:SourceOrgID": UNKNOWN}
"""What a request of EventBridge says of its rule, whose name the settings do not know."""


def check_events(events: Events) -> Iterator[Check]:
    """Check that both queues are there and the first may be filled; whether rules do fill it, only an event shows."""
    hook = event_queue(events)
    try:
        hook.sign_in()
    except SnapshotDrError as error:
        yield refused(Kind.SIGN_IN, events.queue_url, error)
        return
    yield from _check_queue(hook, events.queue_url)
    yield from _check_queue(hook, events.dead_letter_queue_url, set_aside=True)


def _check_queue(hook: EventQueueHook, url: str, *, set_aside: bool = False) -> Iterator[Check]:
    try:
        queue = hook.look_at(url)
    except AccessDeniedError as error:
        # The trigger does without: it is no proof that it cannot work.
        remedy = "Allow sqs:GetQueueAttributes, or see by an event whether the queue is read."
        yield Check(Kind.EVENT_QUEUE, url, Outcome.UNKNOWN, str(error), remedy)
    except SnapshotDrError as error:
        yield refused(Kind.EVENT_QUEUE, url, error, "Create the queue, or correct its URL in the settings file.")
    else:
        if set_aside and queue.waiting:
            detail = f"about {queue.waiting} messages were set aside as no events"
            remedy = "Read them; each has the reason as an attribute."
            yield Check(Kind.EVENT_QUEUE, url, Outcome.WARNING, detail, remedy)
        else:
            yield Check(Kind.EVENT_QUEUE, url, Outcome.OK, f"is there; about {queue.waiting} messages wait")
        if not set_aside:
            yield _check_policy(url, queue)


def _check_policy(url: str, queue: QueueView) -> Check:
    """Check that EventBridge may fill the queue: what it may not deliver, it tells nobody."""
    statement = {
        "Sid": "RuleFillsQueue",
        "Effect": "Allow",
        "Principal": {"Service": _EVENTBRIDGE},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
    }
    remedy = f"Add to its policy, with a condition on aws:SourceArn of your rule: {json.dumps(statement)}"
    if not queue.policy:
        return Check(Kind.QUEUE_POLICY, url, Outcome.FAILED, "the queue has no policy", remedy)
    try:
        policy = parse_policy(queue.policy)
    except SnapshotDrError as error:
        return refused(Kind.QUEUE_POLICY, url, error, remedy)
    decision = evaluate([policy], Request(Caller(service=_EVENTBRIDGE), "sqs:SendMessage", queue.arn, _OF_THE_RULE))
    if decision.answer is Answer.NO:
        detail = f"its policy does not let {_EVENTBRIDGE} send"
        return Check(Kind.QUEUE_POLICY, url, Outcome.FAILED, detail, remedy)
    detail = f"{_EVENTBRIDGE} may send, if the conditions name your rule"
    return Check(Kind.QUEUE_POLICY, url, Outcome.OK, detail)
