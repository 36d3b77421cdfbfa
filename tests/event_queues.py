"""The way of an event in a sandbox: rules in the accounts, the bus and the two queues of the tooling account."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import boto3

from snapshot_dr_provider.sandbox import Sandbox
from snapshot_dr_provider.sandbox.world import VolumeSeed
from tests import worlds

PATTERN: Final[dict[str, Any]] = json.loads((worlds.EXAMPLES / "event-rule-pattern.json").read_text(encoding="utf-8"))
"""The pattern of the rule that the docs tell people to create."""

QUEUE: Final = f"https://sqs.{worlds.REGION}.amazonaws.com/{worlds.TOOLING}/snapshot-dr"
DEAD: Final = f"{QUEUE}-dead-letters"
EVENTS: Final = {"queue_url": QUEUE, "dead_letter_queue_url": DEAD, "aws_conn_id": "aws_tooling"}
"""Settings that name the two queues."""


class EventQueues:
    """Set up what ``docs/events.md`` says, and look into the queues."""

    def __init__(self, sandbox: Sandbox, accounts: Iterable[str]) -> None:
        self._sandbox = sandbox
        sqs, events = self._client("sqs"), self._client("events")
        self.sqs = sqs
        for url in (QUEUE, DEAD):
            sqs.create_queue(QueueName=url.rsplit("/", 1)[1])
        name = QUEUE.rsplit("/", 1)[1]
        self._rule(events, f"arn:aws:sqs:{worlds.REGION}:{worlds.TOOLING}:{name}", PATTERN)
        for account in accounts:
            bus = f"arn:aws:events:{worlds.REGION}:{worlds.TOOLING}:event-bus/default"
            self._rule(self._client("events", account), bus, PATTERN)
            volume = VolumeSeed(
                account, worlds.REGION, f"vol-{account[:8]}", 8, encrypted=True, kms_key=worlds.kms_a_id(account)
            )
            sandbox.control.add_volume(volume)

    @staticmethod
    def _rule(events: Any, target: str, pattern: dict[str, Any]) -> None:
        events.put_rule(Name="snapshot-dr", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="snapshot-dr", Targets=[{"Id": "target", "Arn": target}])

    def _client(self, service: str, account: str = worlds.TOOLING) -> Any:
        keys = self._sandbox.control.credentials(account)
        return boto3.client(
            service,
            region_name=worlds.REGION,
            endpoint_url=self._sandbox.endpoint_url,
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
        )

    def create_snapshot(self, account: str) -> str:
        """Create a snapshot of an account's volume, as anybody there does."""
        snapshot_id: str = self._client("ec2", account).create_snapshot(VolumeId=f"vol-{account[:8]}")["SnapshotId"]
        return snapshot_id

    def send(self, *bodies: str, to: str = QUEUE) -> None:
        """Put messages into a queue, whoever may have written them."""
        for start in range(0, len(bodies), 10):
            few = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + 10])]
            assert not self.sqs.send_message_batch(QueueUrl=to, Entries=few).get("Failed")

    def counts(self, url: str = QUEUE) -> tuple[int, int]:
        """Count the messages of a queue: those that wait, and those that somebody has received and not deleted."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def set_aside(self) -> list[tuple[str, str]]:
        """Read what was set aside, with the reasons."""
        found: list[tuple[str, str]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=DEAD, MaxNumberOfMessages=10, MessageAttributeNames=["reason"], VisibilityTimeout=600
            )
            if not answer.get("Messages"):
                return found
            found += [(each["Body"], each["MessageAttributes"]["reason"]["StringValue"]) for each in answer["Messages"]]

    def lose_all(self) -> int:
        """Lose all messages, and tell how many there were."""
        lost = self.counts()[0]
        self.sqs.purge_queue(QueueUrl=QUEUE)
        return lost


def created(account: str, *ids: str, event: str = "createSnapshot", result: str = "succeeded") -> str:
    """Write the body of the message of one snapshot, or of a multi-volume set."""
    arns = [f"arn:aws:ec2::{worlds.REGION}:snapshot/{each}" for each in ids]
    detail: dict[str, Any] = {"event": event, "result": result, "cause": "", "startTime": "2026-03-10T12:00:00Z"}
    if len(arns) == 1:
        detail["snapshot_id"] = arns[0]
    else:
        detail |= {
            "event": "createSnapshots",
            "snapshots": [{"snapshot_id": arn, "source": "", "status": "completed"} for arn in arns],
        }
    kind = "EBS Snapshot Notification" if len(arns) == 1 else "EBS Multi-Volume Snapshots Completion Status"
    envelope = {"source": "aws.ec2", "detail-type": kind, "account": account, "region": worlds.REGION}
    return json.dumps({**envelope, "time": "2026-03-10T12:01:00Z", "resources": arns, "detail": detail})
