"""
The demo with a web UI: the daily DAG in a whole Airflow, over the world of ``airflow snapshot-dr demo``.

``scripts/demo --ui`` runs it. Airflow and the sandbox listen on loopback only; what they write is in one temporary
directory, and that and every process are gone when this one has ended.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from snapshot_dr_provider.cli.demo.command import problem_with
from snapshot_dr_provider.cli.environment import forget_aws
from tests.e2e.airflow_processes import RealAirflow
from tests.e2e.postgresql import PostgresqlError
from tests.e2e.processes import ProcessDied

if TYPE_CHECKING:
    from snapshot_dr_provider.cli.demo.world import Scene
    from snapshot_dr_provider.sandbox import SandboxControl

CHECKOUT: Final = Path(__file__).parent.parent.parent
DAG_ID: Final = "snapshot_dr"
USER: Final = "admin"

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WIDTH_OF_FILES: Final = 100


class Interrupted(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo until it is interrupted.

    :return: 0 when the run was green, and nothing is left of Airflow.
    """
    options = read_options(arguments)
    forget_aws()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    demo = Demo(options, console)
    for number in ENDING:
        signal.signal(number, _interrupt)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshot-dr-demo-")))
        try:
            demo.play(stack, home)
        except Interrupted as interruption:
            console.print("\nStopping.")
            status = 0 if demo.is_green else 128 + interruption.number
        except (PostgresqlError, ProcessDied, TimeoutError) as error:
            console.print(str(error), markup=False, highlight=False, soft_wrap=True)
            status = 1
    console.print("Nothing is left running.")
    return status


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line: what ``airflow snapshot-dr demo`` knows of the world, with the same limits."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo --ui", description="Run the daily DAG in a whole Airflow, and stay up to be looked at."
    )
    # scripts/demo passes it on with everything else.
    parser.add_argument("--ui", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--accounts", type=_count, default=5, help="number of source accounts (default 5)")
    parser.add_argument("--volumes", type=_count, default=4, help="number of volumes in each account (default 4)")
    parser.add_argument("--copy-seconds", type=_seconds, default=10.0, help="that each copy takes (default 10)")
    parser.set_defaults(json=None, home=None, airflow_url=None, sandbox_url=None, settings=None, password_file=None)
    options = parser.parse_args(arguments)
    if problem := problem_with(options):
        parser.error(problem)
    return options


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return seconds


def _interrupt(number: int, _: object) -> None:
    """Unwind by the first signal; those that follow must not stop the unwinding halfway."""
    for each in ENDING:
        signal.signal(each, _ignore)
    raise Interrupted(number)


def _ignore(*_: object) -> None:
    """Do nothing. Unlike SIG_IGN this is not inherited by the programs that are still to be started."""


class Demo:
    """
    Bring up sandbox and Airflow, run the DAG for yesterday, and stay.

    :ivar is_green: whether the run was a success, and by the sandbox's own truth everything is where it should be.
    """

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self.is_green = False

    def play(self, stack: ExitStack, home: Path) -> None:
        """
        Play it without an end.

        :raises Interrupted: at the first signal.
        :raises ProcessDied: when a process of Airflow ends by itself.
        """
        # The policies of the world are rendered by modules that import Airflow, which then makes its home.
        os.environ["AIRFLOW_HOME"] = str(home)
        from snapshot_dr_provider.cli.demo.files import write_settings
        from snapshot_dr_provider.cli.demo.world import build_scene
        from snapshot_dr_provider.sandbox import Sandbox, World

        self._say("Starting PostgreSQL, api-server, scheduler, dag-processor and triggerer: half a minute or more.\n")
        sandbox = stack.enter_context(Sandbox(World()))
        login = (USER, secrets.token_urlsafe(9))
        settings = home / "snapshot_dr.yaml"
        environment = _environment(settings, sandbox.endpoint_url)
        airflow = stack.enter_context(RealAirflow(CHECKOUT / "dags", environment, login=login, home=home))
        for title, value in (("Airflow", airflow.api.base_url), ("User", login[0]), ("Password", login[1])):
            self._say(f"  {title:<12} {value}")
        self._say(f"  {'Sandbox AWS':<12} {sandbox.endpoint_url}")
        self._say(f"  {'Logs':<12} {home}")
        # Only now, so that the snapshot that is pending at first is still so when the run gets to it.
        options = self._options
        scene = build_scene(options.accounts, options.volumes, options.copy_seconds, sandbox.control.now())
        write_settings(settings, scene)
        sandbox.control.reset(scene.world)
        self.is_green = self._run(airflow, sandbox.control, scene)
        self._say(f"\n{airflow.api.base_url} stays up until it is interrupted: Ctrl-C, or SIGTERM to {os.getpid()}.")
        airflow.wait_until(lambda: False, float("inf"), "end")

    def _run(self, airflow: RealAirflow, control: SandboxControl, scene: Scene) -> bool:
        """Run the DAG to its end, and tell whether all is well."""
        from snapshot_dr_provider.cli.demo.api_run import ApiRun
        from snapshot_dr_provider.cli.demo.show import AirflowDied, Show

        def announce(run_id: str) -> None:
            self._say(f"  {'Run':<12} {airflow.api.base_url}/dags/{DAG_ID}/runs/{run_id}\n")

        def check() -> None:
            try:
                airflow.check()
            except ProcessDied as error:
                raise AirflowDied(str(error)) from error

        airflow.wait_for_dag(DAG_ID)
        complaints = Show(self._console, control, scene).perform(ApiRun(airflow.api, announce, check))
        for complaint in complaints:
            self._console.print(complaint, style="red", markup=False)
        return not complaints

    def _say(self, text: str) -> None:
        """Print a line as it is, to be copied from the terminal."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _environment(settings: Path, endpoint_url: str) -> dict[str, str]:
    """Make what a deployment has to set: the settings file, the connections; and where AWS is."""
    from snapshot_dr_provider.cli.demo.world import connections

    return {
        **connections(),
        "AIRFLOW__CORE__PARALLELISM": "8",
        # The one run is the one that is triggered: that for yesterday would begin by itself, and copy the same.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": str(settings),
        "AWS_ENDPOINT_URL": endpoint_url,
    }


if __name__ == "__main__":
    sys.exit(main())
