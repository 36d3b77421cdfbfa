"""Count and log the calls that a sandbox answered."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

#: Parameters that are secrets, or carry a signature (aws 5.2).
_HIDDEN = frozenset({"PresignedUrl", "ClientToken", "SecretAccessKey", "SessionToken", "Plaintext"})


@dataclass(frozen=True, slots=True)
class CallRecord:
    """Hold one call in the order of arrival, as it was answered. *status* is 0 when the connection was cut."""

    seq: int
    service: str
    action: str
    account_id: str
    region: str
    parameters: Mapping[str, Any]
    status: int
    code: str | None


class Counters:
    """Keep the numbers of calls by action, account and error code, and a log of the latest calls.

    *log_size* gives how many calls the log keeps at the moment. The numbers are of all calls, whatever it keeps.
    """

    def __init__(self, log_size: Callable[[], int]) -> None:
        self._lock = threading.Lock()
        self._log_size = log_size
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._log: deque[CallRecord] = deque()
            self._number = 0
            self._by_account: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
            self._refusals: dict[str, int] = defaultdict(int)

    def record(
        self,
        service: str,
        action: str,
        account_id: str,
        region: str,
        parameters: Mapping[str, Any],
        *,
        status: int,
        code: str | None,
    ) -> None:
        """Add a call; secrets and presigned URLs are left out."""
        name, kept = f"{service}:{action}", self._log_size()
        with self._lock:
            self._number += 1
            self._by_account[account_id][name] += 1
            if code is not None:
                self._refusals[f"{name} {code}"] += 1
            if kept > 0:
                shown = {key: value for key, value in parameters.items() if key not in _HIDDEN}
                record = CallRecord(self._number, service, action, account_id, region, shown, status, code)
                self._log.append(record)
            while len(self._log) > kept:
                self._log.popleft()

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the calls after number *since*, as far back as the log goes."""
        with self._lock:
            records = list(takewhile(lambda record: record.seq > since, reversed(self._log)))
        return [_as_dict(record) for record in reversed(records)]

    def calls(self) -> dict[str, Any]:
        """Return how often each action was called, in all and by account, and how often refused, by code."""
        with self._lock:
            by_account = {account_id: dict(numbers) for account_id, numbers in self._by_account.items()}
            refusals = dict(self._refusals)
        by_action: dict[str, int] = defaultdict(int)
        for numbers in by_account.values():
            for name, number in numbers.items():
                by_action[name] += number
        return {"by_action": dict(by_action), "by_account": by_account, "refusals": refusals}


def _as_dict(record: CallRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in CallRecord.__slots__}
