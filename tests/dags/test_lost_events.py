"""Events may be lost: the daily run does not need them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import worlds
from tests.event_queues import EVENTS, EventQueues

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox import Sandbox
    from tests.dags.deployment import Deployment

ONE = worlds.account_id(1)


def test_the_daily_run_makes_up_for_a_lost_event(deployment: Deployment, sandbox: Sandbox):
    """A snapshot whose message was lost, on a day of which there was no run either, is copied by the next day's run."""
    deployment.start(worlds.world(1, seeds=(), clock=worlds.DAY + timedelta(hours=12)), events=dict(EVENTS))
    queues = EventQueues(sandbox, [ONE])
    snapshot_id = queues.create_snapshot(ONE)
    deployment.control.advance(60)
    assert queues.lose_all() == 1
    deployment.control.advance(timedelta(days=1).total_seconds())
    run = deployment.airflow.schedule(worlds.DAY + timedelta(days=1))
    assert run.state == "success", run.errors
    assert [each["tags"]["SourceSnapshotId"] for each in deployment.left("kms-c")] == [snapshot_id]


@pytest.mark.smoke
def test_the_event_dag_has_the_stages_of_the_daily_one():
    """Both DAGs have the same tasks in the same order, and the one of events ends with the same audit."""
    from airflow.dag_processing.dagbag import DagBag

    dags = Path(__file__).parents[2] / "dags"
    daily = DagBag(dags / "snapshot_dr.py").dags["snapshot_dr"]
    event = DagBag(dags / "snapshot_dr_on_event.py").dags["snapshot_dr_on_event"]
    assert {each.task_id: each.downstream_task_ids for each in event.tasks} == {
        each.task_id: each.downstream_task_ids for each in daily.tasks
    }
    assert {each.task_id for each in event.tasks if not each.downstream_task_ids} == {"audit"}
    assert 1 <= event.max_active_runs <= 3
