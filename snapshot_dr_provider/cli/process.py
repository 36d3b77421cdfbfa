"""What a command that reads AWS needs of the Airflow that it is part of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Final

# As the commands of other providers do: Airflow writes its logs to stdout, where the answer is.
from airflow.utils.cli import suppress_logs_and_warning

if TYPE_CHECKING:
    import argparse

    Command = Callable[[argparse.Namespace], None]

_CONTEXT: Final = "_AIRFLOW_PROCESS_CONTEXT"


def reading_command(command: Command) -> Command:
    """Keep Airflow's logs from stdout, unless there is ``--verbose``, and have connections read from its database."""

    @suppress_logs_and_warning
    @wraps(command)
    def run(args: argparse.Namespace) -> None:
        with _connections_of_the_database():
            command(args)

    return run


@contextmanager
def _connections_of_the_database() -> Iterator[None]:
    """
    Have connections read as the scheduler does: also from the metadata database.

    By itself a process that is neither a task nor a server of Airflow 3.3 knows those of the environment and of secrets
    backends alone. ``airflow connections get`` does the same; it is internal, and may go once commands need it no more.
    """
    before = os.environ.get(_CONTEXT)
    os.environ[_CONTEXT] = "server"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CONTEXT]
        else:
            os.environ[_CONTEXT] = before
