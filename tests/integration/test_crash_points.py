"""Every call of a run as the one at which the process dies, the answer is lost, or AWS fails, once or for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from snapshot_dr_provider.domain.key_policy.window import Terms, windows_in
from snapshot_dr_provider.sandbox import Sandbox
from tests import worlds
from tests.harness.end_state import KMS_B, broken_laws, differences
from tests.harness.processes import ForkServer, Order
from tests.harness.run_book import RunBook
from tests.harness.sdk import Moment

# A fork server takes some ten seconds to start, and each point less than one; much longer on a machine that is busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WORLD: Final = worlds.world(1, 2, locked=True, copy_seconds=60.0, refusal_seconds=2.0, clock_rate=0.0)
LAG: Final = {"create": 10.0, "tags": 10.0, "share": 10.0, "delete": 10.0, "policy": 5.0, "policy_read": 5.0}
HOURS: Final = 6
"""The window of KMS-B closes by itself after so many; the default of the settings."""

SDK_TRIES: Final = 5
"""Times that the SDK sends what it may repeat."""

SENT_ONCE: Final = {"ec2.CopySnapshot"}
"""What it may not repeat."""

CHANGES: Final = {
    "ec2.CopySnapshot",
    "ec2.DeleteSnapshot",
    "ec2.ModifySnapshotAttribute",
    "kms.PutKeyPolicy",
    "sts.AssumeRole",
}
"""Calls of a run that leave an effect; a session is one, too."""

DISPENSABLE: Final = {
    # The look at the window before copies are started: it goes on as if the window were open.
    ("account.copy_to_kms_b_0", "sts.GetCallerIdentity"),
    ("account.copy_to_kms_b_0", "kms.GetKeyPolicy"),
    # The look at what is in flight before KMS-B is locked: it is locked all the same.
    ("lock_down_kms_b", "sts.AssumeRole"),
    ("lock_down_kms_b", "ec2.DescribeSnapshots"),
}
"""Calls that a task may do without, so that red is a later one that cannot, if any."""

REFUSALS: Final = {"ec2": "UnauthorizedOperation", "kms": "AccessDeniedException", "sts": "AccessDenied"}


@dataclass(frozen=True, slots=True)
class Call:
    """
    Name one call of the undisturbed run.

    :param number: its place among all calls.
    :param task: that made it.
    :param ordinal: its place among the calls of the same operation by the same account.
    """

    number: int
    task: str
    operation: str
    account_id: str
    ordinal: int

    def __str__(self) -> str:
        return f"call {self.number}, {self.operation} of {self.task} as {self.account_id}"


class Stage:
    """Run one account's DAG run again and again, each time in the same world and in processes of its own."""

    def __init__(self, sandbox: Sandbox, processes: ForkServer, folder: Path) -> None:
        self.control = sandbox.control
        self._processes = processes
        self._folder = folder
        self._numbers = count()
        session = boto3.session.Session(
            aws_access_key_id=worlds.KEY_ADMIN.access_key_id,
            aws_secret_access_key=worlds.KEY_ADMIN.secret_access_key,
            region_name=worlds.REGION,
        )
        self._kms = session.client("kms", endpoint_url=sandbox.endpoint_url)
        self.calls: tuple[Call, ...] = ()
        self.begin()
        self._locked = self.policy

    def begin(self) -> None:
        """Go back to the beginning."""
        self.control.reset(WORLD)
        self.control.set_lag(**LAG)
        self._book = self._folder / f"run-{next(self._numbers)}.jsonl"

    def work(self, **details: Any) -> bool:
        """Work off what is left of the run; tell whether its process has died."""
        return self._processes.carry_out(order(self._book, **details))

    @property
    def book(self) -> RunBook:
        """Read what Airflow would know of the run."""
        return RunBook(self._book)

    @property
    def policy(self) -> str:
        """Read the policy of KMS-B when all that was written can be read."""
        self.control.advance(60)
        text: str = self._kms.get_key_policy(KeyId=KMS_B)["Policy"]
        return text

    @property
    def is_locked(self) -> bool:
        """Tell whether the policy of KMS-B is the standing one to the byte."""
        return self.policy == self._locked

    def fail(self, call: Call, kind: str, **details: Any) -> None:
        """Have a call disturbed, and those behind it that are the same if ``count`` says so."""
        service, _, action = call.operation.partition(".")
        self.control.add_fault(
            kind=kind, service=service, action=action, account_id=call.account_id, skip=call.ordinal, **details
        )

    def record(self) -> None:
        """Run undisturbed, and note the calls."""
        self.begin()
        self.work()
        log = self.control.log()
        sent = self.book.calls
        assert [operation for _, operation in sent] == [f"{each['service']}.{each['action']}" for each in log]
        assert self.wrong_end() == []
        ordinals: Counter[tuple[str, str]] = Counter()
        calls = []
        for number, ((task, operation), each) in enumerate(zip(sent, log, strict=True)):
            account_id = each["account_id"]
            calls.append(Call(number, task, operation, account_id, ordinals[operation, account_id]))
            ordinals[operation, account_id] += 1
        self.calls = tuple(calls)

    @property
    def points(self) -> list[Call]:
        """List the calls, of many looks in a row at the same thing the first and the last."""
        around = zip([None, *self.calls], self.calls, [*self.calls[1:], None], strict=False)
        return [call for before, call, after in around if not (_is_same(before, call) and _is_same(call, after))]

    def wrong_end(self) -> list[str]:
        """Say in what the run has ended otherwise than an undisturbed one."""
        book, truth = self.book, self.control.snapshots()
        wrong = [f"{name} is {state}" for name, state in book.states.items() if state != "success"]
        wrong += [f"{name}: {error}" for name, error in book.errors.items() if book.states[name] != "success"]
        wrong += [*broken_laws(truth), *differences(truth, WORLD.snapshots)]
        return wrong + ([] if self.is_locked else [f"KMS-B is not locked: {self.policy}"])


def _is_same(one: Call | None, other: Call | None) -> bool:
    """Tell whether two calls are looks of the same task at the same thing."""
    if one is None or other is None or one.operation in CHANGES:
        return False
    return (one.task, one.operation, one.account_id) == (other.task, other.operation, other.account_id)


@pytest.fixture(scope="module")
def stage(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Load everything, and record the calls of an undisturbed run."""
    folder = tmp_path_factory.mktemp("crash-points")
    settings = worlds.settings(WORLD, **{**worlds.managed_window(), "tuning": {}})
    environment = {
        **worlds.connections(WORLD),
        "AWS_ENDPOINT_URL": sandbox_server.endpoint_url,
        "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": worlds.write_settings(folder / "settings.yaml", settings),
    }
    sandbox_server.control.reset(WORLD)
    with ForkServer(environment, order(folder / "first.jsonl"), folder / "processes.log") as processes:
        found = Stage(sandbox_server, processes, folder)
        found.record()
        yield found


def order(book: Path, **details: Any) -> Order:
    """Order the run of DAY that is triggered the morning after."""
    return Order(str(book), "a-run", worlds.NOW.isoformat(), f"{worlds.DAY:%Y-%m-%d}", **details)


def die_before(stage: Stage, call: Call) -> list[str]:
    """Let the process die before a call, and another one go on at once, while reads may lag behind."""
    return [*_die(stage, call, "before"), *stage.wrong_end()]


def die_after(stage: Stage, call: Call) -> list[str]:
    """Let the process die when a call has taken effect and nobody has read the answer."""
    return [*_die(stage, call, "after"), *stage.wrong_end()]


def _die(stage: Stage, call: Call, moment: Moment) -> list[str]:
    if not stage.work(die_at=call.number, moment=moment):
        return ["the process did not die"]
    wrong = broken_laws(stage.control.snapshots())
    stage.work()
    return wrong


def lose_the_answer(stage: Stage, call: Call) -> list[str]:
    """Let a call take effect and its answer be lost, while the process lives on."""
    stage.fail(call, "lost_answer")
    stage.work()
    return [*_made_twice(stage), *stage.wrong_end()]


def fail_once(stage: Stage, call: Call) -> list[str]:
    """Let a call fail with a server error once, whatever often the SDK sends it for that."""
    stage.fail(call, "server_error", count=1 if call.operation in SENT_ONCE else SDK_TRIES)
    stage.work()
    return [*_made_twice(stage), *stage.wrong_end()]


def fail_for_good(stage: Stage, call: Call) -> list[str]:
    """Let a call be refused from then on, lift that after the run, and clear the one task that is red for it."""
    service = call.operation.partition(".")[0]
    stage.fail(call, "error", code=REFUSALS[service], count=1_000_000)
    stage.work()
    stage.control.clear_faults()
    book = stage.book
    is_elsewhere = book.red[:1] != [call.task] and (call.task, call.operation) not in DISPENSABLE
    wrong = [f"red are {book.red}: {book.errors}"] if is_elsewhere else []
    wrong += [*broken_laws(stage.control.snapshots()), *_duplicates(stage), *_open_window(stage, book)]
    if book.red:
        stage.work(clear=book.red[0])
    return wrong + stage.wrong_end()


def _duplicates(stage: Stage) -> list[str]:
    """Complain of sources that have more than one copy in an account."""
    return _several([each for each in stage.control.snapshots() if each["is_copy"] and not each["deleted"]])


def _made_twice(stage: Stage) -> list[str]:
    """Complain of copies that were made beside others, also of removed ones: who lives on, waits and looks first."""
    return _several([each for each in stage.control.snapshots() if each["is_copy"]])


def _several(copies: Sequence[Mapping[str, Any]]) -> list[str]:
    numbers = Counter((each["owner"], each["tags"].get("SourceSnapshotId")) for each in copies)
    return [f"{source} has {number} copies in {owner}" for (owner, source), number in numbers.items() if number > 1]


def _open_window(stage: Stage, book: RunBook) -> list[str]:
    """Complain of a window that is open, unless it could not be closed; then it has to end by itself."""
    policy = stage.policy
    windows = windows_in(policy, Terms(worlds.ORG_A, worlds.REGION), now=worlds.NOW)
    if book.states["lock_down_kms_b"] == "success" or not windows:
        return [] if stage.is_locked else [f"KMS-B is not locked: {policy}"]
    latest = worlds.NOW + timedelta(hours=HOURS + 1)
    return [f"a window is open until {window.end}" for window in windows if window.end > latest]


FAULTS: Final[dict[str, Callable[[Stage, Call], list[str]]]] = {
    "the process dies before it": die_before,
    "the process dies after its effect": die_after,
    "its answer is lost": lose_the_answer,
    "it fails once": fail_once,
    "it fails for good": fail_for_good,
}
OF_CHANGES: Final = {"the process dies after its effect", "its answer is lost"}
"""Faults that are the same as others where a call has no effect."""


def test_recorded_run_does_everything(stage: Stage) -> None:
    """The run that is disturbed call by call makes both copies, shares, deletes, opens and locks KMS-B, and audits."""
    assert {call.operation for call in stage.points} >= CHANGES
    assert {call.task for call in stage.points} == {name for name in stage.book.states if name != "list_routes"}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_call(stage: Stage, fault: str) -> None:
    """Whichever call is disturbed, the run ends as an undisturbed one, at the latest when its red task is cleared."""
    failures = []
    for call in stage.points:
        if call.operation in CHANGES or fault not in OF_CHANGES:
            stage.begin()
            failures += [f"{call}: {why}" for why in FAULTS[fault](stage, call)]
    assert not failures, "\n".join(failures)
