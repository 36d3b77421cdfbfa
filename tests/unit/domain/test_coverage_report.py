from __future__ import annotations

import json
from datetime import timedelta

import pytest

from snapshot_dr_provider.domain.coverage_report import CoverageReport, RouteCoverage
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.volume_coverage import (
    RecoveryPoint,
    SourceStock,
    State,
    VolumeCoverage,
    VolumeSources,
)
from tests.builders import KMS_B, KMS_C, at

NOW = at(48)


def route(account_id: str = "111111111111", region: str = "us-east-1") -> Route:
    """Build a route of an account."""
    return Route(account_id, "team", region, "us-east-1", KMS_B, KMS_C, "999999999999", "aws", "aws_dr")


def volume(state: State, hours_old: float | None = None) -> VolumeCoverage:
    """Build a volume that stands so, with a copy of that age if it has one."""
    point = None if hours_old is None else RecoveryPoint("snap-c", "snap-1", NOW - timedelta(hours=hours_old))
    return VolumeCoverage("vol-1", state, VolumeSources(at(0), at(1), "snap-1"), point)


def report(*routes: RouteCoverage, rpo: timedelta | None = timedelta(hours=24)) -> CoverageReport:
    """Put routes together."""
    return CoverageReport(NOW, rpo, routes)


def read(*volumes: VolumeCoverage, of: Route | None = None) -> RouteCoverage:
    """Build a route that was read."""
    return RouteCoverage(of or route(), SourceStock(len(volumes) or 1), volumes)


GOOD = read(volume(State.COVERED, 5))
UNREAD = RouteCoverage(route("222222222222"), error="the role is not there")
EXCUSED = RouteCoverage(route("222222222222"), error="the role is not there", excused=True)
EMPTY = RouteCoverage(route("333333333333"), SourceStock())


@pytest.mark.parametrize("state", State)
def test_gaps_alone_end_with_1(state):
    """What is missing, behind or stale ends with 1; what is covered, new, gone or excluded with 0."""
    assert report(read(volume(state))).status == (1 if state in ("missing", "behind", "stale") else 0)


@pytest.mark.parametrize(
    ("routes", "status"),
    [
        ((GOOD,), 0),
        ((GOOD, EMPTY), 1),
        ((GOOD, UNREAD), 2),
        ((GOOD, EXCUSED), 0),
        ((read(volume(State.MISSING)), UNREAD), 2),
        ((read(volume(State.MISSING)), EXCUSED), 1),
        ((EMPTY, UNREAD), 2),
    ],
)
def test_what_is_not_known_goes_before_what_is_wrong(routes, status):
    """One account that could not be read makes it 2, whatever else was found; one that is excused does not."""
    assert report(*routes).status == status


def test_an_account_with_snapshots_in_one_region_only_has_some():
    """No Region without snapshots makes a gap, as long as the account has some in another."""
    elsewhere = RouteCoverage(route(region="eu-west-1"), SourceStock())
    assert report(GOOD, elsewhere).status == 0
    assert report(GOOD, elsewhere, EMPTY).without_snapshots == {"333333333333"}


def test_the_oldest_is_of_those_that_are_judged():
    """The greatest age leaves aside volumes without a copy, and those that are gone or excluded."""
    aside = [volume(State.GONE, 900), volume(State.EXCLUDED, 800), volume(State.MISSING)]
    assert report(read(*aside, volume(State.STALE, 30), volume(State.COVERED, 5))).oldest == timedelta(hours=30)
    assert report(read(*aside)).oldest is None


def test_machines_are_told_in_json():
    """The report is JSON, with every state counted, ages in hours and moments in ISO 8601."""
    said = json.loads(json.dumps(report(read(volume(State.BEHIND, 30.256)), UNREAD).to_json()))
    assert (said["status"], said["rpo_hours"], said["read_at"]) == (2, 24, "2026-11-24T00:00:00+00:00")
    assert said["counts"].keys() == {state.value for state in State}
    first, second = said["routes"]
    assert first["error"] is None
    assert first["volumes"] == [
        {
            "volume": "vol-1",
            "state": "behind",
            "is_gap": True,
            "age_hours": 30.26,
            "dr_copy": "snap-c",
            "dr_copy_of": "snap-1",
            "dr_copy_taken": (NOW - timedelta(hours=30.256)).isoformat(),
            "newest_source": "snap-1",
            "newest_source_taken": "2026-11-22T01:00:00+00:00",
            "excluded": None,
        }
    ]
    assert (second["error"], second["snapshots"], second["volumes"]) == ("the role is not there", None, [])


def test_without_an_rpo_or_a_copy_there_is_no_number():
    """What is not known is null, never a number."""
    said = report(read(volume(State.MISSING)), rpo=None).to_json()
    assert (said["rpo_hours"], said["oldest_age_hours"]) == (None, None)
    assert said["routes"][0]["volumes"][0]["age_hours"] is None
