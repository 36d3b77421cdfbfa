"""Answer DescribeImages: tools that delete snapshots ask first which of them belong to an image."""

from typing import Any

from snapshot_dr_provider.sandbox.ec2.calls import Call


def describe_images(call: Call) -> dict[str, Any]:
    """Return no image: the sandbox has none."""
    call.authorize("*")
    call.stop_at_dry_run()
    return {"Images": []}
