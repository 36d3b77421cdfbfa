"""Answer ModifySnapshotAttribute, ResetSnapshotAttribute and DescribeSnapshotAttribute."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.ec2.calls import Call, Context, required
from snapshot_dr_provider.sandbox.ec2.lookup import own_snapshot
from snapshot_dr_provider.sandbox.ec2.model import EVERYONE, Snapshot
from snapshot_dr_provider.sandbox.ec2.timeline import Delayed

_ACCOUNT_ID = re.compile(r"^\d{12}$")
_ATTRIBUTE = "createVolumePermission"

#: Called for each private share: the snapshot, the account, and the time from which the share is in effect.
OnShare = Callable[[Snapshot, str, datetime], None]


def modify_snapshot_attribute(call: Call, on_share: OnShare) -> None:
    """Give or take the create-volume permission, in either of the two forms of the request.

    :raises ApiError: for what AWS refuses: nothing to do, add and remove at once, more than 500 entries (aws 1.9);
        sharing under ``aws/ebs``, an encrypted snapshot with everyone, or any with everyone where that is blocked
        (aws 1.7, 7.2); a key of the share that the caller may not describe (aws 1.10). The codes for the first three
        of the latter are [M]. That a pending snapshot cannot be shared is [I] (aws 1.6).
    """
    _require_attribute(call)
    added, removed = _changes(call)
    snapshot = own_snapshot(call, required(call, "SnapshotId"))
    context = call.snapshot_context(snapshot)
    _name_users(context, "ec2:Add/userId", added)
    _name_users(context, "ec2:Remove/userId", removed)
    call.authorize(snapshot.arn, context)
    call.stop_at_dry_run()
    if added:
        _require_shareable(call, snapshot, added)
        _require_public_access(call, added)
        for account_id in added:
            _share(call, snapshot, account_id, on_share)
    for account_id in removed:
        _unshare(call, snapshot, account_id)


def reset_snapshot_attribute(call: Call) -> None:
    """Take every create-volume permission away, from a pending snapshot too (aws 1.6, [O])."""
    _require_attribute(call)
    snapshot = own_snapshot(call, required(call, "SnapshotId"))
    call.authorize(snapshot.arn, call.snapshot_context(snapshot))
    call.stop_at_dry_run()
    for account_id in snapshot.shared_with():
        _unshare(call, snapshot, account_id)


def describe_snapshot_attribute(call: Call) -> dict[str, Any]:
    """Return who has the create-volume permission, as the owner last set it."""
    _require_attribute(call)
    snapshot = own_snapshot(call, required(call, "SnapshotId"))
    call.authorize(snapshot.arn, call.snapshot_context(snapshot))
    call.stop_at_dry_run()
    permissions = [
        {"Group": EVERYONE} if account_id == EVERYONE else {"UserId": account_id}
        for account_id in snapshot.shared_with()
    ]
    return {"SnapshotId": snapshot.id, "CreateVolumePermissions": permissions}


def _require_attribute(call: Call) -> None:
    attribute = call.parameters.get("Attribute") or _ATTRIBUTE
    if attribute != _ATTRIBUTE:
        raise ApiError("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is not modelled")


def _changes(call: Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    permission = call.parameters.get("CreateVolumePermission") or {}
    added = _names(permission.get("Add") or ())
    removed = _names(permission.get("Remove") or ())
    flat = (*(call.parameters.get("UserIds") or ()), *(call.parameters.get("GroupNames") or ()))
    if flat:
        operation = call.parameters.get("OperationType")
        if operation not in ("add", "remove"):
            raise ApiError("InvalidParameterValue", f"Value ({operation}) for parameter operationType is invalid")
        added += flat if operation == "add" else ()
        removed += flat if operation == "remove" else ()
    _check_changes(added, removed)
    return added, removed


def _check_changes(added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    if not added and not removed:
        raise ApiError("InvalidParameterCombination", "No attributes specified.")
    if added and removed:
        raise ApiError("InvalidParameterCombination", "Add and remove cannot be used in the same request.")
    if len(added) + len(removed) > 500:
        raise ApiError("InvalidParameterValue", "Modification size must not be greater than 500")
    for name in (*added, *removed):
        if name != EVERYONE and not _ACCOUNT_ID.match(name):
            raise ApiError("InvalidParameterValue", f"Value ({name}) for parameter userId is invalid")


def _names(entries: Iterable[dict[str, str]]) -> tuple[str, ...]:
    return tuple(entry.get("UserId") or entry.get("Group") or "" for entry in entries)


def _name_users(context: Context, key: str, names: tuple[str, ...]) -> None:
    if names:
        context[key] = names


def _require_shareable(call: Call, snapshot: Snapshot, added: tuple[str, ...]) -> None:
    if snapshot.state != "completed":
        raise ApiError("IncorrectState", f"The snapshot '{snapshot.id}' is not in the 'completed' state")
    if snapshot.storage_tier == "archive":
        raise ApiError("IncorrectState", f"The snapshot '{snapshot.id}' is archived and cannot be shared")
    if not snapshot.key_arn:
        return
    if EVERYONE in added:
        raise ApiError("OperationNotPermitted", "Encrypted snapshots cannot be shared publicly")
    default = call.default_key()
    call.require_describe_key(default)
    key = call.key(snapshot.key_arn)
    if key is None or key.manager == "AWS":
        raise ApiError("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
    call.require_describe_key(key)


def _require_public_access(call: Call, added: tuple[str, ...]) -> None:
    if EVERYONE in added and call.store.block_public_access(call.place) != "unblocked":
        raise ApiError(
            "OperationNotPermitted", "Block public access for snapshots is enabled in this account and Region"
        )


def _share(call: Call, snapshot: Snapshot, account_id: str, on_share: OnShare) -> None:
    permission = snapshot.sharing.get(account_id)
    if permission is not None and permission.latest:
        return
    effective = call.now + timedelta(seconds=call.store.behaviour.lag.share)
    if permission is None:
        snapshot.sharing[account_id] = Delayed(value=True, since=effective)
    else:
        permission.set(value=True, seen_from=effective)
    call.store.listings.add_share(snapshot, account_id)
    if account_id not in (EVERYONE, snapshot.owner_id):
        on_share(snapshot, account_id, effective)


def _unshare(call: Call, snapshot: Snapshot, account_id: str) -> None:
    permission = snapshot.sharing.get(account_id)
    if permission is not None and permission.latest:
        permission.set(value=False, seen_from=call.now + timedelta(seconds=call.store.behaviour.lag.share))
