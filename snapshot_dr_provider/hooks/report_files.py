"""Reports as files, wherever Airflow's object storage can write."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from airflow.sdk import ObjectStoragePath
from botocore.exceptions import BotoCoreError

from snapshot_dr_provider._compat import AirflowNotFoundException
from snapshot_dr_provider.exceptions import ReportError

LOCAL: Final = ("", "file", "local")

log = logging.getLogger(__name__)


def write_report(folder: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """
    Write texts into a folder, replacing what is there by the same names.

    :param folder: as :class:`~airflow.sdk.ObjectStoragePath` takes it, such as ``s3://aws_reports@bucket/audits`` or
        ``file:///var/lib/airflow/audits``; a folder is made where there is none, a bucket is not.
    :returns: the whole path of each file.
    :raises ReportError: when it cannot be written.
    """
    written = []
    try:
        place = ObjectStoragePath(folder)
        # A bucket is its owner's to make: s3fs would try to.
        if place.protocol in LOCAL:
            place.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            target = place / name
            target.write_text(text, encoding="utf-8")
            written.append(str(target))
    except (AirflowNotFoundException, BotoCoreError, ImportError, OSError, ValueError) as error:
        msg = (
            f"could not write the report to {folder}: {type(error).__name__}: {error}. Correct audit_report_path in "
            "the settings file: its folder or bucket has to exist, its connection (before the @) has to be permitted "
            "to write there, and its kind of storage may need a package, such as s3fs for s3://."
        )
        raise ReportError(msg) from error
    for path in written:
        log.info("wrote %s", path)
    return tuple(written)
