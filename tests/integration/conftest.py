"""Fixtures for tests of single operators, triggers and hooks against the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapshot_dr_provider.sandbox import Sandbox, World


@pytest.fixture
def enter(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[World], Sandbox]:
    """Give a function that starts the sandbox with a world and makes the connections to it."""

    def start(world: World) -> Sandbox:
        sandbox.control.reset(world)
        for name, uri in worlds.connections(world).items():
            monkeypatch.setenv(name, uri)
        return sandbox

    return start
