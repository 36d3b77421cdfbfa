"""Which of the snapshots that were shared with an account it sees by now, asked once for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.ebs import MAX_FILTER_VALUES, EbsSnapshotHook
from snapshot_dr_provider.triggers.clock import Clock
from snapshot_dr_provider.triggers.threads import in_thread

GATHER_SECONDS: Final = 0.1
"""How long the first who asks waits for others who are just about to."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Ask for some snapshots of one owner."""

    owner_id: str
    snapshot_ids: Collection[str]
    answer: asyncio.Future[frozenset[str]]


class Arrivals:
    """
    Tell what has been shared with an account and can be seen there (aws 1.11).

    Who asks while a call is under way is answered by the next one, together with everybody else who does.

    :param hook: of the account that sees them, in their Region.
    """

    def __init__(self, hook: EbsSnapshotHook, clock: Clock) -> None:
        self._hook = hook
        self._clock = clock
        self._questions: list[Question] = []
        self._asking: asyncio.Task[None] | None = None

    async def visible(self, owner_id: str, snapshot_ids: Collection[str]) -> frozenset[str]:
        """
        Name those of an owner's snapshots that the account sees.

        :raises AwsError: when it could not be read.
        """
        if not snapshot_ids:
            return frozenset()
        question = Question(owner_id, frozenset(snapshot_ids), asyncio.get_running_loop().create_future())
        self._questions.append(question)
        if self._asking is None or self._asking.done():
            # A task of its own: whoever is cancelled must not take the answer away from the others.
            self._asking = asyncio.ensure_future(self._ask())
        return await question.answer

    async def _ask(self) -> None:
        await self._clock.sleep(GATHER_SECONDS)
        while self._questions:
            together = self._take()
            ids = [snapshot_id for question in together for snapshot_id in question.snapshot_ids]
            owners = sorted({question.owner_id for question in together})
            try:
                found = await in_thread(self._hook.visible_from, owners, ids)
            except SnapshotDrError as error:
                for question in together:
                    if not question.answer.done():
                        question.answer.set_exception(error)
                continue
            for question in together:
                if not question.answer.done():
                    question.answer.set_result(found & frozenset(question.snapshot_ids))

    def _take(self) -> Sequence[Question]:
        """Take the oldest questions, as many as one call can answer, and at least one."""
        together = [self._questions.pop(0)]
        room = MAX_FILTER_VALUES - len(together[0].snapshot_ids)
        while self._questions and len(self._questions[0].snapshot_ids) <= room:
            room -= len(self._questions[0].snapshot_ids)
            together.append(self._questions.pop(0))
        return together


_ARRIVALS: WeakValueDictionary[tuple[int, int], Arrivals] = WeakValueDictionary()


def shared_arrivals(hook: EbsSnapshotHook, clock: Clock) -> Arrivals:
    """Answer what this event loop has for the same hook already, or something new; it goes with its last user."""
    return _ARRIVALS.setdefault((id(asyncio.get_running_loop()), id(hook)), Arrivals(hook, clock))
