"""Where copies come from: the source snapshots in hop 1, their shared KMS-B copies in hop 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from snapshot_dr_provider.domain.copying import CopyRequest, survivor
from snapshot_dr_provider.domain.lineage import Lineage, Stage, copies_by_source, lineage_of
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.triggers.arrivals import Arrivals
from snapshot_dr_provider.triggers.threads import in_thread


class Supply(Protocol):
    """Tell what can be copied from now, and make it so."""

    @property
    def region(self) -> str:
        """Region in which the snapshots lie that are copied from."""
        ...

    async def survey(self, sources: Sequence[str]) -> list[CopyRequest]:
        """Read whether the sources can be copied from now."""
        ...

    async def prepare(self, request: CopyRequest) -> None:
        """Do what an unprepared request lacks."""
        ...

    def forget(self, source: str) -> None:
        """Take nothing that was read of a source for granted any more."""
        ...


@dataclass(frozen=True, slots=True)
class SourceSnapshots:
    """
    Supply hop 1 with the source snapshots themselves.

    :param hook: of the Org-A account in the source Region.
    """

    hook: EbsSnapshotHook
    account_id: str
    source_region: str
    kms_b_arn: str
    run: str

    @property
    def region(self) -> str:
        """Region in which the sources lie."""
        return self.source_region

    async def survey(self, sources: Sequence[str]) -> list[CopyRequest]:
        """Read the state of the sources: only a completed one can be copied (aws 1.5)."""
        found = await in_thread(self.hook.own_snapshots_by_id, sources)
        return [self._request(source, found.get(source)) for source in sources]

    def _request(self, source: str, snapshot: Snapshot | None) -> CopyRequest:
        if snapshot is None:
            why = f"the source is gone from {self.account_id} {self.region} and cannot be copied any more"
            remedy = "clear the task that plans this account, and the run does without it"
            return CopyRequest(source, "unusable", why=f"{why}; {remedy}")
        if snapshot.state == "pending":
            return CopyRequest(
                source, "pending", why=f"the source is still pending at {snapshot.progress_percent} percent"
            )
        if snapshot.state != "completed" or snapshot.is_archived:
            state = "archived" if snapshot.is_archived else f"in state {snapshot.state}"
            return CopyRequest(source, "unusable", why=f"the source is {state}: {snapshot.state_message or ''}")
        return CopyRequest(source, "ready", copy_from=source, lineage=self._lineage(snapshot))

    def _lineage(self, snapshot: Snapshot) -> Lineage:
        return Lineage(
            source_account=self.account_id,
            source_region=self.source_region,
            source_snapshot_id=snapshot.snapshot_id,
            source_volume_id=snapshot.volume_id,
            source_start_time=snapshot.start_time,
            stage=Stage.KMS_B,
            kms_key_arn=self.kms_b_arn,
            run=self.run,
        )

    async def prepare(self, request: CopyRequest) -> None:
        """Do nothing: an account may copy its own snapshots."""

    def forget(self, source: str) -> None:
        """Do nothing: each survey reads."""


@dataclass(frozen=True, slots=True)
class SharedKmsBCopies:
    """
    Supply hop 2 with KMS-B copies, shared with the DR account.

    :param owner_hook: of the Org-A account in the destination Region; it shares.
    :param arrivals: in the DR account there.
    """

    owner_hook: EbsSnapshotHook
    arrivals: Arrivals
    account_id: str
    dr_account_id: str
    destination_region: str
    kms_b_arn: str
    kms_c_arn: str
    run: str
    _completed: dict[str, Snapshot] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Region in which the KMS-B copies lie."""
        return self.destination_region

    async def survey(self, sources: Sequence[str]) -> list[CopyRequest]:
        """
        Read which KMS-B copies are completed, and which of them the DR account sees.

        One that was completed stays what it is: while it is only waited for to be visible, it is not read again.
        """
        unknown = [source for source in sources if source not in self._completed]
        chosen = {**self._completed, **(await in_thread(self._choose, unknown) if unknown else {})}
        self._completed.update((s, copy) for s, copy in chosen.items() if copy and copy.state == "completed")
        ids = [copy.snapshot_id for source in sources if (copy := chosen[source]) is not None]
        visible = await self.arrivals.visible(self.account_id, ids)
        return [self._request(source, chosen[source], visible) for source in sources]

    def _choose(self, sources: Sequence[str]) -> dict[str, Snapshot | None]:
        found = self.owner_hook.copies_of(sources, Stage.KMS_B)
        grouped = copies_by_source(found, owner_id=self.account_id, stage=Stage.KMS_B)
        keys = frozenset({self.kms_b_arn})
        return {source: survivor(grouped.get(source, ()), keys) for source in sources}

    def _request(self, source: str, copy: Snapshot | None, visible: frozenset[str]) -> CopyRequest:
        if copy is None:
            return CopyRequest(
                source,
                "unusable",
                why=f"no KMS-B copy of it is left in {self.account_id}; clear the task of hop 1, too",
            )
        lineage = lineage_of(copy, owner_id=self.account_id)
        if copy.state == "pending" or lineage is None:
            return CopyRequest(source, "pending", why=f"its KMS-B copy {copy.snapshot_id} is still {copy.state}")
        target = lineage.at(Stage.KMS_C, self.kms_c_arn, self.run)
        if copy.snapshot_id in visible:
            return CopyRequest(source, "ready", copy.snapshot_id, target)
        why = f"its KMS-B copy {copy.snapshot_id} is shared with {self.dr_account_id} but not visible there"
        return CopyRequest(source, "unprepared", copy.snapshot_id, target, why)

    async def prepare(self, request: CopyRequest) -> None:
        """Share the KMS-B copy; it has to be completed by then (aws 1.6)."""
        await in_thread(self.owner_hook.share, request.copy_from, self.dr_account_id)

    def forget(self, source: str) -> None:
        """Read the KMS-B copy of a source again: it may have been deleted."""
        self._completed.pop(source, None)
