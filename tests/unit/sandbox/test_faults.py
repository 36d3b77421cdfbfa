from collections.abc import Iterator

import pytest

from snapshot_dr_provider.sandbox.faults import Fault, Faults


def hits(seed: int, rate: float, calls: Iterator[str] | list[str]) -> list[str]:
    """Tell which calls a fault with a rate hits: each is the id of a snapshot that is asked for."""
    faults = Faults()
    faults.add(Fault("throttle", rate=rate, seed=seed, count=1_000_000))
    return [call for call in calls if faults.take("ec2", "DescribeSnapshots", "111111111111", {"SnapshotId": call})]


CALLS = [f"snap-{number % 250}" for number in range(1000)]


def test_rate() -> None:
    """A fault with a rate hits about that part of the calls."""
    assert 60 < len(hits(1, 0.1, CALLS)) < 140


def test_same_seed() -> None:
    """The same seed hits the same calls again, another one others."""
    assert hits(1, 0.1, CALLS) == hits(1, 0.1, CALLS) != hits(2, 0.1, CALLS)


def test_any_order() -> None:
    """It does not matter in which order different calls arrive."""
    assert sorted(hits(1, 0.1, CALLS)) == sorted(hits(1, 0.1, sorted(CALLS)))


def test_same_call_again() -> None:
    """A call that is made again is another one: what has been hit may pass the next time."""
    number = len(hits(1, 0.5, ["snap-1"] * 100))
    assert 20 < number < 80


def test_several_faults_of_one_seed() -> None:
    """Faults of different kinds hit different calls, though they have the same seed."""
    faults = Faults()
    faults.add(Fault("delay", rate=0.1, seed=1, count=1_000_000))
    faults.add(Fault("throttle", rate=0.1, seed=1, count=1_000_000))
    found = [faults.take("ec2", "DescribeSnapshots", "111111111111", {"SnapshotId": call}) for call in CALLS]
    assert 0 < sum(len(each) == 2 for each in found) < sum(len(each) == 1 for each in found)


def test_what_differs_each_time() -> None:
    """A signed address in a request, which says when it was signed, does not make it another one."""
    found = []
    for address in ("signed at noon", "signed at midnight"):
        faults = Faults()
        faults.add(Fault("throttle", rate=0.5, seed=1, count=1_000_000))
        calls = [{"SourceSnapshotId": call, "PresignedUrl": address} for call in CALLS[:100]]
        found.append([call["SourceSnapshotId"] for call in calls if faults.take("ec2", "CopySnapshot", "1", call)])
    assert found[0] == found[1] != []


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1])
def test_impossible_rate(rate: float) -> None:
    """A rate that is no part is refused."""
    with pytest.raises(ValueError, match="rate"):
        Fault("throttle", rate=rate)
