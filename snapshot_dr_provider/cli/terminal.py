"""What the commands write to."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console

_WIDTH_OF_FILES: Final = 120


def terminal(*, stderr: bool = False) -> Console:
    """Give a console that is wide enough for a table where there is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr) if stream.isatty() else Console(stderr=stderr, width=_WIDTH_OF_FILES)
