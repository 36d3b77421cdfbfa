"""Which key is to blame for a call that AWS refused at once."""

import pytest

from snapshot_dr_provider.domain.refusals import KeyEvidence, explain_refused_call

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
