"""Speak EC2's protocol: parse a request by the API's model, run the action, answer in XML.

Parser, model and serialiser are moto's; the behaviour is the sandbox's own, because moto's snapshots know no other
account, no key and no time (moto 0).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from snapshot_dr_provider.sandbox.access.errors import Answer, ApiError, render
from snapshot_dr_provider.sandbox.ec2 import copying, creating, describe, public_access, regions, sharing, tagging
from snapshot_dr_provider.sandbox.ec2.calls import Call

Handler = Callable[[Call], Mapping[str, Any] | None]


class Ec2Endpoint:
    """Answer EC2 requests. What is not in the table is refused: a sandbox that guesses would mislead."""

    def __init__(self, on_share: sharing.OnShare) -> None:
        self._model = get_service_model("ec2")
        self._parser = PROTOCOL_PARSERS["ec2"]
        self._serializer = get_serializer_class("ec2", "ec2")
        self._handlers: dict[str, Handler] = {
            "CopySnapshot": copying.copy_snapshot,
            "CreateSnapshot": creating.create_snapshot,
            "CreateTags": tagging.create_tags,
            "CreateVolume": creating.create_volume,
            "DeleteSnapshot": creating.delete_snapshot,
            "DeleteTags": tagging.delete_tags,
            "DeleteVolume": creating.delete_volume,
            "DescribeAvailabilityZones": regions.describe_availability_zones,
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

    @property
    def actions(self) -> tuple[str, ...]:
        """Return the names of the actions that are modelled."""
        return tuple(self._handlers)

    def parameters(self, action: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the request's parameters under the names of the API's model; empty for an action not modelled."""
        if action not in self._handlers:
            return {}
        parser = self._parser(self._model.operation_model(action))
        return parser.parse(
            {
                "method": "POST",
                "values": MultiDict(form),
                "headers": Headers(),
                "body": b"",
                "url_path": "/",
                "url_params": {},
            }
        )

    def answer(self, call: Call) -> Answer:
        """Run the action under the store's lock, so that a look and the change after it are one."""
        handler = self._handlers.get(call.action)
        if handler is None:
            message = f"The sandbox does not model the EC2 action {call.action}."
            return render("ec2", ApiError("InvalidAction", message))
        try:
            with call.store.lock:
                result = handler(call)
        except ApiError as error:
            return render("ec2", error)
        return self._serialize(call.action, result)

    def _serialize(self, action: str, result: Mapping[str, Any] | None) -> Answer:
        serializer = self._serializer(operation_model=self._model.operation_model(action))
        answer = serializer.serialize(result if result is not None else {"Return": True})
        body = answer["body"]
        text = body if isinstance(body, str) else body.decode("utf-8")
        return answer["status_code"], dict(answer["headers"]), text
