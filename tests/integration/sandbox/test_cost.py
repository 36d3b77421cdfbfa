import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.integration.sandbox.ec2_world import Cloud, make_world, seed


@pytest.fixture(scope="module")
def worlds() -> dict:
    """Return worlds of 2,000 and of 10,000 snapshots."""
    return {
        size: replace(
            make_world(),
            snapshots=tuple(seed(f"snap-{n:017x}", tags={"Name": "app", "n": str(n)}) for n in range(1, size + 1)),
        )
        for size in (2_000, 10_000)
    }


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the CPU time that *call* took in this process, which serves the sandbox as well."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def per_snapshot(cloud: Cloud, worlds: dict, call: Callable[[], Any]) -> dict:
    """Return the CPU time of *call* by snapshot in each world, the best of three."""
    costs = {}
    for size, world in worlds.items():
        cloud.control.reset(world)
        costs[size] = min(cpu_seconds(call) for _ in range(3)) / size
    return costs


def test_listing_everything_is_linear(cloud: Cloud, worlds: dict) -> None:
    """Five times as many snapshots cost about five times as much to list in pages (moto 3 says why that matters)."""
    paginator = cloud.ec2().get_paginator("describe_snapshots")
    costs = per_snapshot(cloud, worlds, lambda: list(paginator.paginate(OwnerIds=["self"], MaxResults=1000)))
    assert costs[10_000] < 2.5 * costs[2_000]


def test_filter_without_a_hit_is_linear(cloud: Cloud, worlds: dict) -> None:
    """Looking through five times as many snapshots for a tag costs about five times as much."""
    filters = [{"Name": "tag:n", "Values": ["none"]}]
    costs = per_snapshot(cloud, worlds, lambda: cloud.ec2().describe_snapshots(OwnerIds=["self"], Filters=filters))
    assert costs[10_000] < 2.5 * costs[2_000]


def test_seeding_is_linear(cloud: Cloud, worlds: dict) -> None:
    """Seeding five times as many snapshots costs about five times as much."""
    costs = {}
    for size, world in worlds.items():
        costs[size] = min(cpu_seconds(partial(cloud.control.reset, world)) for _ in range(2)) / size
    assert costs[10_000] < 2.5 * costs[2_000]


def test_one_copy_costs_the_same_among_many(cloud: Cloud, worlds: dict) -> None:
    """Starting a copy does not look through the account's snapshots."""
    costs = {}
    for size, world in worlds.items():
        cloud.control.reset(world)
        costs[size] = min(cpu_seconds(lambda: cloud.copy("snap-00000000000000001")) for _ in range(5))
    assert costs[10_000] < 2.5 * costs[2_000]


def test_page_of_a_thousand_is_cheap(cloud: Cloud, worlds: dict) -> None:
    """Among 10,000 snapshots a page of 1,000 costs under half a second of CPU, the SDK's part included, plus slack."""
    cloud.control.reset(worlds[10_000])
    ec2 = cloud.ec2()
    cost = min(cpu_seconds(lambda: ec2.describe_snapshots(OwnerIds=["self"], MaxResults=1000)) for _ in range(3))
    assert cost < 1.5


@pytest.mark.parametrize(
    "filters",
    [
        {"status": ["pending"]},
        {"tag:n": ["7"], "tag:Name": ["app"]},
        {"snapshot-id": ["snap-00000000000000001", "snap-00000000000000002"]},
    ],
)
def test_narrow_look_costs_the_same_among_many(cloud: Cloud, worlds: dict, filters: dict) -> None:
    """Asking for what is pending, for a tag's value or for ids does not look through the account's snapshots."""
    spec = [{"Name": name, "Values": values} for name, values in filters.items()]
    costs = {}
    for size, world in worlds.items():
        cloud.control.reset(world)
        look = partial(cloud.ec2().describe_snapshots, OwnerIds=["self"], MaxResults=1000, Filters=spec)
        costs[size] = min(cpu_seconds(look) for _ in range(5))
    assert costs[10_000] < 2.5 * costs[2_000]
