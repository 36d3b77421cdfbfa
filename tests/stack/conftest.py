import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.stack.compose import Stack, engine_problem

ASKED_FOR = "TEST_STACK"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a container engine unless it is asked for: it builds an image, and takes minutes by itself."""
    if os.environ.get(ASKED_FOR):
        return
    skip = pytest.mark.skip(reason=f"needs a container engine to itself: {ASKED_FOR}=1 python -m pytest tests/stack")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Give a stack that is not up yet, and of which nothing is left in the end."""
    if problem := engine_problem():
        pytest.fail(f"{ASKED_FOR} is set, and there is no container engine: {problem}")
    with TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        yield stack
