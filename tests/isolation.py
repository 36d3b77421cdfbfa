"""The environment of the tests and of what they start: nothing of the developer's AWS, Airflow or proxies."""

from __future__ import annotations

import os
import re
from typing import Final

_NOT_OURS: Final = re.compile(r"(AWS|AIRFLOW|MOTO|SNAPSHOT_DR)_|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE)


def isolated_environment() -> dict[str, str]:
    """Give the environment of this process without those, and with nowhere to find credentials but the connections."""
    return {
        **{name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)},
        # No profile and no instance role.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
