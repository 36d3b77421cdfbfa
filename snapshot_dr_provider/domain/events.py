"""
What EventBridge tells of new snapshots: one message of a queue in, account, Region and snapshot ids out.

Nothing is lost by leaving a message out: the daily run looks for itself. So only what is certainly the news of a new
snapshot counts, all other news is ignored with its reason, and what cannot be read as news at all is refused with its
reason, so that somebody can look at it.

Account and Region are those of the envelope. The ARNs in the detail have the Region in the account's place, and AWS's
own example names another Region there than in the envelope (aws 6.2, 6.6). No truth values are read: AWS writes them
as texts, and once wrote their names otherwise (aws 6.4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from snapshot_dr_provider.exceptions import MalformedEventError

SOURCE: Final = "aws.ec2"
DETAIL_TYPES: Final = ("EBS Snapshot Notification", "EBS Multi-Volume Snapshots Completion Status")
"""Detail types of createSnapshot and of createSnapshots (aws 6.1)."""

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,2}-[0-9]{1,2}")
_SNAPSHOT_ID: Final = r"snap-[0-9a-f]{8}(?:[0-9a-f]{9})?"
_ARN: Final = re.compile(rf"(?:arn:aws[a-z-]*:ec2:[a-z0-9-]*:[a-z0-9-]*:snapshot/)?(?P<id>{_SNAPSHOT_ID})")
_ID: Final = re.compile(_SNAPSHOT_ID)
_SHOWN: Final = 60

_OTHER_NEWS: Final[Mapping[str, str]] = {
    "copySnapshot": "a copy: copies start no copies",
    "shareSnapshot": "a share: hop 2 follows its own run and waits for no share",
}
"""Why an event is ignored, by its name; of the others the name says it."""

_Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CreatedSnapshot:
    """
    Name a snapshot whose creation has succeeded.

    :param account_id: 12-digit id of its owner.
    :param start_time: when its creation began, UTC.
    """

    account_id: str
    region: str
    snapshot_id: str
    start_time: datetime


@dataclass(frozen=True, slots=True)
class Ignored:
    """Say why a message is no news of a new snapshot."""

    reason: str


@dataclass(frozen=True, slots=True)
class EventBatch:
    """
    Name new snapshots of one account and Region.

    :param snapshot_ids: each once, in order.
    :param oldest: start time of the first of them, UTC.
    :param newest: that of the last one.
    """

    account_id: str
    region: str
    snapshot_ids: tuple[str, ...]
    oldest: datetime
    newest: datetime

    def to_json(self) -> dict[str, object]:
        """Write the batch as JSON primitives, the moments in ISO 8601."""
        return {
            "account_id": self.account_id,
            "region": self.region,
            "snapshot_ids": list(self.snapshot_ids),
            "oldest": self.oldest.isoformat(),
            "newest": self.newest.isoformat(),
        }

    @classmethod
    def from_json(cls, value: object) -> EventBatch:
        """
        Read a batch written by :meth:`to_json`; it may have been written by a person.

        :raises MalformedEventError: when it is none.
        """
        batch = _mapping(value, "a batch of events")
        ids = batch.get("snapshot_ids")
        if not isinstance(ids, list) or not ids:
            raise MalformedEventError(f"snapshot_ids is {_shown(ids)}, not a list of snapshot ids")
        return cls(
            account_id=_matching(batch, "account_id", _ACCOUNT_ID, "a 12-digit account id"),
            region=_matching(batch, "region", _REGION, "a Region"),
            snapshot_ids=tuple(sorted({_snapshot_id(each, _ID) for each in ids})),
            oldest=_moment(batch, "oldest"),
            newest=_moment(batch, "newest"),
        )


def read_message(body: str | bytes) -> tuple[CreatedSnapshot, ...] | Ignored:
    """
    Read the body of a message that an EventBridge rule has put into a queue.

    :returns: the new snapshots, at least one, or why the message names none.
    :raises MalformedEventError: when the message is no such event, or one that says what cannot be.
    """
    event = _parse(body)
    for name in ("source", "detail-type"):
        _text(event, name, "Let the rule send the event as it is: no input transformer, no SNS topic in between")
    if event["source"] != SOURCE or event["detail-type"] not in DETAIL_TYPES:
        return Ignored(f"an event {_shown(event['detail-type'])} of {_shown(event['source'])}")
    detail = _mapping(event.get("detail"), "detail")
    name = _text(detail, "event")
    if name not in ("createSnapshot", "createSnapshots"):
        return Ignored(_OTHER_NEWS.get(name, f"the event {_shown(name)}"))
    result = _text(detail, "result")
    if result == "failed":
        return Ignored(f"the creation failed: {_shown(detail.get('cause'))}")
    if result != "succeeded":
        raise MalformedEventError(f"result is {_shown(result)}, neither 'succeeded' nor 'failed'")
    account_id = _matching(event, "account", _ACCOUNT_ID, "a 12-digit account id in quotes")
    region = _matching(event, "region", _REGION, "a Region")
    # A detail without it still names its snapshots.
    started = _moment(detail, "startTime") if detail.get("startTime") else _moment(event, "time")
    ids = tuple(dict.fromkeys(_created(detail, name)))
    return tuple(CreatedSnapshot(account_id, region, each, started) for each in ids)


def batches(snapshots: Iterable[CreatedSnapshot]) -> tuple[EventBatch, ...]:
    """Gather snapshots by account and Region, each once, in order."""
    return merged(
        EventBatch(each.account_id, each.region, (each.snapshot_id,), each.start_time, each.start_time)
        for each in snapshots
    )


def merged(several: Iterable[EventBatch]) -> tuple[EventBatch, ...]:
    """Join batches, so that there is one for each account and Region."""
    places: dict[tuple[str, str], list[EventBatch]] = {}
    for batch in several:
        places.setdefault((batch.account_id, batch.region), []).append(batch)
    return tuple(
        EventBatch(
            account_id,
            region,
            tuple(sorted({each for batch in found for each in batch.snapshot_ids})),
            min(batch.oldest for batch in found),
            max(batch.newest for batch in found),
        )
        for (account_id, region), found in sorted(places.items())
    )


def _created(detail: _Json, name: str) -> Iterator[str]:
    """Name the snapshots of a creation; of a multi-volume set those that are completed (aws 6.3)."""
    if name == "createSnapshot":
        yield _snapshot_id(detail.get("snapshot_id"), _ARN)
        return
    members = detail.get("snapshots")
    if not isinstance(members, list) or not members:
        raise MalformedEventError(f"snapshots is {_shown(members)}, not a list of snapshots")
    for member in members:
        each = _mapping(member, "a member of snapshots")
        snapshot_id, status = _snapshot_id(each.get("snapshot_id"), _ARN), _text(each, "status")
        if status != "completed":
            raise MalformedEventError(f"{snapshot_id} is {_shown(status)} in a set that is said to have succeeded")
        yield snapshot_id


def _parse(body: str | bytes) -> _Json:
    try:
        # By hand: json.loads guesses at UTF-16 and UTF-32 where it is given bytes.
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise MalformedEventError("the message is nested too deeply to be an event") from error
    except ValueError as error:
        # Also what is not UTF-8, and numbers with more digits than Python reads.
        raise MalformedEventError(f"the message is not JSON: {error}") from error
    return _mapping(value, "the message")


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise MalformedEventError(f"{_shown(twice)} is there twice, and only one of them can be true")
    return found


def _refuse_constant(name: str) -> object:
    raise MalformedEventError(f"the message is not JSON: it has {name} in it")


def _mapping(value: object, what: str) -> _Json:
    if not isinstance(value, dict):
        raise MalformedEventError(f"{what} is {_shown(value)}, not a JSON object")
    return value


def _text(section: _Json, name: str, remedy: str = "") -> str:
    value = section.get(name)
    if not isinstance(value, str):
        found = f"is {_shown(value)}, not a text" if name in section else "is missing"
        raise MalformedEventError(f"{name} {found}{'. ' if remedy else ''}{remedy}")
    return value


def _matching(section: _Json, name: str, pattern: re.Pattern[str], expected: str) -> str:
    value = section.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MalformedEventError(f"{name} is {_shown(value)}, not {expected}")
    return value


def _snapshot_id(value: object, pattern: re.Pattern[str]) -> str:
    match = pattern.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise MalformedEventError(f"{_shown(value)} names no snapshot: snap- and 8 or 17 digits of 0-9a-f, or its ARN")
    return match["id"] if "id" in pattern.groupindex else match[0]


def _moment(section: _Json, name: str) -> datetime:
    value = section.get(name)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        # The second: a moment that lies in no year of UTC.
        raise MalformedEventError(f"{name} is {_shown(value)}, not a moment: {error}") from error
    raise MalformedEventError(f"{name} is {_shown(value)}, not a moment with its time zone, as 2026-03-10T12:00:00Z")


def _shown(value: object) -> str:
    """Show what was found, no more of it than a log line bears."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list" if value else "an empty list"
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
