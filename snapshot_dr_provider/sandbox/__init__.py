"""Serve an AWS with several accounts on loopback: EC2 snapshots, KMS, STS, Organizations, EventBridge and SQS.

It extends moto from outside, imports nothing of the rest of the package and needs the ``sandbox`` extra.
``docs/sandbox.md`` says what it models, from which fact, and what it does not.
"""

from typing import TYPE_CHECKING, Any

from snapshot_dr_provider.sandbox.client import SandboxControl
from snapshot_dr_provider.sandbox.world import World

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox.server import Sandbox

__all__ = ["Sandbox", "SandboxControl", "World"]


def __getattr__(name: str) -> Any:
    if name == "Sandbox":
        # Late, so that the client and the world can be used where moto is not installed.
        from snapshot_dr_provider.sandbox.server import Sandbox  # noqa: PLC0415

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
