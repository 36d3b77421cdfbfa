"""The two files of a deployment, for the demo's world: the settings, and the connections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from snapshot_dr_provider.cli.demo.world import CONNECTIONS, Scene, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS: Final = "settings.yaml"
CONNECTIONS_FILE: Final = "connections.yaml"

_OWNER_AND_GROUP: Final = 0o640
_SERVICES: Final = ("ec2", "kms", "organizations", "sts")


def write_settings(file: Path, scene: Scene) -> None:
    """Write the settings; with the default of how long a task is deferred at least, as a real scheduler needs it."""
    _write(file, settings_of(scene, in_one_process=False))


def write_connections(file: Path, endpoint_url: str) -> None:
    """
    Write the connections as Airflow's ``LocalFilesystemBackend`` reads them, with where AWS is.

    The endpoint is part of the connection, for each service and for entering roles (airflow 7). So nothing else has to
    be set, and nothing else reaches the sandbox.
    """
    extra = {"service_config": {service: {"endpoint_url": endpoint_url} for service in _SERVICES}}
    _write(
        file,
        {
            name: {
                "conn_type": "aws",
                "login": user.access_key_id,
                "password": user.secret_access_key,
                "extra_dejson": extra,
            }
            for name, user in CONNECTIONS.items()
        },
    )


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Write all of it or nothing: Airflow may be reading."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_AND_GROUP)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        yaml.safe_dump(content, stream, sort_keys=False)
    draft.replace(file)
