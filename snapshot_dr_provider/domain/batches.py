"""Cut into batches what AWS takes so many of in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Give *size* items at a time, and what is left at the end; as ``itertools.batched``, which Python 3.11 lacks."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
