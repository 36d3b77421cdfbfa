"""What Airflow's database knows of a run: states, tries, XComs, and how deferred tasks go on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.harness.tasks import Deferral

FINISHED: Final = frozenset({"success", "failed", "skipped", "upstream_failed"})


def name_of(task_id: str, map_index: int) -> str:
    """Name a task instance as Airflow does where it tells states."""
    return task_id if map_index < 0 else f"{task_id}_{map_index}"


class RunBook:
    """
    Keep it in memory, and in a file that outlives the process.

    :param file: to which each entry is written as soon as it is made; what stands there already is taken over.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.states: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.tries: Counter[str] = Counter()
        self.deferrals: dict[str, Deferral] = {}
        self.calls: list[tuple[str, str]] = []
        """What the SDK has sent: task and operation."""
        self._xcoms: dict[str, dict[str, str]] = {}
        self._file = file
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    @property
    def red(self) -> list[str]:
        """Name the failed tasks, in the order in which they failed."""
        return [name for name, state in self.states.items() if state == "failed"]

    @property
    def is_green(self) -> bool:
        """Whether all has come to an end, and to a good one: the state of a run is that of its leaf."""
        return self.states.get("audit") == "success"

    def begin(self, name: str) -> None:
        """Note that a task is tried: what an earlier try has left for others is gone."""
        self._note("begin", name)

    def defer(self, name: str, deferral: Deferral) -> None:
        """Note that a task waits for its trigger."""
        self._note("defer", name, deferral.to_json())

    def go_on(self, name: str) -> None:
        """Note that a task is in a worker again, since its trigger has fired."""
        self._note("go_on", name)

    def end(self, name: str, state: str, error: str = "") -> None:
        """Note what has become of a task or of one try."""
        self._note("end", name, [state, error])

    def clear(self, name: str) -> None:
        """Forget what has become of a task."""
        self._note("clear", name)

    def sent(self, name: str, operation: str) -> None:
        """Note a request."""
        self._note("sent", name, operation)

    def push(self, task_id: str, map_index: int, key: str, value: Any) -> None:
        """Keep a value that a task has left, as JSON, which is what becomes of it."""
        self._note("push", name_of(task_id, map_index), [key, json.dumps(value)])

    def pull(self, task_id: str, map_index: int, key: str, default: Any) -> Any:
        """Give a value, or the default where none was left."""
        left = self._xcoms.get(name_of(task_id, map_index), {}).get(key)
        return default if left is None else json.loads(left)

    def _note(self, what: str, name: str, value: Any = None) -> None:
        self._take([what, name, value])
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([what, name, value]) + "\n")

    def _take(self, entry: list[Any]) -> None:
        what, name, value = entry
        if what == "push":
            key, text = value
            self._xcoms.setdefault(name, {})[key] = text
        elif what == "sent":
            self.calls.append((name, value))
        else:
            self._take_state(what, name, value)

    def _take_state(self, what: str, name: str, value: Any) -> None:
        self.states.pop(name, None)  # So that the order is that of the latest changes.
        self.deferrals.pop(name, None)
        if what == "begin":
            self.tries[name] += 1
            self._xcoms.pop(name, None)
            self.errors.pop(name, None)
            self.states[name] = "running"
        elif what == "defer":
            self.deferrals[name] = Deferral(**value)
            self.states[name] = "deferred"
        elif what == "go_on":
            self.states[name] = "running"
        elif what == "end":
            self.states[name], error = value
            if error:
                self.errors[name] = error
        elif what == "clear":
            self.tries.pop(name, None)
