"""Answer DescribeSnapshots: who sees what, in which words, filtered and in pages."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.ec2.calls import Call
from snapshot_dr_provider.sandbox.ec2.lookup import require_snapshot_id, snapshot_not_found
from snapshot_dr_provider.sandbox.ec2.model import METADATA_NOT_UPDATED, Snapshot

#: Tells whether a snapshot as shown, with its tags, passes a filter.
Filter = Callable[[Mapping[str, Any], Mapping[str, str]], bool]

_FIELDS = {
    "description": "Description",
    "owner-id": "OwnerId",
    "progress": "Progress",
    "snapshot-id": "SnapshotId",
    "status": "State",
    "storage-tier": "StorageTier",
    "transfer-type": "TransferType",
    "volume-id": "VolumeId",
    "volume-size": "VolumeSize",
}


def describe_snapshots(call: Call) -> dict[str, Any]:
    """Return the snapshots that the caller sees and asked for, a page at a time.

    Pages hold 5 to 1,000 (aws 5.5, [M]); a larger MaxResults counts as 1,000 ([M]), and the sandbox's own page size
    may be smaller still. The order is that of creation, so a page starts where the last one ended whatever happened
    in between.
    """
    call.authorize("*")
    call.stop_at_dry_run()
    limit = _page_size(call)
    after = _read_token(call.parameters.get("NextToken"))
    filters = [_compile(each) for each in call.parameters.get("Filters") or ()]
    shown = _matching(call, _candidates(call, after), filters)
    if limit is None:
        return {"Snapshots": [view for _, view in shown]}
    page = list(islice(shown, limit + 1))
    answer: dict[str, Any] = {"Snapshots": [view for _, view in page[:limit]]}
    if len(page) > limit:
        answer["NextToken"] = _write_token(page[limit - 1][0])
    return answer


def show_snapshot(snapshot: Snapshot, account_id: str, now: datetime) -> dict[str, Any]:
    """Return *snapshot* as DescribeSnapshots words it for *account_id*.

    A pending copy lies: no size, no key, not encrypted, and a StateMessage that is no failure. A failed copy keeps
    size 0 (aws 1.8, [O]). Whether it lies until its end or for a while only is not known; here it is until the end.
    """
    unknown = snapshot.is_copy and snapshot.state != "completed"
    view: dict[str, Any] = {
        "SnapshotId": snapshot.id,
        "OwnerId": snapshot.owner_id,
        "VolumeId": snapshot.volume_id,
        "VolumeSize": 0 if unknown else snapshot.size_gib,
        "Encrypted": False if unknown else snapshot.encrypted,
        "State": snapshot.state,
        "StartTime": snapshot.start_time,
        "Progress": f"{snapshot.progress(now)}%",
        "Description": snapshot.description,
        "StorageTier": snapshot.storage_tier,
    }
    if snapshot.state == "error":
        view["StateMessage"] = snapshot.failure or ""
    elif unknown:
        view["StateMessage"] = METADATA_NOT_UPDATED
    if snapshot.key_arn and not unknown:
        view["KmsKeyId"] = snapshot.key_arn
    if snapshot.state == "completed":
        view["CompletionTime"] = snapshot.completion_time
        if snapshot.full_bytes is not None:
            view["FullSnapshotSizeInBytes"] = snapshot.full_bytes
    if snapshot.is_copy:
        view["TransferType"] = snapshot.transfer_type
    if snapshot.completion_duration_minutes:
        view["CompletionDurationMinutes"] = snapshot.completion_duration_minutes
    tags = snapshot.tags_of(account_id, now)
    if tags:
        view["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return view


def compile_pattern(text: str) -> re.Pattern[str] | str:
    """Return *text* as a pattern when it has the wildcards ``*`` or ``?`` that are not behind a backslash."""
    parts, wild, index = [], False, 0
    literal = []
    while index < len(text):
        letter = text[index]
        if letter == "\\" and index + 1 < len(text):
            index += 1
            parts.append(re.escape(text[index]))
            literal.append(text[index])
        elif letter in "*?":
            wild = True
            parts.append(".*" if letter == "*" else ".")
        else:
            parts.append(re.escape(letter))
            literal.append(letter)
        index += 1
    return re.compile("".join(parts), re.DOTALL) if wild else "".join(literal)


def _candidates(call: Call, after: int) -> Iterator[Snapshot]:
    ids = call.parameters.get("SnapshotIds") or ()
    if ids:
        return iter([_explicit(call, snapshot_id) for snapshot_id in dict.fromkeys(ids)])
    now = call.now
    allowed = _owner_test(call), _restorable_test(call, now)
    return (
        each
        for each in call.store.listings.walk(_shortest_lists(call), after)
        if each.region == call.region
        and each.is_there(now)
        and call.can_access(each)
        and all(test(each) for test in allowed)
    )


def _shortest_lists(call: Call) -> tuple[Sequence[int], ...]:
    """Return the lists with the fewest snapshots that have all those in them that can pass."""
    listings, own = call.store.listings, call.parameters.get("OwnerIds") in (["self"], [call.account_id])
    choices = [(listings.owned(call.place),) if own else listings.readable(call.place)]
    for spec in call.parameters.get("Filters") or ():
        name, values = spec.get("Name") or "", [compile_pattern(value) for value in spec.get("Values") or ()]
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) < len(values):  # A wildcard may match anything.
            continue
        if name == "snapshot-id":
            snapshots = call.store.snapshots
            choices.append((sorted(snapshots[each].sequence for each in texts if each in snapshots),))
        elif name.startswith("tag:"):
            choices.append(listings.tagged(call.place, name[4:], texts))
        elif name == "status" and own and texts == ["pending"]:
            choices.append((listings.pending(call.place),))
    return min(choices, key=lambda lists: sum(map(len, lists)))


def _explicit(call: Call, snapshot_id: str) -> Snapshot:
    """Return an explicitly named snapshot; an unshared one is an error in live AWS (aws 5.8, [O])."""
    require_snapshot_id(snapshot_id)
    snapshot = call.store.snapshots.get(snapshot_id)
    now = call.now
    tests = _owner_test(call), _restorable_test(call, now)
    if (
        snapshot is None
        or snapshot.region != call.region
        or not snapshot.is_there(now)
        or not call.can_access(snapshot)
        or not all(test(snapshot) for test in tests)
    ):
        raise snapshot_not_found(snapshot_id)
    return snapshot


def _owner_test(call: Call) -> Callable[[Snapshot], bool]:
    owners = {call.account_id if owner == "self" else owner for owner in call.parameters.get("OwnerIds") or ()}
    return lambda snapshot: not owners or snapshot.owner_id in owners


def _restorable_test(call: Call, now: datetime) -> Callable[[Snapshot], bool]:
    """Return the test for RestorableByUserIds: oneself by owning or by a share, others by one's own share (aws 5.6)."""
    users = {call.account_id if user == "self" else user for user in call.parameters.get("RestorableByUserIds") or ()}

    def passes(snapshot: Snapshot) -> bool:
        if not users or (call.account_id in users and snapshot.owner_id == call.account_id):
            return True
        return any(snapshot.is_shared_with(user, now) for user in users)

    return passes


def _matching(call: Call, snapshots: Iterable[Snapshot], filters: list[Filter]) -> Iterator[tuple[int, dict[str, Any]]]:
    now = call.now
    for snapshot in snapshots:
        view = show_snapshot(snapshot, call.account_id, now)
        tags = snapshot.tags_of(call.account_id, now)
        if all(passes(view, tags) for passes in filters):
            yield snapshot.sequence, view


def _compile(spec: Mapping[str, Any]) -> Filter:
    """Return the test for one filter; its values are alternatives.

    :raises ApiError: ``InvalidParameterValue`` for a filter that does not exist (aws 5.5).
    """
    name = spec.get("Name") or ""
    matches = _any_of(spec.get("Values") or ())
    if name.startswith("tag:"):
        key = name[4:]
        return lambda _, tags: key in tags and matches(tags[key])
    if name == "tag-key":
        return lambda _, tags: any(matches(key) for key in tags)
    if name == "encrypted":
        return lambda view, _: matches("true" if view["Encrypted"] else "false")
    if name == "owner-alias":
        return lambda _view, _tags: False
    if name == "start-time":
        return lambda view, _: matches(_timestamp(view["StartTime"]))
    if name in _FIELDS:
        field = _FIELDS[name]
        return lambda view, _: matches(str(view.get(field, "")))
    raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")


def _any_of(values: Iterable[str]) -> Callable[[str], bool]:
    patterns = [compile_pattern(value) for value in values]
    exact = {pattern for pattern in patterns if isinstance(pattern, str)}
    wild = [pattern for pattern in patterns if isinstance(pattern, re.Pattern)]
    return lambda text: text in exact or any(pattern.fullmatch(text) for pattern in wild)


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _page_size(call: Call) -> int | None:
    asked = call.parameters.get("MaxResults")
    if asked is None:
        return None
    if call.parameters.get("SnapshotIds"):
        raise ApiError(
            "InvalidParameterCombination",
            "The parameter snapshotSet cannot be used with the parameter maxResults",
        )
    if asked < 5:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ( {asked} ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.",
        )
    return min(int(asked), 1000, max(1, call.store.behaviour.page_size))


def _write_token(sequence: int) -> str:
    return base64.urlsafe_b64encode(f"after:{sequence}".encode()).decode()


def _read_token(token: str | None) -> int:
    if not token:
        return 0
    try:
        kind, _, sequence = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if kind == "after":
            return int(sequence)
    except (ValueError, binascii.Error):
        pass
    raise ApiError("InvalidParameterValue", "Value for parameter nextToken is invalid.")
