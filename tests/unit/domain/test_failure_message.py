from datetime import UTC, datetime

from snapshot_dr_provider.domain.audit_report import AuditReport, RouteCount
from snapshot_dr_provider.domain.failure_message import RedTask, word_failure, word_unknown
from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.run_rules import COPIED, SUCCEEDED

KEY = Finding(
    "KP010", Verdict.FAIL, Severity.CRITICAL, "Nobody else can use the key", "Oops lets all in", subject="arn:b"
)


def route(number: int) -> str:
    """Label a route."""
    return f"team-{number} ({number:012}) us-east-1"


def report(*findings: Finding, routes: int = 0, dag_id: str = "snapshot_dr") -> AuditReport:
    """Make a red report."""
    counts = tuple(RouteCount(route(number), 12, 11) for number in range(routes))
    return AuditReport(dag_id, "a run", datetime(2026, 3, 10, tzinfo=UTC), findings, routes=counts)


def red(number: int, **changes: str) -> RedTask:
    """Make the red task of a route."""
    return RedTask(route(number), "account.plan", number, changes.get("state", "failed"), changes.get("why", "why"))


def link(task_id: str, map_index: int) -> str:
    """Make the address of a log."""
    return f"http://airflow/{task_id}/{map_index}"


def test_a_hundred_red_accounts_make_one_message_of_bounded_size() -> None:
    """Of 100 red accounts ten are named and the others counted, whatever each of them has to say."""
    tasks = [red(number, why="x" * 5000 + "\n" + "y" * 5000) for number in range(100)]
    told = word_failure(report(routes=100), tasks, "audit", link)
    assert told.subject == "snapshot_dr is red: 100 red tasks"
    assert "and 90 more red tasks" in told.text
    assert "team-9 (000000000009) us-east-1: account.plan is failed; 11 of 12 snapshots are copied" in told.text
    assert "  log: http://airflow/account.plan/9" in told.text
    assert "team-10 " not in told.text
    assert len(told.text) < 15_000


def test_what_follows_from_a_red_task_is_not_told_twice() -> None:
    """Findings on a route whose red task is named are left out; those of other routes and of keys are told."""
    follows = [
        SUCCEEDED.finding(Verdict.FAIL, route(1), "account.plan is failed, not success"),
        COPIED.finding(Verdict.FAIL, "snap-1", f"{route(1)}: it has no verified KMS-C copy"),
        COPIED.finding(Verdict.FAIL, route(1), "it left no plan"),
    ]
    vanished = COPIED.finding(Verdict.FAIL, "snap-2", f"{route(2)}: it has no verified KMS-C copy")
    text = word_failure(report(*follows, vanished, KEY), [red(1)], "audit", link).text
    assert text.startswith("snapshot_dr is red: 1 red task, 2 further findings.")
    assert "snap-1" not in text
    assert "snap-2" in text
    assert "Oops lets all in" in text


def test_a_task_that_could_not_run_is_told_by_the_one_that_kept_it() -> None:
    """Where a task around the routes has failed, the accounts that therefore did not run are not named as red."""
    window = RedTask("snapshot_dr", "open_kms_b_window", -1, "failed", "KMS-B is open")
    told = word_failure(report(), [window, red(1, state="upstream_failed")], "audit", link)
    assert told.subject == "snapshot_dr is red: 1 red task"
    assert "team-1" not in told.text


def test_a_subject_fits_the_strictest_receiver() -> None:
    """A subject is one line of less than 100 ASCII characters, whatever the DAG is called."""
    told = word_failure(report(KEY, dag_id="übung " * 40), [], "audit", link)
    assert len(told.subject) < 100
    assert told.subject.isascii()
    assert "\n" not in told.subject


def test_an_audit_that_came_to_no_end_is_told_with_or_without_a_reason() -> None:
    """A killed audit leaves no reason: the message says so, and where its log is."""
    assert "its worker may be gone" in word_unknown("dag", "a run", "audit", "", "http://log").text
    text = word_unknown("dag", "a run", "audit", "AWS is throttling", "http://log").text
    assert "AWS is throttling" in text
    assert "http://log" in text
