"""Remember values together with the time from which they are seen, for reads that lag behind writes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


class Delayed(Generic[T]):
    """Hold the latest value of something and the values that are still seen until it takes effect."""

    __slots__ = ("_changes",)

    def __init__(self, value: T, since: datetime) -> None:
        self._changes: list[tuple[datetime, T]] = [(since, value)]

    @property
    def latest(self) -> T:
        """Return the value last written, whether it is seen yet or not."""
        return self._changes[-1][1]

    def set(self, value: T, seen_from: datetime) -> None:
        """Write *value*, to be seen from *seen_from* on."""
        self._changes.append((seen_from, value))

    def seen(self, now: datetime) -> T | None:
        """Return the value that a reader sees at *now*; ``None`` before the first one is seen."""
        changes = self._changes
        if len(changes) > 1:
            due = [index for index, (since, _) in enumerate(changes) if since <= now]
            if due and due[-1]:
                del changes[: due[-1]]
        since, value = changes[0]
        return value if since <= now else None


class DelayedTags:
    """Hold the tags that one account put on one resource. Tags of a create call are seen with it (aws 5.1, [O])."""

    __slots__ = ("_tags",)

    def __init__(self, tags: Mapping[str, str], since: datetime) -> None:
        self._tags: Delayed[Mapping[str, str]] = Delayed(dict(tags), since)

    @property
    def latest(self) -> Mapping[str, str]:
        """Return the tags as last written."""
        return self._tags.latest

    def seen(self, now: datetime) -> Mapping[str, str]:
        """Return the tags that a reader sees at *now*."""
        return self._tags.seen(now) or {}

    def put(self, tags: Mapping[str, str], seen_from: datetime) -> None:
        """Add or overwrite *tags*."""
        self._tags.set({**self.latest, **tags}, seen_from)

    def remove(self, tags: Mapping[str, str | None], seen_from: datetime) -> None:
        """Remove the given keys; where a value is given, only if it is the tag's value."""
        kept = {key: value for key, value in self.latest.items() if not (key in tags and tags[key] in (None, value))}
        self._tags.set(kept, seen_from)
