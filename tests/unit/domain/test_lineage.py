from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.lineage import (
    MAX_TAG_VALUE,
    RUN,
    SOURCE_START_TIME,
    STAGE,
    Lineage,
    Stage,
    copies_by_source,
    decode_tags,
    describe_copy,
    encode_tags,
    is_copy_in_flight,
    lineage_of,
    seniority,
    source_of,
)
from tests.builders import DR, ORG_A, at, copy, lineage, source

ACCOUNTS = st.from_regex(r"[0-9]{12}", fullmatch=True)
SNAPSHOT_IDS = st.from_regex(r"snap-[0-9a-f]{17}", fullmatch=True)
RUNS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=MAX_TAG_VALUE)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
LINEAGES = st.builds(
    Lineage,
    source_account=ACCOUNTS,
    source_region=st.sampled_from(["us-east-1", "eu-central-2", "us-gov-west-1"]),
    source_snapshot_id=SNAPSHOT_IDS,
    source_volume_id=st.from_regex(r"vol-[0-9a-f]{8,17}", fullmatch=True),
    source_start_time=st.datetimes(min_value=datetime(2006, 1, 1), timezones=OFFSETS | st.just(UTC)),  # noqa: DTZ001  # the zone is drawn
    stage=st.sampled_from(Stage),
    kms_key_arn=st.builds("arn:aws:kms:us-east-1:{}:key/{}".format, ACCOUNTS, st.uuids()),
    run=RUNS,
)


@given(LINEAGES)
def test_tags_bring_a_lineage_back(original):
    """decode(encode(lineage)) == lineage, whatever the run is called and in whatever zone its source started."""
    assert decode_tags(encode_tags(original)) == original


@given(LINEAGES, st.text(min_size=MAX_TAG_VALUE + 1, max_size=2 * MAX_TAG_VALUE))
def test_a_long_run_id_is_cut_and_nothing_else_is_lost(original, run):
    """A run id that does not fit a tag keeps its beginning; the rest of the lineage is untouched."""
    tags = encode_tags(replace(original, run=run))
    assert decode_tags(tags) == replace(original, run=run[:MAX_TAG_VALUE])


@given(LINEAGES)
def test_every_tag_is_legal(original):
    """No key begins with aws: or is longer than 127 characters, no value is longer than 256 (aws 5.3)."""
    for key, value in encode_tags(original).items():
        assert not key.startswith("aws:")
        assert len(key) <= 127
        assert len(value) <= MAX_TAG_VALUE


@given(LINEAGES)
def test_the_description_fits_and_names_the_source(original):
    """A description has at most 255 characters and says which source, account and Region the copy is of."""
    words = describe_copy(original).split()
    assert len(describe_copy(original)) <= 255
    assert {original.source_snapshot_id, original.source_account, original.source_region} <= set(words)


@pytest.mark.parametrize("missing", encode_tags(lineage()))
def test_no_tag_may_be_missing(missing):
    """Tags of which one is missing are no lineage."""
    tags = encode_tags(lineage())
    del tags[missing]
    assert decode_tags(tags) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (STAGE, "kms-d"),
        (STAGE, ""),
        (SOURCE_START_TIME, "yesterday"),
        (SOURCE_START_TIME, ""),
        (SOURCE_START_TIME, "2026-11-22T01:00:00"),
    ],
    ids=["unknown stage", "no stage", "no time", "empty time", "a time without its zone"],
)
def test_what_we_do_not_write_is_not_read(key, value):
    """A tag with a value that we would not have written makes the tags no lineage, and raises nothing."""
    assert decode_tags(encode_tags(lineage()) | {key: value}) is None


def test_tags_of_others_do_not_disturb():
    """A lineage is read from among the tags of other people and tools."""
    assert decode_tags(encode_tags(lineage()) | {"Name": "db", "aws:backup": "x"}) == lineage()


@given(LINEAGES, st.sampled_from(Stage), st.text(min_size=1))
def test_the_next_copy_keeps_the_source(original, stage, run):
    """Carrying a lineage over changes stage, key and run, and nothing that says where the data comes from."""
    carried = original.at(stage, "arn:other", run)
    changed = {f.name for f in fields(Lineage) if getattr(carried, f.name) != getattr(original, f.name)}
    assert changed <= {"stage", "kms_key_arn", "run"}
    assert (carried.stage, carried.kms_key_arn, carried.run) == (stage, "arn:other", run)


OURS = copy("snap-b", lineage())


@pytest.mark.parametrize(
    "snapshot",
    [
        replace(OURS, owner_id=DR),
        replace(OURS, snapshot_id="snap-1"),
        replace(OURS, tags={}),
        replace(OURS, description=""),
        replace(OURS, description=describe_copy(lineage("snap-2"))),
        replace(OURS, description=describe_copy(lineage(stage=Stage.KMS_C))),
        replace(OURS, tags=encode_tags(lineage("snap-2"))),
    ],
    ids=[
        "another account's",
        "its own source",
        "no tags",
        "no description",
        "a description of another source",
        "a description of another stage",
        "tags of another source",
    ],
)
def test_half_a_story_is_not_ours(snapshot):
    """A snapshot counts as ours only if owner, tags and description agree and it is not its own source."""
    assert lineage_of(OURS, owner_id=ORG_A) == lineage()
    assert lineage_of(snapshot, owner_id=ORG_A) is None
    assert source_of(snapshot, owner_id=ORG_A, stage=Stage.KMS_B) is None


@given(
    st.sampled_from([None, *encode_tags(lineage())]),
    st.sampled_from([None, "", "kms-b", "2026-03-01T00:00:00", "2026-03-01", "snap-b"]),
    st.sampled_from(Stage),
)
def test_a_source_is_named_exactly_where_a_lineage_can_be_read(key, value, stage):
    """Whatever is edited or missing among the tags, source_of names the source that lineage_of has, or neither does."""
    tags = {name: text for name, text in OURS.tags.items() if name != key}
    edited = replace(OURS, tags=tags if key is None or value is None else {**tags, key: value})
    read = lineage_of(edited, owner_id=ORG_A)
    named = read.source_snapshot_id if read is not None and read.stage is stage else None
    assert source_of(edited, owner_id=ORG_A, stage=stage) == named


@pytest.mark.parametrize(
    ("snapshot", "takes_a_slot"),
    [
        (copy("snap-b", lineage(), state="pending"), True),
        (copy("snap-b", lineage(), state="pending", volume_id="vol-7"), True),
        (source(state="pending", volume_id="vol-ffffffff"), True),
        (source(state="pending"), False),
        (copy("snap-b", lineage()), False),
        (copy("snap-b", lineage(), state="error"), False),
    ],
    ids=[
        "our pending copy",
        "ours, though its volume id is not the placeholder",
        "somebody else's pending copy",
        "a pending snapshot of a volume",
        "completed",
        "failed",
    ],
)
def test_slots_are_taken_by_pending_copies(snapshot, takes_a_slot):
    """A pending snapshot takes a slot if it is a copy, whoever started it, and nothing else does (aws 3.1)."""
    assert is_copy_in_flight(snapshot) is takes_a_slot


def test_copies_are_found_by_owner_stage_and_source():
    """Copies are grouped by source, the oldest first; those of another stage or owner and strangers are left out."""
    young = copy("snap-b1", lineage(), start_time=at(26))
    old = copy("snap-b2", lineage(), start_time=at(25))
    other = copy("snap-b3", lineage("snap-2"))
    strangers = [copy("snap-c", lineage(stage=Stage.KMS_C), owner_id=ORG_A), replace(old, owner_id=DR), source()]
    found = copies_by_source([young, *strangers, other, old], owner_id=ORG_A, stage=Stage.KMS_B)
    assert found == {"snap-1": (old, young), "snap-2": (other,)}


def test_seniority_is_start_time_then_id():
    """The copy that started first is senior; of two of one moment the one with the smaller id is."""
    first = copy("snap-z", lineage(), start_time=at(25))
    second = copy("snap-b", lineage(), start_time=at(26))
    twin = copy("snap-a", lineage(), start_time=at(26))
    assert sorted([second, twin, first], key=seniority) == [first, twin, second]


def test_the_run_of_a_copy_is_in_its_tags():
    """Who started a copy can be read in the console: the run's id is the value of its own tag."""
    assert encode_tags(lineage(run="manual__1"))[RUN] == "manual__1"
