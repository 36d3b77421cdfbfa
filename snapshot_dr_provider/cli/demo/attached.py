"""Play the demo in an Airflow that is up, over a sandbox that is up: the stack of docker-compose.yaml."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow.configuration import conf
from rich.markup import escape

from snapshot_dr_provider.cli.demo.airflow_api import AirflowApi, ApiRefusal, ApiUnavailable
from snapshot_dr_provider.cli.demo.api_run import DAG_ID, ApiRun
from snapshot_dr_provider.cli.demo.files import write_settings
from snapshot_dr_provider.cli.demo.show import Show
from snapshot_dr_provider.cli.demo.world import build_scene
from snapshot_dr_provider.sandbox import SandboxControl
from snapshot_dr_provider.sandbox.client import SandboxControlError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

USER: Final = "admin"

PARSE_SECONDS: Final = 180.0
"""Within which Airflow has to have read the DAG file."""

IDLE_SECONDS: Final = 3600.0
"""How long an active run is waited for."""

_LOOK_SECONDS: Final = 2.0


class AttachedDemo:
    """Put the demo's world into the sandbox, write the settings, and run the DAG once, or twice over the same world."""

    def __init__(self, args: argparse.Namespace, console: Console) -> None:
        self._args = args
        self._console = console

    def play(self) -> bool:
        """Play it, write the JSON if that is asked for, and tell whether all is well."""
        try:
            return self._play()
        except (ApiRefusal, ApiUnavailable) as error:
            self._complain(f"Airflow at {self._args.airflow_url}: {error}")
        except (SandboxControlError, OSError) as error:
            self._complain(f"The sandbox at {self._args.sandbox_url}, or a file: {error}")
        except TimeoutError as error:
            self._complain(str(error))
        return False

    def _play(self) -> bool:
        password = Path(self._args.password_file).read_text(encoding="utf-8").strip()
        api = AirflowApi(self._args.airflow_url, (USER, password))
        control = SandboxControl(self._args.sandbox_url)
        self._wait_for_dag(api)
        self._wait_for_idle(api)
        scene = build_scene(self._args.accounts, self._args.volumes, self._args.copy_seconds, control.now())
        write_settings(Path(self._args.settings), scene)
        control.reset(scene.world)
        show = Show(self._console, control, scene)
        complaints = show.perform(ApiRun(api, self._announce), twice=self._args.twice, json_file=self._args.json)
        for complaint in complaints:
            self._complain(complaint)
        return not complaints

    def _wait_for_dag(self, api: AirflowApi) -> None:
        end = time.monotonic() + PARSE_SECONDS
        while not api.has_dag(DAG_ID):
            if time.monotonic() > end:
                errors = "; ".join(f"{file}: {error}" for file, error in api.import_errors().items())
                raise TimeoutError(
                    f"Airflow has not found the DAG {DAG_ID} within {PARSE_SECONDS:.0f} s: {errors or 'no file has it'}"
                )
            time.sleep(_LOOK_SECONDS)

    def _wait_for_idle(self, api: AirflowApi) -> None:
        """Wait until no run is active: a new world would take away what it works on."""
        end, is_told = time.monotonic() + IDLE_SECONDS, False
        while runs := api.active_runs(DAG_ID):
            if not is_told:
                self._say(f"Waiting for the end of {', '.join(runs)}.")
                is_told = True
            if api.is_paused(DAG_ID):
                raise TimeoutError(
                    f"The DAG {DAG_ID} is paused and has the run {runs[0]}: unpause it, or delete the run"
                )
            if time.monotonic() > end:
                raise TimeoutError(f"The run {runs[0]} has not ended within {IDLE_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)

    def _announce(self, run_id: str) -> None:
        address = conf.get("api", "base_url", fallback=None) or self._args.airflow_url
        self._say(f"{address.rstrip('/')}/dags/{DAG_ID}/runs/{run_id}\n")

    def _complain(self, text: str) -> None:
        self._console.print(f"[red]{escape(text)}[/]", highlight=False)

    def _say(self, text: str) -> None:
        """Print a text as it is, to be copied from the terminal."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
