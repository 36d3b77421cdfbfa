"""Count and log the calls that a sandbox answered."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    """Keep the log of calls and their numbers by action and by account."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log: list[CallRecord] = []

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._log.clear()

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
        shown = {name: value for name, value in parameters.items() if name not in _HIDDEN}
        with self._lock:
            number = len(self._log) + 1
            self._log.append(CallRecord(number, service, action, account_id, region, shown, status, code))

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the calls after number *since*."""
        with self._lock:
            return [asdict(record) for record in self._log[max(0, since) :]]

    def calls(self) -> dict[str, Any]:
        """Return how often each action was called, in all and by account."""
        by_action: dict[str, int] = defaultdict(int)
        by_account: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        with self._lock:
            records = list(self._log)
        for record in records:
            name = f"{record.service}:{record.action}"
            by_action[name] += 1
            by_account[record.account_id][name] += 1
        return {"by_action": dict(by_action), "by_account": {key: dict(value) for key, value in by_account.items()}}
