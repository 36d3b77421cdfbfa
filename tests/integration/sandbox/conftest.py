"""Fixtures for the contract tests of the sandbox."""

import pytest

from snapshot_dr_provider.sandbox import Sandbox
from tests.integration.sandbox.ec2_world import Cloud, make_world


@pytest.fixture
def cloud(sandbox: Sandbox) -> Cloud:
    """Return the world of the EC2 tests on a clock that stands still."""
    sandbox.control.reset(make_world())
    return Cloud(sandbox)
