"""Run the DAG file as it is, without a scheduler: runs of any type, tasks cleared as the UI does, and what came out."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.core_api.datamodels.task_instances import ClearTaskInstancesBody
from airflow.api_fastapi.core_api.routes.public.task_instances import post_clear_task_instances
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.asset import AssetEvent
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.definitions.dag import DAG, _run_task
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

DAG_ID = "snapshot_dr"
PATIENCE_SECONDS = 60.0


@dataclass
class Run:
    """
    One DAG run, as far as it has come.

    :param states: state by task, the mapped ones as ``account.plan[0]``.
    :param errors: the message of each task that has failed in its last try.
    :param executed: the tasks that the last call has run, in their order.
    :param labels: what the grid shows instead of a map index.
    """

    run_id: str
    state: str = ""
    states: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    labels: dict[str, str | None] = field(default_factory=dict)

    @property
    def is_green(self) -> bool:
        """Whether the run is a success."""
        return self.state == DagRunState.SUCCESS

    def tasks_in(self, state: str) -> set[str]:
        """Name the tasks in one state."""
        return {name for name, found in self.states.items() if found == state}

    @property
    def red(self) -> set[str]:
        """Name the failed tasks."""
        return self.tasks_in("failed")

    def xcom(self, task: str, key: str) -> Any:
        """Read one XCom; ``None`` where there is none."""
        return json.loads(xcoms(self).get((task, key), "null"))


class InlineAirflow:
    """
    Run one DAG of the configured folder in this process, task after task, triggers inline.

    The loop is that of ``dag.test()``, which can neither continue a run nor make one of another type than manual. The
    file is loaded once. Retries are set to none, so that a failure is final at once instead of after minutes.

    ``before`` names what happens to the world just before a task is run for the first time; ``marked_by_hand`` the
    tasks that somebody marks instead of letting them run, and as what.
    """

    def __init__(self) -> None:
        bundle = next(iter(DagBundlesManager().get_all_dag_bundles()))
        with create_session() as session:
            DagBundlesManager().sync_bundles_to_db(session=session)
        bundle.initialize()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        if bag.import_errors:
            raise AssertionError(bag.import_errors)
        self.dag: DAG = bag.dags[DAG_ID]
        for task in self.dag.task_dict.values():
            task.retries = 0
        self._bag, self._bundle_name = bag, bundle.name
        self._publish()
        self.before: dict[str, Callable[[], object]] = {}
        self.marked_by_hand: dict[str, str] = {}
        self._numbers = count(1)

    def forget(self) -> None:
        """
        Remove all runs, so that any day can be run again, and what was planned for their tasks.

        The DAG is published again: ``dag.test()`` of another DAG writes the whole folder to the database, with the
        retries that the files have.
        """
        self.before.clear()
        self.marked_by_hand.clear()
        with create_session() as session:
            # By the database, which takes all that belongs to a run along: the ORM would load the DAG of each one, and
            # warns of a version that was written twice.
            session.execute(delete(DagRun).where(DagRun.dag_id == DAG_ID))
        # Only now: a version of the DAG that no run has is replaced, any other gets a successor.
        self._publish()

    def trigger(self, at: datetime, **conf: Any) -> Run:
        """Run the DAG as somebody who triggers it by hand at that time with that configuration."""
        return self._make(DagRunType.MANUAL, at, None, conf)

    def schedule(self, day: datetime) -> Run:
        """Run the DAG for the data interval of a day, as the scheduler does after its end."""
        return self._make(DagRunType.SCHEDULED, day + timedelta(days=1), day, {})

    def backfill(self, day: datetime, at: datetime) -> Run:
        """Run the DAG for the data interval of a day as a backfill that is made at that time does."""
        return self._make(DagRunType.BACKFILL_JOB, at, day, {})

    @contextmanager
    def retrying(self) -> Iterator[None]:
        """Let tasks be tried again for a while, once and at once."""
        tasks = self.dag.task_dict.values()
        for task in tasks:
            task.retries, task.retry_delay = 1, timedelta(0)
        self._publish()
        try:
            yield
        finally:
            for task in tasks:
                task.retries = 0
            self._publish()

    def _publish(self) -> None:
        sync_bag_to_db(self._bag, self._bundle_name, None)

    def _make(self, run_type: DagRunType, at: datetime, day: datetime | None, conf: Mapping[str, Any]) -> Run:
        run = Run(f"{run_type.value}__{at:%Y-%m-%dT%H:%M:%S}_{next(self._numbers)}")
        with create_session() as session:
            _serialized(session).create_dagrun(
                run_id=run.run_id,
                logical_date=day,
                data_interval=(day, day + timedelta(days=1)) if day else None,
                run_after=at,
                run_type=run_type,
                conf=dict(conf),
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                start_date=datetime.now(UTC),
                session=session,
            )
        self._work(run)
        return run

    def clear(self, run: Run, task_id: str, map_index: int = -1) -> Run:
        """
        Clear one task instance with its downstream ones and work off the run again.

        By the function behind the API call that the UI's dialog makes with what it preselects (airflow 2).
        """
        marker = (task_id, map_index) if map_index >= 0 else task_id
        body = ClearTaskInstancesBody(
            dry_run=False, only_failed=False, include_downstream=True, dag_run_id=run.run_id, task_ids=[marker]
        )
        with create_session() as session:
            post_clear_task_instances(DAG_ID, DBDagBag(), body, session, None)  # type: ignore[arg-type]  # the user is used for notes only
        return self.resume(run)

    def resume(self, run: Run) -> Run:
        """Work off what is left of a run, as the scheduler does with a queued one."""
        with create_session() as session:
            _dag_run(session, run).set_state(DagRunState.RUNNING)
        run.executed.clear()
        self._work(run)
        return run

    def _work(self, run: Run) -> None:
        with create_session() as session:
            dag_run = _dag_run(session, run)
            dag_run.dag = _serialized(session)
            # The scheduler leaves them to the DAG processor, which is not here.
            dag_run.dag.has_on_failure_callback = False
            dag = self._fresh_dag()
            last_progress = time.monotonic()
            while dag_run.state == DagRunState.RUNNING:
                due = self._due(dag_run, session)
                if due:
                    last_progress = time.monotonic()
                elif time.monotonic() > last_progress + PATIENCE_SECONDS:
                    raise AssertionError(f"{run.run_id} does not come to an end: {_states(session, run)}")
                else:
                    time.sleep(0.1)
                for instance in due:
                    self._execute(instance, dag, run)
            run.state = dag_run.state
            run.states = _states(session, run)
            run.labels = {name: ti.rendered_map_index for name, ti in _instances(session, run).items()}

    def _fresh_dag(self) -> DAG:
        """Copy the DAG: unlike task processes, tasks that run here leave their run's params behind in their Params."""
        dag = copy.deepcopy(self.dag)
        for task in dag.task_dict.values():
            task.params = copy.deepcopy(task.params)
        return dag

    def _due(self, dag_run: DagRun, session: Session) -> list[TaskInstance]:
        session.expire_all()
        ready, _ = dag_run.update_state(session=session)
        for instance in ready:
            instance.try_number += 1
            instance.state = TaskInstanceState.SCHEDULED
        session.commit()
        return [ti for ti in dag_run.get_task_instances(session=session) if ti.state == TaskInstanceState.SCHEDULED]

    def _execute(self, instance: TaskInstance, dag: DAG, run: Run) -> None:
        name = _name(instance.task_id, instance.map_index)
        if name in self.marked_by_hand:
            instance.set_state(TaskInstanceState(self.marked_by_hand.pop(name)))
            return
        self.before.pop(name, lambda: None)()
        run.executed.append(name)
        result = _run_task(ti=instance, task=dag.task_dict[instance.task_id], run_triggerer=True)
        run.errors.pop(name, None)
        if result is None or result.error is not None:
            run.errors[name] = str(result.error) if result else "Airflow could not run the task"


def _serialized(session: Session) -> SerializedDAG:
    found = DBDagBag().get_latest_version_of_dag(DAG_ID, session=session)
    if found is None:
        raise AssertionError(f"{DAG_ID} is not in the database")
    return found


def _dag_run(session: Session, run: Run) -> DagRun:
    return session.scalars(select(DagRun).where(DagRun.dag_id == DAG_ID, DagRun.run_id == run.run_id)).one()


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _instances(session: Session, run: Run) -> dict[str, TaskInstance]:
    session.expire_all()
    found = session.scalars(
        select(TaskInstance).where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == run.run_id)
    )
    return {_name(instance.task_id, instance.map_index): instance for instance in found}


def _states(session: Session, run: Run) -> dict[str, str]:
    return {name: str(instance.state or "none") for name, instance in _instances(session, run).items()}


def xcoms(run: Run) -> dict[tuple[str, str], str]:
    """Read all XComs of a run as they lie in the database: JSON text by task and key."""
    with create_session() as session:
        rows = session.scalars(select(XComModel).where(XComModel.dag_id == DAG_ID, XComModel.run_id == run.run_id))
        return {(_name(row.task_id, row.map_index), row.key): json.dumps(row.value) for row in rows}


def asset_events(run: Run) -> list[AssetEvent]:
    """Read the asset events that the tasks of a run have made, in their order, each with its asset."""
    made = select(AssetEvent).where(AssetEvent.source_dag_id == DAG_ID, AssetEvent.source_run_id == run.run_id)
    with create_session() as session:
        return list(session.scalars(made.order_by(AssetEvent.id).options(joinedload(AssetEvent.asset))))


def rendered_fields(run: Run) -> dict[str, str]:
    """Read what the tasks of a run show as rendered fields."""
    fields = RenderedTaskInstanceFields
    with create_session() as session:
        rows = session.scalars(select(fields).where(fields.dag_id == DAG_ID, fields.run_id == run.run_id))
        return {_name(row.task_id, row.map_index): str(row.rendered_fields) for row in rows}
