from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.coverage import Expectation
from snapshot_dr_provider.domain.forecast import RouteForecast, Step, forecast_route
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.planning import Origin, Selection, plan_copies
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot
from tests.builders import DR, FORMER_KMS_C, KMS_A, KMS_B, KMS_C, ORG_A, at, copy, lineage, source

ORIGIN = Origin(ORG_A, "us-east-1", Expectation(Stage.KMS_C, DR, frozenset({KMS_C, FORMER_KMS_C})))
ROUTE = Route(
    ORG_A, "team", "us-east-1", "us-east-1", KMS_B, KMS_C, DR, "aws", "aws_dr", former_kms_c_arns=(FORMER_KMS_C,)
)
DAY = Selection(at(0), at(24), lookback=timedelta(days=3))
GIB_OF_8_BLOCKS = 4096 / 2**30


def forecast(*sources: Snapshot, b=(), c=(), retention="none", selection=DAY) -> RouteForecast:
    """Plan and forecast for one account."""
    plan = plan_copies(sources, b, c, selection, ORIGIN, retention=retention)
    return forecast_route(
        ROUTE,
        plan,
        sources=sources,
        kms_b_copies=b,
        kms_c_copies=c,
        origin=ORIGIN,
        retention=retention,
        now=at(30),
    )


def at_b(of: Snapshot, copy_id: str = "snap-b", **changes) -> Snapshot:
    """Build a KMS-B copy of a source."""
    named = lineage(of.snapshot_id, source_volume_id=of.volume_id, source_start_time=of.start_time)
    return copy(copy_id, named, **changes)


def at_c(of: Snapshot, copy_id: str = "snap-c", **changes) -> Snapshot:
    """Build a KMS-C copy of a source."""
    named = lineage(of.snapshot_id, Stage.KMS_C, source_volume_id=of.volume_id, source_start_time=of.start_time)
    return copy(copy_id, named, **changes)


ONE = source("snap-1", at(1))


@pytest.mark.parametrize(
    ("b", "c", "hops"),
    [
        ([], [], (Step.COPY, Step.COPY)),
        ([at_b(ONE)], [], (Step.ADOPT, Step.COPY)),
        ([at_b(ONE, state="pending")], [], (Step.ADOPT, Step.COPY)),
        ([at_b(ONE, state="error")], [], (Step.COPY, Step.COPY)),
        ([at_b(ONE, kms_key_arn=KMS_A)], [], (Step.COPY, Step.COPY)),
        ([at_b(ONE)], [at_c(ONE, state="pending")], (Step.NONE, Step.ADOPT)),
        ([], [at_c(ONE, state="pending")], (Step.NONE, Step.ADOPT)),
        ([], [at_c(ONE, state="error")], (Step.COPY, Step.COPY)),
        ([at_b(ONE)], [at_c(ONE)], (Step.NONE, Step.NONE)),
        ([], [at_c(ONE, kms_key_arn=FORMER_KMS_C)], (Step.NONE, Step.NONE)),
    ],
)
def test_hops_are_forecast_as_their_stages_decide(b, c, hops):
    """What is there is adopted or kept, what failed or lies under another key is copied again."""
    (planned,) = forecast(ONE, b=b, c=c).sources
    assert (planned.hop_1, planned.hop_2) == hops
    assert (planned.volume, planned.taken, planned.full_gib) == ("vol-1", at(1), GIB_OF_8_BLOCKS)


def test_kms_b_copies_that_are_there_are_deleted_and_those_that_are_made_go_again():
    """A KMS-B copy goes once its source is copied; of those that the run makes itself only the number is told."""
    two = source("snap-2", at(2), volume_id="vol-2")
    made = forecast(ONE, two, b=[at_b(ONE), at_b(ONE, "snap-x", state="error")])
    assert dict(made.deletes) == {"snap-b": "its KMS-C copy is verified", "snap-x": "a failed copy"}
    assert made.passing == 1


def test_the_newest_copy_of_each_volume_is_kept_where_that_is_set():
    """Under newest_per_volume one KMS-B copy of each volume stays; under none it is told what that would keep."""
    two = source("snap-2", at(2))
    other = source("snap-3", at(3), volume_id="vol-2", full_snapshot_bytes=None)
    for retention, passing in (("none", 2), ("newest_per_volume", 0)):
        made = forecast(ONE, two, other, b=[at_b(ONE)], retention=retention)
        assert dict(made.deletes) == {"snap-b": "its KMS-C copy is verified"}
        assert made.passing == passing
        assert sorted(made.kept_gib) == [GIB_OF_8_BLOCKS, 8.0]


def test_hop_1_may_be_incremental_to_an_earlier_copy_of_its_volume():
    """A copy of hop 1 can build on a completed KMS-B copy of the volume, and on nothing else."""
    two = source("snap-2", at(2))
    other = source("snap-3", at(3), volume_id="vol-2")
    made = forecast(ONE, two, other, b=[at_b(ONE)], c=[at_c(ONE)], retention="newest_per_volume")
    assert {each.snapshot_id: each.may_be_incremental for each in made.sources} == {
        "snap-1": False,
        "snap-2": True,
        "snap-3": False,
    }


@pytest.mark.parametrize(
    ("b", "c", "said"),
    [
        ([], [at_c(ONE, volume_size_gib=9)], "its KMS-C copy snap-c is 9 GiB where its source has 8 GiB"),
        ([at_b(ONE, volume_size_gib=9)], [], "its KMS-B copy snap-b is 9 GiB where its source has 8 GiB"),
    ],
)
def test_a_copy_that_will_not_verify_is_told_before_the_run(b, c, said):
    """What would be adopted and is not as its source turns the run red: that can be seen beforehand."""
    assert forecast(ONE, b=b, c=c).failing == {"snap-1": said}


def test_what_is_not_wanted_is_not_forecast():
    """Reasons and warnings are those of the plan, and nothing is done for what it does not want."""
    old = source("snap-9", at(days=-9))
    made = forecast(old)
    assert (made.sources, made.deletes, made.passing) == ((), (), 0)
    assert made.not_wanted == {"snap-9": "older than the interval and its lookback"}


def test_a_source_that_is_gone_is_forecast_by_its_copy():
    """Of a source with nothing but its KMS-B copy left, hop 2 is made, and the copy goes."""
    (planned,) = forecast(b=[at_b(ONE)]).sources
    assert (planned.snapshot_id, planned.hop_1, planned.hop_2) == ("snap-1", Step.ADOPT, Step.COPY)
    assert (planned.volume, planned.taken) == ("vol-1", at(1))


SOURCES = st.lists(
    st.builds(
        source,
        st.integers(min_value=0, max_value=30).map("snap-{:x}".format),
        st.integers(min_value=-300_000, max_value=100_000).map(lambda s: at(seconds=s)),
        volume_id=st.sampled_from(["vol-1", "vol-2", PLACEHOLDER_VOLUME_ID]),
        state=st.sampled_from(["pending", "completed", "error"]),
    ),
    unique_by=lambda snapshot: snapshot.snapshot_id,
)


@given(SOURCES, st.sampled_from(["none", "newest_per_volume"]))
def test_once_done_nothing_is_left_to_do(sources, retention):
    """After what was forecast has happened, the same run copies nothing and deletes nothing."""
    made = forecast(*sources, retention=retention)
    there = {each.snapshot_id: replace(each, state="completed") for each in sources if each.state != "error"}
    c = [at_c(there[each.snapshot_id], f"{each.snapshot_id}-c") for each in made.sources]
    again = forecast(*there.values(), c=c, retention=retention)
    assert {(each.hop_1, each.hop_2) for each in again.sources} <= {(Step.NONE, Step.NONE)}
    assert (again.deletes, again.passing, again.failing) == ((), 0, {})
