"""The window is looked after while hop 1 copies, by one look for all who start copies."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from snapshot_dr_provider.domain.key_policy.window import Terms, Window, is_open, open_window
from snapshot_dr_provider.exceptions import ThrottledError
from snapshot_dr_provider.triggers.orders import CopyOrder
from snapshot_dr_provider.triggers.window_keeper import LOOK_EVERY, WindowKeeper, WindowOrder, shared_keeper
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapshot_dr_provider.hooks.key_policies import KeyAdministrationHook

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
SETTLE = timedelta(seconds=60)
WINDOW = Window(Terms("o-orga000000001", "us-east-1"), "scheduled__2026-11-22", NOW + timedelta(hours=5), "SnapshotDr")
ORDER = WindowOrder(
    builders.KMS_B, WINDOW, NOW - timedelta(hours=1), "aws_dr_key_admin", "arn:aws:iam::999999999999:role/K", SETTLE
)
LOCKED = '{"Statement": {"Sid": "AccountB", "Effect": "Allow", "Principal": "*", "Action": "kms:*"}}'


class Clock:
    """Stand still until told otherwise."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        """Tell the time."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


class Kms:
    """Hold one policy, and count who reads it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads = 0
        self.throttled = False

    def default_policy(self, key_arn: str) -> str:
        """Read the policy."""
        assert key_arn == builders.KMS_B
        self.reads += 1
        if self.throttled:
            raise ThrottledError("could not read the policy", "Throttling")
        return self.text

    def revise_policy(self, _: str, change: Callable[[str], str]) -> tuple[str, str]:
        """Change the policy."""
        before, self.text = self.text, change(self.text)
        return before, self.text


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands."""
    return Clock()


@pytest.fixture
def kms() -> Kms:
    """Give a KMS-B that is open for the run."""
    return Kms(open_window(LOCKED, WINDOW))


@pytest.fixture
def keeper(clock: Clock, kms: Kms) -> WindowKeeper:
    """Give the keeper of the run's window."""
    return WindowKeeper(ORDER, cast("KeyAdministrationHook", kms), clock)


async def ask(keeper: WindowKeeper, times: int = 1) -> list[bool]:
    """Let several engines ask at once whether they may start copies."""
    return await asyncio.gather(*(keeper.may_start() for _ in range(times)))


def test_one_look_serves_all(keeper: WindowKeeper, clock: Clock, kms: Kms) -> None:
    """However many engines ask however often, the policy is read once in a while."""

    async def ask_for_a_while() -> list[int]:
        reads = []
        for seconds in (0, 1, LOOK_EVERY.total_seconds() - 1):
            clock.time += timedelta(seconds=seconds)
            assert await ask(keeper, 50) == [True] * 50
            reads.append(kms.reads)
        return reads

    assert asyncio.run(ask_for_a_while()) == [1, 1, 2]


def test_lost_window_is_put_back_and_waited_for(keeper: WindowKeeper, clock: Clock, kms: Kms) -> None:
    """A window that is gone is written again with its old end; nothing is started until that can have taken effect."""
    kms.text = LOCKED

    async def lose_and_wait() -> None:
        assert await ask(keeper, 3) == [False] * 3
        assert is_open(kms.text, WINDOW)
        assert kms.text == open_window(LOCKED, WINDOW)
        assert keeper.lenient_until > NOW + SETTLE
        clock.time += SETTLE
        assert await ask(keeper) == [True]

    asyncio.run(lose_and_wait())


def test_window_that_was_renewed_is_left_alone(keeper: WindowKeeper, kms: Kms) -> None:
    """When the run has been opened anew, a stage that knows the old end does not shorten it."""
    later = Window(WINDOW.terms, WINDOW.run, WINDOW.end + timedelta(hours=1), WINDOW.role_name)
    kms.text = renewed = open_window(kms.text, later)
    assert asyncio.run(ask(keeper)) == [True]
    assert kms.text == renewed


def test_policy_that_cannot_be_read_stops_nothing(keeper: WindowKeeper, kms: Kms) -> None:
    """A look that fails is no reason to start nothing: AWS will refuse the copies if the window is gone."""
    kms.throttled = True
    assert asyncio.run(ask(keeper)) == [True]


def test_refusals_are_forgiven_for_some_minutes(keeper: WindowKeeper) -> None:
    """A window that was opened an hour ago is taken to be in effect, one of five minutes' age perhaps not (aws 9.4)."""
    assert keeper.lenient_until == ORDER.opened + timedelta(minutes=5)


def test_engines_of_one_loop_share_a_keeper(clock: Clock) -> None:
    """Stages of one triggerer that copy for the same run under the same key have one keeper."""

    async def both() -> tuple[WindowKeeper, WindowKeeper]:
        return shared_keeper(ORDER, (), clock), shared_keeper(ORDER, (), clock)

    one, other = asyncio.run(both())
    assert one is other


@pytest.mark.parametrize("window", [ORDER, None])
def test_order_with_a_window_survives_json(window: WindowOrder | None) -> None:
    """decode(encode(order)) is the order, with a window or without."""
    route = {
        "account_id": builders.ORG_A,
        "account_name": "team",
        "source_region": "us-east-1",
        "destination_region": "us-east-1",
        "kms_b_arn": builders.KMS_B,
        "kms_c_arn": builders.KMS_C,
        "dr_account_id": builders.DR,
        "source_conn_id": "a",
        "dr_conn_id": "b",
    }
    written = {"stage": "kms-b", "route": route, "sources": ["snap-1"], "run": "r", "options": {}, "earlier_errors": []}
    order = CopyOrder.from_json({**written, "wait_until": NOW.isoformat(), "window": window and window.to_json()})
    assert order.window == window
    assert CopyOrder.from_json(json.loads(json.dumps(order.to_json()))) == order
