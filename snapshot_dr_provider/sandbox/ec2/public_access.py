"""Answer the three actions of block public access: one setting for each account and Region (aws 7.2)."""

from typing import Any

from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.ec2.calls import Call, required

_BLOCKING = ("block-all-sharing", "block-new-sharing")


def enable_block_public_access(call: Call) -> dict[str, Any]:
    """Block new public shares, or with ``block-all-sharing`` those that are there as well; the permissions stay.

    That the change takes effect at once is [I].

    :raises ApiError: ``InvalidParameterValue`` for another state; ``unblocked`` is what Disable is for.
    """
    state = required(call, "State")
    if state not in _BLOCKING:
        raise ApiError("InvalidParameterValue", f"Value ({state}) for parameter state is invalid")
    call.authorize("*")
    call.stop_at_dry_run()
    call.store.set_block_public_access(call.place, state)
    return {"State": state}


def disable_block_public_access(call: Call) -> dict[str, Any]:
    """Let snapshots be shared with everyone again; those that were are public again at once."""
    call.authorize("*")
    call.stop_at_dry_run()
    call.store.set_block_public_access(call.place, "unblocked")
    return {"State": "unblocked"}


def get_block_public_access_state(call: Call) -> dict[str, Any]:
    """Return the setting. It is always managed by the account: declarative policies are not modelled."""
    call.authorize("*")
    call.stop_at_dry_run()
    return {"State": call.store.block_public_access(call.place), "ManagedBy": "account"}
