"""What a real Airflow takes while a run lasts: memory and processor time of each of its processes, and its rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import psutil

from tests.e2e.processes import family

EVERY_SECONDS: Final = 2.0
"""Time between two looks. A look costs some milliseconds for each process of the machine."""

MB: Final = 10**6


@dataclass(frozen=True, slots=True, order=True)
class Memory:
    """Hold what some processes have in memory: bytes of all of them, how many they are, bytes of the largest one."""

    total: int = 0
    processes: int = 0
    largest: int = 0


class UsageMeter:
    """
    Watch processes within a ``with`` block, each with all that it has started.

    Memory is the sum over the resident sets of its processes, at the moment at which that was greatest: what forked
    processes share counts in each of them. Beside it stands the largest single one. Processor time is counted by the
    kernel, that of processes that have ended, too, as long as their parents have not.

    :param pids: of the first processes, by name.
    :param also: is done at each look, in the same thread.
    """

    def __init__(self, pids: Mapping[str, int], also: Callable[[], object]) -> None:
        self._pids = pids
        self._also = also
        self._peaks = {name: Memory() for name in pids}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="usage", daemon=True)

    def __enter__(self) -> Self:
        self._before = {name: _cpu_seconds(pid) for name, pid in self._pids.items()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._after = {name: _cpu_seconds(pid) for name, pid in self._pids.items()}

    def figures(self) -> dict[str, dict[str, float]]:
        """Tell, after the block, the peak memory and the processor seconds within it of each by its name."""
        return {
            name: {
                "rss_mb": round(self._peaks[name].total / MB, 1),
                "processes": self._peaks[name].processes,
                "largest_mb": round(self._peaks[name].largest / MB, 1),
                "cpu_s": round(self._after[name] - self._before[name], 2),
            }
            for name in self._pids
        }

    def _watch(self) -> None:
        while True:
            for name, pid in self._pids.items():
                self._peaks[name] = max(self._peaks[name], _memory(pid))
            self._also()
            if self._over.wait(EVERY_SECONDS):
                return


def _memory(pid: int) -> Memory:
    sizes = [int(_read(process, "memory_info", "rss")) for process in family(pid)]
    return Memory(sum(sizes), len(sizes), max(sizes, default=0))


def _cpu_seconds(pid: int) -> float:
    fields = ("user", "system", "children_user", "children_system")
    return sum(float(_read(process, "cpu_times", field)) for process in family(pid) for field in fields)


def _read(process: psutil.Process, kind: str, field: str) -> Any:
    """Read a figure of a process; one that has just ended has none."""
    with suppress(psutil.NoSuchProcess):
        return getattr(getattr(process, kind)(), field)
    return 0
