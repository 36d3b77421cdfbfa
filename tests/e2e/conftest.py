"""Begin with what takes longest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Let the tests with a real Airflow come first.

    So one worker begins with them while the other takes over all the rest, and whoever is idle takes from the end:
    otherwise both might start an Airflow for the tests of one file.
    """
    items.sort(key=lambda item: Path(__file__).parent not in item.path.parents)
