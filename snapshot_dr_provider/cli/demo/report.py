"""How a run of the demo went, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from snapshot_dr_provider.cli.demo.survey import AccountSurvey

COPY: Final = "ec2:CopySnapshot"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Hold what a run has left behind.

    :param state: of the DAG run, as Airflow says; ``died`` when Airflow's process ended before it.
    :param is_locked: whether KMS-B has the policy again under which it stands between the runs.
    :param now: when the sandbox was looked at.
    :param api_calls: number of calls to the sandbox by service and action, those of earlier runs included.
    :param calls_before: what that number was before this run.
    """

    state: str
    accounts: Sequence[AccountSurvey]
    is_locked: bool
    now: datetime
    api_calls: Mapping[str, int]
    calls_before: Mapping[str, int]

    @property
    def calls_of_run(self) -> Counter[str]:
        """Count the calls of this run alone."""
        return Counter(self.api_calls) - Counter(self.calls_before)

    @property
    def copies_started(self) -> int:
        """Count the copies that this run asked for."""
        return self.calls_of_run[COPY]

    def to_json(self) -> dict[str, object]:
        """Write it for programs."""
        return {
            "dag_run_state": self.state,
            "kms_b_locked": self.is_locked,
            "accounts": [_account_to_json(account) for account in self.accounts],
            "api_calls": dict(sorted(self.api_calls.items())),
        }


def _account_to_json(account: AccountSurvey) -> dict[str, object]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "selected": len(account.wanted),
        "kms_c_verified": len(account.verified),
        "kms_b_left": len(account.kms_b_left),
        "skipped": [{"snapshot_id": key, "reason": reason} for key, reason in account.not_wanted.items()],
    }


def table_of(outcome: Outcome) -> Table:
    """Lay out a line for each account."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Account", no_wrap=True)
    for heading in ("Wanted", "KMS-C\nverified", "KMS-B\nleft", "Newest DR\ncopy (age)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Not wanted")
    for account in outcome.accounts:
        style = "green" if account.is_done else "red"
        table.add_row(
            Text.assemble(account.name, (f" {account.account_id}", "dim")),
            str(len(account.wanted)),
            Text(str(len(account.verified)), style=style),
            Text(str(len(account.kms_b_left)), style="red" if account.kms_b_left else ""),
            _age(outcome.now - account.newest) if account.newest else "no copy",
            _reasons(account),
        )
    return table


def _reasons(account: AccountSurvey) -> str:
    """Count the snapshots that are not wanted by reason, one reason a line."""
    counts = Counter(account.not_wanted.values())
    return "\n".join(f"{number} {reason}" for reason, number in counts.most_common()) or "-"


def _age(age: timedelta) -> str:
    hours, minutes = divmod(int(age.total_seconds()) // 60, 60)
    return f"{hours} h {minutes:02} min"


def calls_of(outcome: Outcome) -> str:
    """Sum up the API calls of a run in a sentence."""
    wanted = sum(len(account.wanted) for account in outcome.accounts)
    calls = outcome.calls_of_run
    each = ", ".join(
        f"{number} {action.partition(':')[2]}"
        for action, number in sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    )
    per_snapshot = f", {calls.total() / wanted:.1f} for each wanted snapshot" if wanted else ""
    return f"{calls.total()} API calls{per_snapshot}: {each}."


def complaints_of(outcome: Outcome) -> list[str]:
    """Say in a sentence each what is wrong; empty when nothing is."""
    complaints = [] if outcome.state == "success" else [f"The DAG run ended in state {outcome.state}."]
    if not outcome.is_locked:
        complaints.append("KMS-B is still open for copies.")
    for account in outcome.accounts:
        missing = [snapshot for snapshot in account.wanted if snapshot not in account.verified]
        if missing:
            complaints.append(f"{account.name}: no verified KMS-C copy of {_some(missing)}.")
        if account.kms_b_left:
            complaints.append(f"{account.name}: KMS-B copies left: {_some(account.kms_b_left)}.")
    return complaints


def _some(ids: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(ids[:most])
    return f"{shown} and {len(ids) - most} more" if len(ids) > most else shown
