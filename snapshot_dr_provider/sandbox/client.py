"""Control a sandbox over HTTP, from the process that started it or from any other. Standard library only."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from snapshot_dr_provider.sandbox.decoding import encode

if TYPE_CHECKING:
    from snapshot_dr_provider.sandbox.world import BlockState, GrantSeed, Role, SnapshotSeed, VolumeSeed, World

_TIMEOUT = 60.0


class SandboxControlError(Exception):
    """Say why the sandbox refused a control operation."""


class SandboxControl:
    """Talk to the control API of the sandbox at *endpoint_url*.

    Times are aware datetimes, durations seconds on the sandbox clock unless said otherwise. Every method raises
    ``SandboxControlError`` when its arguments are refused, and ``OSError`` when no sandbox answers.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url.rstrip("/")
        self._base = f"{self.endpoint_url}/sandbox/"
        # The sandbox is on loopback, where the proxy of the environment has no business.
        self._opener = build_opener(ProxyHandler({}))

    def reset(self, world: "World | None" = None) -> None:
        """Go back to *world*, or to the one the sandbox was started with; clock, lag, faults and counters too."""
        self._call("reset", world=encode(world) if world is not None else None)

    def now(self) -> datetime:
        """Return the sandbox time."""
        return datetime.fromisoformat(self._call("now"))

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stop the clock, at *at* when given; return the time it stands at."""
        return datetime.fromisoformat(self._call("freeze", at=at.isoformat() if at else None))

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward, and let everything end that is due, in order; return the new time."""
        return datetime.fromisoformat(self._call("advance", seconds=seconds))

    def run_clock(self, rate: float = 1.0) -> datetime:
        """Let the clock run at *rate* sandbox seconds to a second; return the time."""
        return datetime.fromisoformat(self._call("run_clock", rate=rate))

    def set_lag(
        self,
        *,
        create: float = 0.0,
        tags: float = 0.0,
        share: float = 0.0,
        delete: float = 0.0,
        policy: float = 0.0,
        policy_read: float = 0.0,
    ) -> None:
        """Let reads lag behind writes made from now on; what is not named lags no more."""
        seconds = {"create": create, "tags": tags, "share": share, "delete": delete}
        self._call("set_lag", **seconds, policy=policy, policy_read=policy_read)

    def configure(self, **settings: Any) -> None:
        """Change settings of ``world.Behaviour``, such as ``copy_seconds``, ``copy_slots`` or ``page_size``."""
        self._call("configure", **encode(settings))

    def add_fault(
        self,
        *,
        service: str = "ec2",
        action: str | None = None,
        account_id: str | None = None,
        kind: str = "error",
        code: str | None = None,
        message: str | None = None,
        seconds: float = 0.0,
        count: int = 1,
        skip: int = 0,
        rate: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Let matching calls fail, as ``faults.Fault`` describes; return the fault's id."""
        fault: int = self._call(
            "add_fault",
            service=service,
            action=action,
            account_id=account_id,
            kind=kind,
            code=code,
            message=message,
            seconds=seconds,
            count=count,
            skip=skip,
            rate=rate,
            seed=seed,
        )
        return fault

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("clear_faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults, each with ``seen`` and ``fired``, the numbers of calls it matched and hit."""
        return list(self._call("faults"))

    def calls(self) -> dict[str, Any]:
        """Return ``{"by_action": {"ec2:CopySnapshot": n}, "by_account": {account_id: {action: n}}, "refusals": ...}``.

        ``refusals`` counts the errors that were answered: ``{"ec2:CopySnapshot ResourceLimitExceeded": n}``.
        """
        return dict(self._call("calls"))

    def peak_in_flight(self) -> dict[str, int]:
        """Return the greatest number of copies in flight at once, by ``account/region``."""
        return dict(self._call("peak_in_flight"))

    def timeline(self) -> dict[str, list[tuple[float, int]]]:
        """Return the copies in flight over time, by ``account/region``.

        Each entry has the seconds since the start on the sandbox clock, and the number from then on.
        """
        return {place: [(at, number) for at, number in each] for place, each in self._call("timeline").items()}

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the calls after number *since*, in order; status 0 is a connection that was cut.

        The log keeps the latest ``Behaviour.log_size`` calls.
        """
        return list(self._call("log", since=since))

    def snapshots(self, account_id: str | None = None, region: str | None = None) -> list[dict[str, Any]]:
        """Return the truth about all snapshots, deleted ones included."""
        return list(self._call("snapshots", account_id=account_id, region=region))

    def events(self, account_id: str | None = None) -> list[dict[str, Any]]:
        """Return the EventBridge events delivered so far."""
        return list(self._call("events", account_id=account_id))

    def expire_sessions(self) -> None:
        """Let all temporary credentials that were given out so far have expired."""
        self._call("expire_sessions")

    def disable_key(self, arn: str) -> None:
        """Disable a KMS key."""
        self._call("disable_key", arn=arn)

    def enable_key(self, arn: str) -> None:
        """Enable a KMS key."""
        self._call("enable_key", arn=arn)

    def key_policy(self, arn: str) -> dict[str, Any]:
        """Return the key policy that is in effect."""
        return dict(self._call("key_policy", arn=arn))

    def put_key_policy(self, arn: str, policy: Mapping[str, Any] | str) -> None:
        """Set a key policy at once, without the checks and the lag of PutKeyPolicy; a text is kept byte for byte."""
        self._call("put_key_policy", arn=arn, document=policy)

    def put_ram_policy(self, arn: str, policy: Mapping[str, Any] | str | None) -> None:
        """Set the policy ``AWS_RAM`` of a key as RAM would, at once and unchecked; take it away with ``None``."""
        self._call("put_ram_policy", arn=arn, document=policy)

    def add_grant(self, arn: str, grant: "GrantSeed") -> str:
        """Add a grant to a key, unchecked, and return its id; the API itself takes known principals only."""
        return str(self._call("add_grant", arn=arn, grant=encode(grant)))

    def set_block_public_access(self, account_id: str, region: str, state: "BlockState") -> None:
        """Set whether an account blocks public snapshots in a Region."""
        self._call("set_block_public_access", account_id=account_id, region=region, state=state)

    def put_role(self, role: "Role") -> None:
        """Create or replace a role."""
        self._call("put_role", role=encode(role))

    def put_role_policies(self, account_id: str, role_name: str, policies: Sequence[Mapping[str, Any]]) -> None:
        """Replace the identity policies of a role."""
        self._call("put_role_policies", account_id=account_id, name=role_name, policies=list(policies))

    def delete_role(self, account_id: str, role_name: str) -> None:
        """Delete a role."""
        self._call("delete_role", account_id=account_id, name=role_name)

    def add_snapshot(self, snapshot: "SnapshotSeed") -> str:
        """Add a snapshot while the sandbox runs; return its id."""
        return str(self._call("add_snapshot", snapshot=encode(snapshot)))

    def add_volume(self, volume: "VolumeSeed") -> None:
        """Add a volume while the sandbox runs."""
        self._call("add_volume", volume=encode(volume))

    def credentials(self, account_id: str) -> dict[str, str]:
        """Return ``access_key_id`` and ``secret_access_key`` of the account's first user, or of its root user."""
        return dict(self._call("credentials", account_id=account_id))

    def _call(self, operation: str, **arguments: Any) -> Any:
        request = Request(  # noqa: S310 - the endpoint is the caller's own sandbox
            self._base + operation,
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                return json.load(response)["result"]
        except HTTPError as error:
            with error:
                detail = error.read().decode("utf-8", "replace")
            raise SandboxControlError(f"{operation}: {_reason(detail)}") from None


def _reason(detail: str) -> str:
    try:
        return str(json.loads(detail)["error"])
    except (ValueError, KeyError, TypeError):
        return detail[:500]
