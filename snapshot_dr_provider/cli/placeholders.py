"""Key ARNs that stand in a settings file until the keys have been made."""

from __future__ import annotations

from typing import Final

from snapshot_dr_provider.settings.names import parse_key_arn, partition_of

_KEY_IDS: Final = {
    "kms_b": "00000000-0000-0000-0000-00000000000b",
    "kms_c": "00000000-0000-0000-0000-00000000000c",
}
"""Ids that AWS gives to no key, since its own are random; a run with one of them is told that there is no such key."""


def placeholder(key: str, region: str, account_id: str) -> str:
    """Write the ARN of a key that is yet to be made: ``kms_b`` or ``kms_c``."""
    return f"arn:{partition_of(region)}:kms:{region}:{account_id}:key/{_KEY_IDS[key]}"


def is_placeholder(arn: str) -> bool:
    """Whether an ARN is of a key that is yet to be made."""
    key = parse_key_arn(arn)
    return key is not None and key.name in _KEY_IDS.values()
