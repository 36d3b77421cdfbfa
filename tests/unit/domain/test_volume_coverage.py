from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.coverage import Expectation, size_of
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.planning import Origin, Selection
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot
from snapshot_dr_provider.domain.volume_coverage import (
    RecoveryPoint,
    SourceStock,
    State,
    VolumeCoverage,
    judge_volumes,
    read_stock,
    recovery_points,
    take_stock,
    without_snapshots,
    write_stock,
)
from tests.builders import DR, FORMER_KMS_C, KMS_B, KMS_C, ORG_A, at, copy, lineage, source

EXPECTED = Expectation(Stage.KMS_C, DR, frozenset({KMS_C, FORMER_KMS_C}))
ORIGIN = Origin(ORG_A, "us-east-1", EXPECTED)
PLACE = (ORG_A, "us-east-1")
ALL = Selection(at(0), at(24))
NOW = at(48)
DAY = timedelta(hours=24)


def dr_copy(of: Snapshot, copy_id: str | None = None, **changes) -> Snapshot:
    """Build the KMS-C copy of a source."""
    named = lineage(
        of.snapshot_id,
        Stage.KMS_C,
        source_volume_id=of.volume_id,
        source_start_time=of.start_time,
        source_account=ORG_A,
    )
    return copy(copy_id or f"{of.snapshot_id}-c", named, **changes)


def points_of(*copies: Snapshot, present=()) -> dict[str, RecoveryPoint]:
    """Find the recovery points of the account, as who sees these sources does."""
    sizes = {each.snapshot_id: size_of(each) for each in present}
    return recovery_points(copies, EXPECTED, sizes).get(PLACE, {})


def judge(sources, copies=(), *, rpo: timedelta | None = DAY, selection: Selection = ALL) -> dict[str, VolumeCoverage]:
    """Judge the volumes of one account, by their names."""
    stock = take_stock(sources, selection, ORIGIN)
    judged = judge_volumes(stock, points_of(*copies, present=sources), rpo=rpo, now=NOW)
    return {each.volume: each for each in judged}


def state_of(sources, copies=(), **how) -> State:
    """Judge an account that has one volume."""
    (volume,) = judge(sources, copies, **how).values()
    return volume.state


# What a recovery point is


def test_the_newest_verified_copy_counts_by_when_its_source_was_taken():
    """Of several copies that of the newest source is the recovery point, whenever each was made."""
    old, new = source("snap-1", at(1)), source("snap-2", at(30))
    copies = [dr_copy(new, start_time=at(31)), dr_copy(old, start_time=at(47))]
    assert points_of(*copies) == {"vol-1": RecoveryPoint("snap-2-c", "snap-2", at(30))}


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "pending"},
        {"state": "error"},
        {"owner_id": ORG_A},
        {"kms_key_arn": KMS_B},
        {"encrypted": False},
        {"volume_size_gib": 9},
        {"full_snapshot_bytes": 4095},
        {"tags": {}},
        {"description": "restored"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_verified_is_no_recovery_point(changes):
    """A copy that is not completed, not the DR account's, under another key or of another size does not count."""
    taken = source(start=at(30))
    bad = dr_copy(taken, start_time=at(31), **changes)
    assert points_of(bad, present=[taken]) == {}
    assert state_of([taken], [bad]) is State.NEW
    good = dr_copy(taken, "snap-d", start_time=at(32))
    assert points_of(bad, good, present=[taken])["vol-1"].copy_id == "snap-d"


def test_copies_under_a_former_key_and_of_sources_that_are_gone_count():
    """A former KMS-C still counts, and a source that is gone is compared by nothing."""
    gone = source("snap-1", at(1), volume_size_gib=500)
    assert points_of(dr_copy(gone, kms_key_arn=FORMER_KMS_C))["vol-1"].taken == at(1)


def test_accounts_and_regions_are_kept_apart():
    """Copies are counted for the account and the Region that their lineage names."""
    elsewhere = lineage("snap-2", Stage.KMS_C, source_region="eu-west-1")
    another = lineage("snap-3", Stage.KMS_C, source_account="222222222222")
    found = recovery_points([dr_copy(source()), copy("snap-y", elsewhere), copy("snap-z", another)], EXPECTED, {})
    assert {place: point["vol-1"].copy_id for place, point in found.items()} == {
        PLACE: "snap-1-c",
        (ORG_A, "eu-west-1"): "snap-y",
        ("222222222222", "us-east-1"): "snap-z",
    }


# How a volume stands


def test_the_age_is_that_of_the_data():
    """The age counts from the start of the source, not from that of its copy."""
    taken = source(start=at(20))
    volume = judge([taken], [dr_copy(taken, start_time=at(47))])["vol-1"]
    assert volume.age(NOW) == timedelta(hours=28)
    assert volume.state is State.STALE


@pytest.mark.parametrize(
    ("hours_old", "state"), [(0, State.COVERED), (24, State.COVERED), (24.001, State.STALE), (500, State.STALE)]
)
def test_an_rpo_includes_its_last_moment(hours_old, state):
    """A volume is covered while the data of its newest copy is no older than the RPO."""
    taken = source(start=at(48 - hours_old))
    assert state_of([taken], [dr_copy(taken)]) is state


def test_behind_has_a_newer_snapshot_and_stale_has_none():
    """Beyond the RPO it matters whether there is anything to copy: pending ones count, failed ones do not."""
    old = source("snap-1", at(1))
    newer = source("snap-2", at(40))
    assert state_of([old, newer], [dr_copy(old)]) is State.BEHIND
    assert state_of([old, replace(newer, state="pending")], [dr_copy(old)]) is State.BEHIND
    assert state_of([old, replace(newer, state="error")], [dr_copy(old)]) is State.STALE
    assert state_of([replace(newer, state="error")], [dr_copy(old)]) is State.STALE


def test_without_a_copy_a_volume_is_new_until_its_oldest_snapshot_is_beyond_the_rpo():
    """A volume is not missing before its copy is due, however many snapshots it gets meanwhile."""
    assert state_of([source("snap-1", at(24)), source("snap-2", at(47))]) is State.NEW
    assert state_of([source("snap-1", at(23.9)), source("snap-2", at(47))]) is State.MISSING


def test_a_volume_whose_snapshots_all_failed_is_missing():
    """Whoever has only failed snapshots of a volume has no backup of it."""
    assert state_of([source(state="error")]) is State.MISSING


def test_without_an_rpo_ages_are_not_judged():
    """Without an RPO any verified copy covers, and a volume without one is missing from the start."""
    taken = source(start=at(days=-300))
    assert state_of([taken], [dr_copy(taken)], rpo=None) is State.COVERED
    assert state_of([source(start=at(47.9))], rpo=None) is State.MISSING


EXCLUDING = replace(ALL, exclude_tags=(("Backup", "no*"),))


@pytest.mark.parametrize(
    ("changes", "selection", "reason"),
    [
        ({"tags": {"Backup": "none"}}, EXCLUDING, "excluded by its tag Backup=none"),
        ({"tags": {"Backup": "none"}, "state": "error"}, EXCLUDING, "excluded by its tag Backup=none"),
        ({"encrypted": False}, ALL, "unencrypted"),
        ({}, replace(ALL, include_tags=(("Environment", "prod"),)), "bears none of the tags asked for"),
        ({"storage_tier": "archive"}, ALL, "archived; restore it to the standard tier to have it copied"),
    ],
)
def test_a_volume_that_nobody_wants_copied_is_no_gap(changes, selection, reason):
    """Where the selection leaves out all snapshots of a volume, it is listed with the reason, copied or not."""
    taken = source(start=at(1), **changes)
    for copies in ((), [dr_copy(taken)]):
        volume = judge([taken], copies, selection=selection)["vol-1"]
        assert (volume.state, volume.state.is_gap) == (State.EXCLUDED, False)
        assert volume.sources is not None
        assert volume.sources.excluded == reason


def test_one_wanted_snapshot_makes_its_volume_count():
    """A volume with excluded snapshots beside others is judged by the others alone."""
    old = source("snap-1", at(1))
    volume = judge([old, source("snap-2", at(40), tags={"Backup": "no"})], [dr_copy(old)], selection=EXCLUDING)["vol-1"]
    assert volume.state is State.STALE
    assert volume.sources is not None
    assert volume.sources.newest_id == "snap-1"


def test_a_snapshot_that_is_a_copy_is_a_volume_of_its_own_which_its_copy_covers_for_good():
    """Snapshots with the placeholder group to nothing; nothing newer of them can come, so that no age is too old."""
    one = source("snap-1", at(1), volume_id=PLACEHOLDER_VOLUME_ID)
    two = source("snap-2", at(2), volume_id=PLACEHOLDER_VOLUME_ID)
    judged = judge([one, two], [dr_copy(one)])
    assert {name: each.state for name, each in judged.items()} == {"snap-1": State.COVERED, "snap-2": State.MISSING}


def test_a_single_snapshot_of_a_volume_does_age():
    """A volume with one snapshot, copied long ago, is stale: its backup has stopped."""
    taken = source(start=at(1))
    assert state_of([taken], [dr_copy(taken)]) is State.STALE


def test_our_own_copies_are_no_sources():
    """A KMS-B copy is neither a volume nor a snapshot of the account, even where its tags were changed."""
    ours = copy("snap-b", lineage("snap-9"))
    stock = take_stock([ours, replace(ours, snapshot_id="snap-x", tags={})], ALL, ORIGIN)
    assert stock == SourceStock()


def test_a_volume_without_any_snapshot_left_is_gone_and_no_gap():
    """Nobody can tell a deleted volume from one whose snapshots were deleted, so it is listed and not judged."""
    volume = judge([], [dr_copy(source(start=at(1)))])["vol-1"]
    assert (volume.state, volume.state.is_gap, volume.age(NOW)) == (State.GONE, False, timedelta(hours=47))


def test_gaps_come_first_and_of_these_the_oldest_data():
    """The list begins with what is worst: missing, then behind, then stale, the oldest data first."""
    vols = {
        name: source(f"snap-{name}", start, volume_id=name)
        for name, start in zip("abcd", map(at, (47, 2, 1, 3)), strict=True)
    }
    copies = [dr_copy(vols[name]) for name in "abc"]
    judged = judge(vols.values(), copies)
    assert list(judged) == ["d", "c", "b", "a"]


# Accounts


def test_an_account_without_snapshots_has_none_in_any_region():
    """One Region with a snapshot is enough, and where one is not known nobody claims that there is none."""
    nothing, some = SourceStock(), SourceStock(1)
    stocks = [("a", nothing), ("a", nothing), ("b", nothing), ("b", some), ("c", nothing), ("c", None)]
    assert without_snapshots(stocks) == {"a"}


# Laws

SECONDS = st.integers(min_value=-10_000_000, max_value=172_800).map(lambda s: at(seconds=s))
SOURCES = st.lists(
    st.builds(
        source,
        st.integers(min_value=0, max_value=30).map("snap-{:x}".format),
        SECONDS,
        volume_id=st.sampled_from(["vol-1", "vol-2", "vol-3", PLACEHOLDER_VOLUME_ID]),
        state=st.sampled_from(["pending", "completed", "error"]),
        tags=st.sampled_from([{}, {"Backup": "no"}]),
    ),
    unique_by=lambda snapshot: snapshot.snapshot_id,
)


@given(SOURCES)
def test_a_stock_survives_an_xcom(sources):
    """What is read of a written stock is all of it but the volumes that nobody wants copied."""
    stock = take_stock(sources, EXCLUDING, ORIGIN)
    wanted = {name: volume for name, volume in stock.volumes.items() if not volume.excluded}
    assert read_stock(json.loads(json.dumps(write_stock(stock)))) == replace(stock, volumes=wanted)


@given(SOURCES, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=200)))
def test_copying_all_that_is_wanted_leaves_no_gap_but_stopped_backups(sources, rpo):
    """Once every live wanted source has its copy, nothing is missing or behind but what has only failed snapshots."""
    copies = [dr_copy(each) for each in sources if each.state != "error" and not each.tags]
    completed = [replace(each, state="completed") if each.state == "pending" else each for each in sources]
    for volume in judge(completed, copies, rpo=rpo, selection=EXCLUDING).values():
        if volume.state in (State.MISSING, State.BEHIND):
            assert volume.sources is not None
            assert volume.sources.newest is None


@given(SOURCES, st.timedeltas(timedelta(0), timedelta(days=99)), st.timedeltas(timedelta(0), timedelta(days=99)))
def test_a_longer_rpo_never_makes_a_gap(sources, rpo, more):
    """Whatever is no gap under an RPO is none under a longer one."""
    copies = [dr_copy(each) for each in sources[::2]]
    strict, lax = (judge(sources, copies, rpo=each) for each in (rpo, rpo + more))
    assert all(strict[name].state.is_gap for name, volume in lax.items() if volume.state.is_gap)
