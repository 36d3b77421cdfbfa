"""The rules KP110 to KP114: what must be true of a run, beside its keys and copies, for it to be green."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from snapshot_dr_provider.domain.key_policy.findings import Severity
from snapshot_dr_provider.domain.key_policy.rule import Rule

SUCCEEDED: Final = Rule("KP110", "Every task of the run has succeeded", Severity.CRITICAL)
COPIED: Final = Rule("KP111", "Every wanted snapshot has a verified KMS-C copy", Severity.CRITICAL)
CLAIMED: Final = Rule("KP112", "Every snapshot that the run was asked for has a route", Severity.CRITICAL)
REPORTED: Final = Rule("KP113", "Every account has reported the KMS-B copies that are left", Severity.HIGH)
SETTINGS: Final = Rule("KP114", "The settings file says what is to be audited", Severity.CRITICAL)

RUN_RULES: Final[Mapping[str, Rule]] = {rule.rule_id: rule for rule in (SUCCEEDED, COPIED, CLAIMED, REPORTED, SETTINGS)}
"""The rules on runs by their ids."""
