"""What the stages of one account have in common: their route, and the records that they hand on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from snapshot_dr_provider._compat import AirflowException, AirflowFailException, AirflowSkipException, Context
from snapshot_dr_provider.domain.coverage import SourceSize
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.records import read_records, write_records
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import ConfigurationError, SnapshotDrError
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.links.snapshots import SnapshotCopiesLink

RECORDS: Final = "records"
FAILURES: Final = "failures"
RUN_OPTIONS: Final = "run_options"
WINDOWS: Final = "windows"
SETTINGS_FINGERPRINT: Final = "settings_fingerprint"
NOT_READY: Final = "not_ready"
"""Why a new account cannot be entered yet, where that is excused; it then leaves no records."""

STOCK: Final = "stock"
"""What a plan tells the audit of the volumes of its account, where that judges them: one row a volume."""

KMS_B_COPIES: Final = "kms_b_copies"
"""What the last stage of an account tells the audit of the KMS-B copies that are left, which only Org-A can see."""

CAUSE: Final = "cause"
"""Why a task has failed as a whole, for whoever words what has become of its run."""

MAX_CAUSE: Final = 2000
"""Characters of it that are left; the task log has the whole of it."""

ROUTE_FIELDS: Final = (
    "dr_account_id",
    "dr_aws_conn_id",
    "dr_role_arn",
    "former_kms_c_arns",
    "kms_b_arn",
    "kms_c_arn",
    "role_arn",
    "route",
    "source_account_id",
    "source_region",
    "source_snapshot_ids",
)
"""Template fields that say which route and which sources a stage is about."""

MAX_NAMED: Final = 20
"""Snapshots that an error message names; the task log has them all."""

log = logging.getLogger(__name__)


class RouteStage:
    """
    Say which route and which sources a task is about.

    Either by ``route``, as :class:`~snapshot_dr_provider.operators.list_routes.ListRoutesOperator` gives it, or by
    the single arguments. The sources are ``source_snapshot_ids``, or the records that the task ``records_from`` left.

    :param route: a whole route as a mapping; replaces the arguments below.
    :param source_account_id: 12-digit id of the Org-A account; STS has to confirm it.
    :param source_region: Region of the source snapshots; ``region_name`` by default.
    :param role_arn: role to assume in the Org-A account with ``aws_conn_id``.
    :param kms_b_arn: ARN of KMS-B, in the destination Region ``region_name``.
    :param kms_c_arn: ARN of KMS-C there.
    :param former_kms_c_arns: keys under which earlier KMS-C copies still count.
    :param dr_account_id: 12-digit id of the DR account.
    :param dr_aws_conn_id: Airflow connection for the DR account.
    :param dr_role_arn: role to assume in the DR account.
    :param source_snapshot_ids: the source snapshots.
    :param records_from: id of the task in the same (mapped) group whose records are worked on instead.
    """

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None
    task_id: str

    def _take_route(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """
        Keep the arguments that say which route and sources, and give the rest back for the base class.

        Template fields are only stored here: they are not rendered yet.
        """
        self.route: Mapping[str, Any] | None = arguments.pop("route", None)
        self.source_account_id: str = arguments.pop("source_account_id", "")
        self.source_region: str = arguments.pop("source_region", "")
        self.role_arn: str | None = arguments.pop("role_arn", None)
        self.kms_b_arn: str = arguments.pop("kms_b_arn", "")
        self.kms_c_arn: str = arguments.pop("kms_c_arn", "")
        self.former_kms_c_arns: Sequence[str] = arguments.pop("former_kms_c_arns", ())
        self.dr_account_id: str = arguments.pop("dr_account_id", "")
        self.dr_aws_conn_id: str = arguments.pop("dr_aws_conn_id", "")
        self.dr_role_arn: str | None = arguments.pop("dr_role_arn", None)
        self.source_snapshot_ids: Sequence[str] | str = arguments.pop("source_snapshot_ids", ())
        self.records_from: str | None = arguments.pop("records_from", None)
        return {"map_index_template": "{{ route_label }}", **arguments}

    def _the_route(self, context: Context) -> Route:
        """
        Put the route together, and show its label in the grid.

        :raises ConfigurationError: when an argument is missing.
        """
        route = Route.from_json(self.route) if self.route else self._route_of_arguments()
        _require_key("kms_b_arn", route.kms_b_arn, route.destination_region)
        if route.dr_account_id:
            _require_key("kms_c_arn", route.kms_c_arn, route.destination_region)
        context["route_label"] = route.label  # type: ignore[typeddict-unknown-key]  # read by map_index_template
        return route

    def _route_of_arguments(self) -> Route:
        region = self.region_name or ""
        needed = {"aws_conn_id": self.aws_conn_id, "region_name": region, "source_account_id": self.source_account_id}
        missing = [name for name, value in needed.items() if not value]
        if missing:
            msg = f"{type(self).__name__} {self.task_id!r} needs {' and '.join(missing)}, or a route"
            raise ConfigurationError(msg)
        return Route(
            account_id=self.source_account_id,
            account_name=self.source_account_id,
            source_region=self.source_region or region,
            destination_region=region,
            kms_b_arn=self.kms_b_arn,
            kms_c_arn=self.kms_c_arn,
            dr_account_id=self.dr_account_id,
            source_conn_id=self.aws_conn_id or "",
            dr_conn_id=self.dr_aws_conn_id,
            source_role_arn=self.role_arn,
            dr_role_arn=self.dr_role_arn,
            former_kms_c_arns=tuple(self.former_kms_c_arns),
        )

    def _hooks(self, route: Route) -> RouteHooks:
        return RouteHooks(route, client_arguments=tuple(self._client_arguments().items()))

    def _client_arguments(self) -> dict[str, Any]:
        given = {"verify": self.verify, "config": self.botocore_config}
        return {name: value for name, value in given.items() if value is not None}

    def _the_sources(self, context: Context) -> dict[str, SourceSize]:
        """
        Name the sources to work on, in their order, with their sizes where they are known.

        :raises AirflowSkipException: when the stage before left no records: it is that one which has to be mended.
        """
        if not self.records_from:
            ids = self.source_snapshot_ids
            return dict.fromkeys([ids] if isinstance(ids, str) else ids, SourceSize())
        task = context["ti"]
        left = task.xcom_pull(task_ids=self.records_from, key=RECORDS, map_indexes=task.map_index, default=None)
        if left is None:
            why = "it has not succeeded, the account is not ready yet, or this is a dry run"
            msg = f"{self.records_from} left no records: {why}; nothing to do here"
            raise AirflowSkipException(msg)
        return read_records(left)

    def _leave(self, context: Context, good: Mapping[str, SourceSize], failures: Mapping[str, str]) -> None:
        """
        Hand the good sources on, and fail if any was not good.

        :raises AirflowFailException: naming the others; the good ones flow on all the same.
        """
        context["ti"].xcom_push(key=RECORDS, value=write_records(good))
        context["ti"].xcom_push(key=FAILURES, value=dict(failures))
        if failures:
            raise AirflowFailException(self._complaint(len(good) + len(failures), failures))

    def _complaint(self, total: int, failures: Mapping[str, str]) -> str:
        for source, why in failures.items():
            log.error("%s: %s", source, why)
        named = [f"  {source}: {why}" for source, why in list(failures.items())[:MAX_NAMED]]
        if len(failures) > MAX_NAMED:
            named.append(f"  and {len(failures) - MAX_NAMED} more, all of them in the log above")
        remedy = "Mend the cause, then clear this task with its downstream tasks."
        return "\n".join([f"{self.task_id}: {len(failures)} of {total} snapshots failed. {remedy}", *named])

    def _link(self, context: Context, route: Route, stage: Stage) -> None:
        SnapshotCopiesLink.persist_copies(context, self, route, stage)


def _require_key(name: str, arn: str, region: str) -> None:
    """
    Refuse what would be looked up among the caller's own keys, or end under aws/ebs (aws 1.2).

    :raises ConfigurationError: for anything but a full key ARN in the destination Region.
    """
    parts = arn.split(":")
    is_key = len(parts) == 6 and parts[2] == "kms" and parts[3] == region and parts[5].startswith("key/")  # noqa: PLR2004  # of an ARN
    if not is_key:
        msg = f"{name} is the full ARN of a key in {region} (arn:aws:kms:{region}:ACCOUNT:key/...), not {arn!r}"
        raise ConfigurationError(msg)


def fail(context: Context, why: str, *, permanent: bool = True, error: SnapshotDrError | None = None) -> NoReturn:
    """
    Fail a task and leave the reason for the audit, which names it with the run.

    :raises AirflowFailException: when trying again cannot help.
    :raises AirflowException: when it may; it is left to Airflow's retries.
    """
    context["ti"].xcom_push(key=CAUSE, value=why[:MAX_CAUSE])
    raise (AirflowFailException if permanent else AirflowException)(why) from error


def fail_for(context: Context, error: SnapshotDrError) -> NoReturn:
    """
    Fail a task with one of our errors.

    :raises AirflowFailException: for a permanent error.
    :raises AirflowException: for a passing one.
    """
    fail(context, str(error), permanent=error.permanent, error=error)


def raise_for_event(context: Context, event: Mapping[str, Any] | None) -> None:
    """
    Fail the task when its trigger could not work at all.

    :raises AirflowFailException: for a permanent error.
    :raises AirflowException: for a passing one, and for an event that a trigger of ours does not send.
    """
    if event is None:
        msg = "the trigger ended without an event; trying again"
        raise AirflowException(msg)
    if "error" in event:
        fail(context, event["error"], permanent=event["permanent"])
