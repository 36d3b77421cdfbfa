"""Copies in the order that a tag of their sources asks for, by the real operators."""

from __future__ import annotations

import asyncio
import json

import pytest
from airflow.sdk.exceptions import TaskDeferred

from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.plan_copies import PlanCopiesOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator
from snapshot_dr_provider.sensors.snapshot_completed import SnapshotCompletedSensor
from snapshot_dr_provider.triggers.orders import CopyOrder
from snapshot_dr_provider.triggers.snapshot_copies import SnapshotCopiesTrigger
from tests import worlds
from tests.integration.tasks import FAST, TaskInstance, context, route, run

TAG = "Backup-Priority"
ONE_SLOT = {**FAST, "copy_slots": 1}


def seed(number, index, priority):
    """Seed a source of an account with a priority, the oldest first."""
    return worlds.source(worlds.account_id(number), index, tags={TAG: priority} if priority else {})


def planned(number=1, priority_tag=TAG):
    """Have the plan of an account leave its records."""
    options = RunOptions(worlds.DAY, worlds.NOW, priority_tag=priority_tag).to_json()
    return run(PlanCopiesOperator(task_id="plan", route=route(number), options=options)).pushed["records"]


def order_of(sandbox, stage):
    """Name the sources of the copies of a stage, in the order in which the copies were started."""
    found = [each for each in sandbox.control.snapshots() if each["tags"].get("snapshot-dr:stage") == stage]
    return [each["tags"]["SourceSnapshotId"] for each in sorted(found, key=lambda each: each["start_time"])]


@pytest.mark.parametrize("deferrable", [True, False])
def test_both_hops_follow_the_tag(enter, deferrable):
    """From the plan through copies and gate into hop 2: 1 before 2, the others after them, the oldest first."""
    seeds = [seed(1, n, priority) for n, priority in enumerate(["", "2", "soon", "1"], 1)]
    sandbox = enter(worlds.world(1, seeds=seeds, copy_seconds=0.2))
    expected = [seeds[n].snapshot_id for n in (3, 1, 0, 2)]
    arguments = {"route": route(), "options": ONE_SLOT, "records_from": "before", "deferrable": deferrable}
    records = planned()
    assert [record["snapshot_id"] for record in records] == expected
    assert [record.get("priority") for record in records] == [1, 2, None, None]
    hop_1 = run(CopySnapshotToKmsBOperator(task_id="copy", **arguments), records).pushed["records"]
    gate = run(SnapshotCompletedSensor(task_id="gate", stage="kms-b", **arguments), hop_1).pushed["records"]
    hop_2 = run(RotateToKmsCOperator(task_id="rotate", **arguments), gate).pushed["records"]
    assert records == hop_1 == gate == hop_2
    assert order_of(sandbox, "kms-b") == expected
    assert order_of(sandbox, "kms-c") == expected


def test_without_the_setting_tags_change_nothing(enter):
    """The oldest goes first, and neither records nor orders speak of priorities."""
    seeds = [seed(1, n, priority) for n, priority in enumerate(["2", "1"], 1)]
    enter(worlds.world(1, seeds=seeds))
    records = planned(priority_tag=None)
    assert [record["snapshot_id"] for record in records] == [each.snapshot_id for each in seeds]
    assert "priority" not in json.dumps(records)
    assert "ranks" not in deferred(CopySnapshotToKmsBOperator, records).order


def deferred(operator, records, number=1):
    """Give the trigger of a copy stage of an account."""
    task = operator(task_id="copy", route=route(number), options=ONE_SLOT, records_from="before", deferrable=True)
    with pytest.raises(TaskDeferred) as left:
        task.execute(context(TaskInstance(records)))
    path, arguments = left.value.trigger.serialize()
    assert path.endswith("SnapshotCopiesTrigger")
    return SnapshotCopiesTrigger(**json.loads(json.dumps(arguments)))


def test_accounts_take_the_slots_of_the_dr_account_by_priority(enter):
    """In hop 2 the accounts share one slot: a priority of one account goes before what is less urgent in the other."""
    priorities = {1: ["", "4", "2"], 2: ["3", "", "1"]}
    seeds = {(number, p): seed(number, n, p) for number, each in priorities.items() for n, p in enumerate(each, 1)}
    world = worlds.world(2, seeds=[*seeds.values()], copy_seconds=0.3)
    sandbox = enter(world)
    records = {number: planned(number) for number in priorities}
    for number, left in records.items():
        run(
            CopySnapshotToKmsBOperator(
                task_id="copy", route=route(number), options=FAST, records_from="before", deferrable=True
            ),
            left,
        )
    triggers = [deferred(RotateToKmsCOperator, left, number) for number, left in records.items()]

    async def fire_all():
        return await asyncio.gather(*(anext(aiter(trigger.run())) for trigger in triggers))

    assert [event.payload["failures"] for event in asyncio.run(fire_all())] == [{}, {}]
    first, *others = order_of(sandbox, "kms-c")
    # Whoever sits down first may have been served before the other one was there.
    assert first in {seeds[1, "2"].snapshot_id, seeds[2, "1"].snapshot_id}
    by_rank = [seeds[n, p].snapshot_id for n, p in ((2, "1"), (1, "2"), (2, "3"), (1, "4"), (1, ""), (2, ""))]
    by_rank.remove(first)
    assert others[:3] == by_rank[:3]
    assert set(others) == set(by_rank)


def test_orders_with_and_without_ranks_are_read(enter):
    """Ranks survive the trigger's arguments, and an order of an earlier version has none."""
    enter(worlds.world(1, seeds=[seed(1, 1, "7"), seed(1, 2, "")]))
    written = deferred(CopySnapshotToKmsBOperator, planned()).order
    order = CopyOrder.from_json(written)
    assert list(order.ranks) == [order.sources[0]]
    assert CopyOrder.from_json(json.loads(json.dumps(order.to_json()))) == order
    del written["ranks"]
    assert CopyOrder.from_json(written).ranks == {}
