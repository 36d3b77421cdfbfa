"""A YAML file as plain data, with the line of each part; knows nothing of settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from snapshot_dr_provider.exceptions import SettingsError

Place = tuple[str | int, ...]
"""Keys and list positions that lead from the top of a file to a part of it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Say what is wrong at a place, why, and how to mend it."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """
    Hold the content of a file.

    :param lines: line, counted from 1, of each part of the file.
    :param words: each plain value as it is written in the file, before YAML reads a number or a truth value in it.
    """

    path: Path
    data: Mapping[str, object]
    lines: Mapping[Place, int]
    words: Mapping[Place, str]
    problems: tuple[Problem, ...]

    def refuse(self, problems: list[Problem]) -> SettingsError:
        """Word all problems as one error, in the order of the file."""
        known = [(self._line_of(problem.place), problem) for problem in problems]
        parts = [
            f"  line {line}, {self._name(problem.place)}: {problem.text}"
            for line, problem in sorted(known, key=lambda entry: entry[0])
        ]
        count = "a problem" if len(parts) == 1 else f"{len(parts)} problems"
        return SettingsError("\n".join([f"The settings file {self.path} has {count}:", *parts]))

    def key_at(self, place: Place) -> str:
        """Give a key as it is written in the file, where YAML makes something else than a text of it."""
        keys = (str(known[-1]) for known in self.lines if known and known[:-1] == place[:-1])
        return next((key for key in keys if yaml.safe_load(key) == place[-1]), str(place[-1]))

    def _line_of(self, place: Place) -> int:
        """Find the line of a part, or of what it is missing from."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)

    def _name(self, place: Place) -> str:
        """Write a place as people do, without positions in what is one plain value in the file."""
        while place[:-1] in self.words:
            place = place[:-1]
        name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
        return name.removeprefix(".") or "the file"


def read_document(path: Path) -> Document:
    """
    Read a YAML file whose top is a mapping.

    Keys that are there twice are problems: YAML would take the last one without a word.

    :raises SettingsError: when the file cannot be read or is not such a file.
    """
    text = _read_text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        outline = _Outline()
        if node is not None:
            outline.walk(node, ())
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(path, error) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Characters that YAML does not allow, dates that are none, parts that contain themselves.
        msg = f"The settings file {path} is not valid YAML: {error}"
        raise SettingsError(msg) from error
    if not isinstance(data, dict):
        found = "is empty" if data is None else f"is not a mapping but {_kind(data)}"
        msg = f"The settings file {path} {found}. Begin with the lines of the example in docs/settings.md."
        raise SettingsError(msg)
    return Document(path, data, outline.lines, outline.words, tuple(outline.problems))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        msg = (
            f"The settings file {path} does not exist. Create it, or correct settings_path in the [snapshot_dr] "
            "section of Airflow's configuration (AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH)."
        )
        raise SettingsError(msg) from error
    except OSError as error:
        msg = (
            f"The settings file {path} cannot be read: {error.strerror}. It has to be a file that the user of "
            "Airflow's workers may read."
        )
        raise SettingsError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"The settings file {path} is not UTF-8 text: byte {error.start} is {error.reason}. Save it as UTF-8."
        raise SettingsError(msg) from error


def _not_yaml(path: Path, error: yaml.MarkedYAMLError) -> SettingsError:
    mark = error.problem_mark or error.context_mark
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    context = f" {error.context}" if error.context else ""
    return SettingsError(
        f"The settings file {path} is not valid YAML{where}:{context} {error.problem}. Mind the indentation and quotes."
    )


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else f"one value, {value!r}"


class _Outline:
    """Collect where each part of a YAML tree is."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.words: dict[Place, str] = {}
        self.problems: list[Problem] = []

    def walk(self, node: yaml.Node, place: Place) -> None:
        """Visit a part and all that it contains."""
        # The place of a member is that of its key, which is set before.
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            self.words[place] = node.value
        elif isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                self.walk(item, (*place, position))
        elif isinstance(node, yaml.MappingNode):
            for step, key, value in self._members(node, place):
                self.lines[*place, step] = key.start_mark.line + 1
                self.walk(value, (*place, step))

    def _members(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        seen: dict[str, int] = {}
        for key, value in node.value:
            step = key.value if isinstance(key, yaml.ScalarNode) else "?"
            line = key.start_mark.line + 1
            if step in seen:
                text = f"is there twice, on lines {seen[step]} and {line}; only one of them would count. Remove one."
                self.problems.append(Problem((*place, step), text))
            seen.setdefault(step, line)
            yield step, key, value
