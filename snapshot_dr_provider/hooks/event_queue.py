"""The SQS queue into which EventBridge puts the news of new snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from snapshot_dr_provider.domain.batches import batched
from snapshot_dr_provider.exceptions import AmbiguousAnswerError
from snapshot_dr_provider.hooks.account import AccountHook
from snapshot_dr_provider.settings.model import Events
from snapshot_dr_provider.settings.names import parse_queue_url

MAX_BATCH: Final = 10
"""Messages that SQS gives, or takes back, in one call."""

REASON: Final = "reason"
"""Name of the message attribute that says why a message was set aside."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    Hold a message that was received.

    :param receipt: by which it can be deleted, as long as it is hidden from others and for some time after that.
    """

    message_id: str
    receipt: str
    body: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """
    State what a queue says of itself.

    :param waiting: messages that nobody has received; approximately, as SQS knows it itself.
    :param policy: as JSON; empty where it has none.
    """

    arn: str
    waiting: int
    policy: str


class EventQueueHook(AccountHook):
    """
    Read a queue, and set aside in another one what cannot be read.

    :param queue_url: of a standard queue; Region and account are those that it names.
    :param dead_letter_queue_url: of the other one.
    """

    permissions: ClassVar[tuple[str, ...]] = (
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:SendMessage",
        "sqs:GetQueueAttributes",
    )

    def __init__(self, aws_conn_id: str, *, queue_url: str, dead_letter_queue_url: str, **kwargs: Any) -> None:
        url = parse_queue_url(queue_url)
        place = {"region_name": url.region, "expected_account_id": url.account_id} if url else {}
        super().__init__(aws_conn_id, **{**place, **kwargs, "client_type": "sqs"})
        self.queue_url = queue_url
        self.dead_letter_queue_url = dead_letter_queue_url

    def look_at(self, url: str) -> QueueView:
        """
        Look at one of the two queues.

        :raises NotFoundError: when there is no such queue.
        """
        names = ["ApproximateNumberOfMessages", "QueueArn", "Policy"]
        with self.asking(f"read the attributes of {url}") as client:
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return QueueView(found["QueueArn"], int(found["ApproximateNumberOfMessages"]), found.get("Policy", ""))

    def receive(self, *, wait_seconds: int, hide_seconds: int) -> list[Message]:
        """
        Receive some messages; an empty list does not mean that there are none.

        :param wait_seconds: how long SQS waits for the first one, at most 20.
        :param hide_seconds: how long nobody else receives them, unless they are deleted before.
        """
        with self.asking(f"receive messages from {self.queue_url}") as client:
            answer = client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=MAX_BATCH,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=hide_seconds,
            )
        found = answer.get("Messages", ())
        return [Message(each["MessageId"], each["ReceiptHandle"], each["Body"]) for each in found]

    def delete(self, messages: Sequence[Message]) -> None:
        """
        Delete messages; those that are gone already count as deleted.

        :raises AmbiguousAnswerError: when SQS has not deleted all of them; it can be asked again.
        """
        refused: list[str] = []
        for few in batched(messages, MAX_BATCH):
            entries = [{"Id": str(number), "ReceiptHandle": each.receipt} for number, each in enumerate(few)]
            with self.asking(f"delete messages from {self.queue_url}", changes_something=True) as client:
                answer = client.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
            refused += [str(each.get("Code")) for each in answer.get("Failed", ())]
        if refused:
            codes = ", ".join(sorted(set(refused)))
            raise AmbiguousAnswerError(f"{len(refused)} messages were not deleted from {self.queue_url}: {codes}")

    def set_aside(self, message: Message, reason: str) -> None:
        """
        Put a message into the dead-letter queue with the reason as an attribute, and only then delete it.

        When it is interrupted in between the message is there twice, and comes again.
        """
        with self.asking(f"send a message to {self.dead_letter_queue_url}", changes_something=True) as client:
            client.send_message(
                QueueUrl=self.dead_letter_queue_url,
                MessageBody=message.body,
                MessageAttributes={REASON: {"DataType": "String", "StringValue": reason}},
            )
        self.log.warning("message %s set aside in %s: %s", message.message_id, self.dead_letter_queue_url, reason)
        self.delete([message])


def event_queue(events: Events) -> EventQueueHook:
    """Give the hook for the queue that the settings name."""
    return EventQueueHook(
        events.aws_conn_id,
        queue_url=events.queue_url,
        dead_letter_queue_url=events.dead_letter_queue_url,
        role_arn=events.role_arn,
    )
