"""Which key is to blame for what AWS refused, and which policy has to allow what."""

import pytest

from snapshot_dr_provider.domain.refusals import (
    KEY_NOT_ACCESSIBLE,
    KeyEvidence,
    explain_failed_copy,
    explain_refused_call,
    explain_refused_duration,
)

ORG_A, DR = "111111111111", "999999999999"
KMS_A = f"arn:aws:kms:us-east-1:{ORG_A}:key/a0a0a0a0-0000-4000-8000-000000000001"
KMS_B = "arn:aws:kms:us-east-1:999999999999:key/b0b0b0b0-0000-4000-8000-000000000001"
KMS_C = "arn:aws:kms:us-east-1:999999999999:key/c0c0c0c0-0000-4000-8000-000000000001"
WHY = f"could not start copying snap-1: AuthFailure: Not authorized to use key {KMS_C}"


def test_key_that_the_refusal_names_is_to_blame():
    """The key whose ARN is in the error is named by what people call it, with what its policies have to allow."""
    said = explain_refused_call(WHY, KeyEvidence("KMS-B", KMS_B), KeyEvidence("KMS-C", KMS_C, refused=True))
    assert said.startswith(f"KMS-C {KMS_C} is to blame: its key policy and the IAM policy")
    assert "kms:DescribeKey" in said
    assert KMS_B not in said


def test_disabled_key_is_to_be_enabled():
    """For a key that is not enabled no policy is suspected."""
    said = explain_refused_call(WHY, KeyEvidence("KMS-C", KMS_C, state="Disabled"))
    assert said == f"KMS-C {KMS_C} is to blame: it is Disabled. Enable it, then clear this task."


@pytest.mark.parametrize("key", [KeyEvidence("KMS-B", KMS_B), KeyEvidence("KMS-A", "")])
def test_key_that_the_refusal_does_not_name_is_not_blamed(key):
    """A refusal that names none of the keys, or a key that is not known, blames none."""
    assert explain_refused_call(WHY, key) == ""


@pytest.mark.parametrize(("minutes", "most"), [(15, "439 GiB"), (2880, "84,375 GiB")])
def test_a_source_too_large_for_its_duration_needs_a_longer_one_or_none(minutes, most):
    """A time-based copy whose parameters AWS does not take: how much fits into the duration, and the two ways out."""
    said = explain_refused_duration("could not start copying snap-1: InvalidParameterValue", minutes, "us-east-1")
    assert f"within {minutes} minutes, in which a time-based copy moves {most} at most (500 MiB/s)" in said
    assert "Set a longer completion_duration_minutes for us-east-1, or none" in said
    assert "clear the run from its first task on" in said


def test_a_duration_is_not_suspected_for_another_refusal():
    """What is refused for another reason than its parameters is no matter of the duration."""
    assert explain_refused_duration(WHY, 15, "us-east-1") == ""


def test_key_of_another_account_needs_both_policies():
    """Across accounts both policies are to look at, with the actions of a new key, and the commands that print them."""
    said = explain_failed_copy(
        KEY_NOT_ACCESSIBLE, ORG_A, KeyEvidence("KMS-A", KMS_A, works=True), KeyEvidence("KMS-B", KMS_B)
    )
    assert said.startswith(f"KMS-B {KMS_B} is to blame")
    for part in (
        "both the key policy of KMS-B and the IAM policy of the role that copies in account 111111111111",
        "both have to allow kms:GenerateDataKeyWithoutPlaintext and kms:CreateGrant",
        "policy show kms-b and source-role",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("blamed", "actions"),
    [("KMS-B", "kms:CreateGrant"), ("KMS-C", "kms:GenerateDataKeyWithoutPlaintext and kms:CreateGrant")],
)
def test_own_key_needs_the_iam_policy(blamed, actions):
    """In hop 2 both keys are Account-B's: its role's IAM policy decides, and of KMS-B a copy needs a grant alone."""
    keys = [KeyEvidence(name, arn, works=name != blamed) for name, arn in (("KMS-B", KMS_B), ("KMS-C", KMS_C))]
    said = explain_failed_copy(KEY_NOT_ACCESSIBLE, DR, *keys)
    assert said.startswith(f"{blamed} ")
    assert f"Look at the IAM policy of the role that copies in account {DR}: it has to allow {actions} on" in said
    assert "dr-copy-role" in said


def test_all_that_may_be_missing_is_named_when_no_key_can_be_ruled_out():
    """Where neither key worked for anybody, the actions of both are named."""
    said = explain_failed_copy(KEY_NOT_ACCESSIBLE, ORG_A, KeyEvidence("KMS-A", KMS_A), KeyEvidence("KMS-B", KMS_B))
    assert said.startswith("Either of two keys: ")
    for part in (KMS_A, KMS_B, "kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"):
        assert part in said
