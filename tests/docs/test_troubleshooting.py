"""The table of known failures is one of tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "troubleshooting.md"
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)


def rows() -> list[tuple[int, list[str]]]:
    """Give each row's number and the tests that it names."""
    return [(int(match[1]), re.findall(r"`(test_\w+)`", match[5])) for match in ROW.finditer(PAGE.read_text("utf-8"))]


def names_of_asserting_tests() -> set[str]:
    """Name all tests outside of the sandbox's own that assert something."""
    found = set()
    for file in TESTS.rglob("test_*.py"):
        if "sandbox" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and _asserts(node):
                found.add(node.name)
    return found


def _asserts(test: ast.FunctionDef) -> bool:
    return any(
        isinstance(each, ast.Assert) or (isinstance(each, ast.Attribute) and each.attr == "raises")
        for each in ast.walk(test)
    )


def test_the_twelve_failures_are_there():
    """The table has the twelve known failures, each with a test at least."""
    assert [number for number, _ in rows()] == list(range(1, 13))
    assert all(names for _, names in rows())


def test_each_row_names_tests_that_are_there():
    """What a row claims is what a test of the provider asserts, not one of the sandbox alone."""
    named = {name for _, names in rows() for name in names}
    assert named - names_of_asserting_tests() == set()
