"""EBS snapshots of one account in one Region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from snapshot_dr_provider.domain.batches import batched
from snapshot_dr_provider.domain.lineage import (
    SOURCE_ACCOUNT,
    SOURCE_SNAPSHOT_ID,
    STAGE,
    Lineage,
    Stage,
    describe_copy,
    encode_tags,
)
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import AwsError, NotFoundError
from snapshot_dr_provider.hooks.account import AccountHook
from snapshot_dr_provider.hooks.wire import read_snapshot, write_filters, write_tags

MAX_FILTER_VALUES: Final = 200
"""Values that one filter of a Describe call takes. From memory, not read in a current source."""

_WOULD_HAVE: Final = "DryRunOperation"
"""Code of the error by which EC2 says that a call would have been permitted."""

PAGE_SIZE: Final = 1000
"""Snapshots a page; the most that DescribeSnapshots gives (aws 5.5)."""


class EbsSnapshotHook(AccountHook):
    """
    Read, copy, share and delete the snapshots of one account in one Region.

    Reads are always paginated and always name an owner: without one, the public snapshots of the whole Region are
    listed too (aws 5.6).
    """

    permissions: ClassVar[tuple[str, ...]] = (
        "ec2:DescribeSnapshots",
        "ec2:CopySnapshot",
        "ec2:CreateTags",
        "ec2:ModifySnapshotAttribute",
        "ec2:DeleteSnapshot",
    )

    def __init__(self, aws_conn_id: str, **kwargs: Any) -> None:
        super().__init__(aws_conn_id, **{**kwargs, "client_type": "ec2"})

    def own_snapshots(self) -> list[Snapshot]:
        """Read all snapshots that the account owns here."""
        return self._describe("list its snapshots", OwnerIds=["self"])

    def own_snapshots_by_id(self, snapshot_ids: Iterable[str]) -> dict[str, Snapshot]:
        """Read some of the account's own snapshots; those that are gone are missing from the answer."""
        return {
            snapshot.snapshot_id: snapshot
            for batch in batched(snapshot_ids, MAX_FILTER_VALUES)
            for snapshot in self._describe(
                "look up snapshots", OwnerIds=["self"], Filters=write_filters({"snapshot-id": batch})
            )
        }

    def copies_of(self, source_snapshot_ids: Iterable[str], stage: Stage) -> list[Snapshot]:
        """Read the account's copies of some sources, in any state, by their lineage tags."""
        return [
            snapshot
            for batch in batched(source_snapshot_ids, MAX_FILTER_VALUES)
            for snapshot in self._describe(
                f"look up {stage.value} copies",
                OwnerIds=["self"],
                Filters=write_filters({f"tag:{STAGE}": [stage.value], f"tag:{SOURCE_SNAPSHOT_ID}": batch}),
            )
        ]

    def copies_from(self, source_account: str, stage: Stage) -> list[Snapshot]:
        """Read all of the account's copies of one stage whose sources lie in one account, by their lineage tags."""
        filters = {f"tag:{STAGE}": [stage.value], f"tag:{SOURCE_ACCOUNT}": [source_account]}
        return self._describe(f"list {stage.value} copies", OwnerIds=["self"], Filters=write_filters(filters))

    def pending_snapshots(self) -> list[Snapshot]:
        """Read what is being created or copied in the account, by whomever."""
        return self._describe(
            "list pending snapshots", OwnerIds=["self"], Filters=write_filters({"status": ["pending"]})
        )

    def visible_from(self, owner_ids: Sequence[str], snapshot_ids: Iterable[str]) -> frozenset[str]:
        """Tell which snapshots of other accounts this account sees, that is, has been given (aws 5.6)."""
        return frozenset(
            snapshot.snapshot_id
            for batch in batched(snapshot_ids, MAX_FILTER_VALUES)
            for snapshot in self._describe(
                f"look up snapshots shared by {', '.join(owner_ids)}",
                OwnerIds=list(owner_ids),
                RestorableByUserIds=["self"],
                Filters=write_filters({"snapshot-id": batch}),
            )
        )

    def start_copy(
        self,
        source_snapshot_id: str,
        source_region: str,
        lineage: Lineage,
        *,
        completion_duration_minutes: int | None = None,
    ) -> str:
        """
        Start copying a snapshot into this account and Region and return the id of the copy.

        The lineage travels inside the call, so that no crash leaves a copy that cannot be found. The SDK does not
        repeat it: there is no idempotency token (aws 5.1). An id proves nothing: a copy that is refused its key,
        or whose source is not visible or not complete, ends in ``error`` later (aws 1.3, 1.5, 2.12).

        :param source_snapshot_id: what to copy: the source itself in hop 1, its KMS-B copy in hop 2.
        :param lineage: of the copy; its key is the one that the copy is encrypted under.
        :param completion_duration_minutes: of a time-based copy, 15 to 2880 in steps of 15 (aws 3.6, 5.10); ``None``
            for one that takes as long as it takes.
        :raises QuotaExceededError: when all slots are taken, or all throughput of time-based copies [M].
        :raises InvalidRequestError: when a source is too large for the duration [M].
        :raises AmbiguousAnswerError: when it is not known whether a copy was started.
        """
        # Absent rather than empty: whoever sets nothing asks for what he always has.
        duration = completion_duration_minutes
        time_based = {} if duration is None else {"CompletionDurationMinutes": duration}
        with self.asking(f"start copying {source_snapshot_id}", changes_something=True, once=True) as client:
            answer = client.copy_snapshot(
                SourceSnapshotId=source_snapshot_id,
                SourceRegion=source_region,
                Encrypted=True,
                KmsKeyId=lineage.kms_key_arn,
                Description=describe_copy(lineage),
                TagSpecifications=[
                    {"ResourceType": "snapshot", "Tags": write_tags(encode_tags(lineage))},
                ],
                **time_based,
            )
        copy_id: str = answer["SnapshotId"]
        self.log.info(
            "started %s: %s copy of %s from %s %s",
            copy_id,
            lineage.stage.value,
            lineage.source_snapshot_id,
            source_snapshot_id,
            self.where,
        )
        return copy_id

    def rehearse_copy(self, source_snapshot_id: str, source_region: str, lineage: Lineage) -> None:
        """
        Ask whether a copy would be permitted, with its tags, and start none.

        EC2 then looks at its own permissions and at the parameters: neither at the source nor at what the keys allow
        (observed, no promise: aws 1.5).

        :raises AccessDeniedError: when it would not.
        """
        try:
            with self.asking(f"rehearse copying {source_snapshot_id}", once=True) as client:
                client.copy_snapshot(
                    DryRun=True,
                    SourceSnapshotId=source_snapshot_id,
                    SourceRegion=source_region,
                    Encrypted=True,
                    KmsKeyId=lineage.kms_key_arn,
                    TagSpecifications=[{"ResourceType": "snapshot", "Tags": write_tags(encode_tags(lineage))}],
                )
        except AwsError as error:
            if error.code != _WOULD_HAVE:
                raise

    def share(self, snapshot_id: str, with_account_id: str) -> None:
        """
        Let another account copy a snapshot of this one. Doing so twice changes nothing (aws 1.9).

        The caller needs DescribeKey on the snapshot's key (aws 1.10); one under aws/ebs cannot be shared (aws 1.7).
        """
        with self.asking(f"share {snapshot_id} with account {with_account_id}") as client:
            client.modify_snapshot_attribute(
                SnapshotId=snapshot_id,
                Attribute="createVolumePermission",
                CreateVolumePermission={"Add": [{"UserId": with_account_id}]},
            )
        self.log.info("shared %s with account %s %s", snapshot_id, with_account_id, self.where)

    def delete(self, snapshot_id: str, why: str) -> None:
        """
        Delete a snapshot of this account; one that is gone already counts as deleted.

        :param why: for the log.
        :raises SnapshotInUseError: when it is locked or registered with an AMI.
        """
        try:
            with self.asking(f"delete {snapshot_id}") as client:
                client.delete_snapshot(SnapshotId=snapshot_id)
        except NotFoundError:
            self.log.debug("%s was gone already %s", snapshot_id, self.where)
        else:
            self.log.info("deleted %s (%s) %s", snapshot_id, why, self.where)

    def _describe(self, what: str, **query: Any) -> list[Snapshot]:
        with self.asking(what) as client:
            pages = client.get_paginator("describe_snapshots").paginate(
                **query, PaginationConfig={"PageSize": PAGE_SIZE}
            )
            found = [read_snapshot(snapshot) for page in pages for snapshot in page["Snapshots"]]
        self.log.debug("read %d snapshots to %s %s", len(found), what, self.where)
        return found


class SnapshotAuditHook(EbsSnapshotHook):
    """Read who may have the account's copies. It changes nothing, and its role needs no right to."""

    permissions: ClassVar[tuple[str, ...]] = (
        "ec2:DescribeSnapshots",
        "ec2:DescribeSnapshotAttribute",
        "ec2:GetSnapshotBlockPublicAccessState",
    )

    def copies(self, stage: Stage) -> list[Snapshot]:
        """Read whatever of the account bears the tag of our copies of one stage, in any state."""
        filters = write_filters({f"tag:{STAGE}": [stage.value]})
        return self._describe(f"list {stage.value} copies", OwnerIds=["self"], Filters=filters)

    def public_copies(self, stage: Stage) -> frozenset[str]:
        """Name those of :meth:`copies` that everybody may use; all of them take one listing."""
        filters = write_filters({f"tag:{STAGE}": [stage.value]})
        found = self._describe(
            f"list public {stage.value} copies", OwnerIds=["self"], RestorableByUserIds=["all"], Filters=filters
        )
        return frozenset(snapshot.snapshot_id for snapshot in found)

    def shared_with(self, snapshot_id: str) -> tuple[str, ...]:
        """
        Name the accounts that may use a snapshot, with ``all`` for everybody: one call for each snapshot.

        A snapshot that is gone is shared with nobody.
        """
        try:
            with self.asking(f"read with whom {snapshot_id} is shared") as client:
                answer = client.describe_snapshot_attribute(SnapshotId=snapshot_id, Attribute="createVolumePermission")
        except NotFoundError:
            return ()
        permissions = answer.get("CreateVolumePermissions", ())
        return tuple(each.get("UserId") or each.get("Group", "") for each in permissions)

    def public_access(self) -> str:
        """Read what block public access is set to: ``block-all-sharing``, ``block-new-sharing`` or ``unblocked``."""
        with self.asking("read the state of block public access") as client:
            state: str = client.get_snapshot_block_public_access_state()["State"]
            return state
