"""Find the snapshot or volume that a call names, as far as its caller may know of it."""

import re

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.ec2.calls import Call
from snapshot_dr_provider.sandbox.ec2.model import Snapshot, Volume

_ID = re.compile(r"^(?:snap|vol)-[0-9a-f]{8}(?:[0-9a-f]{9})?$")


def is_resource_id(text: str, prefix: str) -> bool:
    """Tell whether *text* has the form of an id: *prefix*, a dash, 8 or 17 hexadecimal digits, not all zero."""
    return text.startswith(f"{prefix}-") and bool(_ID.match(text)) and bool(text[len(prefix) + 1 :].strip("0"))


def snapshot_not_found(snapshot_id: str) -> ApiError:
    """Return the error for a snapshot that is not there, or not for this caller (aws 5.8; the wording is [M])."""
    return ApiError("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")


def require_snapshot_id(snapshot_id: str) -> None:
    """Refuse an id of the wrong form; the wording is [M].

    :raises ApiError: ``InvalidParameterValue``.
    """
    if not is_resource_id(snapshot_id, "snap"):
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({snapshot_id}) for parameter snapshotId is invalid. Expected: 'snap-...'.",
        )


def visible_snapshot(call: Call, snapshot_id: str) -> Snapshot:
    """Return a snapshot of this Region that reads of the caller find.

    :raises ApiError: ``InvalidSnapshot.NotFound``.
    """
    require_snapshot_id(snapshot_id)
    snapshot = call.store.snapshots.get(snapshot_id)
    if snapshot is None or snapshot.region != call.region:
        raise snapshot_not_found(snapshot_id)
    if not snapshot.is_there(call.now) or not call.can_access(snapshot):
        raise snapshot_not_found(snapshot_id)
    return snapshot


def own_snapshot(call: Call, snapshot_id: str) -> Snapshot:
    """Return a snapshot that the caller owns. Its owner reaches a new one by id even before lists show it.

    :raises ApiError: ``InvalidSnapshot.NotFound``; for one that is merely shared with the caller ``AuthFailure``,
        whose code is [M]: what is known is that sharing gives no right to change or delete (aws 0.2, [O]).
    """
    require_snapshot_id(snapshot_id)
    snapshot = call.store.snapshots.get(snapshot_id)
    if snapshot is None or snapshot.region != call.region or snapshot.deleted_at is not None:
        raise snapshot_not_found(snapshot_id)
    if snapshot.owner_id == call.account_id:
        return snapshot
    if call.can_access(snapshot):
        raise ApiError("AuthFailure", f"Not authorized for snapshot:{snapshot_id}", 403)
    raise snapshot_not_found(snapshot_id)


def own_volume(call: Call, volume_id: str) -> Volume:
    """Return a volume of the caller in this Region.

    :raises ApiError: ``InvalidVolume.NotFound`` or ``InvalidParameterValue``.
    """
    if not is_resource_id(volume_id, "vol"):
        raise ApiError("InvalidParameterValue", f"Value ({volume_id}) for parameter volumeId is invalid.")
    volume = call.store.volumes.get(volume_id)
    if volume is None or (volume.owner_id, volume.region) != call.place:
        raise ApiError("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
    return volume
