"""
Make the secrets of the compose stack when it is started for the first time. Nothing leaves the three volumes.

    python make_secrets.py /opt/airflow/secrets /opt/airflow/secrets-of-postgres /opt/airflow/secrets-of-redis

A file that is there stays as it is. Each program sees the volume that is its own: Airflow's has the keys that sign and
encrypt, and the addresses with their passwords; PostgreSQL's and Redis' have one password each. Standard library only.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Final

OWNER_ALONE: Final = 0o600
ANYBODY: Final = 0o444
"""Of what a program reads that has a user of its own, in a volume that nobody else mounts."""

USER: Final = "admin"


def main(airflow: Path, postgres: Path, redis: Path) -> None:
    """Write what is missing."""
    postgres_password = keep(postgres / "password", secrets.token_urlsafe(24), ANYBODY)
    redis_password = password_in(keep(redis / "redis.conf", redis_conf(secrets.token_urlsafe(24)), ANYBODY))
    database = f"airflow:{postgres_password}@postgres:5432/airflow"
    admin_password = keep(airflow / "admin_password", secrets.token_urlsafe(12))
    for name, value in {
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "secret_key": secrets.token_hex(32),
        "jwt_secret": secrets.token_hex(32),
        "sql_alchemy_conn": f"postgresql+psycopg2://{database}",
        "result_backend": f"db+postgresql+psycopg2://{database}",
        "broker_url": f"redis://:{redis_password}@redis:6379/0",
        "passwords.json": json.dumps({USER: admin_password}),
    }.items():
        keep(airflow / name, value)


def keep(file: Path, value: str, mode: int = OWNER_ALONE) -> str:
    """Write a file unless it is there, all of it or nothing, and give what is in it then."""
    if not file.exists():
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(value)
        draft.rename(file)
    return file.read_text(encoding="utf-8")


def redis_conf(password: str) -> str:
    """Configure a broker: reached by its network alone, and kept nowhere; what was lost the scheduler queues again."""
    return f'requirepass {password}\nbind 0.0.0.0\nsave ""\nappendonly no\n'


def password_in(conf: str) -> str:
    """Find the password of a Redis configuration."""
    return conf.splitlines()[0].removeprefix("requirepass ")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
