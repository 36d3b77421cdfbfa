from argparse import Namespace
from pathlib import Path

import pytest

from snapshot_dr_provider.cli.demo.command import problem_with, run_demo

PLACE = {"airflow_url": None, "sandbox_url": None, "settings": None, "password_file": None}
ATTACHED = {"airflow_url": "http://a", "sandbox_url": "http://s", "settings": "s.yaml", "password_file": "p"}


def arguments(**given: object) -> Namespace:
    """Give the arguments of a demo, most of them by default."""
    return Namespace(
        **{
            "accounts": 5,
            "volumes": 4,
            "copy_seconds": 2.0,
            "json": None,
            "home": None,
            "twice": False,
            **PLACE,
            **given,
        }
    )


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"accounts": 1025}, "1024 accounts"),
        ({"volumes": 5001}, "5000 snapshots"),
        ({"accounts": 1000, "volumes": 100}, "100000 volumes"),
        ({"json": "/nowhere/out.json"}, "/nowhere/out.json"),
        ({"json": "/"}, "--json /"),
        ({"home": "/dev/null/home"}, "/dev/null/home"),
        ({**ATTACHED, "sandbox_url": None}, "--airflow-url needs --sandbox-url"),
        ({"password_file": "p"}, "--password-file is for --airflow-url alone"),
        ({**ATTACHED, "home": "home"}, "--home is for the Airflow of the demo's own"),
    ],
)
def test_demo_that_cannot_work_is_refused_before_anything_starts(
    given: dict[str, object], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that cannot be used end in status 2, with the reason and no traceback."""
    with pytest.raises(SystemExit) as ended:
        run_demo(arguments(**given))
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_largest_world_is_accepted(tmp_path: Path) -> None:
    """What the limits allow is allowed, and the home is made."""
    home, file = tmp_path / "new" / "home", tmp_path / "out.json"
    assert problem_with(arguments(accounts=1000, volumes=10, home=str(home), json=str(file))) == ""
    assert home.is_dir()
