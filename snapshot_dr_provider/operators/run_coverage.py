"""Whether the volumes of a run's accounts are within their RPO, by what its plans have left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.coverage import Expectation
from snapshot_dr_provider.domain.key_policy.findings import Finding, Verdict
from snapshot_dr_provider.domain.key_policy.run_rules import WITHIN_RPO, judge_backups, judge_coverage
from snapshot_dr_provider.domain.key_policy.snapshot_facts import DrRegionFacts
from snapshot_dr_provider.domain.lineage import Stage
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.volume_coverage import (
    SourceStock,
    judge_volumes,
    read_stock,
    recovery_points,
    without_snapshots,
)
from snapshot_dr_provider.operators.run_outcome import CLEAR, RunOutcome
from snapshot_dr_provider.stage import STOCK

NOT_READ: Final = "Let the role in Account-B read it: airflow snapshot-dr policy show dr-copy-role."


@dataclass(slots=True)
class RunCoverage:
    """
    Judge the volumes of a run by KP118.

    No account is listed again: its plan has left one row a volume, and the copies are those that the audit reads in
    Account-B anyway. Of the sources that the run wanted the sizes are known and compared; of older ones they are not.

    :param outcome: the run, which has been judged, so that the sizes of what it wanted are known.
    :param rpo: how old the data of a newest copy may be.
    :param now: from when ages count back, UTC.
    """

    outcome: RunOutcome
    rpo: timedelta
    now: datetime
    stocks: dict[Route, SourceStock | None] = field(init=False)

    def __post_init__(self) -> None:
        self.stocks = dict(self._read())

    def _read(self) -> Iterable[tuple[Route, SourceStock | None]]:
        outcome = self.outcome
        for index, route in outcome.entered():
            left = outcome.task.xcom_pull(task_ids=outcome.names.plan, key=STOCK, map_indexes=index, default=None)
            yield route, None if left is None else read_stock(left)

    def judge_accounts(self) -> list[Finding]:
        """Name the accounts without any snapshot, and the routes of which nothing is known."""
        bare = without_snapshots((route.account_id, stock) for route, stock in self.stocks.items())
        names = {route.account_id: f"{route.account_name} ({route.account_id})" for route in self.stocks}
        why = f"{self.outcome.names.plan} has not left what the account has, so that its volumes are not known"
        unknown = [route.label for route, stock in self.stocks.items() if stock is None]
        return [
            *(judge_backups(names[account_id]) for account_id in sorted(bare)),
            *(WITHIN_RPO.finding(Verdict.UNDECIDED, label, why, CLEAR) for label in unknown),
        ]

    def judge_region(self, facts: DrRegionFacts) -> list[Finding]:
        """Judge the volumes whose copies lie in one destination Region."""
        routes = [route for route in self.stocks if route.destination_region == facts.region]
        if facts.copies is None and routes:
            why = facts.unread.get("copies", "not read")
            return [WITHIN_RPO.finding(Verdict.UNDECIDED, facts.place, why, NOT_READ)]
        expected = Expectation(Stage.KMS_C, facts.account_id, facts.kms_c_arns)
        points = recovery_points(facts.copies or (), expected, self.outcome.sizes)
        findings: list[Finding] = []
        for route in routes:
            stock = self.stocks[route]
            if stock is not None:
                mine = points.get((route.account_id, route.source_region), {})
                volumes = judge_volumes(stock, mine, rpo=self.rpo, now=self.now)
                findings += judge_coverage(route, volumes, self.rpo, self.now)
        return findings


def coverage_does_not_apply(why: str) -> Sequence[Finding]:
    """Say why no volume is judged by its RPO."""
    return [WITHIN_RPO.finding(Verdict.NOT_APPLICABLE, "the volumes", why)]
