"""Run the oracle: install it with npm into an ignored folder and ask it over standard input."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.oracle.pair import Pair

HERE: Final = Path(__file__).parent
FOLDER: Final = HERE.parent.parent / "build" / "oracle"
"""Where npm installs it: ``build/`` is ignored by git."""

MODULE: Final = "@cloud-copilot/iam-simulate"


class OracleFailed(Exception):
    """Say that the oracle gave no answer."""


def install() -> None:
    """Install the pinned version once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        raise OracleFailed(
            "The oracle needs node and npm on the path, and one of them is not. Install Node.js 20 or newer."
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    pinned = FOLDER / "package.json"
    if pinned.exists() and pinned.read_text(encoding="utf-8") == wanted and (FOLDER / "node_modules" / MODULE).exists():
        return
    pinned.write_text(wanted, encoding="utf-8")
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"], cwd=FOLDER, check=True
    )


def ask(pairs: Sequence[Pair]) -> list[str]:
    """
    Ask the oracle: ``yes`` or ``no`` for each pair.

    It validates policies and leaves out condition keys that an action does not have; both are errors here, since an
    ignored key would decide nothing.
    """
    answers = []
    for pair, said in zip(pairs, _run(pairs), strict=True):
        if "answer" not in said:
            raise OracleFailed(f"The oracle gave no answer: {said.get('error')}. Pair: {json.dumps(pair.to_json())}")
        answers.append(said["answer"])
    return answers


def try_to_ask(pairs: Sequence[Pair]) -> list[str | None]:
    """Ask the oracle; ``None`` for a pair that it refuses."""
    return [said.get("answer") for said in _run(pairs)]


def _run(pairs: Sequence[Pair]) -> list[dict[str, str]]:
    install()
    node = shutil.which("node") or "node"
    # The driver has to lie beside node_modules: that is where Node looks for what it imports.
    driver = shutil.copy(HERE / "simulate.mjs", FOLDER)
    text = "".join(json.dumps(pair.to_json()) + "\n" for pair in pairs)
    done = subprocess.run([node, str(driver)], input=text, capture_output=True, text=True, check=True, cwd=FOLDER)
    return [json.loads(line) for line in done.stdout.splitlines()]
