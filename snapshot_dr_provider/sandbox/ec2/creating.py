"""Answer CreateSnapshot and DeleteSnapshot, and CreateVolume, DescribeVolumes and DeleteVolume."""

from datetime import timedelta
from typing import Any

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.keyring import KeyInfo
from snapshot_dr_provider.sandbox.ec2.calls import Call, new_resource_context, required, tags_for
from snapshot_dr_provider.sandbox.ec2.copying import require_snapshot_room
from snapshot_dr_provider.sandbox.ec2.describe import show_snapshot
from snapshot_dr_provider.sandbox.ec2.lookup import own_snapshot, own_volume, visible_snapshot
from snapshot_dr_provider.sandbox.ec2.model import Snapshot, Volume
from snapshot_dr_provider.sandbox.ec2.timeline import DelayedTags

_GIB = 1024**3
#: Snapshots of one volume that may be pending at once, for all SSD types (aws 3.2, [T]).
_PENDING_PER_VOLUME = 5


def create_snapshot(call: Call) -> dict[str, Any]:
    """Start a snapshot of a volume; it has the volume's key and completes after the set time.

    Its size in full is taken to be the whole volume. No key permission is asked for: which ones a snapshot of an
    encrypted volume needs is not among the facts.
    """
    volume = own_volume(call, required(call, "VolumeId"))
    tags = tags_for(call, "snapshot")
    new = f"arn:aws:ec2:{call.region}::snapshot/*"
    context = new_resource_context(call, tags)
    call.authorize(volume.arn, call.volume_context(volume))
    call.authorize(new, context)
    call.authorize_tags(new, tags, context)
    call.stop_at_dry_run()
    _require_pending_room(call, volume)
    require_snapshot_room(call)
    now = call.now
    snapshot = Snapshot(
        id=call.store.new_id("snap"),
        owner_id=call.account_id,
        region=call.region,
        sequence=call.store.next_sequence(),
        volume_id=volume.id,
        size_gib=volume.size_gib,
        full_bytes=volume.size_gib * _GIB,
        start_time=now,
        visible_from=now + timedelta(seconds=call.store.behaviour.lag.create),
        lineage=volume.id,
        encrypted=volume.encrypted,
        key_arn=volume.key_arn,
        ends_at=now + timedelta(seconds=call.store.behaviour.create_seconds),
        description=call.parameters.get("Description") or "",
        tags={call.account_id: DelayedTags(tags, now)} if tags else {},
    )
    call.store.add(snapshot)
    return show_snapshot(snapshot, call.account_id, now)


def delete_snapshot(call: Call) -> None:
    """Delete a snapshot of the caller; a pending one goes once it has ended (aws 4.7)."""
    snapshot = own_snapshot(call, required(call, "SnapshotId"))
    call.authorize(snapshot.arn, call.snapshot_context(snapshot))
    call.stop_at_dry_run()
    call.store.delete(snapshot)


def create_volume(call: Call) -> dict[str, Any]:
    """Start a volume, from a snapshot or empty. With a key that may not be used it ends in state ``error``.

    Needed are CreateGrant on the snapshot's key and, for another key, what a copy needs of it. This, and that the
    volume ends in ``error`` rather than vanish, is [I]; that keys are checked after the answer is documented.
    """
    zone = required(call, "AvailabilityZone")
    if not zone.startswith(call.region) or len(zone) != len(call.region) + 1:
        raise ApiError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    tags = tags_for(call, "volume")
    snapshot_id = call.parameters.get("SnapshotId")
    snapshot = visible_snapshot(call, snapshot_id) if snapshot_id else None
    new = f"arn:aws:ec2:{call.region}:{call.account_id}:volume/*"
    context = new_resource_context(call, tags)
    call.authorize(new, context)
    if snapshot:
        call.authorize(snapshot.arn, call.snapshot_context(snapshot))
    call.authorize_tags(new, tags, context)
    call.stop_at_dry_run()
    key = _volume_key(call, snapshot)
    volume_id = call.store.new_id("vol")
    volume = Volume(
        id=volume_id,
        owner_id=call.account_id,
        region=call.region,
        zone=zone,
        size_gib=_volume_size(call, snapshot),
        create_time=call.now,
        volume_type=call.parameters.get("VolumeType") or "gp3",
        encrypted=key is not None,
        key_arn=key.arn if key else None,
        snapshot_id=snapshot.id if snapshot else "",
        state="creating",
        outcome="error" if _is_volume_refused(call, volume_id, snapshot, key) else "available",
        ends_at=call.store.later(call.store.behaviour.refusal_seconds),
        tags={call.account_id: DelayedTags(tags, call.now)} if tags else {},
    )
    call.store.volumes[volume.id] = volume
    return _show_volume(call, volume)


def describe_volumes(call: Call) -> dict[str, Any]:
    """Return the caller's volumes in the Region; of the filters, those by id, status, snapshot and tag."""
    call.authorize("*")
    call.stop_at_dry_run()
    ids = call.parameters.get("VolumeIds") or ()
    found = (
        [own_volume(call, volume_id) for volume_id in ids]
        if ids
        else [each for each in call.store.volumes.values() if (each.owner_id, each.region) == call.place]
    )
    shown = [_show_volume(call, volume) for volume in found]
    for spec in call.parameters.get("Filters") or ():
        shown = [view for view in shown if _passes(view, spec)]
    return {"Volumes": shown}


def delete_volume(call: Call) -> None:
    """Delete a volume of the caller."""
    volume = own_volume(call, required(call, "VolumeId"))
    call.authorize(volume.arn, call.volume_context(volume))
    call.stop_at_dry_run()
    del call.store.volumes[volume.id]


def _require_pending_room(call: Call, volume: Volume) -> None:
    if call.store.pending_of_volume(call.place, volume.id) >= _PENDING_PER_VOLUME:
        raise ApiError(
            "ConcurrentSnapshotLimitExceeded", "Maximum allowed in-progress snapshots for a single volume exceeded."
        )


def _volume_size(call: Call, snapshot: Snapshot | None) -> int:
    size: int | None = call.parameters.get("Size")
    if size is None and snapshot is None:
        raise ApiError("MissingParameter", "The request must contain the parameter size/snapshot")
    least = snapshot.size_gib if snapshot else 1
    if size is not None and size < least:
        raise ApiError("InvalidParameterValue", f"The volume size is less than the {least} GiB of the snapshot.")
    return size or least


def _volume_key(call: Call, snapshot: Snapshot | None) -> KeyInfo | None:
    if snapshot and snapshot.state != "completed":
        raise ApiError("IncorrectState", f"Snapshot {snapshot.id} is not in the 'completed' state")
    reference = call.parameters.get("KmsKeyId")
    if reference:
        key = call.key(reference)
        if key is None:
            raise ApiError("InvalidParameterValue", f"The specified keyId {reference} is invalid")
        return key
    if snapshot and snapshot.key_arn:
        return call.key(snapshot.key_arn)
    return call.default_key() if call.parameters.get("Encrypted") else None


def _is_volume_refused(call: Call, volume_id: str, snapshot: Snapshot | None, key: KeyInfo | None) -> bool:
    if snapshot and snapshot.key_arn:
        snapshot_key = call.key(snapshot.key_arn)
        if snapshot_key is None or not call.may_create_grant(snapshot_key, snapshot.id, "Decrypt"):
            return True
        if key is not None and key.arn == snapshot_key.arn:
            return False
    if key is None:
        return False
    granted = call.may_create_grant(key, volume_id, "Decrypt", "Encrypt")
    return not (granted and call.may_generate_data_key(key, volume_id))


def _show_volume(call: Call, volume: Volume) -> dict[str, Any]:
    if volume.ends_at and volume.ends_at <= call.now:
        volume.state, volume.ends_at = volume.outcome, None
    view: dict[str, Any] = {
        "VolumeId": volume.id,
        "Size": volume.size_gib,
        "SnapshotId": volume.snapshot_id,
        "AvailabilityZone": volume.zone,
        "State": volume.state,
        "CreateTime": volume.create_time,
        "Encrypted": volume.encrypted,
        "VolumeType": volume.volume_type,
        "Attachments": [],
        "Tags": [{"Key": key, "Value": value} for key, value in volume.tags_of(call.account_id, call.now).items()],
    }
    if volume.key_arn:
        view["KmsKeyId"] = volume.key_arn
    return view


def _passes(view: dict[str, Any], spec: dict[str, Any]) -> bool:
    name, values = spec.get("Name") or "", spec.get("Values") or ()
    fields = {"volume-id": "VolumeId", "status": "State", "snapshot-id": "SnapshotId"}
    if name in fields:
        return view[fields[name]] in values
    tags = {tag["Key"]: tag["Value"] for tag in view["Tags"]}
    if name == "tag-key":
        return any(key in values for key in tags)
    if name.startswith("tag:"):
        return tags.get(name[4:]) in values
    raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
