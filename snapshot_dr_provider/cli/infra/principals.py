"""Who may assume the roles."""

from __future__ import annotations

from typing import Final

from snapshot_dr_provider.cli.infra.model import Parameter

# A root would let everybody of an account whom its IAM lets; whoever wants that writes it into the template.
_PATTERN: Final = r"arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/.+"


def trusted(name: str, does: str) -> Parameter:
    """Ask for the principal that Airflow's connection authenticates as."""
    return Parameter(
        name, f"ARN of the IAM role or user that {does}: what the Airflow connection signs in as", _PATTERN
    )
