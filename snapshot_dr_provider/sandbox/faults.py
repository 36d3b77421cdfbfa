"""Make calls fail on demand."""

import threading
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["error", "throttle", "server_error", "reset_before", "lost_answer", "delay", "copy_error"]

KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(slots=True)
class Fault:
    """Describe a fault: which calls it hits, what happens to them, and how often.

    ``error`` answers *code*, ``throttle`` the service's throttling error, ``server_error`` a 5xx; ``reset_before``
    cuts the connection before the call has any effect, ``lost_answer`` after it; ``delay`` holds the call up for
    *seconds* of real time; ``copy_error`` lets the copy be accepted and end in ``error`` with *message*. The first
    *skip* matching calls pass, the next *count* are hit.
    """

    kind: Kind
    service: str = "ec2"
    action: str | None = None
    account_id: str | None = None
    code: str | None = None
    message: str | None = None
    seconds: float = 0.0
    count: int = 1
    skip: int = 0
    id: int = 0
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.kind == "copy_error" and self.action not in (None, "CopySnapshot"):
            raise ValueError("a copy_error is for CopySnapshot only")

    def concerns(self, service: str, action: str, account_id: str) -> bool:
        """Tell whether the fault is about such a call, spent or not."""
        if self.kind == "copy_error" and action != "CopySnapshot":
            return False
        return self.service == service and self.action in (None, action) and self.account_id in (None, account_id)


class Faults:
    """Hold the faults that were asked for, in that order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._next_id = 1

    def add(self, fault: Fault) -> int:
        """Add a fault and return its id."""
        with self._lock:
            fault.id = self._next_id
            self._next_id += 1
            self._faults.append(fault)
            return fault.id

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """Return the faults with their counts."""
        with self._lock:
            return list(self._faults)

    def take(self, service: str, action: str, account_id: str) -> list[Fault]:
        """Return what hits this call: every delay that is due, and the first other fault that is due."""
        hits: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                if fault.fired >= fault.count or not fault.concerns(service, action, account_id):
                    continue
                if fault.kind != "delay" and any(hit.kind != "delay" for hit in hits):
                    continue
                fault.seen += 1
                if fault.seen > fault.skip:
                    fault.fired += 1
                    hits.append(fault)
        return hits
