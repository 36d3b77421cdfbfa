"""What the StateMessage of a failed copy usually means, and which of the two keys is to blame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEY_NOT_ACCESSIBLE: Final = "Given key ID is not accessible"
SOURCE_NOT_FOUND: Final = "Source snapshot is not found"
SOURCE_NOT_COMPLETE: Final = "Source snapshot is not complete"

TIME_BASED_MIB_PER_SECOND: Final = 500
"""What one time-based copy moves at most; fixed (aws 5.10)."""


@dataclass(frozen=True, slots=True)
class KeyEvidence:
    """
    Collect what is known of one of the keys of a copy that failed.

    :param name: what people call it: ``KMS-A``, ``KMS-B``, ``KMS-C``.
    :param state: as KMS reports it; empty when the caller cannot read the key.
    :param refused: whether a policy keeps the caller from reading it.
    :param works: whether another copy with this key in the same place was completed.
    """

    name: str
    arn: str
    state: str = ""
    refused: bool = False
    works: bool = False


def explain_failed_copy(message: str, account_id: str, source_key: KeyEvidence, new_key: KeyEvidence) -> str:
    """
    Say what a failed copy's StateMessage means and what to do.

    The messages and their causes are observed on live accounts, not documented (aws 1.3 to 1.5, 2.2, 10).

    :param account_id: the account that made the copy.
    :param source_key: the key of the snapshot that was copied from.
    :param new_key: the key that the copy was to be under.
    """
    if KEY_NOT_ACCESSIBLE in message:
        return _explain_key(account_id, source_key, new_key)
    if SOURCE_NOT_FOUND in message:
        return (
            f"Account {account_id} does not see the snapshot: it was not shared with it, the share has not taken "
            "effect yet, or it was deleted. Clear this task to share and copy it again."
        )
    if SOURCE_NOT_COMPLETE in message:
        return "The snapshot was copied before it was completed. Clear this task to copy it again."
    return "AWS gave no reason that is known here." if message else ""


def explain_refused_call(why: str, *keys: KeyEvidence) -> str:
    """
    Say which key AWS refused a call for at once, and what to do; nothing when it named none of these.

    :param why: the error of the call, in which EC2 names the key by its ARN (aws 2.2, 2.13).
    """
    key = next((key for key in keys if key.arn and key.arn in why), None)
    if key is None:
        return ""
    if key.state and key.state != "Enabled":
        return f"{key.name} {key.arn} is to blame: it is {key.state}. Enable it, then clear this task."
    return (
        f"{key.name} {key.arn} is to blame: its key policy and the IAM policy of the role that copies both have to "
        f"allow what a copy needs ({_needs(is_new=True)}), kms:DescribeKey first of all, which AWS asks for at once. "
        "Allow it, then clear this task."
    )


def explain_refused_duration(why: str, minutes: int, region: str) -> str:
    """
    Say what to do about a time-based copy that AWS does not take; nothing when its parameters were not the reason.

    That a source too large for the duration is an ``InvalidParameterValue`` is not documented ([M]); for a duration
    that is none it was observed (aws 3.6, [O]). So the duration is suspected, not blamed.

    :param why: the error of the call.
    :param minutes: that the copy was to take at most.
    :param region: the destination Region, whose setting it is.
    """
    if "InvalidParameterValue" not in why:
        return ""
    most = minutes * 60 * TIME_BASED_MIB_PER_SECOND // 1024
    return (
        f"It was asked for within {minutes} minutes, in which a time-based copy moves {most:,} GiB at most "
        f"({TIME_BASED_MIB_PER_SECOND} MiB/s). Set a longer completion_duration_minutes for {region}, or none for "
        "copies that take as long as they take; then clear the run from its first task on, which reads the settings."
    )


def explain_snapshot_limit(why: str, account_id: str, region: str) -> str:
    """Say what to do where an account has as many snapshots as it may have (aws 3.3); nothing for another reason."""
    if "SnapshotLimitExceeded" not in why:
        return ""
    return (
        f"Account {account_id} has as many snapshots in {region} as it may have. KMS-C copies are kept until somebody "
        'deletes them: delete what need not be restored any more, or have the quota of Amazon EBS "Snapshots per '
        'Region" raised there; then clear this task.'
    )


def _explain_key(account_id: str, source_key: KeyEvidence, new_key: KeyEvidence) -> str:
    for key in (source_key, new_key):
        if key.state and key.state != "Enabled":
            return f"{key.name} {key.arn} is to blame: it is {key.state}. Enable it, then clear this task."
    remedies = {
        source_key.name: _remedy(source_key, account_id, is_new=False),
        new_key.name: _remedy(new_key, account_id, is_new=True),
    }
    for key in (source_key, new_key):
        if key.refused:
            blame = f"{key.name} {key.arn} is to blame: account {account_id} may not even describe it."
            return f"{blame} {remedies[key.name]}"
    if new_key.works and not source_key.works:
        reason = f"other copies under {new_key.name} succeed"
        return f"{source_key.name} {source_key.arn} is to blame: {reason}. {remedies[source_key.name]}"
    if source_key.works and not new_key.works:
        reason = f"other copies from {source_key.name} succeed"
        return f"{new_key.name} {new_key.arn} is to blame: {reason}. {remedies[new_key.name]}"
    return (
        f"Either of two keys: {source_key.name} {source_key.arn} ({_needs(is_new=False)}) or "
        f"{new_key.name} {new_key.arn} ({_needs(is_new=True)}). {' '.join(remedies.values())}"
    )


def _needs(*, is_new: bool) -> str:
    """Name what is evaluated of the key that a copy is under, and of the one that it is read from (aws 2.2)."""
    if is_new:
        return "needs kms:DescribeKey, kms:GenerateDataKeyWithoutPlaintext and kms:CreateGrant"
    return "needs kms:CreateGrant"


def _remedy(key: KeyEvidence, account_id: str, *, is_new: bool) -> str:
    """Say which policy has to allow what: across accounts both, and IAM's for a key of the same account (aws 2.5)."""
    actions = "kms:GenerateDataKeyWithoutPlaintext and kms:CreateGrant" if is_new else "kms:CreateGrant"
    role = f"the IAM policy of the role that copies in account {account_id}"
    own_line = "kms:GrantIsForAWSResource belongs in a statement of its own"
    if key.name == "KMS-B" and f":{account_id}:" not in key.arn:
        return (
            f"Look at both the key policy of {key.name} and {role}: across accounts both have to allow {actions} "
            f"through EC2 ({own_line}). airflow snapshot-dr policy show kms-b and source-role print them."
        )
    root = f"arn:aws:iam::{account_id}:root"
    if key.name != "KMS-A":
        return (
            f"Look at {role}: it has to allow {actions} on {key.name} through EC2 ({own_line}); airflow snapshot-dr "
            f"policy show dr-copy-role prints it. The key policy of {key.name} matters only if it has lost its "
            f"statement for {root}."
        )
    return (
        f"Look at {role}: it has to allow {actions} on KMS-A with kms:GrantIsForAWSResource. If the key policy of "
        f"KMS-A does not delegate to IAM (no statement for {root}), add that role there, with kms:DescribeKey, "
        "kms:CreateGrant and kms:Decrypt; for such a key KMS-A does have to be changed."
    )
