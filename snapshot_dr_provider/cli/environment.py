"""The user's AWS is not the sandbox's."""

from __future__ import annotations

import os
import re
from typing import Final

_USERS_AWS: Final = re.compile(r"(AWS|BOTO|MOTO)_|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE)


def forget_aws() -> None:
    """
    Take from this process, and from those it starts, whatever could lead them to an AWS account or to a proxy.

    To be called before the sandbox is imported: moto opens a session of boto3 while it is, which a profile of the user
    that does not exist would end.
    """
    for name in filter(_USERS_AWS.match, list(os.environ)):
        del os.environ[name]
    # No profile and no instance role: credentials come from the connections alone.
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true"
    )
