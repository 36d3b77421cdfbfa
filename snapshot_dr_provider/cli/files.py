"""Files that commands write for people, who may have changed them since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from snapshot_dr_provider.exceptions import ConfigurationError


def write_files(files: Mapping[Path, str], *, force: bool) -> None:
    """
    Write all files, or none where one is there already.

    :param force: whether files that are there are replaced.
    :raises ConfigurationError: when one is there, or cannot be written.
    """
    require_free(files, force=force)
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be written: {error.strerror}.") from error


def require_free(paths: Iterable[Path], *, force: bool) -> None:
    """
    Refuse to go on where a file is there already.

    :raises ConfigurationError: unless it may be replaced.
    """
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise ConfigurationError(
            f"{', '.join(there)} is there already. Name another place with --out, or replace it with --force."
        )
