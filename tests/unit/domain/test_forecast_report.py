from __future__ import annotations

import json

import pytest

from snapshot_dr_provider.domain.forecast import PlannedSource, RouteForecast, Step
from snapshot_dr_provider.domain.forecast_report import Prices, RunForecast, Slots
from snapshot_dr_provider.domain.routes import Route
from tests.builders import KMS_B, KMS_C, at


def route(number: int = 1, source_region: str = "us-east-1") -> Route:
    """Build a route of an account."""
    return Route(f"{number:012}", f"team-{number}", source_region, "us-east-1", KMS_B, KMS_C, "9" * 12, "aws", "aws_dr")


def planned(
    count: int, *, of: Route | None = None, gib: float = 1.0, hop_1=Step.COPY, hop_2=Step.COPY
) -> RouteForecast:
    """Build the forecast of a route with so many sources."""
    sources = tuple(PlannedSource(f"snap-{n}", f"vol-{n}", at(1), gib, hop_1, hop_2) for n in range(count))
    return RouteForecast(of or route(), sources)


def report(*routes: RouteForecast, slots: Slots | None = None, prices: Prices | None = None) -> RunForecast:
    """Put routes together."""
    return RunForecast(at(0), at(24), 72, routes, {"us-east-1": slots or Slots()}, prices=prices)


@pytest.mark.parametrize(
    ("accounts", "each", "slots", "hours"),
    [
        (20, 10, 20, 2.75),
        (100, 10, 20, 12.75),
        (95, 20, 20, 24),
        (1, 200, 20, 5),
        (1000, 10, 105, 24.25),
        (0, 0, 20, 0),
    ],
)
def test_hours_are_those_of_the_page_on_performance(accounts, each, slots, hours):
    """T + ceil(N / S) * T where no account has more than S snapshots; 2 * ceil(N / S) * T for one account of N."""
    routes = [planned(each, of=route(number)) for number in range(accounts)]
    assert report(*routes, slots=Slots(dr_account=slots)).hours == hours


def test_an_account_with_other_slots_takes_as_long_as_these_allow():
    """Hop 1 of each account has its own quota; the slowest decides."""
    slots = Slots(dr_account=100, source_account=20, by_account={"000000000002": 5}, copy_minutes=60)
    assert report(planned(20), planned(10, of=route(2)), slots=slots).hours == 2 + 1


def test_what_is_adopted_or_kept_takes_no_slot():
    """Only copies that are made count in GiB and hours."""
    made = report(planned(30, hop_1=Step.ADOPT), planned(30, of=route(2), hop_1=Step.NONE, hop_2=Step.NONE))
    assert (len(made.hop_1()), len(made.hop_2())) == (0, 30)
    assert made.hours == 0.5


PRICES = Prices("USD", transfer_per_gib=0.02, time_based_per_gib=0.01, storage_per_gib_month=0.05)


def test_costs_follow_the_prices_of_the_settings():
    """Transfer is paid where hop 1 crosses Regions, time-based copies in both hops, storage for the KMS-C copies."""
    routes = (planned(10, gib=10), planned(5, of=route(2, "eu-west-1"), gib=10))
    cost = report(*routes, slots=Slots(is_time_based=True), prices=PRICES).cost()
    assert cost is not None
    assert cost.once == pytest.approx(50 * 0.02 + 300 * 0.01)
    assert cost.per_month == pytest.approx(150 * 0.05)
    standard = report(*routes, prices=PRICES).cost()
    assert standard is not None
    assert standard.once == pytest.approx(50 * 0.02)


def test_what_has_no_price_is_said_and_not_invented():
    """Without a table there is no cost; a price that is missing is named where it would count."""
    routes = (planned(1), planned(1, of=route(2, "eu-west-1")))
    assert report(*routes).cost() is None
    cost = report(*routes, prices=Prices("EUR")).cost()
    assert cost is not None
    assert (cost.once, cost.per_month) == (0, 0)
    assert cost.not_counted == ("transfer_per_gib", "storage_per_gib_month")


@pytest.mark.parametrize(
    ("routes", "status"),
    [
        ((planned(1),), 0),
        ((RouteForecast(route(), failing={"snap-1": "of another size"}),), 1),
        ((planned(1), RouteForecast(route(2), error="the role is not there")), 2),
        ((planned(1), RouteForecast(route(2), error="the role is not there", excused=True)), 0),
    ],
)
def test_the_status_is_2_for_what_is_not_known_and_1_for_what_will_fail(routes, status):
    """What could not be read goes before what is wrong; a new account that is excused is neither."""
    made = report(*routes)
    assert made.status == status
    assert json.loads(json.dumps(made.to_json()))["status"] == status
