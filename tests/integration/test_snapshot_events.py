"""The trigger that listens to EventBridge, run by the part of Airflow's triggerer that does so, on a queue."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from airflow.triggers.shared_stream import SharedStreamManager

from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.hooks.event_queue import EventQueueHook
from snapshot_dr_provider.sandbox.world import User
from snapshot_dr_provider.triggers.snapshot_events import SnapshotEventsTrigger
from tests import worlds
from tests.event_queues import DEAD, EVENTS, QUEUE, EventQueues, created
from tests.harness.tasks import trigger_of

ONE, TWO = worlds.account_id(1), worlds.account_id(2)
SNAPSHOT = "snap-0123456789abcdef0"
TRIGGER_ID = 1
PATIENCE_SECONDS = 60.0


@pytest.fixture
def queues(enter: Any) -> EventQueues:
    """Start a sandbox with two accounts whose new snapshots EventBridge tells of."""
    return EventQueues(enter(worlds.world(2, 1)), (ONE, TWO))


@pytest.fixture
def settings(tmp_path: Any) -> Callable[..., str]:
    """Write the settings file, with other events where they are given, and answer its path."""

    def write(**changes: Any) -> str:
        events = {**EVENTS, **changes}
        return worlds.write_settings(tmp_path / "dr.yaml", worlds.settings(worlds.world(2, 1), events=events))

    return write


def trigger(path: str, **changes: Any) -> SnapshotEventsTrigger:
    """Make the trigger as a triggerer does, from what is in the database."""
    quick = {"wait_seconds": 0, "hide_seconds": 30, "retry_seconds": 0.1, **changes}
    made = trigger_of(json.dumps(SnapshotEventsTrigger(settings_path=path, **quick).serialize()))
    assert isinstance(made, SnapshotEventsTrigger)
    return made


def watch(
    watcher: SnapshotEventsTrigger, until: Callable[[list[Any]], object], *, is_stored: bool = True
) -> list[list[dict[str, Any]]]:
    """
    Run a trigger as the triggerer does, and give the batches of each of its events.

    :param until: is asked in a thread whether that is enough.
    :param is_stored: whether the database takes the events.
    """
    events: list[list[dict[str, Any]]] = []

    async def run() -> None:
        manager = SharedStreamManager(ack_timeout=PATIENCE_SECONDS)
        key = watcher.shared_stream_key()
        unconfirmed: list[int] = []

        async def consume() -> None:
            stream = manager.subscribe(trigger_id=TRIGGER_ID, trigger=watcher, key=key)
            async for event in watcher.filter_shared_stream(stream):
                events.append(json.loads(json.dumps(event.payload))["snapshots"])
                seq = manager.bind_pending_event(trigger_id=TRIGGER_ID, key=key)
                assert seq is not None
                unconfirmed.append(seq)

        consumer = asyncio.create_task(consume())
        while not await asyncio.to_thread(until, events):
            assert not consumer.done(), consumer.exception()
            await asyncio.sleep(0.02)
            if is_stored:
                manager.confirm_persisted(unconfirmed)
                unconfirmed.clear()
        consumer.cancel()
        with suppress(asyncio.CancelledError):
            await consumer
        await manager.unsubscribe(TRIGGER_ID, key)
        await manager.stop_all()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS))
    return events


def named(events: list[list[dict[str, Any]]]) -> set[tuple[str, str]]:
    """Name the snapshots of events by account."""
    return {(batch["account_id"], each) for event in events for batch in event for each in batch["snapshot_ids"]}


def test_a_snapshot_is_told_of_by_rule_bus_queue_and_trigger(queues: EventQueues, settings: Callable[..., str]):
    """CreateSnapshot in an Org-A account becomes an event that names it, and its message is deleted then."""
    snapshot_id = queues.create_snapshot(ONE)
    events = watch(trigger(settings()), lambda found: found and queues.counts() == (0, 0))
    (batch,) = events[0]
    assert (batch["account_id"], batch["region"], batch["snapshot_ids"]) == (ONE, worlds.REGION, [snapshot_id])
    assert len(events) == 1
    assert queues.set_aside() == []


def test_no_message_is_deleted_before_its_event_is_stored(queues: EventQueues, settings: Callable[..., str]):
    """As long as the database has not taken an event its message stays, and another triggerer gets it later."""
    queues.send(created(ONE, SNAPSHOT))
    first = watch(trigger(settings(), hide_seconds=1), lambda found: found, is_stored=False)
    assert sum(queues.counts()) == 1
    second = watch(trigger(settings()), lambda found: found and queues.counts() == (0, 0))
    assert named(first) == named(second) == {(ONE, SNAPSHOT)}


def test_what_is_no_news_is_deleted_and_what_cannot_be_read_is_set_aside(
    queues: EventQueues, settings: Callable[..., str]
):
    """Copies start nothing and are deleted; a malformed message lies in the dead-letter queue with its reason."""
    malformed = created("12345678901", SNAPSHOT)
    queues.send(created(ONE, SNAPSHOT, event="copySnapshot"), created(ONE, SNAPSHOT, result="failed"), malformed, "{}")
    events = watch(trigger(settings()), lambda _: queues.counts() == (0, 0) and queues.counts(DEAD)[0] == 2)
    assert events == []
    reasons = dict(queues.set_aside())
    assert reasons[malformed] == "account is '12345678901', not a 12-digit account id in quotes"
    assert "source is missing" in reasons["{}"]


@pytest.mark.slow
def test_a_burst_becomes_few_events(queues: EventQueues, settings: Callable[..., str], capsys: pytest.CaptureFixture):
    """1,000 messages, repeated, in any order and 1 % of them malformed, become at most ten events of all snapshots."""
    order = random.Random(7)
    ids = [f"snap-{number:017x}" for number in range(500)]
    bodies = [created(order.choice((ONE, TWO)), each) for each in ids]
    expected = {(json.loads(body)["account"], each) for body, each in zip(bodies, ids, strict=True)}
    malformed = [f"malformed {number}" for number in range(10)]
    burst = [*bodies, *order.choices(bodies, k=490), *malformed]
    order.shuffle(burst)
    queues.send(*burst)
    events = watch(trigger(settings()), lambda found: found and queues.counts() == (0, 0))
    assert named(events) == expected
    assert sorted(body for body, _ in queues.set_aside()) == sorted(malformed)
    assert len(events) <= 10
    with capsys.disabled():
        print(f"\n1,000 messages became {len(events)} events of {len(expected)} snapshots")  # noqa: T201


STRANGER = {"queue_url": QUEUE.replace("1000", "2000"), "dead_letter_queue_url": DEAD.replace("1000", "2000")}


@pytest.mark.parametrize(
    ("broken", "answer"),
    [
        ({"aws_conn_id": "no_such"}, "the Airflow connection 'no_such' does not exist"),
        (STRANGER, "has credentials of account 100000000000, but account 200000000000 was expected"),
        ({"queue_url": f"{QUEUE}-gone"}, "NonExistentQueue"),
        ({"role_arn": f"arn:aws:iam::{worlds.TOOLING}:role/NoSuchRole"}, "NoSuchRole"),
        ({"queue_url": "dr"}, "is not the URL of an SQS queue"),
    ],
)
def test_what_is_mended_is_read_anew(
    queues: EventQueues, settings: Callable[..., str], caplog: pytest.LogCaptureFixture, broken: Any, answer: str
):
    """Whatever keeps the trigger from its queue is logged and tried again; nothing is lost meanwhile."""
    queues.send(created(ONE, SNAPSHOT))
    path = settings(**broken)
    with caplog.at_level(logging.ERROR):
        watch(trigger(path), lambda _: answer in caplog.text)
    assert "trying again in 0.1 seconds" in caplog.text
    assert queues.counts() == (1, 0)

    def is_done(found: list[Any]) -> bool:
        settings()
        return bool(found) and queues.counts() == (0, 0)

    assert named(watch(trigger(path), is_done)) == {(ONE, SNAPSHOT)}


def test_settings_without_events_say_what_to_add(tmp_path: Any, enter: Any, caplog: pytest.LogCaptureFixture):
    """Where the settings name no queue the log says which settings there have to be."""
    enter(worlds.world(1, 1))
    path = worlds.write_settings(tmp_path / "dr.yaml", worlds.settings(worlds.world(1, 1)))
    with caplog.at_level(logging.ERROR):
        watch(trigger(path), lambda _: "has no events" in caplog.text)
    assert "Add events.queue_url" in caplog.text


def test_news_comes_through_though_nothing_can_be_set_aside(
    queues: EventQueues, settings: Callable[..., str], caplog: pytest.LogCaptureFixture
):
    """Without the dead-letter queue malformed messages stay where they are, and hold up no others."""
    queues.send("malformed", created(ONE, SNAPSHOT))
    path = settings(dead_letter_queue_url=f"{DEAD}-gone")
    with caplog.at_level(logging.ERROR):
        events = watch(trigger(path), lambda found: found and sum(queues.counts()) == 1)
    assert named(events) == {(ONE, SNAPSHOT)}
    assert "could not send a message to" in caplog.text


def test_the_declared_permissions_are_enough(enter: Any, settings: Callable[..., str], monkeypatch: pytest.MonkeyPatch):
    """Whoever may only do what the hook declares can listen, and the docs name just that."""
    page = (worlds.EXAMPLES.parent / "events.md").read_text(encoding="utf-8")
    assert [action for action in EventQueueHook.permissions if f"`{action}`" not in page] == []
    statement = {"Effect": "Allow", "Action": list(EventQueueHook.permissions), "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    reader = User(worlds.TOOLING, "reader", "AKIAREADER0000000000", "secret-of-reader", (policy,))
    world = worlds.world(2, 1)
    queues = EventQueues(enter(replace(world, users=(*world.users, reader))), (ONE,))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_READER", f"aws://{reader.access_key_id}:{reader.secret_access_key}@/")
    queues.send(created(ONE, SNAPSHOT), "malformed")
    path = settings(aws_conn_id="aws_reader")
    assert named(watch(trigger(path), lambda found: found and queues.counts() == (0, 0))) == {(ONE, SNAPSHOT)}
    assert len(queues.set_aside()) == 1


def test_it_does_not_run_alone(settings: Callable[..., str]):
    """Outside of the shared-stream mode, where nothing would say when to delete, the trigger refuses to run."""
    with pytest.raises(ConfigurationError, match="AssetWatcher"):
        trigger(settings()).run()
