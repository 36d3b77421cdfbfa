"""Ask many accounts, some at a time; one that cannot be entered stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final, TypeVar

from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.exceptions import RoleRefusedError, SnapshotDrError
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook
from snapshot_dr_provider.hooks.route import RouteHooks

AT_ONCE: Final = 8
"""Accounts that are read at a time; their answers take far longer than the work on them."""

Answer = TypeVar("Answer")


def ask_each(routes: Iterable[Route], ask: Callable[[RouteHooks], Answer]) -> Iterator[Answer]:
    """
    Ask for each route, in their order.

    Each account and Region is signed in to once, the DR account too.
    """
    shared = _SharedHooks()
    hooks = [RouteHooks(route, make=shared) for route in routes]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield from threads.map(lambda each: copy_context().run(ask, each), hooks)


def is_excused(route: Route, error: SnapshotDrError, now: datetime) -> bool:
    """Whether an account is new, and the settings let it lack its role for a while."""
    return isinstance(error, RoleRefusedError) and route.may_lack_its_role(now)


@dataclass(slots=True)
class _SharedHooks:
    """Make a hook for each account and Region once; a hook may be used by several threads."""

    _made: dict[str, EbsSnapshotHook] = field(default_factory=dict)
    _making: Lock = field(default_factory=Lock)

    def __call__(self, conn_id: str, **arguments: Any) -> EbsSnapshotHook:
        key = repr((conn_id, sorted(arguments.items())))
        with self._making:
            if key not in self._made:
                self._made[key] = EbsSnapshotHook(conn_id, **arguments)
            return self._made[key]
