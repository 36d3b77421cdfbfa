"""
Check key policies with Cloud Custodian, in an environment that has nothing but it; see key_policies.py.

Reads one JSON document from standard input and writes one: whether each policy is flagged, and how long checks take.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from c7n.filters.iamaccess import PolicyChecker

# It warns of each condition key that it does not know.
logging.disable()


def is_flagged(checker: Any, text: str) -> bool | str:
    """Say whether a policy has statements that grant too much; the name of the error where it cannot read one."""
    try:
        return bool(checker.check(text))
    except (AttributeError, TypeError, ValueError) as error:
        return type(error).__name__


def main() -> None:
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    checker = PolicyChecker(question["configuration"])
    readable = [text for text in question["policies"] if not isinstance(is_flagged(checker, text), str)]
    started, checked = time.perf_counter(), 0
    while time.perf_counter() - started < question["seconds"]:
        for text in readable:
            checker.check(text)
        checked += len(readable)
    rate = checked / (time.perf_counter() - started)
    large = {}
    for name, text in question["large"].items():
        started = time.perf_counter()
        checker.check(text)
        large[name] = time.perf_counter() - started
    flags = [is_flagged(checker, text) for text in question["policies"]]
    json.dump({"per_second": rate, "large": large, "flags": flags}, sys.stdout)


if __name__ == "__main__":
    main()
