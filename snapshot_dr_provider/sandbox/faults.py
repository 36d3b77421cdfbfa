"""Make calls fail on demand."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, get_args

Kind = Literal["error", "throttle", "server_error", "reset_before", "lost_answer", "delay", "copy_error"]

KINDS: tuple[str, ...] = get_args(Kind)

#: Parameters that differ whenever the same is asked for.
_UNREPEATABLE = frozenset({"ClientToken", "PresignedUrl"})


@dataclass(slots=True)
class Fault:
    """Describe a fault: which calls it hits, what happens to them, and how often.

    ``error`` answers *code*, ``throttle`` the service's throttling error, ``server_error`` a 5xx; ``reset_before``
    cuts the connection before the call has any effect, ``lost_answer`` after it; ``delay`` holds the call up for
    *seconds* of real time; ``copy_error`` lets the copy be accepted and end in ``error`` with *message*. The first
    *skip* matching calls pass, the next *count* are hit.

    With a *rate* below 1 only that part of the calls is hit. Which ones, *seed* decides with what is asked for and how
    often the same was asked for before: it is not a matter of the order in which calls of several threads arrive.
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
    rate: float = 1.0
    seed: int = 0
    id: int = 0
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.kind == "copy_error" and self.action not in (None, "CopySnapshot"):
            raise ValueError("a copy_error is for CopySnapshot only")
        if not 0 < self.rate <= 1:
            raise ValueError(f"a rate is above 0 and not above 1, not {self.rate}")

    def concerns(self, service: str, action: str, account_id: str) -> bool:
        """Tell whether the fault is about such a call, spent or not."""
        if self.kind == "copy_error" and action != "CopySnapshot":
            return False
        return self.service == service and self.action in (None, action) and self.account_id in (None, account_id)

    def chooses(self, call: str) -> bool:
        """Tell whether it is the turn of such a call, by the rate."""
        return self.rate >= 1 or Random(f"{self.seed} {self.kind} {call}").random() < self.rate


class Faults:
    """Hold the faults that were asked for, in that order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._asked: Counter[str] = Counter()
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
            self._asked.clear()

    def all(self) -> list[Fault]:
        """Return the faults with their counts."""
        with self._lock:
            return list(self._faults)

    def take(
        self, service: str, action: str, account_id: str, parameters: Mapping[str, Any] | None = None
    ) -> list[Fault]:
        """Return what hits this call: every delay that is due, and the first other fault that is due."""
        hits: list[Fault] = []
        with self._lock:
            call = self._number_of_its_kind(service, action, account_id, parameters or {})
            for fault in self._faults:
                if fault.fired >= fault.count or not fault.concerns(service, action, account_id):
                    continue
                if fault.kind != "delay" and any(hit.kind != "delay" for hit in hits):
                    continue
                fault.seen += 1
                if fault.seen > fault.skip and fault.chooses(call):
                    fault.fired += 1
                    hits.append(fault)
        return hits

    def _number_of_its_kind(self, service: str, action: str, account_id: str, parameters: Mapping[str, Any]) -> str:
        """Tell a call from others, and from earlier ones that are the same; only rates ask for that."""
        if all(fault.rate >= 1 for fault in self._faults):
            return ""
        asked = sorted(item for item in parameters.items() if item[0] not in _UNREPEATABLE)
        call = f"{service} {action} {account_id} {asked}"
        self._asked[call] += 1
        return f"{call} {self._asked[call]}"
