"""What the benchmark ``pipeline`` and its processes tell each other. Imports nothing, so that it costs no memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """
    Tell a process what to do.

    :param place: of this process among all, from 0; it takes every account whose place leaves that remainder.
    :param workers: tasks that may run in a worker at once.
    :param now: when the run was due, ISO 8601; the snapshots of ``day`` are copied.
    :param advanced: whether it moves the sandbox's clock itself, instead of going by the machine's.
    :param latency: seconds that an answer takes on that clock.
    """

    settings_path: str
    place: int
    processes: int
    workers: int
    now: str
    day: str
    advanced: bool
    latency: float


@dataclass(frozen=True, slots=True)
class Result:
    """
    Tell what the work took.

    :param began: ISO 8601, on the clock of the run.
    :param real_s: what passed on the machine's clock meanwhile.
    :param cpu_s: of the process, from the first stage to the end of the last one.
    :param rss_mb: most memory that the process ever had: the interpreter, Airflow and the AWS SDK among it.
    :param worker_s: how long worker slots were taken, in sum.
    :param stages: seconds that each stage took, one for each account.
    :param failures: tasks that did not succeed, and why.
    """

    began: str
    ended: str
    real_s: float
    cpu_s: float
    rss_mb: float
    worker_s: float
    stages: dict[str, list[float]]
    failures: list[str]
