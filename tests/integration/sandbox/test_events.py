import json

from tests.integration.sandbox.ec2_world import DR, EAST, KMS_B, KMS_B_WEST, SNAP, SNAP_PENDING, VOLUME, WEST, A, Cloud


def odd(kind: str, resource_id: str, region: str = EAST) -> str:
    """Return an ARN of these events: the Region stands in the account's place (aws 6.6)."""
    return f"arn:aws:ec2::{region}:{kind}/{resource_id}"


def last(cloud: Cloud, account_id: str = A) -> dict:
    """Return the newest event of an account."""
    event: dict = cloud.control.events(account_id)[-1]
    return event


def test_copy_is_announced_to_its_owner(cloud: Cloud) -> None:
    """A completed copy emits copySnapshot, with the source and the incremental flag as texts (aws 6.4)."""
    copy = cloud.copied()
    event = last(cloud)
    assert {name: event[name] for name in ("source", "detail-type", "account", "region", "time")} == {
        "source": "aws.ec2",
        "detail-type": "EBS Snapshot Notification",
        "account": A,
        "region": EAST,
        "time": "2026-11-22T00:01:00Z",
    }
    assert event["resources"] == [odd("snapshot", copy)]
    assert event["detail"] == {
        "event": "copySnapshot",
        "result": "succeeded",
        "cause": "",
        "request-id": "",
        "snapshot_id": odd("snapshot", copy),
        "source": odd("snapshot", SNAP),
        "startTime": "2026-11-22T00:00:00Z",
        "endTime": "2026-11-22T00:01:00Z",
        "incremental": "false",
        "transferType": "standard",
    }


def test_failed_copy_is_announced_with_its_cause(cloud: Cloud) -> None:
    """The cause of a failed copy is its StateMessage (aws 6.4)."""
    cloud.copied(SNAP_PENDING)
    detail = last(cloud)["detail"]
    assert (detail["result"], detail["cause"]) == ("failed", "Source snapshot is not complete")


def test_copy_across_regions_is_announced_in_the_destination(cloud: Cloud) -> None:
    """The event of a copy across Regions is emitted in the destination Region (aws 6.4)."""
    cloud.copied(client=cloud.ec2(A, WEST), key=KMS_B_WEST.arn)
    event = last(cloud)
    assert (event["region"], event["detail"]["source"]) == (WEST, odd("snapshot", SNAP))


def test_creation_is_announced(cloud: Cloud) -> None:
    """A completed snapshot emits createSnapshot with its volume, and not copySnapshot (aws 6.2, 6.7)."""
    snapshot_id = cloud.ec2().create_snapshot(VolumeId=VOLUME)["SnapshotId"]
    detail = last(cloud)["detail"]
    expected = ("createSnapshot", odd("volume", VOLUME), odd("snapshot", snapshot_id))
    assert (detail["event"], detail["source"], detail["snapshot_id"]) == expected
    assert "incremental" not in detail


def test_share_is_announced_to_the_receiver(cloud: Cloud) -> None:
    """A private share emits shareSnapshot in the receiving account, with the sharing account as source (aws 6.5)."""
    cloud.share(SNAP, DR)
    detail = last(cloud, DR)["detail"]
    assert (detail["event"], detail["source"], detail["result"]) == ("shareSnapshot", A, "succeeded")
    assert cloud.control.events(A) == []


def test_second_share_is_not_announced(cloud: Cloud) -> None:
    """A share that changes nothing emits nothing."""
    cloud.share(SNAP, DR)
    cloud.share(SNAP, DR)
    assert len(cloud.control.events(DR)) == 1


def test_events_come_in_the_order_of_time(cloud: Cloud) -> None:
    """One advance lets everything end that is due, the earliest first."""
    slow = cloud.copy()
    cloud.control.configure(copy_seconds=10)
    fast = cloud.copy()
    cloud.control.advance(3600)
    ended = [each["detail"]["snapshot_id"] for each in cloud.control.events(A)]
    assert ended == [odd("snapshot", each) for each in (fast, slow, SNAP_PENDING)]


def test_rule_forwards_to_another_account(cloud: Cloud) -> None:
    """A rule sends an event on to another account's bus, where it still bears the account it happened in (aws 6.8)."""
    queue = make_queue(cloud, DR, {"source": ["aws.ec2"]})
    cloud.client("events").put_rule(Name="forward", EventPattern=json.dumps({"source": ["aws.ec2"]}))
    bus = f"arn:aws:events:{EAST}:{DR}:event-bus/default"
    cloud.client("events").put_targets(Rule="forward", Targets=[{"Id": "bus", "Arn": bus}])
    copy = cloud.copied()
    messages = cloud.client("sqs", DR).receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(messages[0]["Body"])
    assert (body["account"], body["resources"]) == (A, [odd("snapshot", copy)])


def make_queue(cloud: Cloud, account_id: str, pattern: dict) -> str:
    """Make a queue and a rule that fills it; return the queue's URL."""
    events, sqs = cloud.client("events", account_id), cloud.client("sqs", account_id)
    queue: str = sqs.create_queue(QueueName="dr")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="to-queue", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="to-queue", Targets=[{"Id": "queue", "Arn": arn}])
    return queue


def test_rule_delivers_to_a_queue(cloud: Cloud) -> None:
    """An EventBridge rule on the event pattern puts the event into its SQS queue, and no other event (aws 6.7)."""
    pattern = {"source": ["aws.ec2"], "detail": {"event": ["createSnapshot"], "result": ["succeeded"]}}
    queue = make_queue(cloud, A, pattern)
    cloud.copied(key=KMS_B.arn)
    snapshot_id = cloud.ec2().create_snapshot(VolumeId=VOLUME)["SnapshotId"]
    messages = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert len(messages) == 1
    body = json.loads(messages[0]["Body"])
    assert (body["account"], body["detail"]["snapshot_id"]) == (A, odd("snapshot", snapshot_id))
    assert body["time"] == "2026-11-22T00:01:00Z"
