"""The head of a DAG that events start: the routes and snapshots that they tell of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from snapshot_dr_provider._compat import Context
from snapshot_dr_provider.domain.events import EventBatch, merged
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.run_options import RunParams
from snapshot_dr_provider.exceptions import ConfigurationError, MalformedEventError
from snapshot_dr_provider.operators.run_routes import RunRoutesOperator
from snapshot_dr_provider.operators.run_scope import source_accounts
from snapshot_dr_provider.settings import Settings
from snapshot_dr_provider.stage import MAX_NAMED
from snapshot_dr_provider.triggers.snapshot_events import SNAPSHOTS


class ListEventRoutesOperator(RunRoutesOperator):
    """
    List the routes of the snapshots that the asset events of this run tell of.

    Returns and pushes what :class:`~snapshot_dr_provider.operators.list_routes.ListRoutesOperator` does, for the events
    that :class:`~snapshot_dr_provider.triggers.snapshot_events.SnapshotEventsTrigger` makes: exactly their snapshots
    are copied, whatever their age, along the routes of their accounts and Regions. Those of accounts and Regions that
    the settings do not copy are left out with a warning. When nothing is left, the list is empty, and the run is green
    without having copied anything: the events named nothing that is wanted.

    With the asset among its ``inlets`` it also takes the events that have come since those that started the run.

    A snapshot that is gone by now, or that the selection of the settings leaves out, is no failure.

    :param settings_path: path of the settings file (templated); without it that of Airflow's configuration,
        ``[snapshot_dr] settings_path``.
    """

    def _asked_for(self, context: Context, settings: Settings) -> tuple[tuple[Route, ...], RunParams]:
        asked = merged(_batches_of(self._events(context)))
        accounts = {account.account_id: account for account in source_accounts(settings)}
        known = [each for each in asked if each.account_id in accounts and each.region in settings.source_regions]
        for each in asked:
            if each not in known:
                self._warn_of(each, "account" if each.account_id not in accounts else "Region")
        places = {(each.account_id, each.region) for each in known}
        named = [account for account in accounts.values() if account.account_id in {owner for owner, _ in places}]
        routes = tuple(route for route in settings.routes(named) if (route.account_id, route.source_region) in places)
        ids = tuple(sorted({snapshot_id for each in known for snapshot_id in each.snapshot_ids}))
        return routes, RunParams(snapshot_ids=ids, by_events=True)

    def _events(self, context: Context) -> list[Any]:
        """
        List the events that have started the run, and those that came after them and may have started none.

        Airflow 3.3.2 queues an asset once for a DAG. What comes while it is queued starts no run of its own, and the
        run that is made takes events up to the moment of queueing alone: the others would wait until further news
        comes. Read in its scheduler, and seen in a burst.
        """
        found = [event for several in context["triggering_asset_events"].values() for event in several]
        if not found:
            return []
        first = min(event.timestamp for event in found)
        inlets = context["inlet_events"]
        return [*found, *(event for inlet in self.inlets for event in inlets[inlet].after(first.isoformat()))]

    def _warn_of(self, batch: EventBatch, what: str) -> None:
        self.log.warning(
            "%d snapshots of account %s in %s are left out, such as %s: the settings do not copy that %s. Narrow the "
            "EventBridge rule, or add it to the settings file",
            len(batch.snapshot_ids),
            batch.account_id,
            batch.region,
            ", ".join(batch.snapshot_ids[:MAX_NAMED]),
            what,
        )


def _batches_of(found: list[Any]) -> Iterator[EventBatch]:
    """
    Read the payloads of the events of a run.

    :raises ConfigurationError: when there are none, or one was not made by the trigger.
    """
    if not found:
        msg = (
            "No event has started this run, so that it is about nothing. To copy snapshots by name, trigger the DAG "
            "snapshot_dr with the param snapshot_ids."
        )
        raise ConfigurationError(msg)
    for event in found:
        payload = event.extra.get("payload") if isinstance(event.extra, Mapping) else None
        told = payload.get(SNAPSHOTS) if isinstance(payload, Mapping) else None
        if not isinstance(told, list):
            msg = (
                f"The asset event of {event.timestamp} names no snapshots: SnapshotEventsTrigger has not made it. To "
                "copy snapshots by name, trigger the DAG snapshot_dr with the param snapshot_ids."
            )
            raise ConfigurationError(msg)
        for batch in told:
            try:
                yield EventBatch.from_json(batch)
            except MalformedEventError as error:
                raise ConfigurationError(f"The asset event of {event.timestamp} cannot be read: {error}") from error
