"""The operators in somebody else's DAG: single arguments, in the worker or deferred."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.links.snapshots import SnapshotCopiesLink
from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.delete_kms_b import BATCH, DeleteKmsBOperator
from snapshot_dr_provider.operators.rotate_to_kms_c import RotateToKmsCOperator
from tests import worlds
from tests.integration.tasks import FAST, TaskInstance, context, fire, route, run

ACCOUNT = worlds.account_id(1)
ARGUMENTS: dict[str, Any] = {
    "aws_conn_id": "aws_tooling",
    "role_arn": f"arn:aws:iam::{ACCOUNT}:role/SnapshotDr",
    "source_account_id": ACCOUNT,
    "region_name": worlds.REGION,
    "kms_b_arn": worlds.kms_arn(worlds.DR, worlds.KMS_B_ID),
    "kms_c_arn": worlds.kms_arn(worlds.DR, worlds.KMS_C_ID),
    "dr_aws_conn_id": "aws_dr",
    "dr_account_id": worlds.DR,
    "options": FAST,
}


def copies(sandbox, stage):
    """Tell the copies of a stage that are there."""
    found = sandbox.control.snapshots()
    return [each for each in found if each["tags"].get("snapshot-dr:stage") == stage and not each["deleted"]]


@pytest.mark.smoke
@pytest.mark.parametrize("deferrable", [True, False])
def test_the_three_operators_copy_one_snapshot(enter, deferrable):
    """Hop 1, hop 2 and the deletion work alone, with single arguments, deferred and in the worker."""
    world = worlds.world(1, 1, copy_seconds=0.5)
    sandbox = enter(world)
    arguments = {**ARGUMENTS, "source_snapshot_ids": [world.snapshots[0].snapshot_id]}
    run(CopySnapshotToKmsBOperator(task_id="copy", deferrable=deferrable, **arguments))
    run(RotateToKmsCOperator(task_id="rotate", deferrable=deferrable, **arguments))
    assert [len(copies(sandbox, stage)) for stage in ("kms-b", "kms-c")] == [1, 1]
    run(DeleteKmsBOperator(task_id="delete", **arguments))
    assert [len(copies(sandbox, stage)) for stage in ("kms-b", "kms-c")] == [0, 1]


def test_without_waiting_copies_are_only_started(enter):
    """With wait_for_completion off the task ends as soon as every copy is started."""
    world = worlds.world(1, 2, copy_seconds=3600)
    sandbox = enter(world)
    ids = [seed.snapshot_id for seed in world.snapshots]
    run(
        CopySnapshotToKmsBOperator(
            task_id="copy", wait_for_completion=False, deferrable=False, source_snapshot_ids=ids, **ARGUMENTS
        )
    )
    assert [copy["state"] for copy in copies(sandbox, "kms-b")] == ["pending", "pending"]


def test_hop_1_works_without_a_dr_account(enter):
    """Hop 1 asks nothing of the DR account when none is named."""
    world = worlds.world(1, 1, copy_seconds=0.3)
    sandbox = enter(world)
    arguments = {name: value for name, value in ARGUMENTS.items() if not name.startswith("dr_")}
    run(CopySnapshotToKmsBOperator(task_id="copy", source_snapshot_ids=world.snapshots[0].snapshot_id, **arguments))
    assert sandbox.control.calls()["by_account"].get(worlds.DR, {}) == {}
    assert len(copies(sandbox, "kms-b")) == 1


def test_a_missing_argument_is_named():
    """What cannot work is said before anything is asked of AWS."""
    operator = CopySnapshotToKmsBOperator(task_id="copy", aws_conn_id="aws_tooling", source_snapshot_ids=["snap-1"])
    with pytest.raises(ConfigurationError, match="needs region_name and source_account_id"):
        operator.execute(context(TaskInstance()))


@pytest.mark.parametrize("arn", ["", "alias/kms-b", f"arn:aws:kms:{worlds.REGION}:{worlds.DR}:alias/kms-b"])
def test_a_key_that_is_not_an_arn_is_refused(arn):
    """Without a key, or with an alias, copies would end under another key again and again (aws 1.2)."""
    operator = CopySnapshotToKmsBOperator(
        task_id="copy", source_snapshot_ids="snap-1", **{**ARGUMENTS, "kms_b_arn": arn}
    )
    with pytest.raises(ConfigurationError, match="kms_b_arn is the full ARN of a key in us-east-1"):
        operator.execute(context(TaskInstance()))


def test_a_share_that_was_taken_back_is_given_again(enter):
    """A KMS-B copy whose share is gone when it is copied is shared once more, and copied."""
    world = worlds.world(1, 1, copy_seconds=0.3)
    sandbox = enter(world)
    ids = [world.snapshots[0].snapshot_id]
    run(CopySnapshotToKmsBOperator(task_id="copy", source_snapshot_ids=ids, **ARGUMENTS))
    message = "Source snapshot is not found"
    sandbox.control.add_fault(service="ec2", action="CopySnapshot", kind="copy_error", message=message, count=1)
    task = run(RotateToKmsCOperator(task_id="rotate", deferrable=True, source_snapshot_ids=ids, **ARGUMENTS))
    assert task.pushed["failures"] == {}
    assert [copy["state"] for copy in copies(sandbox, "kms-c")] == ["completed"]


def test_many_copies_are_deleted_in_verified_batches(enter):
    """Before each batch of deletions the KMS-C copies are read again: as many looks in the DR account as batches."""
    account = worlds.account_id(1)
    sources = [worlds.source(account, number) for number in range(1, BATCH + 11)]
    seeds = [worlds.copy_of(source, stage, n) for stage in ("kms-b", "kms-c") for n, source in enumerate(sources, 1)]
    sandbox = enter(worlds.world(1, seeds=[*sources, *seeds]))
    ids = [source.snapshot_id for source in sources]
    run(DeleteKmsBOperator(task_id="delete", source_snapshot_ids=ids, **ARGUMENTS))
    assert copies(sandbox, "kms-b") == []
    assert len(copies(sandbox, "kms-c")) == len(sources)
    assert sandbox.control.calls()["by_account"][worlds.DR]["ec2:DescribeSnapshots"] == 2


def test_a_trigger_runs_again_where_another_stopped(enter):
    """A trigger that is run a second time adopts what the first has started, and starts nothing."""
    world = worlds.world(1, 3, copy_seconds=0.5)
    sandbox = enter(world)
    ids = [seed.snapshot_id for seed in world.snapshots]
    operator = CopySnapshotToKmsBOperator(task_id="copy", deferrable=True, source_snapshot_ids=ids, **ARGUMENTS)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context(TaskInstance()))
    first = fire(deferred.value.trigger)
    assert fire(deferred.value.trigger) == first == {"finished": sorted(ids), "failures": {}}
    assert sandbox.control.calls()["by_action"]["ec2:CopySnapshot"] == len(ids)


def test_throttled_reads_do_not_end_a_trigger(enter):
    """Throttling, server errors and cut connections while looking only make it look again."""
    world = worlds.world(1, 1, copy_seconds=0.3)
    sandbox = enter(world)
    operator = CopySnapshotToKmsBOperator(
        task_id="copy", deferrable=True, source_snapshot_ids=[world.snapshots[0].snapshot_id], **ARGUMENTS
    )
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context(TaskInstance()))
    for kind in ("throttle", "server_error", "reset_before"):
        sandbox.control.add_fault(service="ec2", action="DescribeSnapshots", kind=kind, count=3)
    assert fire(deferred.value.trigger)["failures"] == {}
    assert all(fault["fired"] for fault in sandbox.control.faults())


def test_a_lost_answer_makes_no_second_copy(enter):
    """A start whose answer was lost is looked for, after the time that reads may lag, and not repeated (aws 5.1)."""
    world = worlds.world(1, 1, copy_seconds=0.5)
    sandbox = enter(world)
    sandbox.control.set_lag(create=0.2, tags=0.2)
    sandbox.control.add_fault(service="ec2", action="CopySnapshot", kind="lost_answer", count=1)
    ids = [world.snapshots[0].snapshot_id]
    run(CopySnapshotToKmsBOperator(task_id="copy", deferrable=True, source_snapshot_ids=ids, **ARGUMENTS))
    assert sandbox.control.calls()["by_action"]["ec2:CopySnapshot"] == 1
    assert len(copies(sandbox, "kms-b")) == 1


def test_a_full_account_is_waited_for(enter):
    """With all slots taken nothing is lost: the rest starts as slots become free, never past the quota (aws 3.1)."""
    world = worlds.world(1, 7, copy_seconds=0.6, copy_slots=3)
    sandbox = enter(world)
    ids = [seed.snapshot_id for seed in world.snapshots]
    options = {**FAST, "copy_slots": 3}
    run(
        CopySnapshotToKmsBOperator(
            task_id="copy", deferrable=True, source_snapshot_ids=ids, **{**ARGUMENTS, "options": options}
        )
    )
    assert len(copies(sandbox, "kms-b")) == len(ids)
    assert sandbox.control.peak_in_flight()[f"{ACCOUNT}/{worlds.REGION}"] == 3


def test_a_quota_that_others_use_is_a_signal_to_wait(enter):
    """ResourceLimitExceeded, because others hold the slots, is no failure of a snapshot."""
    world = worlds.world(1, 4, copy_seconds=0.5, copy_slots=2)
    sandbox = enter(world)
    ids = [seed.snapshot_id for seed in world.snapshots]
    task = run(CopySnapshotToKmsBOperator(task_id="copy", deferrable=True, source_snapshot_ids=ids, **ARGUMENTS))
    assert task.pushed["failures"] == {}
    assert len(copies(sandbox, "kms-b")) == len(ids)


OF_A_RUN = {
    **FAST,
    "copy_slots": 1,
    "copy_slots_by_region": [[worlds.REGION, 3]],
    "source_copy_slots_by_region": [[worlds.REGION, 2]],
}
"""Options as a run hands them to both hops."""


def test_each_hop_has_the_slots_of_the_account_that_receives_its_copies(enter):
    """A quota that was raised in the DR account alone is used in hop 2, and hop 1 stays within that of its account."""
    world = worlds.world(1, 6, copy_seconds=0.6)
    sandbox = enter(world)
    ids = [seed.snapshot_id for seed in world.snapshots]
    arguments = {**ARGUMENTS, "options": OF_A_RUN, "deferrable": True, "source_snapshot_ids": ids}
    run(CopySnapshotToKmsBOperator(task_id="copy", **arguments))
    run(RotateToKmsCOperator(task_id="rotate", **arguments))
    assert sandbox.control.peak_in_flight() == {f"{ACCOUNT}/{worlds.REGION}": 2, f"{worlds.DR}/{worlds.REGION}": 3}


def test_an_account_has_the_slots_that_its_route_names(enter):
    """A quota that was raised for one source account is used in hop 1 of that account, and changes nothing in hop 2."""
    world = worlds.world(1, 6, copy_seconds=0.6)
    sandbox = enter(world)
    ids = [seed.snapshot_id for seed in world.snapshots]
    arguments: dict = {"route": route(source_copy_slots=5), "source_snapshot_ids": ids, "options": OF_A_RUN}
    run(CopySnapshotToKmsBOperator(task_id="copy", deferrable=True, **arguments))
    run(RotateToKmsCOperator(task_id="rotate", deferrable=True, **arguments))
    assert sandbox.control.peak_in_flight() == {f"{ACCOUNT}/{worlds.REGION}": 5, f"{worlds.DR}/{worlds.REGION}": 3}


def test_a_run_of_an_earlier_version_goes_on(enter):
    """Options without slots of the source accounts give hop 1 the common number."""
    world = worlds.world(1, 3, copy_seconds=0.3)
    sandbox = enter(world)
    options = {name: value for name, value in OF_A_RUN.items() if name != "source_copy_slots_by_region"}
    ids = [seed.snapshot_id for seed in world.snapshots]
    run(
        CopySnapshotToKmsBOperator(
            task_id="copy", deferrable=True, source_snapshot_ids=ids, **{**ARGUMENTS, "options": options}
        )
    )
    assert sandbox.control.peak_in_flight()[f"{ACCOUNT}/{worlds.REGION}"] == 1


@pytest.mark.parametrize(
    ("connection", "error", "says"),
    [
        ({"source_conn_id": "nowhere"}, AirflowException, ["'nowhere' does not exist", "airflow connections add"]),
        ({"source_conn_id": "aws_dr", "source_role_arn": None}, AirflowFailException, [worlds.DR, ACCOUNT, "expected"]),
        (
            {"source_role_arn": f"arn:aws:iam::{ACCOUNT}:role/NoSuchRole"},
            AirflowFailException,
            ["sign in", "NoSuchRole", "AccessDenied"],
        ),
    ],
)
def test_the_wrong_credentials_change_nothing(enter, connection, error, says):
    """A missing connection, another account's, or a role that may not be assumed: an error that says so, no change."""
    world = worlds.world(1, 1)
    sandbox = enter(world)
    operator = CopySnapshotToKmsBOperator(
        task_id="copy",
        route=route(**connection),
        source_snapshot_ids=[world.snapshots[0].snapshot_id],
        options=FAST,
    )
    with pytest.raises(error) as raised:
        operator.execute(context(TaskInstance()))
    assert all(part in str(raised.value) for part in says)
    assert "ec2:CopySnapshot" not in sandbox.control.calls()["by_action"]


def test_throttling_is_left_to_the_retries_of_airflow(enter):
    """What may pass by itself is not made permanent: the task fails so that Airflow tries it again."""
    world = worlds.world(1, 1)
    sandbox = enter(world)
    sandbox.control.add_fault(service="ec2", action="DescribeSnapshots", kind="throttle", count=50)
    operator = CopySnapshotToKmsBOperator(
        task_id="copy", route=route(), source_snapshot_ids=[world.snapshots[0].snapshot_id], options=FAST
    )
    with pytest.raises(AirflowException) as raised:
        operator.execute(context(TaskInstance()))
    assert not isinstance(raised.value, AirflowFailException)


@pytest.mark.parametrize(("priority", "most"), [(None, 500_000), (999_999, 520_000)])
def test_a_route_of_5000_snapshots_fits(enter, priority, most):
    """Records and trigger arguments of 5,000 snapshots are JSON of half a megabyte each; priorities add little."""
    import json

    from snapshot_dr_provider.domain.coverage import SourceSize
    from snapshot_dr_provider.domain.records import read_records, write_records

    wanted = {f"snap-{number:017x}": SourceSize(16384, 2**44 - number, priority) for number in range(5000)}
    records = json.dumps(write_records(wanted))
    assert read_records(json.loads(records)) == wanted
    enter(worlds.world(1, 1))
    operator = CopySnapshotToKmsBOperator(
        task_id="copy", route=route(), deferrable=True, records_from="plan", options=FAST
    )
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context(TaskInstance(json.loads(records))))
    arguments = json.dumps(deferred.value.trigger.serialize()[1])
    assert len(records) < most
    assert len(arguments) < most


def test_the_link_leads_to_the_copies_of_the_account():
    """The console link lists the snapshots with the lineage tags of the account and the stage, in their Region."""
    pushed = TaskInstance()
    operator = CopySnapshotToKmsBOperator(task_id="copy", route=route())
    there = Route.from_json(route())
    SnapshotCopiesLink.persist_copies(context(pushed), operator, there, Stage.KMS_B)
    link = SnapshotCopiesLink().format_link(**pushed.pushed["snapshot_copies"])
    assert link == (
        f"https://console.aws.amazon.com/ec2/home?region={worlds.REGION}#Snapshots:visibility=owned-by-me;"
        f"tag%3ASourceAccount={ACCOUNT};tag%3Asnapshot-dr%3Astage=kms-b"
    )
