"""Answer CreateTags and DeleteTags on snapshots and volumes; each account has tags of its own (aws 5.7, [O])."""

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.ec2.calls import (
    Call,
    Context,
    checked_tags,
    request_tags,
    require_tag_room,
    required,
)
from snapshot_dr_provider.sandbox.ec2.lookup import own_snapshot, own_volume, visible_snapshot
from snapshot_dr_provider.sandbox.ec2.model import Snapshot, Volume
from snapshot_dr_provider.sandbox.ec2.timeline import DelayedTags


def create_tags(call: Call) -> None:
    """Put tags on resources of the caller, or on snapshots shared with it, where only the caller sees them."""
    tags = checked_tags(required(call, "Tags"))
    targets = [_target(call, resource_id) for resource_id in required(call, "Resources")]
    for target in targets:
        call.authorize(target.arn, {**_context(call, target), **request_tags(tags)})
    call.stop_at_dry_run()
    for target in targets:
        kept = target.tags.get(call.account_id)
        require_tag_room({**(kept.latest if kept else {}), **tags})
    seen_from = call.store.later(call.store.behaviour.lag.tags)
    for target in targets:
        target.tags.setdefault(call.account_id, DelayedTags({}, call.now)).put(tags, seen_from)
        if isinstance(target, Snapshot):
            call.store.listings.add_tags(target, call.account_id, tags)


def delete_tags(call: Call) -> None:
    """Remove tags of the caller: all of them when none is named, else by key, and by value where one is given."""
    named = call.parameters.get("Tags") or ()
    targets = [_target(call, resource_id) for resource_id in required(call, "Resources")]
    keys: Context = {"aws:TagKeys": tuple(tag.get("Key", "") for tag in named)} if named else {}
    for target in targets:
        call.authorize(target.arn, {**_context(call, target), **keys})
    call.stop_at_dry_run()
    seen_from = call.store.later(call.store.behaviour.lag.tags)
    for target in targets:
        kept = target.tags.get(call.account_id)
        if kept:
            removed = {tag.get("Key", ""): tag.get("Value") for tag in named} or dict.fromkeys(kept.latest)
            kept.remove(removed, seen_from)


def _target(call: Call, resource_id: str) -> Snapshot | Volume:
    if resource_id.startswith("snap-"):
        snapshot = call.store.snapshots.get(resource_id)
        if snapshot is not None and snapshot.owner_id == call.account_id:
            return own_snapshot(call, resource_id)
        return visible_snapshot(call, resource_id)
    if resource_id.startswith("vol-"):
        return own_volume(call, resource_id)
    raise ApiError("InvalidID", f"The ID '{resource_id}' is not valid: the sandbox tags snapshots and volumes only")


def _context(call: Call, target: Snapshot | Volume) -> Context:
    return call.snapshot_context(target) if isinstance(target, Snapshot) else call.volume_context(target)
