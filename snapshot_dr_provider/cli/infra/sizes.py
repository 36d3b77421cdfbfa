"""Numbers of the queues, whatever makes them."""

from __future__ import annotations

from typing import Final

RETENTION_SECONDS: Final = 14 * 24 * 3600
"""How long SQS keeps a message at most."""

MAX_RECEIVES: Final = 10
"""How often a message is received before SQS itself sets it aside."""
