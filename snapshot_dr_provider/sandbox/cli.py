"""Serve a sandbox from the command line."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from snapshot_dr_provider.sandbox.decoding import WorldError
from snapshot_dr_provider.sandbox.server import Sandbox
from snapshot_dr_provider.sandbox.world import World


def run(args: argparse.Namespace, world: World | None = None) -> None:
    """Serve a world, or that of ``args.world``, until SIGINT or SIGTERM; print the endpoint and the credentials to use.

    :raises SystemExit: for a world that cannot be read, with the reason, or a port that is taken.
    """
    try:
        world = world or (World.from_yaml(Path(args.world)) if args.world else World.example())
        sandbox = Sandbox(world, host=args.host, port=args.port or 0).start()
    except (WorldError, OSError) as error:
        raise SystemExit(f"the sandbox cannot start: {error}") from error
    try:
        _print_welcome(sandbox)
        _wait_for_signal()
    finally:
        sandbox.stop()


def _print_welcome(sandbox: Sandbox) -> None:
    lines = [
        f"Sandbox AWS at {sandbox.endpoint_url} (Ctrl-C stops it)",
        "",
        f"  AWS_ENDPOINT_URL={sandbox.endpoint_url}",
    ]
    names = {account.id: account.name for account in sandbox.world.all_accounts()}
    lines += ["", "Credentials (access key id, secret access key):"]
    lines += [
        f"  {names[user.account_id]} ({user.account_id}) {user.name}: {user.access_key_id} {user.secret_access_key}"
        for user in sandbox.world.users
    ]
    lines += ["", "Roles:"]
    lines += [f"  arn:aws:iam::{role.account_id}:role/{role.name}" for role in sandbox.world.roles]
    lines += ["", f"Control API: POST {sandbox.endpoint_url}/sandbox/<operation>"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _wait_for_signal() -> None:
    stopped = threading.Event()
    previous = {each: signal.signal(each, lambda *_: stopped.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        stopped.wait()
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
