"""Answer CopySnapshot: what is refused at once, what is accepted and fails later, and what is incremental."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.keyring import KeyInfo
from snapshot_dr_provider.sandbox.ec2.calls import Call, Context, new_resource_context, required, tags_for
from snapshot_dr_provider.sandbox.ec2.lookup import is_resource_id
from snapshot_dr_provider.sandbox.ec2.model import (
    KEY_NOT_ACCESSIBLE,
    SOURCE_NOT_COMPLETE,
    SOURCE_NOT_FOUND,
    Snapshot,
)
from snapshot_dr_provider.sandbox.ec2.regions import REGIONS
from snapshot_dr_provider.sandbox.ec2.throughput import Transfer
from snapshot_dr_provider.sandbox.ec2.time_based import checked_duration, plan_transfer
from snapshot_dr_provider.sandbox.ec2.timeline import DelayedTags
from snapshot_dr_provider.sandbox.world import PLACEHOLDER_VOLUME_ID


@dataclass(frozen=True, slots=True)
class _Plan:
    """Hold what a copy will be. Without a *source* the copy fails; *key* is ``None`` for an unencrypted one."""

    id: str
    source: Snapshot | None
    key: KeyInfo | None
    failure: str | None


def copy_snapshot(call: Call) -> dict[str, Any]:
    """Start a copy and return its id and tags; the answer says nothing about how it ends (aws 1.3, 1.5, 2.12).

    The copy belongs to the caller and lies in the endpoint's Region (aws 1.1). Description and tags come from the
    call alone (aws 5.3).

    :raises ApiError: for what AWS refuses at once (aws 2.13, 3.1, 3.5, 3.6).
    """
    source_id, source_region = _checked_source(call)
    tags = tags_for(call, "snapshot")
    description = _checked_description(call)
    minutes = checked_duration(call)
    source = _find_source(call, source_id, source_region)
    _authorize(call, source, source_id, source_region, tags)
    call.stop_at_dry_run()
    key = _destination_key(call, source)
    _require_slot(call)
    plan = _plan(call, source, key)
    transfer = _transfer(call, plan, minutes)
    copy = _new_copy(call, plan, tags)
    copy.description = description
    copy.completion_duration_minutes = minutes
    copy.source_snapshot_id, copy.source_region = source_id, source_region
    copy.transfer = transfer
    copy.ends_at = transfer.ends_at if transfer else call.now + timedelta(seconds=_seconds(call, plan))
    call.store.add(copy)
    return {"SnapshotId": copy.id, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def require_snapshot_room(call: Call) -> None:
    """Refuse a snapshot beyond the account's quota in the Region (aws 3.3, [T]; the wording is aws 3.5's).

    :raises ApiError: ``SnapshotLimitExceeded``.
    """
    if call.store.alive(call.place) >= call.store.behaviour.snapshot_limit:
        raise ApiError(
            "SnapshotLimitExceeded", "You have reached the limit on the number of Amazon EBS snapshots you can create."
        )


def _checked_source(call: Call) -> tuple[str, str]:
    source_id = required(call, "SourceSnapshotId")
    source_region = call.parameters.get("SourceRegion")
    if not source_region:
        raise ApiError("InternalError", "An internal error has occurred", 500)  # Not MissingParameter (aws 3.6, [O]).
    if source_region not in REGIONS:
        raise ApiError("InvalidRegion", f"The region {source_region} is invalid")
    if not is_resource_id(source_id, "snap"):
        raise ApiError("InvalidParameterValue", "The specified snapshotId is invalid")
    destination = call.parameters.get("DestinationRegion")
    if destination and destination != call.region:
        raise ApiError("InvalidParameterValue", f"DestinationRegion {destination} is not the endpoint's Region")
    return source_id, source_region


def _checked_description(call: Call) -> str:
    """Return the description; that 255 characters are its limit is [M] (aws 5.3)."""
    description: str = call.parameters.get("Description") or ""
    if len(description) > 255:
        raise ApiError("InvalidParameterValue", "Value for parameter description exceeds the limit of 255 characters")
    return description


def _find_source(call: Call, source_id: str, source_region: str) -> Snapshot | None:
    """Return the source if the caller may see it there, now: a share takes its time (aws 1.11)."""
    source = call.store.snapshots.get(source_id)
    if source is None or source.region != source_region or source.deleted_at is not None:
        return None
    return source if call.can_access(source) else None


def _authorize(call: Call, source: Snapshot | None, source_id: str, source_region: str, tags: dict[str, str]) -> None:
    """Ask for both the new and the source snapshot (aws 2.14). In which Region the source's ARN lies is [I]."""
    new = f"arn:aws:ec2:{call.region}::snapshot/*"
    context = new_resource_context(call, tags)
    call.authorize(new, context)
    # Of a source that the caller cannot see, EC2 knows nothing to compare with.
    described: Context = call.snapshot_context(source) if source else {}
    call.authorize(f"arn:aws:ec2:{source_region}::snapshot/{source_id}", described)
    call.authorize_tags(new, tags, context)


def _destination_key(call: Call, source: Snapshot | None) -> KeyInfo | None:
    """Return the key of the copy: the one asked for, or ``aws/ebs`` when something has to be encrypted (aws 1.2).

    That a key of another Region counts as invalid is [I].

    :raises ApiError: for a key that is missing or disabled, or that the caller may not describe (aws 2.2, 2.13, [O]).
    """
    reference, encrypted = call.parameters.get("KmsKeyId"), call.parameters.get("Encrypted")
    source_encrypted = source is not None and source.encrypted
    if encrypted is False and (source_encrypted or reference):
        raise ApiError("InvalidParameterValue", "Encrypted snapshots cannot be copied to unencrypted ones")
    if reference and not encrypted and source is not None and not source_encrypted:
        raise ApiError("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted.")
    if not reference:
        return call.default_key() if encrypted or source_encrypted else None
    key = call.key(reference)
    if key is None or key.region != call.region:
        raise ApiError("InvalidParameterValue", f"The specified keyId {reference} is invalid")
    call.require_describe_key(key)
    if not key.enabled:
        raise ApiError("InvalidParameterValue", f"The specified keyId {key.arn} is disabled")
    return key


def _require_slot(call: Call) -> None:
    """Refuse a copy beyond the slots of the account and destination Region, and beyond the snapshot quota (aws 3.1).

    The wording is the one reported for the former limit of 5 ([T]).
    """
    behaviour = call.store.behaviour
    slots = behaviour.copy_slots_by_account.get(call.account_id, behaviour.copy_slots)
    if call.store.slots.taken(call.place) >= slots:
        raise ApiError(
            "ResourceLimitExceeded",
            f"Too many snapshot copies in progress. The limit is {slots} for this destination region.",
        )
    require_snapshot_room(call)


def _plan(call: Call, source: Snapshot | None, key: KeyInfo | None) -> _Plan:
    snapshot_id = call.store.new_id("snap")
    failure = call.copy_failure or _source_failure(source)
    if failure is None and source is not None and _is_key_refused(call, snapshot_id, source, key):
        failure = KEY_NOT_ACCESSIBLE
    return _Plan(snapshot_id, source, key, failure)


def _source_failure(source: Snapshot | None) -> str | None:
    """Return why AWS fails a copy of this source (aws 1.3, 1.5, [O]).

    That an archived or a failed source is worded like a pending one is [I]; that an archived one cannot be copied is
    documented (aws 7.4).
    """
    if source is None:
        return SOURCE_NOT_FOUND
    if source.state != "completed" or source.storage_tier == "archive":
        return SOURCE_NOT_COMPLETE
    return None


def _is_key_refused(call: Call, snapshot_id: str, source: Snapshot, key: KeyInfo | None) -> bool:
    """Tell whether a key stops the copy after it was accepted (aws 2.2, [O]).

    Needed are CreateGrant on both keys and GenerateDataKeyWithoutPlaintext on the new one, unless an earlier copy
    lends its data key. That a disabled source key is refused in the same way is [I], and so is what the grant on the
    new key is for; on the source's it is Decrypt for the source's id (aws 2.3, [O]).
    """
    if source.key_arn:
        source_key = call.key(source.key_arn)
        if source_key is None or not call.may_create_grant(source_key, source.id, "Decrypt"):
            return True
    if key is None:
        return False
    if not call.may_create_grant(key, snapshot_id, "Decrypt", "Encrypt"):
        return True
    if call.store.lends_data_key(call.place, key.arn):
        return False
    return not call.may_generate_data_key(key, snapshot_id)


def _new_copy(call: Call, plan: _Plan, tags: dict[str, str]) -> Snapshot:
    now, lag = call.now, call.store.behaviour.lag
    ancestor = _ancestor(call, plan) if plan.failure is None else None
    source = plan.source
    return Snapshot(
        id=plan.id,
        owner_id=call.account_id,
        region=call.region,
        sequence=call.store.next_sequence(),
        volume_id=PLACEHOLDER_VOLUME_ID,
        size_gib=source.size_gib if source else 0,
        full_bytes=source.full_bytes if source else None,
        encrypted=plan.key is not None,
        key_arn=plan.key.arn if plan.key else None,
        start_time=now,
        visible_from=now + timedelta(seconds=lag.create),
        outcome="error" if plan.failure else "completed",
        failure=plan.failure,
        is_copy=True,
        source_account_id=source.owner_id if source else None,
        lineage=ancestor.lineage if ancestor else plan.id,
        source_lineage=source.lineage if source else None,
        incremental=ancestor is not None,
        tags={call.account_id: DelayedTags(tags, now)} if tags else {},
    )


def _ancestor(call: Call, plan: _Plan) -> Snapshot | None:
    """Return the snapshot that the copy can be incremental to, or ``None`` for a full copy.

    In one account and Region a copy under its source's own key is always incremental. Otherwise the most recent
    earlier copy of the same chain has to be there still, not archived, and all of them under the key of the new one
    (aws 4.1). Two readings are ours [I]: that this rule holds for another key in the same account and Region as well
    (aws 4.3; aws 4.1 can be read as *always full*), and that a chain begins anew with each full copy, so that a copy
    of a full copy is full (aws 4.4).
    """
    source = plan.source
    if source is None:
        return None
    key_arn = plan.key.arn if plan.key else None
    if (source.owner_id, source.region) == call.place and source.key_arn == key_arn:
        return source
    earlier = [each for each in call.store.copies_of(call.place, source.lineage) if each.state == "completed"]
    if not earlier or earlier[-1].deleted_at is not None or earlier[-1].storage_tier == "archive":
        return None
    present = [each for each in earlier if each.deleted_at is None]
    return earlier[-1] if all(each.key_arn == key_arn for each in present) else None


def _transfer(call: Call, plan: _Plan, minutes: int | None) -> Transfer | None:
    """Return how a time-based copy goes; one that is going to fail moves no data and takes no throughput ([I])."""
    if minutes is None or plan.failure is not None or plan.source is None:
        return None
    return plan_transfer(call, plan.source, minutes, _seconds(call, plan))


def _seconds(call: Call, plan: _Plan) -> float:
    behaviour = call.store.behaviour
    if plan.failure is not None:
        return behaviour.refusal_seconds
    size = plan.source.size_gib if plan.source else 0
    return behaviour.copy_seconds + behaviour.copy_seconds_per_gib * size
