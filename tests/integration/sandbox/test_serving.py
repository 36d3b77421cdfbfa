import re
import signal
import subprocess
import sys

import pytest

from snapshot_dr_provider.sandbox import Sandbox, SandboxControl
from tests.integration.sandbox.ec2_world import make_world

SERVE = """
import sys
from airflow.cli.cli_parser import get_parser
args = get_parser().parse_args(["snapshot-dr", "sandbox", *sys.argv[1:]])
args.func(args)
"""


def test_command_serves_until_interrupted() -> None:
    """The command serves the example world on loopback, prints endpoint and credentials, and ends on SIGINT."""
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert endpoint is not None
        control = SandboxControl(endpoint[0])
        keys = control.credentials("111111111111")
        assert len(control.snapshots()) == 60
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert keys["access_key_id"] in rest
    assert "role/SnapshotDrSource" in rest


def test_wrong_world_is_named() -> None:
    """A world file that is not there ends the command with the reason."""
    command = [sys.executable, "-c", SERVE, "--world", "/nowhere.yaml"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "/nowhere.yaml" in found.stderr


def test_moto_account_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With MOTO_ACCOUNT_ID every caller would be one account, so the sandbox does not start (moto 3)."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "123456789012")
    with pytest.raises(RuntimeError, match="MOTO_ACCOUNT_ID"):
        Sandbox(make_world()).start()
