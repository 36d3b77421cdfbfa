"""What a run is about, from what the scheduler says of it and what a person asked."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.run_options import (
    Period,
    RunFacts,
    RunOptions,
    RunParams,
    period_of_run,
    read_params,
    tag_filters,
)
from snapshot_dr_provider.exceptions import ConfigurationError

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
LOOKBACK = timedelta(days=3)

hours = st.floats(min_value=0, max_value=1e6, allow_nan=False)
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]))
tags = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4).map(tuple)
by_region = st.dictionaries(st.text(), st.integers(1, 1000)).map(lambda numbers: tuple(numbers.items()))
run_options = st.builds(
    RunOptions,
    interval_start=moments,
    interval_end=moments,
    lookback_hours=hours,
    snapshot_ids=st.lists(st.from_regex(r"snap-[0-9a-f]{17}", fullmatch=True), max_size=4).map(tuple),
    dry_run=st.booleans(),
    include_tags=tags,
    exclude_tags=tags,
    scope=st.sampled_from(["every", "newest_per_volume"]),
    include_unencrypted=st.booleans(),
    kms_b_retention=st.sampled_from(["none", "newest_per_volume"]),
    source_timeout_hours=hours,
    settle_seconds=hours,
    max_attempts=st.integers(1, 20),
    poll_seconds=hours,
    first_fire_seconds=hours,
    copy_slots=st.integers(1, 1000),
    copy_slots_by_region=by_region,
    source_copy_slots_by_region=by_region,
    completion_duration_by_region=by_region,
    priority_tag=st.none() | st.text(min_size=1),
)


@given(run_options)
def test_options_come_back_from_xcom_as_they_were(options):
    """Options survive JSON, which knows neither tuples nor moments."""
    assert RunOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_options_of_a_later_version_are_read():
    """An option that this version does not know is left out, and one that is missing has its default."""
    text = {"interval_start": "2026-03-01T00:00:00+00:00", "interval_end": "2026-03-02T00:00:00+00:00", "later": 1}
    assert RunOptions.from_json(text) == RunOptions(MIDNIGHT - DAY, MIDNIGHT)


def test_options_need_a_period():
    """Options without a period are no options."""
    with pytest.raises(KeyError, match="interval_end"):
        RunOptions.from_json({"interval_start": "2026-03-01T00:00:00+00:00"})


def test_a_period_without_a_time_zone_is_refused():
    """A moment that could be any of 24 is not guessed at."""
    with pytest.raises(ValueError, match="no time zone"):
        RunOptions(MIDNIGHT.replace(tzinfo=None), MIDNIGHT)


def test_the_selection_says_what_the_options_say():
    """What planning gets is the period, the lookback, the ids and the filters of the options."""
    options = RunOptions(
        MIDNIGHT - DAY,
        MIDNIGHT,
        lookback_hours=36,
        snapshot_ids=("snap-1",),
        include_tags=(("a", "b*"),),
        exclude_tags=(("c", "d"),),
        scope="newest_per_volume",
        include_unencrypted=True,
        priority_tag="e",
    )
    selection = options.selection
    assert (selection.start, selection.end, selection.lookback) == (MIDNIGHT - DAY, MIDNIGHT, timedelta(hours=36))
    assert selection.snapshot_ids == {"snap-1"}
    assert (selection.include_tags, selection.exclude_tags) == ((("a", "b*"),), (("c", "d"),))
    assert (selection.scope, selection.include_unencrypted) == ("newest_per_volume", True)
    assert selection.priority_tag == "e"


def test_options_of_an_earlier_version_are_read():
    """A run that began when slots were one number for both accounts has none of its own for the source accounts."""
    options = RunOptions(MIDNIGHT - DAY, MIDNIGHT, copy_slots_by_region=(("us-east-1", 50),))
    written = options.to_json()
    for later in ("source_copy_slots_by_region", "completion_duration_by_region", "priority_tag"):
        del written[later]
    assert RunOptions.from_json(written) == options


def test_several_patterns_of_one_tag_become_several_pairs():
    """Each pattern of a tag key is a filter of its own."""
    assert tag_filters({"Env": ("prod", "prod-*"), "Team": ("a",)}) == (
        ("Env", "prod"),
        ("Env", "prod-*"),
        ("Team", "a"),
    )


class TestPeriod:
    """Which time a run is about."""

    def test_a_scheduled_run_has_its_interval_and_the_lookback(self):
        """The interval, not the moment at which the run was due, says which day it is."""
        facts = RunFacts("scheduled", MIDNIGHT + timedelta(hours=9), (MIDNIGHT - DAY, MIDNIGHT))
        assert period_of_run(facts, RunParams(), LOOKBACK) == Period(MIDNIGHT - DAY, MIDNIGHT, LOOKBACK)

    def test_a_backfill_looks_at_its_interval_alone(self):
        """Each day of a backfill is a run of its own, so none makes up for another."""
        facts = RunFacts("backfill", MIDNIGHT + 90 * DAY, (MIDNIGHT - DAY, MIDNIGHT))
        assert period_of_run(facts, RunParams(), LOOKBACK) == Period(MIDNIGHT - DAY, MIDNIGHT, timedelta(0))

    @pytest.mark.parametrize("run_type", ["manual", "operator_triggered", "asset_triggered", "asset_materialization"])
    @pytest.mark.parametrize("interval", [None, (MIDNIGHT - DAY, MIDNIGHT)])
    def test_every_other_run_wants_what_the_next_scheduled_one_would(self, run_type, interval):
        """It is about the UTC day in which it was due, whatever interval Airflow made up for it (airflow 4)."""
        facts = RunFacts(run_type, MIDNIGHT + timedelta(hours=17), interval)
        assert period_of_run(facts, RunParams(), LOOKBACK) == Period(MIDNIGHT, MIDNIGHT + DAY, LOOKBACK)

    def test_days_are_those_of_utc(self):
        """A run that is due on the third of the month in Kathmandu may be due on the second in UTC."""
        due = datetime(2026, 3, 3, 1, 0, tzinfo=timezone(timedelta(hours=5, minutes=45)))
        assert period_of_run(RunFacts("manual", due), RunParams(), LOOKBACK).start == MIDNIGHT

    @pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered"])
    def test_a_day_that_is_asked_for_is_that_day_in_utc_without_lookback(self, run_type):
        """The param day is 00:00 to 24:00 UTC."""
        facts = RunFacts(run_type, MIDNIGHT + 5 * DAY, (MIDNIGHT + 4 * DAY, MIDNIGHT + 5 * DAY))
        asked = period_of_run(facts, RunParams(day=date(2026, 3, 2)), LOOKBACK)
        assert asked == Period(MIDNIGHT, MIDNIGHT + DAY, timedelta(0))

    def test_the_day_that_is_not_over_may_be_asked_for(self):
        """A run in the evening may be about its own day."""
        facts = RunFacts("manual", MIDNIGHT + timedelta(hours=23))
        assert period_of_run(facts, RunParams(day=date(2026, 3, 2)), LOOKBACK).end == MIDNIGHT + DAY

    def test_a_day_to_come_is_refused(self):
        """There are no snapshots of tomorrow, so a run about it would be green for nothing."""
        facts = RunFacts("manual", MIDNIGHT + timedelta(hours=23))
        with pytest.raises(ConfigurationError, match=r"day \(2026-03-03\) is in the future: this run is of 2026-03-02"):
            period_of_run(facts, RunParams(day=date(2026, 3, 3)), LOOKBACK)

    def test_a_day_in_a_backfill_is_refused(self):
        """All runs of the backfill would be about the same day."""
        facts = RunFacts("backfill", MIDNIGHT, (MIDNIGHT - DAY, MIDNIGHT))
        with pytest.raises(ConfigurationError, match="backfill names its days by itself"):
            period_of_run(facts, RunParams(day=date(2026, 3, 1)), LOOKBACK)

    @pytest.mark.parametrize(
        ("run_type", "start"), [("scheduled", MIDNIGHT - DAY), ("manual", MIDNIGHT + DAY), ("backfill", MIDNIGHT - DAY)]
    )
    def test_named_snapshots_need_no_lookback(self, run_type, start):
        """They are wanted whatever their age, and no others are."""
        facts = RunFacts(run_type, MIDNIGHT + DAY, (MIDNIGHT - DAY, MIDNIGHT))
        period = period_of_run(facts, RunParams(snapshot_ids=("snap-12345678",)), LOOKBACK)
        assert period == Period(start, start + DAY, timedelta(0))

    @pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
    def test_an_interval_to_come_is_refused(self, run_type):
        """A run about a time that has not come would be green for nothing; one that is not over may be looked at."""
        facts = RunFacts(run_type, MIDNIGHT, (MIDNIGHT, MIDNIGHT + DAY))
        with pytest.raises(ConfigurationError) as refused:
            period_of_run(facts, RunParams(), LOOKBACK)
        interval = "2026-03-02 00:00 to 2026-03-03 00:00 UTC, is in the future"
        for part in (f"this {run_type} run", interval, "due at 2026-03-02 00:00 UTC", "CronDataInterval"):
            assert part in str(refused.value)
        under_way = RunFacts(run_type, MIDNIGHT + DAY / 2, (MIDNIGHT, MIDNIGHT + DAY))
        assert period_of_run(under_way, RunParams(), LOOKBACK).end == MIDNIGHT + DAY

    @pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
    @pytest.mark.parametrize("interval", [None, (MIDNIGHT, MIDNIGHT)])
    def test_a_schedule_without_intervals_is_refused(self, run_type, interval):
        """A bare cron string has intervals that end where they start (airflow 4): its runs would copy nothing."""
        with pytest.raises(ConfigurationError, match=rf"This {run_type} run has no data interval.*CronDataInterval"):
            period_of_run(RunFacts(run_type, MIDNIGHT, interval), RunParams(), LOOKBACK)


class TestParams:
    """What a person asked."""

    @pytest.mark.parametrize(
        "params",
        [{}, {"day": None, "accounts": None, "snapshot_ids": [], "dry_run": None}, {"day": "", "accounts": ""}],
    )
    def test_nothing_asked(self, params):
        """Missing, null and empty params ask for nothing."""
        assert read_params(params) == RunParams()

    def test_all_that_can_be_asked(self):
        """Ids are ordered and each is there once."""
        read = read_params(
            {
                "accounts": ["222222222222", "111111111111", "222222222222"],
                "snapshot_ids": ["snap-0123456789abcdef0", "snap-01234567"],
                "dry_run": True,
            }
        )
        assert read == RunParams(
            None, ("111111111111", "222222222222"), ("snap-01234567", "snap-0123456789abcdef0"), dry_run=True
        )
        assert read_params({"day": "2026-03-02"}).day == date(2026, 3, 2)

    @pytest.mark.parametrize(
        ("params", "part"),
        [
            ({"day": "yesterday"}, "day 'yesterday' is not a date such as 2026-03-01"),
            ({"day": "2026-02-30"}, "day '2026-02-30' is not a date: day is out of range for month"),
            ({"day": "20260301"}, "day '20260301' is not a date such as"),
            ({"day": "2026-03-01T00:00:00"}, "is not a date such as"),
            ({"day": 20260301}, "day 20260301 is not a date such as"),
            ({"accounts": "111111111111"}, "accounts is a list of 12-digit account ids in quotes, not '111111111111'"),
            ({"accounts": [111111111111]}, "accounts takes 12-digit account ids in quotes; 111111111111 is none"),
            ({"accounts": ["payments"]}, "'payments' is none"),
            ({"snapshot_ids": ["vol-12345678"]}, "snapshot_ids takes snapshot ids"),
            ({"snapshot_ids": ["snap-123"]}, "'snap-123' is none"),
            ({"dry_run": "false"}, "dry_run is true or false, not 'false'"),
            ({"day": "2026-03-01", "snapshot_ids": ["snap-12345678"]}, "day and snapshot_ids exclude each other"),
        ],
    )
    def test_what_cannot_be_asked(self, params, part):
        """A param that cannot be used is named with its value and what it takes."""
        with pytest.raises(ConfigurationError) as refused:
            read_params(params)
        assert part in str(refused.value)

    def test_all_mistakes_are_told_at_once(self):
        """One reading names every param that cannot be used."""
        with pytest.raises(ConfigurationError, match=r"day 'x'.*accounts.*snapshot_ids.*dry_run"):
            read_params({"day": "x", "accounts": 1, "snapshot_ids": [1], "dry_run": 1})
