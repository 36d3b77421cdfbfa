"""What ``airflow snapshot-dr plan`` says is what the run then does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.cli.cli_parser import get_parser

from tests import worlds

if TYPE_CHECKING:
    from tests.dags.deployment import Deployment

pytestmark = pytest.mark.e2e

ONE, TWO = worlds.account_id(1), worlds.account_id(2)


def planned(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Ask what a run for DAY would do."""
    capsys.readouterr()
    args = get_parser().parse_args(["snapshot-dr", "plan", "--json", "--day", f"{worlds.DAY:%Y-%m-%d}"])
    with pytest.raises(SystemExit):
        args.func(args)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


@pytest.mark.parametrize("retention", ["none", "newest_per_volume"])
def test_a_run_does_what_was_planned(
    deployment: Deployment, retention: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies that were announced are made, those that were adopted are not made again, and what was to go is gone."""
    there = [worlds.source(ONE, number, volume_id="vol-10000000000000001") for number in (1, 2, 3)]
    seeds = [*there, worlds.source(TWO, 1), worlds.copy_of(there[0], "kms-b", 1), worlds.copy_of(there[1], "kms-c", 2)]
    deployment.start(worlds.world(2, seeds=seeds, copy_seconds=0.3), kms_b_retention=retention)
    said = planned(capsys)
    before = {stage: {each["id"] for each in deployment.made(stage)} for stage in ("kms-b", "kms-c")}
    run = deployment.run_day()
    assert run.is_green, run.errors
    for hop, stage in (("hop_1", "kms-b"), ("hop_2", "kms-c")):
        made = {e["tags"]["SourceSnapshotId"] for e in deployment.made(stage) if e["id"] not in before[stage]}
        announced = {e["snapshot"] for route in said["routes"] for e in route["wanted"] if e[hop] == "copy"}
        assert made == announced
    left = {each["id"] for each in deployment.left("kms-b")}
    assert before["kms-b"] - left == {copy_id for route in said["routes"] for copy_id in route["deletes"]}
    passing = sum(route["made_and_deleted"] for route in said["routes"])
    assert len(deployment.made("kms-b")) - len(before["kms-b"]) - len(left - before["kms-b"]) == passing
    kept = said["kms_b_retention"]["newest_per_volume_keeps"]
    assert len(left) == (kept if retention == "newest_per_volume" else 0)
    again = planned(capsys)
    assert (again["hop_1"]["copies"], again["hop_2"]["copies"]) == (0, 0)
