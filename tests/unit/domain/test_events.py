"""What EventBridge tells of new snapshots: what counts, what is ignored, and what is no event at all."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.events import CreatedSnapshot, EventBatch, Ignored, batches, merged, read_message
from snapshot_dr_provider.exceptions import MalformedEventError

ACCOUNT, REGION = "012345678901", "us-east-1"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ONE, TWO = "snap-01234567", "snap-0123456789abcdef0"
GONE = object()


def odd(snapshot_id: str, region: str = "us-west-2") -> str:
    """Write the ARN of AWS's own example: the Region in the account's place, and another one than in the envelope."""
    return f"arn:aws:ec2::{region}:snapshot/{snapshot_id}"


def event(changes: dict[str, Any] | None = None, **envelope: Any) -> dict[str, Any]:
    """Write the documented event of a created snapshot (aws 6.2), with changes; GONE takes a member away."""
    full: dict[str, Any] = {
        "version": "0",
        "id": "01234567-0123-0123-0123-012345678901",
        "detail-type": "EBS Snapshot Notification",
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": "2026-03-10T12:10:00Z",
        "region": REGION,
        "resources": [odd(ONE)],
    }
    documented = {
        "event": "createSnapshot",
        "result": "succeeded",
        "cause": "",
        "request-id": "",
        "snapshot_id": odd(ONE),
        "source": "arn:aws:ec2::us-west-2:volume/vol-01234567",
        "startTime": "2026-03-10T12:00:00Z",
        "endTime": "2026-03-10T12:10:00Z",
    }
    full["detail"] = {**documented, **(changes or {})}
    full |= {name.replace("_", "-"): value for name, value in envelope.items()}
    for section in (full, full["detail"]):
        if isinstance(section, dict):
            for name in [name for name, value in section.items() if value is GONE]:
                del section[name]
    return full


def multi(*members: Any, **detail: Any) -> dict[str, Any]:
    """Write the event of a multi-volume set (aws 6.3)."""
    said = {"event": "createSnapshots", "snapshot_id": GONE, "source": GONE, "snapshots": list(members), **detail}
    return event(said, detail_type="EBS Multi-Volume Snapshots Completion Status")


def member(snapshot_id: str, status: str = "completed") -> dict[str, str]:
    """Write one snapshot of a set."""
    return {"snapshot_id": odd(snapshot_id), "source": "arn:aws:ec2::us-east-1:volume/vol-1", "status": status}


def read(value: Any) -> Any:
    """Read an event as the body of a message."""
    return read_message(json.dumps(value))


def created(*ids: str, start: datetime = NOON, region: str = REGION) -> tuple[CreatedSnapshot, ...]:
    """Expect these snapshots."""
    return tuple(CreatedSnapshot(ACCOUNT, region, each, start) for each in ids)


NEWS = {
    "as documented": (event(), created(ONE)),
    "a long id": (event({"snapshot_id": odd(TWO)}), created(TWO)),
    "a usual ARN": (event({"snapshot_id": f"arn:aws:ec2:us-east-1:{ACCOUNT}:snapshot/{ONE}"}), created(ONE)),
    "an ARN with neither": (event({"snapshot_id": f"arn:aws:ec2:::snapshot/{ONE}"}), created(ONE)),
    "another partition": (event({"snapshot_id": f"arn:aws-us-gov:ec2::x:snapshot/{ONE}"}), created(ONE)),
    "a bare id": (event({"snapshot_id": ONE}), created(ONE)),
    "resources that are odd": (event(resources=[]), created(ONE)),
    "another Region": (event(region="eu-central-1"), created(ONE, region="eu-central-1")),
    "truth values as texts": (event({"incremental": "true"}), created(ONE)),
    "truth values": (event({"incremental": True, "Incremental": 1}), created(ONE)),
    "no start time": (event({"startTime": GONE}), created(ONE, start=NOON + timedelta(minutes=10))),
    "an empty start time": (event({"startTime": ""}), created(ONE, start=NOON + timedelta(minutes=10))),
    "parts of a second": (event({"startTime": "2026-03-10T12:00:00.000Z"}), created(ONE)),
    "another zone": (event({"startTime": "2026-03-10T13:00:00+01:00"}), created(ONE)),
    "a set": (multi(member(TWO), member(ONE)), created(TWO, ONE)),
    "a set that repeats": (multi(member(ONE), member(ONE)), created(ONE)),
    "members in another order": (dict(reversed(event().items())), created(ONE)),
}  # fmt: skip


@pytest.mark.parametrize("name", NEWS)
def test_news_of_a_new_snapshot_is_read(name):
    """Account and Region come from the envelope and ids from the detail, in whatever form AWS writes them."""
    value, expected = NEWS[name]
    assert read(value) == expected
    assert read_message(json.dumps(value).encode()) == expected


IGNORED = {
    "a copy": (event({"event": "copySnapshot"}), "copies start no copies"),
    "a copy that failed": (event({"event": "copySnapshot", "result": "failed"}), "copies start no copies"),
    "a share": (event({"event": "shareSnapshot", "source": 999999999999}), "a share"),
    "a lock": (event({"event": "lockSnapshot"}), "'lockSnapshot'"),
    "an event of tomorrow": (event({"event": "dreamSnapshot"}), "'dreamSnapshot'"),
    "a failure": (event({"result": "failed", "cause": "Snapshot is in status error"}), "is in status error"),
    "a set that failed": (multi(member(ONE, "error"), result="failed"), "the creation failed"),
    "another detail type": (event(detail_type="EBS Volume Notification"), "'EBS Volume Notification' of 'aws.ec2'"),
    "another source": (event(source="aws.backup"), "of 'aws.backup'"),
    "something of ours": (event(source="com.example", detail="anything"), "of 'com.example'"),
}


@pytest.mark.parametrize("name", IGNORED)
def test_other_news_is_ignored_with_its_reason(name):
    """What is no news of a new snapshot is left out, and the reason says what it was."""
    value, reason = IGNORED[name]
    found = read(value)
    assert isinstance(found, Ignored)
    assert reason in found.reason


MALFORMED = {
    "nothing": ("", "not JSON"),
    "no JSON": ("createSnapshot", "not JSON"),
    "two objects": (json.dumps(event()) * 2, "not JSON"),
    "not a number": (json.dumps(event()).replace('"0"', "NaN"), "NaN"),
    "a number without end": (json.dumps(event()).replace('"0"', "9" * 5000), "not JSON"),
    "no end of lists": ("[" * 100_000, "nested too deeply"),
    "a list": ([event()], "a list, not a JSON object"),
    "null": (None, "None, not a JSON object"),
    "a repeated member": (json.dumps(event()).replace('"version"', '"account"'), "'account' is there twice"),
    "through SNS": ({"Type": "Notification", "Message": json.dumps(event())}, "no SNS topic in between"),
    "transformed": (event()["detail"], "no input transformer"),
    "no detail type": (event(detail_type=GONE), "detail-type is missing"),
    "no detail": (event(detail=GONE), "detail is None"),
    "a detail that is a text": (event(detail=json.dumps(event()["detail"])), "not a JSON object"),
    "no event": (event({"event": GONE}), "event is missing"),
    "an event that is none": (event({"event": True}), "event is True, not a text"),
    "no result": (event({"result": GONE}), "result is missing"),
    "a truth value as result": (event({"result": True}), "result is True, not a text"),
    "its text": (event({"result": "true"}), "neither 'succeeded' nor 'failed'"),
    "another case": (event({"result": "Succeeded"}), "neither"),
    "an account as a number": (event(account=12345678901), "12345678901, not a 12-digit account id in quotes"),
    "a short account": (event(account="12345678901"), "12-digit"),
    "an account in other digits": (event(account="١٢٣٤٥٦٧٨٩٠١٢"), "12-digit"),
    "an account with a line end": (event(account=f"{ACCOUNT}\n"), "12-digit"),
    "no account": (event(account=GONE), "account is None"),
    "a zone": (event(region="us-east-1a"), "not a Region"),
    "no Region": (event(region=GONE), "region is None"),
    "no snapshot": (event({"snapshot_id": GONE}), "None names no snapshot"),
    "a list of snapshots": (event({"snapshot_id": [odd(ONE)]}), "a list names no snapshot"),
    "a volume": (event({"snapshot_id": "arn:aws:ec2::us-west-2:volume/vol-01234567"}), "names no snapshot"),
    "nine digits": (event({"snapshot_id": "snap-012345678"}), "names no snapshot"),
    "capitals": (event({"snapshot_id": "snap-0123456A"}), "names no snapshot"),
    "something behind": (event({"snapshot_id": f"{odd(ONE)}/x"}), "names no snapshot"),
    "something before": (event({"snapshot_id": f"x{ONE}"}), "names no snapshot"),
    "another service": (event({"snapshot_id": f"arn:aws:rds:::snapshot/{ONE}"}), "names no snapshot"),
    "an empty set": (multi(), "an empty list, not a list of snapshots"),
    "no set": (multi(snapshots=GONE), "snapshots is None"),
    "a set of texts": (multi(odd(ONE)), "a member of snapshots"),
    "a set that is not complete": (multi(member(ONE), member(TWO, "error")), f"{TWO} is 'error'"),
    "a start that is no time": (event({"startTime": "yesterday"}), "startTime is 'yesterday'"),
    "a start without a zone": (event({"startTime": "2026-03-10T12:00:00"}), "with its time zone"),
    "a start as a number": (event({"startTime": 1773144000}), "startTime is 1773144000"),
    "a start before all time": (event({"startTime": "0001-01-01T00:00:00+23:00"}), "startTime is"),
    "no time at all": (event({"startTime": GONE}, time=GONE), "time is None"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_cannot_be_read_is_refused_with_its_reason(name):
    """A message that is no event, or says what cannot be, is refused, and the reason names the place."""
    value, reason = MALFORMED[name]
    with pytest.raises(MalformedEventError) as refused:
        read_message(value if isinstance(value, str) else json.dumps(value))
    assert reason in str(refused.value)


def test_a_reason_is_short_and_plain_text():
    """A reason fits a message attribute and a log line, whatever the message has in it."""
    with pytest.raises(MalformedEventError) as refused:
        read(event(account="\x00\ud800" + "é" * 10_000))
    assert len(str(refused.value)) < 200
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
places = st.sampled_from([*event(), *(("detail", name) for name in event()["detail"])])


@given(st.binary() | st.text())
def test_nothing_but_a_refusal_comes_of_noise(body):
    """Arbitrary bytes and texts raise the declared error and no other."""
    with suppress(MalformedEventError):
        read_message(body)


@given(places, json_values, st.booleans())
def test_nothing_but_a_refusal_comes_of_a_changed_event(place, value, is_set):
    """An event of which any part is anything else raises the declared error and no other."""
    changed = multi(member(ONE), member(TWO)) if is_set else event()
    section, name = (changed["detail"], place[1]) if isinstance(place, tuple) else (changed, place)
    section[name] = value
    with suppress(MalformedEventError):
        read(changed)


snapshots = st.builds(
    CreatedSnapshot,
    account_id=st.sampled_from(["111111111111", "222222222222"]),
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    snapshot_id=st.integers(0, 30).map("snap-{:08x}".format),
    start_time=st.integers(0, 100).map(lambda minutes: NOON + timedelta(minutes=minutes)),
)


@given(st.lists(snapshots), st.randoms(use_true_random=False))
def test_order_and_repetition_make_no_difference(found, random):
    """Batches name each snapshot once, in whatever order, how often and in how many parts its news comes."""
    again = [*found, *random.choices(found, k=5)] if found else []
    random.shuffle(again)
    assert batches(again) == batches(found)
    cut = random.randint(0, len(again))
    assert merged([*batches(again[:cut]), *batches(again[cut:])]) == batches(found)
    named = [(batch.account_id, batch.region, each) for batch in batches(found) for each in batch.snapshot_ids]
    assert len(named) == len(set(named))
    assert set(named) == {(each.account_id, each.region, each.snapshot_id) for each in found}


@given(st.lists(snapshots, min_size=1))
def test_batches_come_back_from_an_asset_event_as_they_were(found):
    """Batches survive JSON, which Airflow keeps them as."""
    written = json.loads(json.dumps([batch.to_json() for batch in batches(found)]))
    assert tuple(EventBatch.from_json(each) for each in written) == batches(found)


@given(json_values)
def test_what_somebody_writes_as_a_batch_is_read_or_refused(value):
    """An asset event that a person has made raises the declared error and no other."""
    good = batches(created(ONE))[0].to_json()
    for attempt in (value, *({**good, name: value} for name in good)):
        with suppress(MalformedEventError):
            EventBatch.from_json(attempt)
