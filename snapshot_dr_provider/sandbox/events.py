"""Tell EventBridge what happened to snapshots, and remember what was told (aws 6)."""

import json
import logging
from collections import deque
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.events.models import events_backends

from snapshot_dr_provider.sandbox.ec2.model import Snapshot

_log = logging.getLogger(__name__)

_SOURCE = "aws.ec2"
_DETAIL_TYPE = "EBS Snapshot Notification"


class Notifications:
    """Collect events while the store is locked, and deliver them once it is not.

    Delivery goes through moto's EventBridge, which matches the rules of the account and fills its SQS targets.
    Events are kept for the control API whether a rule matched or not.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[datetime, dict[str, Any]]] = deque()
        self._delivered: list[dict[str, Any]] = []

    def clear(self) -> None:
        """Forget all events."""
        self._waiting.clear()
        self._delivered.clear()

    def snapshot_ended(self, snapshot: Snapshot) -> None:
        """Announce the end of a creation or a copy to the account that made it (aws 6.2, 6.4)."""
        at = snapshot.completion_time or snapshot.ends_at or snapshot.start_time
        failed = snapshot.state == "error"
        detail: dict[str, Any] = {
            "event": "copySnapshot" if snapshot.is_copy else "createSnapshot",
            "result": "failed" if failed else "succeeded",
            "cause": (snapshot.failure or "") if failed else "",
            "request-id": "",
            "snapshot_id": _arn(snapshot.region, "snapshot", snapshot.id),
            "source": _origin(snapshot),
            "startTime": _time(snapshot.start_time),
            "endTime": _time(at),
        }
        if snapshot.is_copy:
            detail["incremental"] = "true" if snapshot.incremental else "false"
            detail["transferType"] = "time-based" if snapshot.completion_duration_minutes else "standard"
        self._announce(snapshot.owner_id, snapshot.region, at, snapshot.id, detail)

    def snapshot_shared(self, snapshot: Snapshot, account_id: str, at: datetime) -> None:
        """Announce a private share to the receiving account (aws 6.5).

        The sharing account is given as a text: the number in the documentation's example is no valid JSON when it
        begins with a zero ([I]).
        """
        detail = {
            "event": "shareSnapshot",
            "result": "succeeded",
            "cause": "",
            "request-id": "",
            "snapshot_id": _arn(snapshot.region, "snapshot", snapshot.id),
            "source": snapshot.owner_id,
            "startTime": _time(at),
            "endTime": _time(at),
        }
        self._announce(account_id, snapshot.region, at, snapshot.id, detail)

    def deliver(self, now: datetime) -> None:
        """Deliver the events whose time has come. Call it without holding the store's lock."""
        for _ in range(len(self._waiting)):
            try:
                due, event = self._waiting.popleft()
            except IndexError:  # Another request delivers at the same time.
                return
            if due > now:
                self._waiting.append((due, event))
                continue
            self._delivered.append(event)
            _put(event)

    def delivered(self, account_id: str | None = None) -> list[dict[str, Any]]:
        """Return the events delivered so far, of one account or of all, in order."""
        return [event for event in list(self._delivered) if account_id in (None, event["account"])]

    def _announce(self, account_id: str, region: str, at: datetime, snapshot_id: str, detail: dict[str, Any]) -> None:
        event = {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": _DETAIL_TYPE,
            "source": _SOURCE,
            "account": account_id,
            "time": _time(at),
            "region": region,
            "resources": [_arn(region, "snapshot", snapshot_id)],
            "detail": detail,
        }
        self._waiting.append((at, event))


def _put(event: dict[str, Any]) -> None:
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
        "Time": datetime.fromisoformat(event["time"]).timestamp(),
    }
    backend = events_backends[event["account"]][event["region"]]
    try:
        backend.put_events([entry])
    except NotImplementedError:
        _log.warning("a rule of %s sends to a target that moto does not deliver to", event["account"])


def _origin(snapshot: Snapshot) -> str:
    if snapshot.is_copy:
        return _arn(snapshot.source_region or snapshot.region, "snapshot", snapshot.source_snapshot_id or "")
    return _arn(snapshot.region, "volume", snapshot.volume_id)


def _arn(region: str, kind: str, resource_id: str) -> str:
    """Return an ARN as these events have it, with the Region in the account's place (aws 6.6)."""
    return f"arn:aws:ec2::{region}:{kind}/{resource_id}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
