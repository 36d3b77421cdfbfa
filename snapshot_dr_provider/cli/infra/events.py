"""
The way of an event: rules in the source accounts, the bus and the queues of the tooling account.

The bus is one of its own, so that its policy and its rules are nobody else's concern.
"""

from __future__ import annotations

from typing import Final

from snapshot_dr_provider.cli.infra.model import ArnOf, EventBus, EventRule, IamRole, Queue, Stack
from snapshot_dr_provider.cli.infra.principals import trusted
from snapshot_dr_provider.cli.policy.documents import Choices, queue_arn, render
from snapshot_dr_provider.domain.key_policy.role_policies import Role
from snapshot_dr_provider.domain.key_policy.statements import Document
from snapshot_dr_provider.settings import Settings
from snapshot_dr_provider.settings.model import Events
from snapshot_dr_provider.settings.names import QueueUrl, parse_queue_url, parse_role_arn, partition_of

PATTERN: Final[Document] = {
    "source": ["aws.ec2"],
    "detail-type": ["EBS Snapshot Notification", "EBS Multi-Volume Snapshots Completion Status"],
    "detail": {"event": ["createSnapshot", "createSnapshots"], "result": ["succeeded"]},
}
"""The news of new snapshots alone: a copy emits copySnapshot (aws 6.1, 6.7)."""

_BUS: Final = "snapshot-dr"
_RULE: Final = "snapshot-dr"


def event_stacks(settings: Settings) -> list[Stack]:
    """List the stacks of the events; none where the settings have no queue."""
    events = settings.events
    queue = parse_queue_url(events.queue_url) if events else None
    return [_queues(settings, events, queue), _rules(settings, queue)] if events and queue else []


def _queues(settings: Settings, events: Events, queue: QueueUrl) -> Stack:
    principal = trusted("TrustedPrincipal", "reads the queue")
    dead = parse_queue_url(events.dead_letter_queue_url) or queue
    role = parse_role_arn(events.role_arn)
    here = f"arn:{partition_of(queue.region)}:events:{queue.region}:{queue.account_id}"
    arn, dead_arn = queue_arn(queue.text), queue_arn(dead.text)
    return Stack(
        name="event-queue",
        purpose="The bus that gets the events of the organization, the queues, and the role that reads them.",
        account=f"the Org-A tooling account ({queue.account_id})",
        only=(queue.account_id,),
        regions=(queue.region,),
        parameters=(principal,),
        resources=(
            EventBus("Bus", _BUS, _organization_sends(f"{here}:event-bus/{_BUS}", settings.organization_id)),
            Queue("DeadLetterQueue", dead.name, _queue_policy(dead_arn or "")),
            Queue(
                "Queue",
                queue.name,
                _queue_policy(arn or "", f"{here}:rule/{_BUS}/{_RULE}"),
                dead_arn,
                after="DeadLetterQueue",
            ),
            EventRule("Rule", _RULE, _BUS, PATTERN, arn or "", after="Bus"),
            IamRole(
                "ReaderRole",
                role.name if role else "SnapshotDrReadEvents",
                "snapshot-dr: reads the queue of events",
                {"AWS": principal},
                render(Role.EVENTS.value, settings, Choices()),
            ),
        ),
    )


def _rules(settings: Settings, queue: QueueUrl) -> Stack:
    bus = f"arn:{partition_of(queue.region)}:events:{queue.region}:{queue.account_id}:event-bus/{_BUS}"
    sends = {"Sid": "SendEvents", "Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    return Stack(
        name="event-rule",
        purpose="The rule that sends the news of new snapshots to the bus of the tooling account.",
        account="each Org-A account",
        regions=tuple(settings.source_regions),
        parameters=(),
        resources=(
            IamRole(
                "SenderRole",
                None,
                "snapshot-dr: sends the news of new snapshots to the tooling account",
                {"Service": "events.amazonaws.com"},
                {"Version": "2012-10-17", "Statement": [sends]},
            ),
            EventRule("Rule", _RULE, "default", PATTERN, bus, ArnOf("SenderRole")),
        ),
        everywhere=True,
        only=tuple(account.account_id for account in settings.static_accounts),
    )


def _organization_sends(bus: str, organization_id: str) -> Document:
    return {
        "Sid": "OrganizationSendsEvents",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "events:PutEvents",
        "Resource": bus,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": organization_id}},
    }


def _queue_policy(arn: str, rule: str | None = None) -> Document:
    """Let the rule fill the queue, if there is one, and nobody reach it without TLS."""
    fills = {
        "Sid": "RuleFillsQueue",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    by_tls = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [fills, by_tls] if rule else [by_tls]}
