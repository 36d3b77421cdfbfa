"""Whole organizations while everything fails now and then; ``python -m tests.chaos`` runs more seeds."""

from __future__ import annotations

import pytest

from tests import chaos

# A minute or two for the large one, and much longer on a machine that is busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    ("seed", "accounts", "snapshots"),
    [pytest.param(1, 50, 20, id="seed 1, 50 accounts x 20"), pytest.param(2, 8, 6, id="seed 2, 8 accounts x 6")],
)
def test_chaos(seed: int, accounts: int, snapshots: int) -> None:
    """
    Whatever fails on the way, all that can be copied is, exactly once and with its lineage, after three runs at most.

    The rest is named with the reason: the account whose role is gone, and the one whose key is disabled.
    """
    result = chaos.run_seed(seed, accounts, snapshots)
    repeat = chaos.how_to_repeat(seed, accounts, snapshots)
    assert result["complaints"] == [], repeat
    assert result["verified"][-1] == result["copyable"] == (accounts - 2) * snapshots, (repeat, result)
    # It was no fair weather: calls of EC2, KMS and STS are hit, a part of the answers is late besides.
    assert result["disturbed"] > result["calls"] * 0.03, (repeat, result)
