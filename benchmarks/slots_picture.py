"""
Draw which slots of the DR account were in use over time, as an SVG.

    python -m benchmarks.pipeline --timeline timeline.json
    python -m benchmarks.slots_picture timeline.json docs/images/slots.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

WIDTH: Final = 840
HEIGHT: Final = 260
LEFT: Final = 46
TOP: Final = 30
BOTTOM: Final = 38
RIGHT: Final = 14

HEAD: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" '
    'fill="#333" role="img">'
)


def draw(timeline: Mapping[str, Any]) -> str:
    """
    Write the picture.

    :param timeline: what ``benchmarks.pipeline --timeline`` has written: ``slots``, and ``dr`` as pairs of seconds
        and copies in flight from then on.
    """
    slots: int = timeline["slots"]
    points: Sequence[Sequence[float]] = timeline["dr"]
    end = points[-1][0]
    used = sum((later - moment) * taken for (moment, taken), (later, _) in pairwise(points))
    title = f"Copies in flight in the DR account: {100 * used / slots / (end - points[0][0]):.0f} % of {slots} slots"

    def at(seconds: float, taken: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * seconds / end
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * taken / slots
        return f"{x:.1f} {y:.1f}"

    steps = "".join(f"L{at(moment, before)} L{at(moment, after)} " for (_, before), (moment, after) in pairwise(points))
    area = f"M{at(points[0][0], 0)} L{at(*points[0])} {steps}L{at(end, 0)} Z"
    lines = [HEAD, f"<title>{title}</title>", f'<text x="{LEFT}" y="18">{title}</text>']
    lines.append(f'<path d="{area}" fill="#4c8bd6"/>')
    lines.append(f'<path d="M{at(0, slots)} L{at(end, slots)}" stroke="#c0392b" stroke-dasharray="4 3" fill="none"/>')
    lines.append(f'<path d="M{at(0, slots)} L{at(0, 0)} L{at(end, 0)}" stroke="#333" fill="none"/>')
    lines += [
        f'<text transform="translate({at(0, taken)})" x="-8" y="4" text-anchor="end">{taken}</text>'
        for taken in (0, slots // 2, slots)
    ]
    for quarter in range(5):
        seconds = end * quarter / 4
        label = f"{seconds:.0f} s" if end < 3600 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004  # an hour
        lines.append(f'<text transform="translate({at(seconds, 0)})" y="18" text-anchor="middle">{label}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slots_picture", description=__doc__)
    parser.add_argument("timeline", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    options.picture.write_text(draw(json.loads(options.timeline.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
