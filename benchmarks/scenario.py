"""
The same work for every benchmark: an organization with some accounts, each with some snapshots of one day.

The sandbox that serves it runs in a process of its own, so that what is measured is the client alone.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from snapshot_dr_provider.sandbox import Sandbox, SandboxControl, World
from snapshot_dr_provider.sandbox.world import SnapshotSeed
from tests import worlds


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    Describe the work.

    :param snapshots: of each account; one of each volume, all taken on the day before ``now``.
    :param copy_seconds: how long each copy takes, on the sandbox's clock.
    :param slots: copies that each account may have in flight; AWS allows 20 (aws 3.1).
    :param now: when the run begins, UTC.
    """

    accounts: int
    snapshots: int
    copy_seconds: float
    now: datetime
    slots: int = 20

    @property
    def account_ids(self) -> tuple[str, ...]:
        """Name the accounts of the organization that have snapshots."""
        return tuple(worlds.account_id(number) for number in range(1, self.accounts + 1))

    @property
    def day(self) -> datetime:
        """Tell when the day begins whose snapshots are copied, UTC."""
        return self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)

    @property
    def total(self) -> int:
        """Count the snapshots of all accounts."""
        return self.accounts * self.snapshots

    def world(self, **behaviour: Any) -> World:
        """Build the sandbox's world; without a ``clock`` it goes by that of the machine."""
        seeds = [
            self._seed(account, place, number)
            for place, account in enumerate(self.account_ids, 1)
            for number in range(1, self.snapshots + 1)
        ]
        given = {"copy_seconds": self.copy_seconds, "copy_slots": self.slots, "clock": None, **behaviour}
        return worlds.world(self.accounts, seeds=seeds, **given)

    def _seed(self, account: str, place: int, number: int) -> SnapshotSeed:
        return worlds.source(
            account,
            number,
            start=self.day + timedelta(hours=12, seconds=number),
            snapshot_id=f"snap-{place:05x}{number:012x}",
            volume_id=f"vol-{place:05x}{number:012x}",
            size_gib=8,
            full_snapshot_bytes=4 * 2**30,
        )


@contextmanager
def sandbox_process(world: World) -> Iterator[SandboxControl]:
    """Serve a world from a process of its own, within a ``with`` block."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(world, theirs), daemon=True)
    process.start()
    try:
        yield SandboxControl(ours.recv())
    finally:
        ours.send(None)
        process.join()


def _serve(world: World, parent: Connection) -> None:
    # Ctrl-C in the terminal reaches this process, too; whoever started it says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Sandbox(world) as sandbox:
        parent.send(sandbox.endpoint_url)
        parent.recv()


@dataclass(frozen=True, slots=True)
class Harvest:
    """
    Say what became of the work, by the sandbox's own truth.

    :param copied: sources that have at least one completed copy under KMS-C in the DR account.
    :param lost: sources that have none.
    :param duplicates: completed copies under KMS-C beyond the first of each source.
    :param kms_b_left: copies under KMS-B that were not deleted.
    """

    copied: int
    lost: int
    duplicates: int
    kms_b_left: int


def harvest(control: SandboxControl, scenario: Scenario) -> Harvest:
    """Count the copies of each source; one that copied a copy is followed back to the source."""
    truth: Mapping[str, Mapping[str, Any]] = {each["id"]: each for each in control.snapshots()}
    sources = {each["id"] for each in truth.values() if not each["is_copy"]}
    kms_b, kms_c = (worlds.kms_arn(worlds.DR, key) for key in (worlds.KMS_B_ID, worlds.KMS_C_ID))
    copies = [each for each in truth.values() if each["is_copy"] and each["state"] == "completed"]
    there = [each for each in copies if not each["deleted"]]
    under_c = [each for each in there if each["kms_key_arn"] == kms_c and each["owner"] == worlds.DR]
    by_source = Counter(_origin(each, truth) for each in under_c)
    return Harvest(
        copied=len(by_source.keys() & sources),
        lost=scenario.total - len(by_source.keys() & sources),
        duplicates=sum(by_source.values()) - len(by_source),
        kms_b_left=sum(each["kms_key_arn"] == kms_b for each in there),
    )


def _origin(copy: Mapping[str, Any], truth: Mapping[str, Mapping[str, Any]]) -> str:
    while copy["is_copy"]:
        copy = truth[copy["source_snapshot_id"]]
    return str(copy["id"])
