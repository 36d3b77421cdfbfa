"""Run the DAG over a scene and show what becomes of each account, by the sandbox's own truth."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from rich.markup import escape

from snapshot_dr_provider.cli.demo.progress import progress_on
from snapshot_dr_provider.cli.demo.report import Outcome, calls_of, complaints_of, table_of
from snapshot_dr_provider.cli.demo.survey import AccountSurvey, survey
from snapshot_dr_provider.cli.demo.world import KMS_B

if TYPE_CHECKING:
    from rich.console import Console

    from snapshot_dr_provider.cli.demo.world import Scene
    from snapshot_dr_provider.sandbox import SandboxControl

DIED: Final = "died"
"""Stands for the state of a run whose Airflow ended before it."""

_LOOK_SECONDS: Final = 0.5
_LOOK_SHARE: Final = 0.1


class AirflowDied(Exception):
    """Airflow ended before it was done."""


class Airflow(Protocol):
    """An Airflow that has the DAG."""

    def start_run(self, day: date) -> None:
        """Run the DAG for the snapshots of a day."""

    def end_state(self, timeout: float) -> str | None:
        """
        Wait up to *timeout* seconds for the end of the run and tell its state; ``None`` while it runs.

        :raises AirflowDied: when Airflow ended before the run.
        """


class Show:
    """Show runs on a console, one after the other."""

    def __init__(self, console: Console, control: SandboxControl, scene: Scene) -> None:
        self._console = console
        self._control = control
        self._scene = scene

    def perform(self, airflow: Airflow, *, twice: bool = False, json_file: str | None = None) -> list[str]:
        """
        Run the DAG, show what has become of each account, and say in a sentence each what is wrong.

        :param twice: run it again over the same world, if nothing was; that has nothing left to copy.
        :param json_file: where the outcome of the last run is written for programs.
        """
        outcome = self._run(airflow)
        complaints = self._judge(outcome)
        if twice and not complaints:
            self._say("\nThe same day once more, over the same world.")
            outcome = self._run(airflow)
            complaints = self._judge(outcome) or self._judge_repetition(outcome.copies_started)
        if json_file:
            Path(json_file).write_text(json.dumps(outcome.to_json(), indent=2) + "\n", encoding="utf-8")
        return complaints

    def _run(self, airflow: Airflow) -> Outcome:
        """Run the DAG to its end, and look at the sandbox meanwhile and then."""
        self._say(f"\nThe daily DAG copies the snapshots of {self._scene.day} (yesterday, UTC).\n")
        begun, calls_before = time.monotonic(), self._calls()
        airflow.start_run(self._scene.day)
        state, wait = None, 0.0
        with progress_on(self._console) as progress:
            while state is None:
                try:
                    state = airflow.end_state(wait)
                except AirflowDied as error:
                    self._say(f"{escape(str(error))}.")
                    state = DIED
                looked = time.monotonic()
                accounts = self._survey()
                progress.show(accounts)
                # Looking at a large world must not take the processor from those who work in it.
                wait = max(_LOOK_SECONDS, (time.monotonic() - looked) / _LOOK_SHARE)
        self._say(f"\nDAG run: {state}, in {time.monotonic() - begun:.0f} s")
        is_locked = self._control.key_policy(KMS_B) == self._scene.locked_policy
        return Outcome(state, accounts, is_locked, self._control.now(), self._calls(), calls_before)

    def _judge(self, outcome: Outcome) -> list[str]:
        """Show the outcome, and say in a sentence each what is wrong; nothing is, when there is none."""
        self._console.print(table_of(outcome))
        self._say(calls_of(outcome))
        complaints = complaints_of(outcome)
        if not complaints:
            self._say(
                "[green]Every wanted snapshot has a verified KMS-C copy in the DR account; no KMS-B copy is left, and"
                " KMS-B is locked.[/]"
            )
        return complaints

    def _judge_repetition(self, started: int) -> list[str]:
        if started:
            return [f"The second run started {started} copies; it should have started none."]
        self._say("[green]The second run started no copy.[/]")
        return []

    def _survey(self) -> tuple[AccountSurvey, ...]:
        return survey(self._control.snapshots(), self._scene.accounts, self._scene.day)

    def _calls(self) -> Mapping[str, int]:
        calls: Mapping[str, int] = self._control.calls()["by_action"]
        return calls

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)
