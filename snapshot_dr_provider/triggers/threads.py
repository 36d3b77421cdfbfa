"""
A few threads for calls to AWS, so that one hook serves workers and triggers alike.

boto3 clients may be used from several threads. Airflow 3.3 answers a hook's question for its connection from other
threads of a triggerer, too (``TriggerCommsDecoder.send``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import Final, ParamSpec, TypeVar

MAX_THREADS: Final = 16
"""Calls to AWS under way at once in one process; more would only wait for the same two or three cores."""

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="snapshot-dr")


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Run a blocking call without blocking the event loop. Its effect is not undone when the waiter is cancelled.

    The call takes the trigger's context along: by it Airflow knows whose log a line belongs to.
    """
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pool(), partial(context.run, call, *args, **kwargs))
