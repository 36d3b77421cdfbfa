from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from snapshot_dr_provider.cli.demo.progress import Lines
from snapshot_dr_provider.cli.demo.report import Outcome, calls_of, complaints_of, table_of
from snapshot_dr_provider.cli.demo.survey import AccountSurvey

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
GOOD = AccountSurvey(
    account_id="111111111111",
    name="payments-prod",
    wanted=("snap-1", "snap-2"),
    pending=frozenset(),
    copied=frozenset({"snap-1", "snap-2"}),
    verified=frozenset({"snap-1", "snap-2"}),
    moving=0,
    kms_b_left=(),
    not_wanted={"snap-3": "unencrypted", "snap-4": "unencrypted", "snap-5": "tagged Backup=none"},
    newest=NOW - timedelta(hours=16, minutes=5),
)
LACKING = replace(GOOD, verified=frozenset({"snap-1"}))
LEFT = replace(GOOD, kms_b_left=("snap-b",))


def outcome(*accounts: AccountSurvey, state="success", before=None, is_locked=True) -> Outcome:
    """Build the outcome of a run with some calls."""
    return Outcome(state, accounts, is_locked, NOW, {"ec2:CopySnapshot": 4, "ec2:DescribeSnapshots": 10}, before or {})


def rendered(what: object) -> str:
    """Print it as into a file."""
    console = Console(width=100, file=StringIO(), record=True)
    console.print(what)
    return console.export_text()


@pytest.mark.parametrize(
    ("result", "complaints"),
    [
        (outcome(GOOD), []),
        (outcome(GOOD, state="failed"), ["The DAG run ended in state failed."]),
        (outcome(GOOD, is_locked=False), ["KMS-B is still open for copies."]),
        (outcome(GOOD, LACKING), ["payments-prod: no verified KMS-C copy of snap-2."]),
        (outcome(LEFT), ["payments-prod: KMS-B copies left: snap-b."]),
    ],
)
def test_outcome_is_good_only_without_complaints(result: Outcome, complaints: list[str]) -> None:
    """A failed run, a missing copy and a copy that is left each make the outcome bad, and are named."""
    assert complaints_of(result) == complaints


def test_json_has_the_documented_keys() -> None:
    """Programs find the number of wanted snapshots as *selected*, and each skipped one with its reason."""
    assert outcome(LACKING).to_json() == {
        "dag_run_state": "success",
        "kms_b_locked": True,
        "accounts": [
            {
                "account_id": "111111111111",
                "name": "payments-prod",
                "selected": 2,
                "kms_c_verified": 1,
                "kms_b_left": 0,
                "skipped": [
                    {"snapshot_id": "snap-3", "reason": "unencrypted"},
                    {"snapshot_id": "snap-4", "reason": "unencrypted"},
                    {"snapshot_id": "snap-5", "reason": "tagged Backup=none"},
                ],
            }
        ],
        "api_calls": {"ec2:CopySnapshot": 4, "ec2:DescribeSnapshots": 10},
    }


def test_table_has_a_line_for_each_account() -> None:
    """The table counts what is not wanted by reason and says how old the newest copy is, all in its width."""
    lines = [line.split() for line in rendered(table_of(outcome(GOOD))).splitlines()]
    assert ["payments-prod", "111111111111", "2", "2", "0", "16", "h", "05", "min", "2", "unencrypted"] in lines
    assert ["1", "tagged", "Backup=none"] in lines


def test_calls_are_those_of_the_run() -> None:
    """Calls of an earlier run are not counted again."""
    text = calls_of(outcome(GOOD, before={"ec2:CopySnapshot": 4, "ec2:DescribeSnapshots": 7}))
    assert text == "3 API calls, 1.5 for each wanted snapshot: 3 DescribeSnapshots."


def test_second_run_that_copies_is_noticed() -> None:
    """The copies that a run asked for are those beyond the runs before."""
    assert outcome(GOOD, before={"ec2:CopySnapshot": 4}).copies_started == 0
    assert outcome(GOOD, before={"ec2:CopySnapshot": 3}).copies_started == 1


def test_lines_are_printed_on_change_alone() -> None:
    """Into a file goes a line for what is new, and none for what is as before."""
    console = Console(width=100, file=StringIO(), record=True)
    waiting = replace(GOOD, copied=frozenset(), verified=frozenset())
    with Lines(console) as progress:
        for accounts in ([waiting], [waiting], [LACKING], [LACKING], [GOOD], [GOOD]):
            progress.show(accounts)
    words = [line.split() for line in console.export_text().splitlines()]
    assert [line[2:7] for line in words] == [
        ["payments-prod", "KMS-B", "2/2", "KMS-C", "1/2"],
        ["payments-prod", "KMS-B", "2/2", "KMS-C", "2/2"],
    ]
