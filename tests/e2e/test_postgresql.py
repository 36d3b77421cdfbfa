"""A PostgreSQL from a wheel."""

from __future__ import annotations

from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from tests.e2e.postgresql import Postgresql


def test_a_database_answers_and_leaves_nothing_behind():
    """Both as root and as anybody else a database is there within the block, and neither process nor file after it."""
    with Postgresql() as database:
        engine = create_engine(database.url("psycopg2"))
        with engine.connect() as connection:
            folder = Path(str(connection.scalar(text("SHOW unix_socket_directories"))))
            assert connection.scalar(text("SHOW listen_addresses")) == ""
            assert folder.is_dir()
        engine.dispose()
    assert not folder.exists()
    assert not psutil.pid_exists(database.pid)
