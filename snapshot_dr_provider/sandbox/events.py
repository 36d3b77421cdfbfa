"""Tell EventBridge what happened to snapshots, and remember what was told (aws 6)."""

import heapq
import json
import logging
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.core.utils import unix_time
from moto.events.models import events_backends
from moto.sqs.models import SQSBackend, sqs_backends

from snapshot_dr_provider.sandbox.ec2.model import Snapshot
from snapshot_dr_provider.sandbox.ec2.throughput import Transfer

_log = logging.getLogger(__name__)

_SOURCE = "aws.ec2"
_DETAIL_TYPE = "EBS Snapshot Notification"
#: How often an event is passed on from bus to bus; that there is such a limit is [M] (aws 6.8).
_MOST_HOPS = 2
_BUS = "event-bus/"


def _is_kept(backend: Any, queue_name: str, message: Any) -> bool:
    """Say as moto does whether a message is not too old, without counting the queue for each message several times."""
    period = backend.get_queue(queue_name).message_retention_period
    return bool(period + message.sent_timestamp / 1000 > unix_time())


SQSBackend.is_message_valid_based_on_retention_period = _is_kept  # type: ignore[assignment]  # from outside (moto 5)


class Notifications:
    """Collect events while the store is locked, and deliver them once it is not.

    Rules, targets and queues are those of moto's EventBridge and SQS: the whole event goes to SQS queues and to
    buses, of other accounts and Regions too. Events are kept for the control API whether a rule matched or not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[datetime, int, dict[str, Any]]] = []
        self._number = 0
        self._delivered: list[dict[str, Any]] = []

    def clear(self) -> None:
        """Forget all events."""
        with self._lock:
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
            detail["transferType"] = snapshot.transfer_type
            detail.update(_duration(snapshot.transfer) if snapshot.transfer else {})
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
        while self._waiting:
            with self._lock:
                # Another request may deliver at the same time.
                if not self._waiting or self._waiting[0][0] > now:
                    return
                event = heapq.heappop(self._waiting)[2]
                self._delivered.append(event)
            _put(event, event["account"], event["region"])

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
        with self._lock:
            self._number += 1
            heapq.heappush(self._waiting, (at, self._number, event))


def _duration(transfer: Transfer) -> dict[str, str]:
    """Return what the event of a time-based copy says of its duration; the wording of the cause is [M] (aws 6.4)."""
    said = {
        "completionDurationStartTime": _time(transfer.starts_at),
        "metCompletionDuration": "true" if transfer.is_in_time else "false",
    }
    if not transfer.is_in_time:
        said["missedCompletionDurationCause"] = "Insufficient throughput quota"
    return said


def _put(event: dict[str, Any], account_id: str, region: str, bus: str = "default", hops: int = 0) -> None:
    """Bring an event to the targets of the matching rules on one of an account's buses; AWS tells the default one.

    moto matches; the delivery is ours, because moto leaves the account out of what it puts into a queue and loses the
    origin when it forwards to another bus. The account in the event stays the one it happened in (aws 6.8).
    """
    for rule in list(events_backends[account_id][region].event_buses[bus].rules.values()):
        # moto types an event more narrowly than it matches one.
        if rule.state != "ENABLED" or not rule.event_pattern.matches_event(event):  # type: ignore[arg-type]
            continue
        for target in list(rule.targets):
            _send_to_target(event, target, hops)


def _send_to_target(event: dict[str, Any], target: dict[str, Any], hops: int) -> None:
    parts = target["Arn"].split(":")
    service, region, account_id, resource = parts[2], parts[3], parts[4], parts[-1]
    transformed = any(name in target for name in ("Input", "InputPath", "InputTransformer"))
    if service == "sqs" and not transformed and resource in sqs_backends[account_id][region].queues:
        group = target.get("SqsParameters", {}).get("MessageGroupId")
        sqs_backends[account_id][region].send_message(
            queue_name=resource, message_body=json.dumps(event), group_id=group
        )
    elif service == "events" and hops < _MOST_HOPS and _has_bus(account_id, region, resource):
        _put(event, account_id, region, resource.removeprefix(_BUS), hops + 1)
    else:
        _log.warning("the sandbox does not deliver to the event target %s", target["Arn"])


def _has_bus(account_id: str, region: str, resource: str) -> bool:
    buses = events_backends[account_id][region].event_buses
    return resource.startswith(_BUS) and resource.removeprefix(_BUS) in buses


def _origin(snapshot: Snapshot) -> str:
    if snapshot.is_copy:
        return _arn(snapshot.source_region or snapshot.region, "snapshot", snapshot.source_snapshot_id or "")
    return _arn(snapshot.region, "volume", snapshot.volume_id)


def _arn(region: str, kind: str, resource_id: str) -> str:
    """Return an ARN as these events have it, with the Region in the account's place (aws 6.6)."""
    return f"arn:aws:ec2::{region}:{kind}/{resource_id}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
