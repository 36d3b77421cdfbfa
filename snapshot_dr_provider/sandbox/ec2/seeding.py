"""Fill a store from a world."""

from snapshot_dr_provider.sandbox.access.authority import Authority
from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.ec2.model import SOURCE_NOT_COMPLETE, Snapshot, Volume
from snapshot_dr_provider.sandbox.ec2.store import Store
from snapshot_dr_provider.sandbox.ec2.timeline import Delayed, DelayedTags
from snapshot_dr_provider.sandbox.world import PLACEHOLDER_VOLUME_ID, SnapshotSeed, VolumeSeed, World


def seed(store: Store, authority: Authority, world: World) -> None:
    """Replace everything in *store* by what *world* describes.

    :raises WorldError: for a key reference that names no key.
    """
    store.clear()
    store.behaviour = world.behaviour
    for setting in world.block_public_access:
        store.set_block_public_access((setting.account_id, setting.region), setting.state)
    for volume in world.volumes:
        add_volume(store, authority, volume)
    for snapshot in world.snapshots:
        add_snapshot(store, authority, snapshot)


def add_volume(store: Store, authority: Authority, seed: VolumeSeed) -> None:
    """Add one volume."""
    now = store.now()
    store.volumes[seed.volume_id] = Volume(
        id=seed.volume_id,
        owner_id=seed.account_id,
        region=seed.region,
        zone=f"{seed.region}a",
        size_gib=seed.size_gib,
        create_time=now,
        encrypted=seed.encrypted or seed.kms_key is not None,
        key_arn=_key_arn(authority, seed),
        tags={seed.account_id: DelayedTags(seed.tags, now)} if seed.tags else {},
    )


def add_snapshot(store: Store, authority: Authority, seed: SnapshotSeed) -> Snapshot:
    """Add one snapshot, visible from the beginning. One with the placeholder volume id counts as a copy.

    :raises WorldError: for an id that is taken, or a key reference that names no key.
    """
    if seed.snapshot_id in store.snapshots:
        raise WorldError(f"snapshot {seed.snapshot_id} is there already")
    is_copy = seed.volume_id == PLACEHOLDER_VOLUME_ID
    ended = seed.completes_at or seed.start_time
    snapshot = Snapshot(
        id=seed.snapshot_id,
        owner_id=seed.account_id,
        region=seed.region,
        sequence=store.next_sequence(),
        volume_id=seed.volume_id,
        size_gib=seed.size_gib,
        start_time=seed.start_time,
        visible_from=seed.start_time,
        lineage=seed.snapshot_id if is_copy else seed.volume_id,
        full_bytes=seed.full_snapshot_bytes,
        encrypted=seed.encrypted or seed.kms_key is not None,
        key_arn=_key_arn(authority, seed),
        state=seed.state,
        ends_at=seed.completes_at if seed.state == "pending" else None,
        failure=SOURCE_NOT_COMPLETE if seed.state == "error" else None,
        completion_time=ended if seed.state == "completed" else None,
        description=seed.description,
        storage_tier=seed.storage_tier,
        is_copy=is_copy,
        sharing={account_id: Delayed(value=True, since=seed.start_time) for account_id in seed.shared_with},
        tags={seed.account_id: DelayedTags(seed.tags, seed.start_time)} if seed.tags else {},
    )
    store.add(snapshot)
    return snapshot


def _key_arn(authority: Authority, seed: SnapshotSeed | VolumeSeed) -> str | None:
    if not seed.encrypted and seed.kms_key is None:
        return None
    reference = seed.kms_key or "aws/ebs"
    key = authority.key(reference, account_id=seed.account_id, region=seed.region)
    if key is None:
        raise WorldError(f"account {seed.account_id} has no KMS key {reference!r} in {seed.region}")
    return key.arn
