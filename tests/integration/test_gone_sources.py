"""A plan names what is, or may be, gone without a copy."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from snapshot_dr_provider.domain.run_options import RunOptions
from snapshot_dr_provider.operators.plan_copies import PlanCopiesOperator
from tests import worlds
from tests.integration.tasks import route, run

ACCOUNT = worlds.account_id(1)
THERE, GONE, LOST = (worlds.source(ACCOUNT, number) for number in (1, 2, 3))
LEFT = worlds.copy_of(GONE, "kms-b", 1)
FAILED = worlds.copy_of(LOST, "kms-b", 2, state="error")


@pytest.fixture
def plan(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[int], tuple[set[str], str]]:
    """Plan for a day so far from the usual one; give what is wanted, and what the log says."""

    def plan_day(days_later: int) -> tuple[set[str], str]:
        start = worlds.DAY + timedelta(days=days_later)
        options = RunOptions(start, start + timedelta(days=1)).to_json()
        caplog.clear()
        with caplog.at_level(logging.INFO):
            left = run(PlanCopiesOperator(task_id="plan", route=route(), options=options))
        # Airflow writes to the one or to the other, by what was imported first.
        said = "\n".join((*capfd.readouterr(), *(record.getMessage() for record in caplog.records)))
        return {record["snapshot_id"] for record in left.pushed["records"]}, said

    return plan_day


def test_sources_that_are_gone_are_named_in_the_log(enter, plan) -> None:
    """The log warns of a source of which only its KMS-B copy is left, and which is wanted, and of one that is lost."""
    enter(worlds.world(1, seeds=[THERE, LEFT, FAILED]))
    wanted, said = plan(0)
    assert wanted == {THERE.snapshot_id, GONE.snapshot_id}
    assert f"{GONE.snapshot_id} of 2026-03-10 12:02 UTC is gone; nothing but its KMS-B copy {LEFT.snapshot_id}" in said
    assert f"{LOST.snapshot_id} of 2026-03-10 12:03 UTC is gone without a KMS-C copy: {FAILED.snapshot_id}" in said
    assert f"delete {FAILED.snapshot_id} once you have noted it" in said


def test_an_interval_older_than_the_oldest_snapshot_is_named_in_the_log(enter, plan) -> None:
    """The log of an interval that ends before the account's oldest snapshot says that nobody can tell what is gone."""
    enter(worlds.world(1, seeds=[THERE]))
    wanted, said = plan(-1)
    assert wanted == set()
    assert "team-1 (111111111111) us-east-1: the interval ends on 2026-03-10 00:00 UTC, before the oldest" in said
    assert "before the oldest" not in plan(0)[1]
