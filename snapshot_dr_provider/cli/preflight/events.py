"""Check the queues by which EventBridge tells of new snapshots."""

from __future__ import annotations

from collections.abc import Iterator

from snapshot_dr_provider.cli.preflight.answers import refused
from snapshot_dr_provider.domain.preflight import Check, Kind, Outcome
from snapshot_dr_provider.exceptions import AccessDeniedError, SnapshotDrError
from snapshot_dr_provider.hooks.event_queue import EventQueueHook, event_queue
from snapshot_dr_provider.settings.model import Events


def check_events(events: Events) -> Iterator[Check]:
    """Check that both queues are there; whether rules fill the first one, only an event shows."""
    hook = event_queue(events)
    try:
        hook.sign_in()
    except SnapshotDrError as error:
        yield refused(Kind.SIGN_IN, events.queue_url, error)
        return
    yield _check_queue(hook, events.queue_url)
    yield _check_queue(hook, events.dead_letter_queue_url, set_aside=True)


def _check_queue(hook: EventQueueHook, url: str, *, set_aside: bool = False) -> Check:
    try:
        waiting = hook.waiting(url)
    except AccessDeniedError as error:
        # The trigger does without: it is no proof that it cannot work.
        remedy = "Allow sqs:GetQueueAttributes, or see by an event whether the queue is read."
        return Check(Kind.EVENT_QUEUE, url, Outcome.UNKNOWN, str(error), remedy)
    except SnapshotDrError as error:
        return refused(Kind.EVENT_QUEUE, url, error, "Create the queue, or correct its URL in the settings file.")
    if set_aside and waiting:
        detail = f"about {waiting} messages were set aside as no events"
        return Check(Kind.EVENT_QUEUE, url, Outcome.WARNING, detail, "Read them; each has the reason as an attribute.")
    return Check(Kind.EVENT_QUEUE, url, Outcome.OK, f"is there; about {waiting} messages wait")
