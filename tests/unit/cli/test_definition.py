"""``airflow snapshot-dr`` offers its commands cheaply, and says what to install for those that need more."""

import argparse
import subprocess
import sys

import pytest
from airflow.cli.cli_parser import get_parser

from snapshot_dr_provider.cli.definition import get_cli_commands

REMEDY = "pip install 'airflow-provider-snapshot-dr[sandbox]'"


def parse(*arguments: str) -> argparse.Namespace:
    """Return what Airflow's own parser makes of the arguments of ``airflow snapshot-dr``."""
    return get_parser().parse_args(["snapshot-dr", *arguments])


def test_airflow_offers_the_commands() -> None:
    """Airflow's parser knows both commands, with defaults that need no argument."""
    sandbox, demo = parse("sandbox"), parse("demo")
    assert (sandbox.port, sandbox.world) == (0, None)
    assert (demo.json, demo.twice) == (None, False)
    assert demo.accounts > 0
    assert demo.volumes > 0
    assert demo.copy_seconds > 0


def test_demo_takes_its_options() -> None:
    """Numbers, seconds, a file and a switch reach the demo as such."""
    args = parse("demo", "--accounts", "2", "--volumes", "3", "--copy-seconds", "0.5", "--json", "out.json", "--twice")
    assert (args.accounts, args.volumes, args.copy_seconds, args.json, args.twice) == (2, 3, 0.5, "out.json", True)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--accounts", "0"), ("--volumes", "none"), ("--copy-seconds", "-1"), ("--copy-seconds", "nan")],
)
def test_nonsense_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A number that makes no sense is refused with the option's name."""
    with pytest.raises(SystemExit):
        parse("demo", option, value)
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sandbox", "demo"])
def test_missing_extra_is_named_with_its_remedy(command: str) -> None:
    """Where moto is not installed a command exits with what to install, not with a traceback."""
    # As good as not installed: what sys.modules has as None can be neither found nor imported.
    code = (
        "import sys; sys.modules['moto'] = None\n"
        "from airflow.cli.cli_parser import get_parser\n"
        f"args = get_parser().parse_args(['snapshot-dr', {command!r}]); args.func(args)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert REMEDY in result.stderr
    assert "Traceback" not in result.stderr


def test_declaring_the_commands_imports_no_sandbox() -> None:
    """Airflow reads the commands at the start of each of its own, so the sandbox and moto stay unimported."""
    code = (
        "import sys; from snapshot_dr_provider.cli.definition import get_cli_commands; get_cli_commands();"
        "print([n for n in sys.modules if n.startswith(('moto', 'snapshot_dr_provider.sandbox'))])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_one_group_is_declared() -> None:
    """All commands stand below one word, so that none can collide with Airflow's."""
    assert [command.name for command in get_cli_commands()] == ["snapshot-dr"]
