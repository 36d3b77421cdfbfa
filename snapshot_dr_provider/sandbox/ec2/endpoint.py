"""Speak EC2's protocol: parse a request by the API's model, run the action, answer in XML.

Nothing here is moto's, whose snapshots know no other account, no key and no time (moto 0).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from snapshot_dr_provider.sandbox.access.errors import Answer, ApiError, render
from snapshot_dr_provider.sandbox.ec2 import (
    copying,
    creating,
    describe,
    images,
    public_access,
    regions,
    sharing,
    tagging,
)
from snapshot_dr_provider.sandbox.ec2.calls import Call
from snapshot_dr_provider.sandbox.ec2.wire import Operation

Handler = Callable[[Call], Mapping[str, Any] | None]


class Ec2Endpoint:
    """Answer EC2 requests. What is not in the table is refused: a sandbox that guesses would mislead."""

    def __init__(self, on_share: sharing.OnShare) -> None:
        self._handlers: dict[str, Handler] = {
            "CopySnapshot": copying.copy_snapshot,
            "CreateSnapshot": creating.create_snapshot,
            "CreateTags": tagging.create_tags,
            "CreateVolume": creating.create_volume,
            "DeleteSnapshot": creating.delete_snapshot,
            "DeleteTags": tagging.delete_tags,
            "DeleteVolume": creating.delete_volume,
            "DescribeAvailabilityZones": regions.describe_availability_zones,
            "DescribeImages": images.describe_images,
            "DescribeRegions": regions.describe_regions,
            "DescribeSnapshotAttribute": sharing.describe_snapshot_attribute,
            "DescribeSnapshots": describe.describe_snapshots,
            "DescribeVolumes": creating.describe_volumes,
            "DisableSnapshotBlockPublicAccess": public_access.disable_block_public_access,
            "EnableSnapshotBlockPublicAccess": public_access.enable_block_public_access,
            "GetSnapshotBlockPublicAccessState": public_access.get_block_public_access_state,
            "ModifySnapshotAttribute": partial(sharing.modify_snapshot_attribute, on_share=on_share),
            "ResetSnapshotAttribute": sharing.reset_snapshot_attribute,
        }
        self._operations = {action: Operation(action) for action in self._handlers}

    @property
    def actions(self) -> tuple[str, ...]:
        """Return the names of the actions that are modelled."""
        return tuple(self._handlers)

    def parameters(self, action: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the request's parameters under the names of the API's model; empty for an action not modelled."""
        operation = self._operations.get(action)
        return operation.read(form) if operation else {}

    def answer(self, call: Call) -> Answer:
        """Run the action under the store's lock, so that a look and the change after it are one."""
        handler = self._handlers.get(call.action)
        if handler is None:
            message = f"The sandbox does not model the EC2 action {call.action}."
            return render("ec2", ApiError("InvalidAction", message))
        try:
            with call.store.lock:
                _throttle(call)
                result = handler(call)
        except ApiError as error:
            return render("ec2", error)
        body = self._operations[call.action].write(result if result is not None else {"Return": True})
        return 200, {"Content-Type": "text/xml"}, body


def _throttle(call: Call) -> None:
    """Refuse a call for which there is no token, if throttling is switched on (aws 3.4).

    :raises ApiError: ``RequestLimitExceeded``.
    """
    if call.store.behaviour.throttle and not call.store.buckets.take(
        call.place, call.action, call.parameters, call.now
    ):
        raise ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)
