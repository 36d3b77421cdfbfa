"""The oracle's decisions as they were recorded, one a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.oracle.pair import Pair

FILE: Final = Path(__file__).parent / "golden.jsonl"


def read_golden() -> list[tuple[Pair, str]]:
    """Read each pair with what the oracle decided: ``yes`` or ``no``."""
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [(Pair.from_json(line), str(line["decision"])) for line in lines]


def write_golden(pairs: Sequence[Pair], answers: Sequence[str]) -> int:
    """Record decisions, and return how many bytes they take."""
    lines = [
        json.dumps({**pair.to_json(), "decision": answer}, separators=(",", ":")) + "\n"
        for pair, answer in zip(pairs, answers, strict=True)
    ]
    return FILE.write_text("".join(lines), encoding="utf-8")
