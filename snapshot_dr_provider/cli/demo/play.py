"""Play the demo: set up Airflow and the sandbox, run the DAG, look at what it did."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml
from rich.markup import escape

from snapshot_dr_provider.cli.demo.process import AirflowProcess, clean_environment, find_dag_file
from snapshot_dr_provider.cli.demo.show import AirflowDied, Show
from snapshot_dr_provider.cli.demo.world import build_scene, connections, settings_of
from snapshot_dr_provider.sandbox import Sandbox, SandboxControl, World

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

_LOOK_SECONDS: Final = 0.5
_LOG_TAIL: Final = 40


class Demo:
    """Play the demo once, or twice over the same world."""

    def __init__(self, args: argparse.Namespace, console: Console) -> None:
        self._args = args
        self._console = console
        self._home = Path(args.home or tempfile.mkdtemp(prefix="snapshot-dr-demo-")).absolute()
        self._log = self._home / "airflow.log"
        self._settings = self._home / "snapshot_dr.yaml"

    def play(self) -> bool:
        """Play it, write the JSON if that is asked for, and tell whether all is well."""
        begun = time.monotonic()
        with ExitStack() as stack:
            sandbox = stack.enter_context(Sandbox(World()))
            dag_file = find_dag_file()
            self._welcome(sandbox.endpoint_url, dag_file)
            environment = self._environment(sandbox.endpoint_url, dag_file)
            airflow = stack.enter_context(AirflowProcess(dag_file, environment, self._home, self._log))
            if not self._set_up(airflow):
                return False
            is_good = self._perform(airflow, sandbox.control)
        self._say(f"Wall time {time.monotonic() - begun:.0f} s.")
        return is_good

    def _perform(self, airflow: AirflowProcess, control: SandboxControl) -> bool:
        scene = build_scene(self._args.accounts, self._args.volumes, self._args.copy_seconds, control.now())
        self._settings.write_text(yaml.safe_dump(settings_of(scene), sort_keys=False), encoding="utf-8")
        control.reset(scene.world)
        show = Show(self._console, control, scene)
        complaints = show.perform(airflow, twice=self._args.twice, json_file=self._args.json)
        if complaints:
            self._complain(complaints)
        return not complaints

    def _environment(self, endpoint_url: str, dag_file: Path) -> Mapping[str, str]:
        settings = {"AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH": str(self._settings), "AWS_ENDPOINT_URL": endpoint_url}
        return clean_environment(self._home, dag_file, {**connections(), **settings})

    def _welcome(self, endpoint_url: str, dag_file: Path) -> None:
        self._say(f"[bold]Snapshot DR demo[/]: accounts {self._args.accounts}, volumes in each {self._args.volumes}\n")
        for title, value in (("DAG", dag_file), ("Sandbox AWS", endpoint_url), ("Log of Airflow", self._log)):
            self._say(f"  {title:<15} {escape(str(value))}", as_is=True)

    def _set_up(self, airflow: AirflowProcess) -> bool:
        begun = time.monotonic()
        try:
            with self._console.status("Setting up Airflow"):
                while not airflow.is_ready(_LOOK_SECONDS):
                    pass
        except AirflowDied as error:
            self._complain([f"Airflow could not be set up: {error}."])
            return False
        self._say(f"  {'Airflow set up':<15} in {time.monotonic() - begun:.0f} s")
        return True

    def _complain(self, complaints: list[str]) -> None:
        """Say what is wrong, with the end of what Airflow said."""
        with self._log.open(encoding="utf-8", errors="replace") as log:
            tail = [line.rstrip() for line in deque(log, _LOG_TAIL)]
        self._say(f"\n[dim]The last {len(tail)} lines of Airflow's log, {escape(str(self._log))}:[/]", as_is=True)
        for line in tail:
            self._console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
        self._say("")
        for complaint in complaints:
            self._say(f"[red]{escape(complaint)}[/]")

    def _say(self, text: str, *, as_is: bool = False) -> None:
        """Print a text, with its lines broken between words unless it is to be copied from the terminal."""
        self._console.print(text, highlight=False, soft_wrap=as_is)
