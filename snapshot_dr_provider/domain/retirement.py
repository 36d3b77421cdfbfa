"""Which KMS-B copies may go: those whose successor is verified, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from snapshot_dr_provider.domain.coverage import Expectation, SourceSize, differences, first_verified, size_of
from snapshot_dr_provider.domain.lineage import Stage, copies_by_source
from snapshot_dr_provider.domain.planning import newest_kms_b_copies
from snapshot_dr_provider.domain.routes import Retention
from snapshot_dr_provider.domain.snapshots import Snapshot

KEPT: Final = "kept for the next copy"
"""Why a copy stays that ``kms_b_retention`` keeps."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """
    Divide the KMS-B copies of a route.

    :param delete: our copies that may be deleted, each with why.
    :param keep: why each of the others stays, by its id.
    :param verified: sources that have a verified KMS-C copy.
    :param unverified: what is wrong, by source, for the wanted ones that have none.
    :param busy: wanted sources of which another KMS-C copy is under way, so that their KMS-B copy is in use (aws 4.7).
    """

    delete: tuple[tuple[Snapshot, str], ...]
    keep: Mapping[str, str]
    verified: frozenset[str]
    unverified: Mapping[str, str]
    busy: frozenset[str]


def plan_retirement(
    *,
    wanted: Mapping[str, SourceSize],
    kms_b_copies: Sequence[Snapshot],
    kms_c_copies: Iterable[Snapshot],
    kms_b: Expectation,
    kms_c: Expectation,
    retention: Retention,
) -> Retirement:
    """
    Decide which KMS-B copies of a route go, from what AWS says at this moment.

    A KMS-C copy has to be as large as the source, where its size is known, and as the KMS-B copy that goes for it.

    :param wanted: the sources of this run, with their sizes.
    :param kms_b_copies: our copies in the Org-A account that come from this route, in any state.
    """
    successors = copies_by_source(kms_c_copies, owner_id=kms_c.owner_id, stage=Stage.KMS_C)
    verdicts = {source: _verdict(successors.get(source, ()), kms_c, size) for source, size in wanted.items()}
    busy = {source for source, copies in successors.items() if any(copy.state == "pending" for copy in copies)}
    retiring = copies_by_source(kms_b_copies, owner_id=kms_b.owner_id, stage=Stage.KMS_B)
    stays = newest_kms_b_copies(retiring) if retention == "newest_per_volume" else frozenset()
    delete: list[tuple[Snapshot, str]] = []
    keep: dict[str, str] = {}
    for source, copies in retiring.items():
        for copy in copies:
            reason = _reason_to_keep(copy, successors.get(source, ()), kms_b, kms_c)
            reason = reason or verdicts.get(source, "") or (KEPT if copy.snapshot_id in stays else "")
            if copy.state == "error":
                delete.append((copy, "a failed copy"))
            elif reason:
                keep[copy.snapshot_id] = reason
            else:
                delete.append((copy, "its KMS-C copy is verified"))
    return Retirement(
        delete=tuple(delete),
        keep=keep,
        verified=frozenset(source for source, wrong in verdicts.items() if not wrong),
        unverified={source: wrong for source, wrong in verdicts.items() if wrong},
        busy=frozenset(busy & wanted.keys()),
    )


def _verdict(copies: Sequence[Snapshot], expected: Expectation, size: SourceSize) -> str:
    """Say what is wrong with the KMS-C copies of a source; empty when one of them is verified."""
    if first_verified(copies, expected, size):
        return ""
    if not copies:
        return f"account {expected.owner_id} has no KMS-C copy of it"
    return f"its KMS-C copy {copies[0].snapshot_id} is {'; '.join(differences(copies[0], expected, size))}"


def _reason_to_keep(copy: Snapshot, successors: Sequence[Snapshot], kms_b: Expectation, kms_c: Expectation) -> str:
    if copy.state != "completed":
        return f"still {copy.state}"
    if copy.kms_key_arn not in kms_b.kms_key_arns:
        return f"under {copy.kms_key_arn}, which is not KMS-B"
    if any(successor.state == "pending" for successor in successors):
        return "a KMS-C copy of it is under way"
    return _verdict(successors, kms_c, size_of(copy))
