"""A command of ``airflow snapshot-dr`` that reads AWS, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.cli.cli_parser import get_parser

from snapshot_dr_provider.sandbox import Sandbox, World
from tests import worlds


class Command:
    """
    Run a command against a world.

    :param start: starts the sandbox with a world and makes the connections to it.
    """

    def __init__(
        self, name: str, start: Callable[[World], Sandbox], folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.name = name
        self.start = start
        self.file = folder / "settings.yaml"
        self.capsys = capsys

    def prepare(self, world: World, **settings: Any) -> Sandbox:
        """Begin with a world and its settings."""
        worlds.write_settings(self.file, worlds.settings(world, **settings))
        return self.start(world)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run it: its status, and what it has printed where."""
        self.capsys.readouterr()
        args = get_parser().parse_args(["snapshot-dr", self.name, "--settings", str(self.file), *arguments])
        with pytest.raises(SystemExit) as ended:
            args.func(args)
        printed = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run it for a machine; what it has said."""
        status, out, _ = self.run("--json", *arguments)
        said: dict[str, Any] = json.loads(out)
        assert said["status"] == status
        return said
