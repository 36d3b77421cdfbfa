"""The text of a new settings file: what was answered, and the settings that people change first, with their meaning."""

from __future__ import annotations

import json
from typing import Final

from snapshot_dr_provider.cli.init.answers import Answers
from snapshot_dr_provider.cli.placeholders import placeholder
from snapshot_dr_provider.settings.names import partition_of

_TEXT: Final = """\
# Settings of snapshot-dr, written by `airflow snapshot-dr init`. docs/settings.md describes each setting; those that
# are not here have the defaults that it names. Account ids stand in quotes.

# The organization of the source accounts; KMS-B trusts it by this id.
organization_id: {organization_id}

# The account that gets the copies.
dr_account:
  account_id: "{dr_account_id}"
  # The Airflow connection that enters it, and the role to assume with it.
  aws_conn_id: aws_dr
  role_arn: {role}/SnapshotDrCopy
{key_admin}
# The keys of each Region of the DR copies. Write ARNs, not aliases.
destinations:
  {region}:
    # Every account of the organization may use it, by its key policy.
    kms_b: {kms_b}
    # Only the DR account can use it. The DR copies are under this key.
    kms_c: {kms_c}

# Where the snapshots of each source Region are copied to.
source_regions:
{source_regions}

# The source accounts.
accounts:
{accounts}

# The connection, and the role to assume with it in each source account.
source_connection:
  aws_conn_id: aws_org_a_tooling
  role_name: {role_name}

# Scheduled runs also copy older snapshots that have no verified copy, back to this many days before their interval.
lookback_days: 3

# What becomes of a KMS-B copy once its KMS-C copy is verified: none deletes it, newest_per_volume keeps the newest.
kms_b_retention: none

# unmanaged: KMS-B is open all the time; per_run: each run opens it and locks it again.
kms_b_window: {kms_b_window}

# How many hours old the data of a volume's newest DR copy may become before the audit names it.
# rpo_hours: 54
"""

_TO_BE_MADE: Final = (
    "  # yet to be made: put the ARN of the real key here once `airflow snapshot-dr infra` has been applied"
)

_KEY_ADMIN: Final = """\
  # The same for the administrator of KMS-B's key policy, who opens and locks it.
  key_admin_aws_conn_id: aws_dr_key_admin
  key_admin_role_arn: {role}/SnapshotDrKeyAdmin
"""

_ORGANIZATIONS: Final = """\
  # All active ones of the organization, listed by this connection into its management account.
  organizations:
    aws_conn_id: aws_org_a
    # role_arn: the role to assume with it
    # include_ous: [ou-...]
    # exclude_accounts: ["..."]
    # How long a new account may lack its role without turning runs red.
    new_account_grace_hours: 24"""


def settings_text(answers: Answers) -> str:
    """Write the file."""
    role = f"arn:{partition_of(answers.region)}:iam::{answers.dr_account_id}:role"
    managed = answers.kms_b_window == "per_run"
    return _TEXT.format(
        organization_id=answers.organization_id,
        dr_account_id=answers.dr_account_id,
        role=role,
        key_admin=_KEY_ADMIN.format(role=role) if managed else "",
        region=answers.region,
        kms_b=_key(answers, "kms_b", answers.kms_b),
        kms_c=_key(answers, "kms_c", answers.kms_c),
        source_regions="\n".join(f"  {source}: {answers.region}" for source in answers.source_regions),
        accounts=_accounts(answers),
        role_name=json.dumps(answers.role_name),
        kms_b_window=answers.kms_b_window,
    )


def _key(answers: Answers, key: str, arn: str | None) -> str:
    return arn or placeholder(key, answers.region, answers.dr_account_id) + _TO_BE_MADE


def _accounts(answers: Answers) -> str:
    if answers.accounts is None:
        return _ORGANIZATIONS
    # A name is text whatever it looks like, and a JSON string is one of YAML.
    entries = [f'    - account_id: "{each}"\n      name: {json.dumps(name)}' for each, name in answers.accounts]
    return "\n".join(["  static:", *entries])
