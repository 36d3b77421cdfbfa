"""Opening and locking KMS-B, and hop 1 in between, task by task against the sandbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from snapshot_dr_provider.domain.key_policy.window import Terms, Window, open_window, windows_in
from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.operators.copy_snapshot_to_kms_b import CopySnapshotToKmsBOperator
from snapshot_dr_provider.operators.lock_down_kms_b import LockDownKmsBOperator
from snapshot_dr_provider.operators.open_kms_b_window import OpenKmsBWindowOperator
from tests import worlds
from tests.integration.tasks import route

ACCOUNT = worlds.account_id(1)
KMS_B = worlds.kms_arn(worlds.DR, worlds.KMS_B_ID)
TERMS = Terms(worlds.ORG_A, worlds.REGION)
RUN = "scheduled__2026-03-10"


class TaskInstance:
    """Keep the XComs of one task, and give those that other tasks have left."""

    map_index = -1

    def __init__(self, left: dict[tuple[str, str], Any] | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self._left = left or {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.pushed[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, key: str = "return_value", default: Any = None, **_: Any) -> Any:
        """Give what another task has left."""
        return self._left.get((task_ids, key), default)


class Place:
    """One account, one locked KMS-B, and the tasks of a run."""

    def __init__(self, sandbox: Any) -> None:
        self.control = sandbox.control
        keys = worlds.KEY_ADMIN
        session = boto3.session.Session(keys.access_key_id, keys.secret_access_key, region_name=worlds.REGION)
        self._kms = session.client("kms", endpoint_url=sandbox.endpoint_url)

    @property
    def policy(self) -> str:
        """Tell the policy of KMS-B."""
        text: str = self._kms.get_key_policy(KeyId=KMS_B)["Policy"]
        return text

    @policy.setter
    def policy(self, text: str) -> None:
        self._kms.put_key_policy(KeyId=KMS_B, Policy=text)

    @property
    def markers(self) -> set[str]:
        """Name the windows that the policy has."""
        return {window.marker for window in windows_in(self.policy, TERMS, now=datetime.now(UTC))}

    def open(self, run: str = RUN, **options: Any) -> dict[str, Any]:
        """Open KMS-B for a run; answer what the task leaves."""
        return self.work(OpenKmsBWindowOperator(task_id="open", **arguments(**options)), run)

    def lock(self, run: str = RUN, **options: Any) -> dict[str, Any]:
        """Lock KMS-B after a run; answer what the task leaves."""
        return self.work(LockDownKmsBOperator(task_id="lock", **arguments(**options)), run)

    def copy(self, windows: dict[str, str] | None = None, run: str = RUN, **changes: Any) -> dict[str, Any]:
        """Run hop 1 for the one source; answer what it leaves."""
        operator = CopySnapshotToKmsBOperator(
            task_id="copy",
            route=route(),
            source_snapshot_ids=[worlds.source(ACCOUNT, 1).snapshot_id],
            window_from="open",
            options=options_of(**changes.pop("options", {})),
            deferrable=False,
            **changes,
        )
        return self.work(operator, run, {("open", "windows"): windows or {}})

    def work(self, operator: Any, run: str, left: dict[tuple[str, str], Any] | None = None) -> dict[str, Any]:
        """Run a task; its errors are kept with what it leaves."""
        task = TaskInstance(left)
        operator.execute({"ti": task, "run_id": run})
        return task.pushed


def options_of(**changes: Any) -> dict[str, Any]:
    """Write the options of a run that opens and locks, in a hurry."""
    fast: dict[str, Any] = {
        "settle_seconds": 0.3,
        "poll_seconds": 0.1,
        "first_fire_seconds": 0.0,
        "max_attempts": 1,
        "policy_settle_seconds": 0.2,
        "lock_down_wait_seconds": 0.0,
    }
    options = RunOptions(
        worlds.DAY,
        worlds.DAY + timedelta(days=1),
        organization_id=worlds.ORG_A,
        copy_role_name="SnapshotDr",
        kms_b_window="per_run",
        key_admin_conn_id="aws_dr_key_admin",
        **{**fast, **changes},
    )
    return dict(options.to_json())


def arguments(**options: Any) -> dict[str, Any]:
    """Write the arguments of the tasks around the accounts."""
    return {"routes": [route()], "options": options_of(**options)}


def window_of(run: str, hours: float = 6) -> Window:
    """Make the window of another run."""
    return Window(TERMS, run, datetime.now(UTC) + timedelta(hours=hours), "SnapshotDr")


def state_of(deferred: pytest.ExceptionInfo[TaskDeferred]) -> dict[str, Any]:
    """Take over what a deferred task goes on with, through the JSON that it is kept as."""
    state: dict[str, Any] = json.loads(json.dumps(deferred.value.kwargs))
    return state


@pytest.fixture
def place(enter):
    """Enter a world with one account, one source and a locked KMS-B, on the clock of this machine."""
    return Place(enter(worlds.world(1, 1, locked=True, copy_seconds=0.3, clock=None)))


def copies(place, state=None):
    """Tell the KMS-B copies."""
    found = place.control.snapshots(ACCOUNT)
    return [each for each in found if each["is_copy"] and (state is None or each["state"] == state)]


def test_window_comes_and_goes(place):
    """Opening lets hop 1 copy; locking gives back the very policy, and hop 1 is refused again."""
    before = place.policy
    left = place.open()
    assert left["previous_policies"] == {KMS_B: before}
    assert set(left["windows"]) == {KMS_B}
    assert place.copy(left["windows"])["failures"] == {}
    report = place.lock()
    assert place.policy == before
    assert report["lock_down"] == {"keys": [KMS_B], "in_flight": [], "unseen": []}


def test_standing_policy_that_is_open_is_not_opened(place):
    """A standing policy that lets the organization copy is named by its statements, and not written."""
    place.control.put_key_policy(KMS_B, worlds.org_policy())
    before = place.policy
    with pytest.raises(AirflowFailException) as refused:
        place.open()
    for part in ("KMS-B was not opened", KMS_B, "OrganizationMayGrantToEc2", "kms-b-locked", "unmanaged"):
        assert part in str(refused.value)
    assert place.policy == before


def test_standing_policy_that_may_be_open_is_not_opened(place):
    """A standing policy that lets some roles copy is no better than one that lets all."""
    doubtful = worlds.org_policy()
    for statement in doubtful["Statement"][2:]:
        statement["Condition"]["ArnLike"] = {"aws:PrincipalArn": "arn:aws:iam::*:role/Backup"}
    place.control.put_key_policy(KMS_B, doubtful)
    with pytest.raises(AirflowFailException, match="may let the organization copy without a window"):
        place.open()


def test_window_that_somebody_has_widened_is_named(place):
    """A statement with the name of this run's window but with more in it keeps the key from being locked."""
    place.open()
    wide = place.policy.replace(json.dumps(window_of(RUN).statements()[0]["Action"], separators=(",", ":")), '"kms:*"')
    place.control.put_key_policy(KMS_B, wide)
    with pytest.raises(AirflowFailException, match=f"SnapshotDrWindowUse{window_of(RUN).marker}"):
        place.lock()


def test_policy_that_is_opened_meanwhile_is_red(place):
    """Locking closes the window, and fails by name when the organization can copy all the same."""
    place.open()
    text = json.loads(place.policy)
    text["Statement"] += worlds.org_policy()["Statement"][2:]
    place.control.put_key_policy(KMS_B, text)
    with pytest.raises(AirflowFailException, match="KMS-B is not locked") as refused:
        place.lock()
    assert "OrganizationMayCopyThroughEc2" in str(refused.value)
    assert place.markers == set()


def test_runs_that_overlap_close_their_own_window_each(place):
    """Each of two runs opens and closes without touching the other's window; a dead run's goes with the first."""
    before = place.policy
    place.policy = open_window(before, window_of("a dead run", hours=-1))
    place.open("one")
    place.open("two")
    assert place.markers == {window_of(run).marker for run in ("a dead run", "one", "two")}
    place.lock("one")
    assert place.markers == {window_of("two").marker}
    assert place.copy({KMS_B: (datetime.now(UTC) + timedelta(hours=6)).isoformat()}, "two")["failures"] == {}
    place.lock("two")
    assert place.policy == before


def test_window_of_a_dead_run_ends_by_its_date(place):
    """When nobody locks, the organization can copy no more once the time is over by the clock of AWS."""
    windows = place.open()["windows"]
    place.control.advance(6 * 3600)
    with pytest.raises(AirflowFailException, match=f"KMS-B {KMS_B}"):
        place.copy(windows)
    assert copies(place, "completed") == []


def test_locking_what_was_never_opened_is_fine(place):
    """Nothing of this run in the policy is nothing to do: it is not written."""
    place.lock()
    assert "kms:PutKeyPolicy" not in place.control.calls()["by_action"]


@pytest.mark.parametrize("changes", [{"kms_b_window": "unmanaged"}, {"dry_run": True}])
@pytest.mark.parametrize("kind", [OpenKmsBWindowOperator, LockDownKmsBOperator])
def test_nothing_is_asked_where_no_window_is_managed(place, kind, changes):
    """Where the window is not managed, and in dry runs, both tasks succeed without a call."""
    options = {**options_of(), **changes}
    assert place.work(kind(task_id="task", routes=[route()], options=options), RUN) == {}
    assert place.work(kind(task_id="task", routes_from="list_routes"), RUN) == {}
    assert place.control.calls()["by_action"] == {}


def test_wait_for_the_policy_holds_no_worker(place):
    """A longer wait is made in the triggerer, and the task goes on from there to the end."""
    operator: Any = OpenKmsBWindowOperator(task_id="open", **arguments(policy_settle_seconds=30.0))
    task = TaskInstance()
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute({"ti": task, "run_id": RUN})
    moment = datetime.fromisoformat(deferred.value.trigger.moment)
    assert moment.timestamp() == pytest.approx(datetime.now(UTC).timestamp() + 30, abs=10)
    assert "windows" not in task.pushed
    state = state_of(deferred)
    getattr(operator, deferred.value.method_name)({"ti": task, "run_id": RUN}, event=None, **state)
    assert task.pushed["windows"] == {KMS_B: state["end"]}


def test_window_that_is_lost_while_it_settles_is_written_again(place):
    """When another writer has lost the window by the second look, it is written again, and waited for again."""
    before = place.policy
    operator: Any = OpenKmsBWindowOperator(task_id="open", **arguments(policy_settle_seconds=30.0))
    task = TaskInstance()
    context = {"ti": task, "run_id": RUN}
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    place.policy = before
    with pytest.raises(TaskDeferred) as again:
        operator.resume(context, **state_of(deferred))
    assert place.markers == {window_of(RUN).marker}
    operator.resume(context, **state_of(again))
    assert task.pushed["previous_policies"] == {KMS_B: before}


@pytest.mark.parametrize("kind", [OpenKmsBWindowOperator, LockDownKmsBOperator])
def test_writer_that_never_gives_up_is_told_of(place, kind):
    """When the change is lost each time, the task fails, for retries, and tells that somebody else writes too."""
    opened = open_window(place.policy, window_of(RUN))
    wrong = place.policy if kind is OpenKmsBWindowOperator else opened
    place.policy = wrong
    operator = kind(task_id="task", **arguments(policy_settle_seconds=30.0))
    context = {"ti": TaskInstance(), "run_id": RUN}
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    for _ in range(3):
        place.policy, state = wrong, state_of(deferred)
        with pytest.raises(TaskDeferred) as deferred:
            operator.resume(context, **state)
    place.policy = wrong
    with pytest.raises(AirflowException, match="somebody else writes that policy, too") as failed:
        operator.resume(context, **state_of(deferred))
    assert not isinstance(failed.value, AirflowFailException)


def test_reads_that_lag_are_waited_out(place):
    """Where the policy is read as it was for a while, opening and locking come to the same end."""
    before = place.policy
    place.control.set_lag(policy_read=0.1)
    windows = place.open(policy_settle_seconds=0.3)["windows"]
    assert place.copy(windows)["failures"] == {}
    place.lock(policy_settle_seconds=0.3)
    place.control.set_lag()
    assert place.policy == before


def test_hop_1_puts_back_a_window_that_was_lost(place):
    """When another writer loses the window before hop 1 has started a copy, hop 1 puts it back, waits, and copies."""
    before = place.policy
    windows = place.open()["windows"]
    place.policy = before
    assert place.copy(windows)["failures"] == {}
    assert place.markers == {window_of(RUN).marker}


def test_window_that_takes_effect_late_costs_no_attempts(place):
    """While the window is young, copies that are refused the key are started again, whatever max_attempts is."""
    place.control.set_lag(policy=1.5)
    windows = place.open(policy_settle_seconds=0.5)["windows"]
    task = place.copy(windows, options={"policy_settle_seconds": 2.0, "max_attempts": 1})
    assert task["failures"] == {}
    assert len(copies(place, "completed")) == 1


def test_key_that_stays_shut_is_said_to_be(place):
    """Leniency ends: a copy that is refused its key for good fails with the key's name, and leaves no loop."""
    windows = place.open()["windows"]
    place.control.set_lag(policy=3600)
    place.policy = place.policy
    place.control.put_key_policy(KMS_B, worlds.locked_policy())
    with pytest.raises(AirflowFailException, match=f"KMS-B {KMS_B}"):
        place.copy(windows, options={"policy_settle_seconds": 0.2})


def test_nothing_is_started_in_the_last_minutes(place):
    """A source that is not started before the last five minutes is given up, with what to do, and without a copy."""
    end = datetime.now(UTC) + timedelta(minutes=4)
    place.policy = open_window(place.policy, Window(TERMS, RUN, end, "SnapshotDr"))
    with pytest.raises(AirflowFailException) as failed:
        place.copy({KMS_B: end.isoformat()})
    for part in (f"ends at {end:%Y-%m-%d %H:%M} UTC", "last 5 minutes", "Clear this task", "open_kms_b_window"):
        assert part in str(failed.value)
    assert copies(place) == []


def test_hop_1_without_a_window_says_which_task_to_clear(place):
    """Where runs open KMS-B and this one has not, hop 1 starts nothing."""
    with pytest.raises(AirflowFailException, match=f"open has not opened {KMS_B} for this run; clear open"):
        place.copy()
    assert copies(place) == []


def test_copies_in_flight_are_waited_for(place):
    """Locking waits for the run's copies that are in flight, and writes once they are done."""
    windows = place.open()["windows"]
    place.control.configure(copy_seconds=1.5)
    place.copy(windows, wait_for_completion=False)
    assert len(copies(place, "pending")) == 1
    report = place.lock(lock_down_wait_seconds=20.0)
    assert report["lock_down"]["in_flight"] == []
    assert len(copies(place, "completed")) == 1


def test_copies_that_stay_in_flight_are_named(place):
    """In the end the key is locked all the same, and the run's copies are named; those of others do not count."""
    before = place.policy
    windows = place.open()["windows"]
    place.control.configure(copy_seconds=3600)
    place.copy(windows, wait_for_completion=False)
    copy_id = copies(place, "pending")[0]["id"]
    assert place.lock("another run")["lock_down"]["in_flight"] == []
    assert place.lock()["lock_down"]["in_flight"] == [copy_id]
    assert place.policy == before


def test_account_that_cannot_be_looked_at_does_not_keep_the_key_open(place):
    """An account whose copies cannot be read is named, and the key is locked."""
    before = place.policy
    place.open()
    place.control.delete_role(ACCOUNT, "SnapshotDr")
    (unseen,) = place.lock()["lock_down"]["unseen"]
    assert f"team-1 ({ACCOUNT})" in unseen
    assert place.policy == before


def test_passing_failure_is_left_to_retries(place):
    """What KMS fails with for a moment is not final; what it refuses is, and names the key and the action's target."""
    place.control.add_fault(service="kms", action="PutKeyPolicy", kind="throttle", count=20)
    with pytest.raises(AirflowException) as failed:
        place.open()
    assert not isinstance(failed.value, AirflowFailException)
    place.control.clear_faults()
    place.control.add_fault(service="kms", action="PutKeyPolicy", code="AccessDeniedException", count=20)
    with pytest.raises(AirflowFailException, match=f"could not write the policy of {KMS_B}"):
        place.open()


def test_failed_opening_leaves_nothing_open(place):
    """When opening fails behind its back, what was written is taken back: the teardown would not run."""
    before = place.policy
    place.control.add_fault(service="kms", action="GetKeyPolicy", code="AccessDeniedException", count=1, skip=2)
    with pytest.raises(AirflowFailException, match="could not read the policy"):
        place.open()
    place.control.clear_faults()
    assert place.policy == before


def test_policy_of_ram_counts(place):
    """A policy that AWS RAM has put beside ours and that lets the organization copy is as good as a standing one."""
    place.control.put_ram_policy(KMS_B, worlds.org_policy())
    with pytest.raises(AirflowFailException, match="KMS-B was not opened"):
        place.open()
