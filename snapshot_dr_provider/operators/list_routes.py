"""The operator at the head of the DAG: which routes a run has, and what it is about."""

from __future__ import annotations

from snapshot_dr_provider._compat import Context
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunParams, read_params
from snapshot_dr_provider.operators.run_routes import RunRoutesOperator
from snapshot_dr_provider.operators.run_scope import list_routes
from snapshot_dr_provider.settings import Settings


class ListRoutesOperator(RunRoutesOperator):
    """
    List the routes of a run and decide what the run is about.

    Returns the routes as a list of JSON mappings, ordered by account, source Region and destination Region, for a DAG
    to be mapped over, and pushes the options that hold for all of them under the XCom key ``run_options``. An empty
    list is an error: nothing copied must not look like everything copied.

    The run's params ``day``, ``accounts``, ``snapshot_ids`` and ``dry_run`` are read where the DAG has them. The
    answer for a run is the same whenever the task is tried again, as long as settings and organization are.

    :param settings_path: path of the settings file (templated); without it that of Airflow's configuration,
        ``[snapshot_dr] settings_path``.
    """

    def _asked_for(self, context: Context, settings: Settings) -> tuple[tuple[Route, ...], RunParams]:
        params = read_params(context["params"])
        return list_routes(settings, params.accounts), params
