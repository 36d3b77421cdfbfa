from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.coverage import Expectation, SourceSize
from snapshot_dr_provider.domain.lineage import Lineage, Stage, copies_by_source, encode_tags
from snapshot_dr_provider.domain.planning import (
    CopyPlan,
    Origin,
    Selection,
    candidates,
    newest_kms_b_copies,
    plan_copies,
)
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot
from tests.builders import DR, FORMER_KMS_C, KMS_A, KMS_B, KMS_C, ORG_A, at, copy, lineage, source

DAY = Selection(at(0), at(24))
THREE_DAYS = Selection(at(0), at(24), lookback=timedelta(days=3))
ORIGIN = Origin(ORG_A, "us-east-1", Expectation(Stage.KMS_C, DR, frozenset({KMS_C, FORMER_KMS_C})))
SECOND = timedelta(seconds=1)


def plan(*sources: Snapshot, b=(), c=(), selection: Selection = DAY, retention="none") -> CopyPlan:
    """Plan for one account, from its sources and the copies of both hops."""
    return plan_copies(sources, b, c, selection, ORIGIN, retention=retention)


def kms_b(source_id="snap-1", copy_id="snap-b", *, of: Mapping[str, Any] | None = None, **changes) -> Snapshot:
    """Build a KMS-B copy; ``of`` changes its lineage."""
    return copy(copy_id, lineage(source_id, **(of or {})), **changes)


def kms_c(source_id="snap-1", copy_id="snap-c", **changes) -> Snapshot:
    """Build a KMS-C copy."""
    return copy(copy_id, lineage(source_id, Stage.KMS_C), **changes)


# The interval and its lookback


@pytest.mark.parametrize(
    ("start", "selection", "reason"),
    [
        (at(0), DAY, ""),
        (at(24) - SECOND, DAY, ""),
        (at(24), DAY, "started after the interval"),
        (at(0) - SECOND, DAY, "older than the interval and its lookback"),
        (at(24), THREE_DAYS, "started after the interval"),
        (at(0) - SECOND, THREE_DAYS, ""),
        (at(days=-3), THREE_DAYS, ""),
        (at(days=-3) - SECOND, THREE_DAYS, "older than the interval and its lookback"),
    ],
    ids=[
        "its first moment",
        "its last moment",
        "its end",
        "before it, without lookback",
        "its end, with lookback",
        "before it, with lookback",
        "the first moment of the lookback",
        "before the lookback",
    ],
)
def test_the_interval_has_its_start_and_not_its_end(start, selection, reason):
    """A source is wanted if it started in the interval or its lookback: both include their start, not their end."""
    made = plan(source(start=start), selection=selection)
    assert made.not_wanted == ({"snap-1": reason} if reason else {})
    assert list(made.wanted) == ([] if reason else ["snap-1"])


def test_wanted_are_the_oldest_first_with_their_sizes():
    """The wanted sources come in the order of their start, those of one moment by id, each with its size."""
    made = plan(source("snap-3", at(5)), source("snap-2", at(5)), source("snap-9", at(2), volume_size_gib=16))
    assert list(made.wanted) == ["snap-9", "snap-2", "snap-3"]
    assert made.wanted["snap-9"] == SourceSize(16, 4096)


BY_PRIORITY = replace(DAY, priority_tag="Backup-Priority")


def test_wanted_are_ordered_by_the_priority_of_their_tag():
    """Sources with a whole number in the tag come first, 1 before 2, within a number the oldest; then all others."""
    tags = {"snap-1": "10", "snap-2": "high", "snap-3": "2", "snap-4": "2", "snap-5": "", "snap-6": "1.5"}
    tagged = [source(i, at(9 - n), tags={"Backup-Priority": value}) for n, (i, value) in enumerate(tags.items())]
    made = plan(*tagged, source("snap-7", at(1)), selection=BY_PRIORITY)
    assert list(made.wanted) == ["snap-4", "snap-3", "snap-1", "snap-7", "snap-6", "snap-5", "snap-2"]
    assert [size.priority for size in made.wanted.values()] == [2, 2, 10, None, None, None, None]
    assert list(plan(*tagged).wanted) == list(reversed(tags))


@pytest.mark.parametrize(
    ("value", "priority"),
    [
        ("0", 0),
        ("007", 7),
        ("+7", 7),
        ("-3", 0),
        ("999999", 999_999),
        ("1000000", 999_999),
        ("9" * 256, 999_999),
        ("1_000", None),
        ("٣", None),
        ("0x10", None),
        ("", None),
    ],
)
def test_a_priority_is_a_whole_number_within_bounds(value, priority):
    """What is below 0 or above 999,999 counts as that; what only Python takes for a number is none."""
    made = plan(source(tags={"Backup-Priority": value}), selection=BY_PRIORITY)
    assert made.wanted["snap-1"].priority == priority


def test_ranks_put_those_without_a_priority_last():
    """Ranks ascend with priorities, the last of which still goes before what has none, of another DAG too."""
    ranks = [SourceSize(priority=priority).rank for priority in (0, 1, 999_999, None)]
    assert ranks == sorted(set(ranks))
    assert ranks[-1] == 0


def test_a_source_that_is_gone_has_no_priority():
    """Its tags went with it; those of its KMS-B copy say nothing."""
    left = kms_b("snap-1")
    left = replace(left, tags={**left.tags, "Backup-Priority": "1"})
    made = plan(source("snap-2", tags={"Backup-Priority": "5"}), b=[left], selection=BY_PRIORITY)
    assert list(made.wanted) == ["snap-2", "snap-1"]
    assert made.wanted["snap-1"].priority is None


def test_pending_is_no_reason_to_skip():
    """A snapshot that is still pending at the end of the interval is wanted, by its volume's size alone."""
    made = plan(source(start=at(23.99), state="pending", full_snapshot_bytes=None))
    assert made.wanted == {"snap-1": SourceSize(8, None)}


def test_what_is_verified_in_the_interval_is_wanted_and_kept():
    """A source of the interval with a verified KMS-C copy is wanted and kept."""
    made = plan(source(), source("snap-2"), c=[kms_c()])
    assert set(made.wanted) == {"snap-1", "snap-2"}
    assert made.kept == frozenset({"snap-1"})
    assert isinstance(made.kept, frozenset)


def test_what_an_earlier_run_copied_is_not_wanted_again():
    """A source of the lookback is wanted only if it has no verified copy."""
    old, missed = source("snap-1", at(days=-1)), source("snap-2", at(days=-1))
    made = plan(old, missed, c=[kms_c("snap-1")], selection=THREE_DAYS)
    assert set(made.wanted) == {"snap-2"}
    assert made.not_wanted == {"snap-1": "copied by an earlier run"}


@pytest.mark.parametrize(
    "unfinished",
    [
        kms_c(state="pending"),
        kms_c(state="error"),
        kms_c(volume_size_gib=9),
        kms_c(kms_key_arn=KMS_B),
        kms_c(owner_id=ORG_A),
        kms_c(description=""),
    ],
    ids=["pending", "failed", "too large", "under KMS-B", "owned by Org-A", "without description"],
)
def test_a_copy_that_is_not_verified_does_not_cover(unfinished):
    """A missed source stays wanted, and nothing is kept, while its KMS-C copy is anything but verified."""
    made = plan(source(start=at(days=-1)), c=[unfinished], selection=THREE_DAYS)
    assert set(made.wanted) == {"snap-1"}
    assert made.kept == frozenset()


def test_a_rotated_key_copies_nothing_again():
    """A copy under a listed former KMS-C key covers its source."""
    made = plan(source(start=at(days=-1)), c=[kms_c(kms_key_arn=FORMER_KMS_C)], selection=THREE_DAYS)
    assert made.not_wanted == {"snap-1": "copied by an earlier run"}


# What is never wanted, or only when asked for


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"encrypted": False, "kms_key_arn": None}, "unencrypted"),
        ({"encrypted": False, "kms_key_arn": None, "state": "pending"}, "unencrypted"),
        ({"storage_tier": "archive"}, "archived"),
        ({"state": "error"}, "in state error"),
        ({"state": "recoverable"}, "in state recoverable"),
    ],
)
@pytest.mark.parametrize("selection", [DAY, Selection(at(0), at(24), snapshot_ids=frozenset({"snap-1"}))])
def test_what_cannot_be_copied_is_not_wanted(changes, reason, selection):
    """Unencrypted, archived and failed snapshots are not wanted, not even when they are named."""
    made = plan(source(**changes), selection=selection)
    assert not made.wanted
    assert made.not_wanted["snap-1"].startswith(reason)


def test_unencrypted_sources_are_wanted_when_asked_for():
    """The selection may include unencrypted sources: their copies are encrypted."""
    made = plan(source(encrypted=False), selection=Selection(at(0), at(24), include_unencrypted=True))
    assert set(made.wanted) == {"snap-1"}


def test_a_fresh_copy_of_another_tool_is_not_called_unencrypted():
    """A pending copy says that it is unencrypted and of size 0 whatever its key (aws 1.8): it is awaited."""
    fresh = source(volume_id=PLACEHOLDER_VOLUME_ID, state="pending", encrypted=False, volume_size_gib=0)
    assert set(plan(fresh).wanted) == {"snap-1"}


def test_our_own_copy_is_no_source():
    """Where source and destination Region are one, the KMS-B copies of the account are not wanted as sources."""
    made = plan(source(), kms_b(start_time=at(3)))
    assert set(made.wanted) == {"snap-1"}
    assert made.not_wanted == {"snap-b": "our own copy"}


def test_our_tags_on_an_ordinary_snapshot_do_not_hide_it():
    """A snapshot onto which people or tools copied our tags, without the description, is an ordinary source."""
    tagged = source("snap-7", tags=encode_tags(lineage("snap-1")), description="nightly")
    itself = source("snap-8", tags=encode_tags(lineage("snap-8")), description="")
    assert set(plan(tagged, itself).wanted) == {"snap-7", "snap-8"}


# Tags


@pytest.mark.parametrize(
    ("include", "exclude", "tags", "reason"),
    [
        ((("backup", "yes"),), (), {"backup": "yes"}, ""),
        ((("backup", "yes"),), (), {"backup": "no"}, "bears none of the tags asked for"),
        ((("backup", "yes"),), (), {}, "bears none of the tags asked for"),
        ((("backup", "yes"), ("tier", "gold*")), (), {"tier": "gold-1"}, ""),
        ((), (("dr", "no"),), {"dr": "no"}, "excluded by its tag dr=no"),
        ((), (("dr", "*"),), {"dr": ""}, "excluded by its tag dr="),
        ((), (("dr", "no"),), {"dr": "No"}, ""),
        ((("backup", "*"),), (("dr", "no"),), {"backup": "yes", "dr": "no"}, "excluded by its tag dr=no"),
    ],
)
def test_tags_select(include, exclude, tags, reason):
    """A source needs one of the included tags and none of the excluded ones; case counts and excluding wins."""
    made = plan(source(tags=tags), selection=Selection(at(0), at(24), include_tags=include, exclude_tags=exclude))
    assert made.not_wanted == ({"snap-1": reason} if reason else {})


# newest_per_volume


NEWEST = Selection(at(0), at(24), lookback=timedelta(days=3), scope="newest_per_volume")


def test_only_the_newest_of_each_volume_is_wanted():
    """Of the candidates of one volume the newest is wanted; another volume has its own newest."""
    made = plan(
        source("snap-1", at(1)),
        source("snap-2", at(9)),
        source("snap-3", at(2), volume_id="vol-2"),
        source("snap-4", at(days=-1)),
        selection=NEWEST,
    )
    assert set(made.wanted) == {"snap-2", "snap-3"}
    assert made.not_wanted == dict.fromkeys(["snap-1", "snap-4"], "not the newest of its volume")


def test_sources_that_are_copies_count_alone():
    """Placeholder volume ids group nothing: each such source is the newest of its own volume."""
    made = plan(*(source(i, volume_id=PLACEHOLDER_VOLUME_ID) for i in ("snap-1", "snap-2")), selection=NEWEST)
    assert set(made.wanted) == {"snap-1", "snap-2"}


def test_an_unfit_newest_does_not_stand_in_the_way():
    """The newest is chosen among what can be copied: an archived one does not cost the volume its copy."""
    made = plan(source("snap-1", at(1)), source("snap-2", at(9), storage_tier="archive"), selection=NEWEST)
    assert set(made.wanted) == {"snap-1"}


def test_a_missed_source_behind_a_copied_one_is_not_made_up_for():
    """Where a newer snapshot of the volume was copied by an earlier run, an older one is not the newest."""
    made = plan(source("snap-1", at(days=-2)), source("snap-2", at(days=-1)), c=[kms_c("snap-2")], selection=NEWEST)
    assert made.not_wanted == {"snap-1": "not the newest of its volume", "snap-2": "copied by an earlier run"}


# snapshot_ids


def test_named_snapshots_are_wanted_whatever_their_age_and_no_others():
    """With snapshot_ids, just these are wanted, however old, and be they not the newest of their volume."""
    selection = Selection(at(0), at(24), snapshot_ids=frozenset({"snap-1", "snap-2"}), scope="newest_per_volume")
    made = plan(
        source("snap-1", at(days=-400)),
        source("snap-2", at(days=9)),
        source("snap-3"),
        b=[kms_b("snap-4")],
        selection=selection,
    )
    assert set(made.wanted) == {"snap-1", "snap-2"}
    assert made.not_wanted == {"snap-3": "not among the snapshots asked for"}


def test_a_named_source_that_is_gone_is_finished_from_its_kms_b_copy():
    """A named source that is gone is wanted nevertheless while its KMS-B copy is there."""
    made = plan(b=[kms_b("snap-1")], selection=Selection(at(0), at(24), snapshot_ids=frozenset({"snap-1"})))
    assert set(made.wanted) == {"snap-1"}


# Unfinished KMS-B copies


@pytest.mark.parametrize("state", ["pending", "completed"])
@pytest.mark.parametrize("selection", [DAY, NEWEST])
def test_what_was_left_in_the_middle_is_wanted_whatever_its_age(state, selection):
    """The source of a live KMS-B copy is wanted: the copy has to be rotated and to go."""
    old = source(start=at(days=-400), storage_tier="archive")
    made = plan(old, b=[kms_b(state=state)], selection=selection)
    assert set(made.wanted) == {"snap-1"}
    assert not made.not_wanted


def test_a_source_that_is_gone_takes_its_size_from_its_copy():
    """Where only the KMS-B copy is left, its size is what the KMS-C copy is compared with."""
    made = plan(b=[kms_b(volume_size_gib=32, full_snapshot_bytes=77, of={"source_start_time": at(days=-9)})])
    assert made.wanted == {"snap-1": SourceSize(32, 77)}


def test_a_failed_copy_beside_a_good_one_does_not_hide_its_size():
    """An error copy has size 0 (aws 1.8): with a completed one at hand the size is taken from that."""
    failed = kms_b(copy_id="snap-b1", state="error", start_time=at(24))
    assert plan(b=[failed, kms_b(copy_id="snap-b2")]).wanted == {"snap-1": SourceSize(8, 4096)}


def test_a_verified_source_whose_kms_b_copy_is_left_is_wanted_and_kept():
    """A KMS-B copy that outlived its verified KMS-C copy brings its source back, to be deleted."""
    made = plan(source(start=at(days=-9)), b=[kms_b()], c=[kms_c()])
    assert (set(made.wanted), made.kept) == ({"snap-1"}, frozenset({"snap-1"}))


def test_copies_that_all_failed_finish_nothing():
    """A source whose KMS-B copies are all in error is left to the ordinary rules."""
    made = plan(source(start=at(days=-9)), b=[kms_b(state="error"), kms_b("snap-gone", state="error")])
    assert not made.wanted
    assert made.not_wanted == {"snap-1": "older than the interval and its lookback"}


@pytest.mark.parametrize(
    "stranger",
    [
        kms_b(description=""),
        kms_b(owner_id=DR),
        kms_b(of={"source_region": "eu-west-1"}),
        copy("snap-c", lineage(stage=Stage.KMS_C), owner_id=ORG_A),
    ],
    ids=["not ours", "of another account", "of another Region's route", "of another stage"],
)
def test_only_our_kms_b_copies_of_this_route_are_finished(stranger):
    """What is not our KMS-B copy, or comes from another source Region, brings back no source."""
    assert not plan(b=[stranger]).wanted


def test_kms_b_copies_come_in_the_order_of_their_sources():
    """Unfinished sources are sorted in by the StartTime that their lineage names."""
    made = plan(source("snap-1", at(1)), b=[kms_b("snap-9", of={"source_start_time": at(days=-9)})])
    assert list(made.wanted) == ["snap-9", "snap-1"]


# Retention: the newest KMS-B copy of each volume stays


def test_the_copy_that_is_kept_for_the_next_one_is_not_unfinished():
    """Under newest_per_volume the newest KMS-B copy of a volume brings nothing back once its successor is verified."""
    old, new = source("snap-1", at(days=-2)), source("snap-2", at(days=-1))
    copies = [
        kms_b(s.snapshot_id, f"snap-b-{s.snapshot_id}", of={"source_start_time": s.start_time}) for s in (old, new)
    ]
    done = [kms_c("snap-1", "snap-c1"), kms_c("snap-2", "snap-c2")]
    made = plan(old, new, b=copies, c=done, retention="newest_per_volume")
    assert set(made.wanted) == {"snap-1"}
    assert set(plan(old, new, b=copies, c=done).wanted) == {"snap-1", "snap-2"}


def test_the_newest_copy_is_unfinished_until_its_successor_is_verified():
    """Under newest_per_volume, too, a KMS-B copy whose KMS-C copy is not verified brings its source back."""
    old = source(start=at(days=-9))
    assert set(plan(old, b=[kms_b()], retention="newest_per_volume").wanted) == {"snap-1"}


def test_a_duplicate_beside_the_kept_copy_is_unfinished():
    """Under newest_per_volume a second KMS-B copy of the newest source has to go."""
    twins = [kms_b(copy_id="snap-b1"), kms_b(copy_id="snap-b2")]
    made = plan(source(start=at(days=-9)), b=twins, c=[kms_c()], retention="newest_per_volume")
    assert set(made.wanted) == {"snap-1"}


def newest(copies):
    """Name the newest KMS-B copies among some of one account."""
    return newest_kms_b_copies(copies_by_source(copies, owner_id=ORG_A, stage=Stage.KMS_B))


def test_of_twins_the_survivor_is_kept():
    """Of two copies of the newest source the one that duplicates give way to is named, not the other."""
    senior = kms_b(copy_id="snap-b9", start_time=at(25))
    junior = kms_b(copy_id="snap-b1", start_time=at(26))
    assert newest([junior, senior]) == {"snap-b9"}
    twin = kms_b(copy_id="snap-b2", start_time=at(26))
    assert newest([twin, junior]) == {"snap-b1"}


def test_the_newest_copy_of_each_volume_is_told_by_its_source():
    """The newest is told by the source's StartTime, not the copy's; only completed ones of ours count."""
    newer = kms_b("snap-2", "snap-b2", of={"source_start_time": at(9)}, start_time=at(25))
    older = kms_b("snap-1", "snap-b1", of={"source_start_time": at(1)}, start_time=at(48))
    pending = kms_b("snap-3", "snap-b3", of={"source_start_time": at(11)}, state="pending")
    foreign = kms_b("snap-4", "snap-b4", of={"source_start_time": at(12)}, description="")
    other_volume = kms_b("snap-5", "snap-b5", of={"source_volume_id": "vol-2"})
    nameless = [kms_b(f"snap-{i}", f"snap-b{i}", of={"source_volume_id": PLACEHOLDER_VOLUME_ID}) for i in (6, 7)]
    named = newest([newer, older, pending, foreign, other_volume, *nameless])
    assert named == {"snap-b2", "snap-b5", "snap-b6", "snap-b7"}


# What is gone


@pytest.mark.parametrize(
    ("b", "c", "selection", "warned"),
    [
        ([kms_b()], [], DAY, "; nothing but its KMS-B copy snap-b is left of it, from which it is finished"),
        ([kms_b(state="pending")], [], DAY, "; nothing but its KMS-B copy snap-b is left of it"),
        ([kms_b(state="error"), kms_b(copy_id="snap-b2")], [], DAY, "; nothing but its KMS-B copy snap-b2 is left"),
        ([kms_b(state="error")], [], DAY, " without a KMS-C copy: snap-b failed. It is lost; delete snap-b once"),
        ([kms_b(state="error")], [kms_c(state="error")], DAY, " without a KMS-C copy: snap-b failed"),
        ([kms_b(state="error")], [kms_c()], DAY, None),
        ([kms_b(of={"source_region": "eu-west-1"})], [], DAY, None),
        ([kms_b(state="error")], [], replace(DAY, snapshot_ids=frozenset({"snap-1"})), " without a KMS-C copy"),
        ([kms_b(state="error")], [], replace(DAY, snapshot_ids=frozenset({"snap-2"})), None),
    ],
    ids=[
        "finished from its copy",
        "copy in flight",
        "one of two failed",
        "lost",
        "lost in hop 2",
        "verified",
        "of another route",
        "asked for",
        "not asked for",
    ],
)
def test_a_source_that_is_gone_without_a_kms_c_copy_is_named(b, c, selection, warned):
    """A source that only a KMS-B copy still names, and that has no verified KMS-C copy, is warned of."""
    made = plan(source("snap-2"), b=b, c=c, selection=selection)
    if warned is None:
        assert made.warnings == ()
    else:
        (warning,) = made.warnings
        assert warning.startswith(f"snap-1 of 2026-11-22 01:00 UTC is gone{warned}")


def test_a_source_that_is_there_is_not_called_gone():
    """A source whose KMS-B copies failed is only to be copied again."""
    assert plan(source(), b=[kms_b(state="error")]).warnings == ()


@pytest.mark.parametrize(
    ("sources", "selection", "is_warned_of"),
    [
        ([source(start=at(30))], DAY, True),
        ([source(start=at(24)), source("snap-2", at(48))], DAY, True),
        ([source(start=at(24) - SECOND)], DAY, False),
        ([source(start=at(days=-9))], DAY, False),
        ([source(start=at(days=-9)), source("snap-2", at(48))], DAY, False),
        ([], DAY, False),
        ([source(start=at(30)), kms_b(start_time=at(days=-9))], DAY, True),
        ([kms_b()], DAY, False),
        ([source(start=at(30))], replace(DAY, snapshot_ids=frozenset({"snap-1"})), False),
    ],
    ids=[
        "older than all",
        "its end is the first moment",
        "it has one",
        "in the lookback or before",
        "between two",
        "none at all",
        "our own copies aside",
        "nothing but our own copies",
        "snapshots asked for by name",
    ],
)
def test_an_interval_older_than_all_sources_is_warned_of(sources, selection, is_warned_of):
    """Where the interval ends before the oldest source of the account, nobody can tell what is missing."""
    warnings = plan(*sources, selection=selection).warnings
    assert [warning.split(", before the oldest")[0] for warning in warnings] == (
        ["the interval ends on 2026-11-23 00:00 UTC"] if is_warned_of else []
    )


# Laws


def _sources(draw_id: st.SearchStrategy[str]) -> st.SearchStrategy[Snapshot]:
    return st.builds(
        source,
        draw_id,
        st.integers(-5 * 24, 30).map(at),
        volume_id=st.sampled_from(["vol-1", "vol-2", PLACEHOLDER_VOLUME_ID]),
        state=st.sampled_from(["pending", "completed", "completed", "error"]),
        encrypted=st.sampled_from([True, True, True, False]),
        storage_tier=st.sampled_from(["standard", "standard", "archive"]),
        tags=st.sampled_from([{}, {"dr": "no"}, {"backup": "yes"}]),
    )


IDS = st.integers(0, 9).map("snap-{}".format)
SELECTIONS = st.builds(
    Selection,
    st.just(at(0)),
    st.just(at(24)),
    lookback=st.sampled_from([timedelta(0), timedelta(days=3)]),
    snapshot_ids=st.just(frozenset()) | st.frozensets(IDS, max_size=3),
    include_tags=st.sampled_from([(), (("backup", "yes"),)]),
    exclude_tags=st.sampled_from([(), (("dr", "no"),)]),
    scope=st.sampled_from(["every", "newest_per_volume"]),
    include_unencrypted=st.booleans(),
)
STATES = st.sampled_from(["pending", "completed", "error"])
RETENTIONS = st.sampled_from(["none", "newest_per_volume"])
SETS_OF_SOURCES = st.lists(_sources(IDS), max_size=8, unique_by=lambda s: s.snapshot_id)
B_COPIES = st.lists(st.builds(kms_b, IDS, st.uuids().map("snap-b-{}".format), state=STATES), max_size=4)
C_COPIES = st.lists(st.builds(kms_c, IDS, st.uuids().map("snap-c-{}".format), state=STATES), max_size=6)


@given(SETS_OF_SOURCES, B_COPIES, C_COPIES, SELECTIONS, RETENTIONS)
def test_every_source_is_wanted_or_has_a_reason(sources, b, c, selection, retention):
    """Each source is either wanted or has a reason, never both; beyond the sources only unfinished ones are wanted."""
    made = plan_copies(sources, b, c, selection, ORIGIN, retention=retention)
    present = {s.snapshot_id for s in sources}
    assert not made.wanted.keys() & made.not_wanted.keys()
    assert present == (made.wanted.keys() | made.not_wanted.keys()) & present
    assert all(made.not_wanted.values())
    assert made.not_wanted.keys() <= present
    assert made.wanted.keys() - present <= {s.tags["SourceSnapshotId"] for s in b}
    assert made.kept <= made.wanted.keys()


@given(SETS_OF_SOURCES, B_COPIES, C_COPIES, SELECTIONS, RETENTIONS)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(sources, b, c, selection, retention):
    """Once each wanted source has a verified KMS-C copy, the next plan of the same interval keeps all it wants."""
    first = plan_copies(sources, b, c, selection, ORIGIN, retention=retention)
    made = [
        kms_c(i, f"snap-new-{i}", volume_size_gib=size.volume_size_gib, full_snapshot_bytes=size.full_snapshot_bytes)
        for i, size in first.wanted.items()
    ]
    # Pending sources have completed meanwhile, and the KMS-B copies are gone.
    second = plan_copies(sources, [], [*c, *made], selection, ORIGIN, retention=retention)
    assert second.kept == second.wanted.keys()
    assert second.wanted.keys() <= first.wanted.keys()


@given(SETS_OF_SOURCES, B_COPIES, C_COPIES, SELECTIONS, RETENTIONS)
def test_the_candidates_are_enough_to_plan_with(sources, b, c, selection, retention):
    """A plan made from the KMS-C copies of the candidates alone is the plan made from all of them."""
    named = candidates(sources, b, selection, ORIGIN)
    some = [snapshot for snapshot in c if snapshot.tags["SourceSnapshotId"] in named]
    assert plan_copies(sources, b, some, selection, ORIGIN, retention=retention) == plan_copies(
        sources, b, c, selection, ORIGIN, retention=retention
    )


def test_lineage_of_a_kms_a_key_is_no_kms_c_copy():
    """A copy in the DR account whose tags say KMS-C, but which is under a key of Org-A, covers nothing."""
    wrong: Lineage = lineage(stage=Stage.KMS_C, kms_key_arn=KMS_A)
    assert plan(source(), c=[copy("snap-c", wrong)]).kept == frozenset()
