"""What a run is about that events have started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowFailException

from snapshot_dr_provider.domain.events import CreatedSnapshot, batches
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.operators.list_event_routes import ListEventRoutesOperator
from tests import worlds
from tests.integration.tasks import TaskInstance

ONE, TWO = worlds.account_id(1), worlds.account_id(2)
ASSET = Asset("created_ebs_snapshots")
IDS = [f"snap-{number:017x}" for number in range(5)]


def told(*snapshots: tuple[str, str]) -> dict[str, Any]:
    """Write the payload of an event of snapshots by account."""
    found = [CreatedSnapshot(account, worlds.REGION, each, worlds.DAY) for account, each in snapshots]
    return {"snapshots": [batch.to_json() for batch in batches(found)]}


@pytest.fixture
def list_routes(tmp_path: Any) -> Callable[..., tuple[list[Route], RunOptions]]:
    """Run the operator for events with these payloads, and give its routes and options."""
    path = worlds.write_settings(tmp_path / "dr.yaml", worlds.settings(worlds.world(2, 1)))

    def run(*payloads: Any, later: Any = None, **extra: Any) -> tuple[list[Route], RunOptions]:
        task = TaskInstance()
        events = [
            SimpleNamespace(timestamp=worlds.NOW, extra={"from_trigger": True, "payload": payload, **extra})
            for payload in payloads
        ]
        dag_run = SimpleNamespace(
            run_type=DagRunType.ASSET_TRIGGERED, run_after=worlds.NOW, data_interval_start=None, data_interval_end=None
        )
        triggering: Mapping[str, Any] = {"created_ebs_snapshots": events} if events else {}
        context: Any = {"ti": task, "params": {}, "dag_run": dag_run, "triggering_asset_events": triggering}
        since = [SimpleNamespace(timestamp=worlds.NOW, extra={"payload": later})] if later else []
        context["inlet_events"] = {ASSET: SimpleNamespace(after={worlds.NOW.isoformat(): since}.__getitem__)}
        operator = ListEventRoutesOperator(task_id="list_routes", settings_path=path, inlets=[ASSET])
        routes = operator.execute(context)
        return [Route.from_json(route) for route in routes], RunOptions.from_json(task.pushed["run_options"])

    return run


def test_a_run_is_about_exactly_what_its_events_name(list_routes: Callable[..., Any]) -> None:
    """Several events make one run of all their snapshots, each once, along the routes of their accounts alone."""
    routes, options = list_routes(told((ONE, IDS[0]), (ONE, IDS[1])), told((ONE, IDS[1]), (ONE, IDS[2])))
    assert [(route.account_id, route.source_region) for route in routes] == [(ONE, worlds.REGION)]
    assert (options.snapshot_ids, options.by_events) == (tuple(IDS[:3]), True)
    assert options.lookback_hours == 0
    both, _ = list_routes(told((TWO, IDS[0])), told((ONE, IDS[1])))
    assert [route.account_id for route in both] == [ONE, TWO]


def test_news_that_came_while_the_run_was_waiting_is_part_of_it(list_routes: Callable[..., Any]) -> None:
    """An event that Airflow makes no run of, since one was queued already, is taken by the run that was."""
    routes, options = list_routes(told((ONE, IDS[0])), later=told((TWO, IDS[1])))
    assert [route.account_id for route in routes] == [ONE, TWO]
    assert options.snapshot_ids == (IDS[0], IDS[1])


@pytest.mark.parametrize(
    "stranger",
    [("888888888888", worlds.REGION, "account"), (ONE, "eu-north-1", "Region")],
    ids=["another account", "another Region"],
)
def test_what_the_settings_do_not_copy_is_left_out(
    list_routes: Callable[..., Any], capsys: pytest.CaptureFixture[str], stranger: tuple[str, str, str]
) -> None:
    """Snapshots of accounts and Regions that nobody copies are left out with a warning, be they all or some."""
    account, region, what = stranger
    batch = batches([CreatedSnapshot(account, region, IDS[4], worlds.DAY)])[0].to_json()
    routes, options = list_routes({"snapshots": [batch]}, told((TWO, IDS[0])))
    assert [route.account_id for route in routes] == [TWO]
    assert options.snapshot_ids == (IDS[0],)
    assert f"such as {IDS[4]}: the settings do not copy that {what}" in capsys.readouterr().out
    routes, options = list_routes({"snapshots": [batch]})
    assert (routes, options.snapshot_ids) == ([], ())


@pytest.mark.parametrize(
    ("payloads", "answer"),
    [
        ([], "No event has started this run"),
        ([None], "names no snapshots"),
        ([{"snapshots": "snap-01234567"}], "names no snapshots"),
        ([{"snapshots": [{"account_id": ONE}]}], "cannot be read: snapshot_ids is None"),
        ([told((ONE, IDS[0])), {"snapshots": [None]}], "cannot be read: a batch of events is None"),
    ],
)
def test_a_run_without_news_is_red(list_routes: Callable[..., Any], payloads: list[Any], answer: str) -> None:
    """A run by hand, or by an event that somebody else made, fails and says how to copy snapshots by name."""
    with pytest.raises(AirflowFailException, match=answer):
        list_routes(*payloads)


def test_the_day_of_an_event_makes_no_difference(list_routes: Callable[..., Any]) -> None:
    """The period of such a run is the UTC day in which it was due; snapshots of any age are copied."""
    _, options = list_routes(told((ONE, IDS[0])))
    assert options.interval_start == datetime(2026, 3, 11, tzinfo=UTC)
    assert options.selection.snapshot_ids == {IDS[0]}
