"""What a run tells other DAGs of the copies that it has added, as Airflow's database has it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.dag_runs import Run
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "restore_drill_dag.py"


def told(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Give the extras of a run's asset events by the URI of their asset."""
    from tests.dags.dag_runs import asset_events

    by_uri: dict[str, list[dict[str, Any]]] = {}
    for event in asset_events(run):
        by_uri.setdefault(event.asset.uri, []).append(event.extra)
    return by_uri


def uri(number: int) -> str:
    """Name the asset of an account as a consumer in another DAG does."""
    return f"x-snapshot-dr://kms-c/{worlds.DR}/{worlds.REGION}/{worlds.account_id(number)}"


def test_each_account_tells_its_new_copies(deployment: Deployment) -> None:
    """A run makes one event of each account that got copies, which says whose, how many and of when, and no more."""
    deployment.start(worlds.world(2, 3, copy_seconds=0.3))
    run = deployment.run_day()
    assert run.is_green, run.errors
    noon = worlds.DAY + timedelta(hours=12)
    assert told(run) == {
        uri(number): [
            {
                "account_id": worlds.account_id(number),
                "account_name": f"team-{number}",
                "source_region": worlds.REGION,
                "destination_region": worlds.REGION,
                "dr_account_id": worlds.DR,
                "new_copies": 3,
                "verified_copies": 3,
                "oldest_source_start_time": (noon + timedelta(minutes=1)).isoformat(),
                "newest_source_start_time": (noon + timedelta(minutes=3)).isoformat(),
                "run_id": run.run_id,
            }
        ]
        for number in (1, 2)
    }


def test_a_run_that_finds_everything_copied_tells_nothing(deployment: Deployment) -> None:
    """A run without a new copy makes no event, though each of its tasks is green."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    assert told(deployment.run_day()).keys() == {uri(1)}
    again = deployment.run_day()
    assert again.tasks_in("success") == set(again.states)
    assert told(again) == {}


def test_a_dry_run_tells_nothing(deployment: Deployment) -> None:
    """A dry run copies nothing and makes no event."""
    deployment.start(worlds.world(1, 1))
    run = deployment.airflow.trigger(worlds.NOW, day=f"{worlds.DAY:%Y-%m-%d}", dry_run=True)
    assert run.is_green, run.errors
    assert told(run) == {}


def test_only_what_is_new_is_counted(deployment: Deployment) -> None:
    """Of a day in which some had a copy already, the event counts and dates the others, and says how many all are."""
    old, new = (worlds.source(worlds.account_id(1), number) for number in (1, 2))
    deployment.start(worlds.world(1, seeds=[old, new, worlds.copy_of(old, "kms-c", 1)], copy_seconds=0.3))
    ((event,),) = told(deployment.run_day()).values()
    assert (event["new_copies"], event["verified_copies"]) == (1, 2)
    assert event["oldest_source_start_time"] == event["newest_source_start_time"] == new.start_time.isoformat()


def test_what_a_dead_run_has_begun_is_told_by_the_run_that_finishes_it(deployment: Deployment) -> None:
    """A copy that another run has started, and that was not verified when this one was planned, is new with this."""
    source = worlds.source(worlds.account_id(1), 1)
    ends = worlds.NOW + timedelta(seconds=1)
    pending = worlds.copy_of(source, "kms-c", 1, start=worlds.NOW, state="pending", completes_at=ends)
    deployment.start(worlds.world(1, seeds=[source, worlds.copy_of(source, "kms-b", 1), pending]))
    deployment.control.freeze(worlds.NOW)
    deployment.airflow.before["account.rotate_to_kms_c[0]"] = deployment.control.run_clock
    run = deployment.run_day()
    assert run.is_green, run.errors
    assert [event["new_copies"] for event in told(run)[uri(1)]] == [1]


def test_a_red_account_tells_its_copies_when_it_is_repaired(deployment: Deployment) -> None:
    """A gate that is red makes no event, and makes it when the task that was at fault is cleared and all is well."""
    deployment.start(worlds.world(2, 2, copy_seconds=0.3))
    broken = worlds.account_id(2)

    def lose_a_copy() -> None:
        copy = next(each for each in deployment.left("kms-c") if each["tags"]["SourceAccount"] == broken)
        deployment.client(worlds.DR).delete_snapshot(SnapshotId=copy["id"])

    deployment.airflow.before["account.kms_c_completed[1]"] = lose_a_copy
    run = deployment.run_day()
    assert "account.kms_c_completed[1]" in run.red
    assert told(run).keys() == {uri(1)}
    deployment.airflow.clear(run, "account.rotate_to_kms_c", 1)
    assert run.is_green, run.errors
    assert [event["new_copies"] for event in told(run)[uri(2)]] == [2]
    assert len(told(run)[uri(1)]) == 1


def test_clearing_the_whole_run_does_not_lose_what_was_not_told(deployment: Deployment) -> None:
    """Copies that a run made and whose gate was red are told by its gate also when the run was planned anew."""
    deployment.start(worlds.world(1, 2, copy_seconds=0.3))
    deployment.airflow.marked_by_hand["account.kms_c_completed[0]"] = "failed"
    run = deployment.run_day()
    assert told(run) == {}
    deployment.airflow.clear(run, "list_routes")
    assert run.is_green, run.errors
    assert [event["new_copies"] for event in told(run)[uri(1)]] == [2]
