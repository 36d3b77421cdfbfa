"""
The trigger of an ``AssetWatcher``: EventBridge's news of new snapshots, from an SQS queue.

No message is deleted before Airflow has the event that was made of it in its database. Airflow 3.3 tells its triggers
so in the shared-stream mode (``airflow.triggers.shared_stream``): one producer reads the queue, each batch of messages
that it yields becomes one event, and ``advance`` is called with the batch once the event is stored. A triggerer that
is killed before that has deleted nothing: SQS gives the messages again when they are no longer hidden. So news comes
at least once, and sometimes twice; a run that finds its snapshots copied copies nothing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

# New in 3.3, and in no page of its documentation. Not in _compat, which every DAG file imports.
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from snapshot_dr_provider.domain.events import CreatedSnapshot, Ignored, batches, read_message
from snapshot_dr_provider.exceptions import ConfigurationError, MalformedEventError, SnapshotDrError
from snapshot_dr_provider.hooks.event_queue import EventQueueHook, Message, event_queue
from snapshot_dr_provider.settings import configured_settings_path, load_settings
from snapshot_dr_provider.triggers.clock import current_clock
from snapshot_dr_provider.triggers.threads import in_thread

SNAPSHOTS: Final = "snapshots"
"""Key of an event's payload under which its batches stand, each as JSON (:class:`~..domain.events.EventBatch`)."""

MAX_MESSAGES: Final = 1000
"""Messages of one event: some 30 kB of snapshot ids."""

MAX_GATHERING: Final = timedelta(seconds=10)
"""Time after which an event is made of what there is, though the queue is not empty yet."""

log = logging.getLogger(__name__)


class SnapshotEventsTrigger(BaseEventTrigger):
    """
    Fire for new snapshots that EventBridge tells of, many of them with one event.

    The queue is the one that the settings file names under ``events``. What is no news of a new snapshot is deleted,
    with the reason in the log at DEBUG; what cannot be read goes to the dead-letter queue with the reason first.

    Whatever fails, be it the settings file, a permission or SQS itself, is logged and tried again: the trigger goes on
    as long as its asset is watched. Airflow only runs it for a DAG that is not paused.

    :param settings_path: path of the settings file; without it that of Airflow's configuration.
    :param wait_seconds: how long SQS waits for a message in one call, at most 20.
    :param hide_seconds: how long messages are hidden from other readers while their event is stored. It is also how
        long news waits after its triggerer was killed.
    :param retry_seconds: pause after a failure.

    The event's payload is ``{"snapshots": [batch, ...]}``, one batch for each account and Region.
    """

    def __init__(
        self,
        *,
        settings_path: str | None = None,
        wait_seconds: int = 10,
        hide_seconds: int = 120,
        retry_seconds: float = 30.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow has not annotated it
        self.settings_path = settings_path
        self.wait_seconds = wait_seconds
        self.hide_seconds = hide_seconds
        self.retry_seconds = retry_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Name the class and its arguments."""
        names = ("settings_path", "wait_seconds", "hide_seconds", "retry_seconds")
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable:
        """Let all that read the same queue share one reader, which each of them gets all news from."""
        return ("snapshot-dr-events", self.settings_path)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Make the reader of the queue; it is opened with the first look."""
        return EventQueueReader(**kwargs)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Make an event of each batch of messages."""
        async for found in shared_stream:
            yield TriggerEvent({SNAPSHOTS: found})

    def run(self) -> AsyncIterator[TriggerEvent]:
        """
        Refuse to run alone: nothing would say when a message may be deleted.

        :raises ConfigurationError: always.
        """
        msg = (
            f"{type(self).__name__} runs in the shared-stream mode of Airflow's triggerer alone, which says when an "
            "event is stored. Use it as the trigger of an AssetWatcher."
        )
        raise ConfigurationError(msg)


@dataclass(slots=True)
class Gathered:
    """
    Collect what one event is made of.

    :param messages: those that tell of new snapshots; deleted once the event is stored.
    """

    messages: list[Message] = field(default_factory=list)
    snapshots: list[CreatedSnapshot] = field(default_factory=list)


class EventQueueReader(SharedStreamProducer):
    """
    Read the queue for one group of triggers.

    For the arguments see :class:`SnapshotEventsTrigger`.
    """

    def __init__(
        self, *, settings_path: str | None, wait_seconds: int, hide_seconds: int, retry_seconds: float
    ) -> None:
        self._settings_path = settings_path
        self._wait_seconds = wait_seconds
        self._hide_seconds = hide_seconds
        self._retry_seconds = retry_seconds
        self._opened: EventQueueHook | None = None
        self._number = 0

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        """Yield for ever: the batches of an event, as JSON, with the messages that they were made of."""
        while True:
            gathered = Gathered()
            failure = await self._try_to_gather(gathered)
            if gathered.snapshots:
                found = batches(gathered.snapshots)
                log.info(
                    "%d messages tell of %d new snapshots in %d accounts and Regions",
                    len(gathered.messages),
                    sum(len(batch.snapshot_ids) for batch in found),
                    len(found),
                )
                self._number += 1
                yield [batch.to_json() for batch in found], (self._number, tuple(gathered.messages))
            if failure is not None:
                log.error("%s; trying again in %g seconds", failure, self._retry_seconds)
                await current_clock().sleep(self._retry_seconds)

    def get_advance_lane(self, broker_payload: Any) -> Hashable:
        """Let no event wait for another one: SQS deletes messages in any order."""
        number: int = broker_payload[0]
        return number

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Delete the messages of events that are stored, and leave those of others to come again."""
        for item in batch:
            _, messages = item.broker_payload
            if not item.outcome.is_clean:
                log.warning("%d messages stay in the queue: Airflow has not stored their event", len(messages))
                continue
            try:
                await in_thread((await self._queue()).delete, messages)
            except SnapshotDrError as error:
                # Raising would end the stream for all. They come again, and the run that they start copies nothing.
                log.warning("%s; they come again", error)

    async def _try_to_gather(self, gathered: Gathered) -> SnapshotDrError | None:
        """Gather until the queue has no more, and give back what has put an end to it."""
        try:
            await self._gather(await self._queue(), gathered)
        except SnapshotDrError as error:
            # A connection, a setting or a role that is mended is read anew.
            self._opened = None
            return error
        return None

    async def _gather(self, queue: EventQueueHook, gathered: Gathered) -> None:
        clock = current_clock()
        received = await in_thread(queue.receive, wait_seconds=self._wait_seconds, hide_seconds=self._hide_seconds)
        end = clock.now() + MAX_GATHERING
        while received:
            await _sort(queue, received, gathered)
            if len(gathered.messages) >= MAX_MESSAGES or clock.now() >= end:
                return
            received = await in_thread(queue.receive, wait_seconds=0, hide_seconds=self._hide_seconds)

    async def _queue(self) -> EventQueueHook:
        """
        Open the queue that the settings name.

        :raises ConfigurationError: when they name none, or cannot be read.
        """
        if self._opened is None:
            self._opened = await in_thread(_open, self._settings_path)
        return self._opened


async def _sort(queue: EventQueueHook, received: Sequence[Message], gathered: Gathered) -> None:
    """Keep the news; delete what is none, and set aside what cannot be read."""
    of_no_use: list[Message] = []
    unreadable: list[tuple[Message, str]] = []
    for message in received:
        try:
            found = read_message(message.body)
        except MalformedEventError as error:
            unreadable.append((message, str(error)))
            continue
        if isinstance(found, Ignored):
            log.debug("message %s is ignored: %s", message.message_id, found.reason)
            of_no_use.append(message)
        else:
            gathered.messages.append(message)
            gathered.snapshots += found
    for message, reason in unreadable:
        await in_thread(queue.set_aside, message, reason)
    if of_no_use:
        await in_thread(queue.delete, of_no_use)


def _open(settings_path: str | None) -> EventQueueHook:
    path = settings_path or configured_settings_path()
    events = load_settings(path).events
    if events is None:
        msg = (
            f"The settings file {path} has no events, so that there is no queue to read. Add events.queue_url, "
            "events.dead_letter_queue_url and events.aws_conn_id (docs/events.md), or pause the DAG that listens."
        )
        raise ConfigurationError(msg)
    return event_queue(events)
