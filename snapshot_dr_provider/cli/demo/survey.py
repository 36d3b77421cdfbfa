"""
What became of each account, by the sandbox's own truth.

The rules are written anew here and on purpose share nothing with those that the DAG goes by: they follow the sandbox's
record of what was copied from what, and no tag. A mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from snapshot_dr_provider.cli.demo.world import DR_ACCOUNT, EXCLUDING_TAG, KMS_B, KMS_C, REGION

Truth = Mapping[str, Any]
"""A snapshot as the control API tells it."""


@dataclass(frozen=True, slots=True)
class AccountSurvey:
    """
    Say what one account has and still needs. Snapshots are named by their ids.

    :param wanted: its snapshots of the day that have to be copied.
    :param pending: those of them that are not completed themselves.
    :param copied: those of them that have or had a completed KMS-B copy.
    :param verified: those of them that have exactly one KMS-C copy, and a good one.
    :param moving: copies of it that are under way, in either account.
    :param kms_b_left: its copies under KMS-B that are still there.
    :param not_wanted: why each other snapshot is not wanted.
    :param newest: when the newest of the sources that have a good KMS-C copy was taken.
    """

    account_id: str
    name: str
    wanted: tuple[str, ...]
    pending: frozenset[str]
    copied: frozenset[str]
    verified: frozenset[str]
    moving: int
    kms_b_left: tuple[str, ...]
    not_wanted: Mapping[str, str]
    newest: datetime | None

    @property
    def is_done(self) -> bool:
        """Tell whether every wanted snapshot has its KMS-C copy and no KMS-B copy is left."""
        return self.verified.issuperset(self.wanted) and not self.kms_b_left


def survey(snapshots: Iterable[Truth], accounts: Mapping[str, str], day: date) -> tuple[AccountSurvey, ...]:
    """
    Look at each account.

    :param snapshots: all snapshots of all accounts, deleted ones included.
    :param accounts: names of the source accounts by id.
    """
    everything = {snapshot["id"]: snapshot for snapshot in snapshots}
    sources: dict[str, list[Truth]] = {account: [] for account in accounts}
    copies: dict[str, list[Truth]] = {account: [] for account in accounts}
    for snapshot in everything.values():
        origin = _first_source(snapshot, everything)
        if origin["owner"] in accounts:
            (sources if snapshot is origin else copies)[origin["owner"]].append(snapshot)
    return tuple(
        _survey_account(account, name, sources[account], _by_origin(copies[account], everything), day)
        for account, name in accounts.items()
    )


def _first_source(snapshot: Truth, everything: Mapping[str, Truth]) -> Truth:
    """Go back from copy to source as far as it leads."""
    while snapshot["is_copy"] and snapshot["source_snapshot_id"] in everything:
        snapshot = everything[snapshot["source_snapshot_id"]]
    return snapshot


def _by_origin(copies: Iterable[Truth], everything: Mapping[str, Truth]) -> Mapping[str, Sequence[Truth]]:
    grouped: dict[str, list[Truth]] = {}
    for copy in copies:
        grouped.setdefault(_first_source(copy, everything)["id"], []).append(copy)
    return grouped


def _survey_account(
    account: str, name: str, sources: Sequence[Truth], copies: Mapping[str, Sequence[Truth]], day: date
) -> AccountSurvey:
    present = [source for source in sources if not source["deleted"]]
    not_wanted = {source["id"]: why for source in present if (why := _why_not_wanted(source, day))}
    wanted = [source for source in present if source["id"] not in not_wanted]
    safe = [source for source in present if _is_safe(source, copies.get(source["id"], ()))]
    every_copy = [copy for several in copies.values() for copy in several]
    return AccountSurvey(
        account_id=account,
        name=name,
        wanted=tuple(source["id"] for source in wanted),
        pending=frozenset(source["id"] for source in wanted if source["state"] == "pending"),
        copied=frozenset(source["id"] for source in wanted if any(map(_is_kms_b_copy, copies.get(source["id"], ())))),
        verified=frozenset(source["id"] for source in wanted if source in safe),
        moving=sum(copy["state"] == "pending" for copy in every_copy),
        kms_b_left=tuple(c["id"] for c in every_copy if c["kms_key_arn"] == KMS_B and not c["deleted"]),
        not_wanted=not_wanted,
        newest=max((_moment(source) for source in safe), default=None),
    )


def _why_not_wanted(source: Truth, day: date) -> str:
    """Say why a snapshot need not be copied for a day; empty when it must be."""
    midnight = datetime.combine(day, time(), UTC)
    key, value = EXCLUDING_TAG
    if _moment(source) < midnight:
        return f"taken before {day}"
    if _moment(source) >= midnight + timedelta(days=1):
        return f"taken after {day}"
    if not source["encrypted"]:
        return "unencrypted"
    if source["tags"].get(key) == value:
        return f"tagged {key}={value}"
    return ""


def _is_kms_b_copy(copy: Truth) -> bool:
    return (copy["kms_key_arn"], copy["state"]) == (KMS_B, "completed")


def _is_safe(source: Truth, copies: Sequence[Truth]) -> bool:
    """Tell whether the DR account holds one copy of a source, entire and out of the reach of everybody else."""
    held = [copy for copy in copies if copy["owner"] == DR_ACCOUNT and not copy["deleted"]]
    hops = {copy["id"] for copy in copies if copy["owner"] == source["owner"] and _is_kms_b_copy(copy)}
    return len(held) == 1 and all(
        copy["state"] == "completed"
        and copy["kms_key_arn"] == KMS_C
        and copy["region"] == REGION
        and copy["source_snapshot_id"] in hops
        and not copy["shared_with"]
        and (copy["size"], copy["full_snapshot_bytes"]) == (source["size"], source["full_snapshot_bytes"])
        for copy in held
    )


def _moment(source: Truth) -> datetime:
    return datetime.fromisoformat(source["start_time"])
