"""What EC2 asks of KMS in the name of the caller of a copy: a key policy may be as narrow as that."""

from typing import Any

import pytest

from tests.integration.sandbox.ec2_world import (
    DR,
    EAST,
    KMS_A,
    KMS_B,
    KMS_B_WEST,
    ORG_A,
    SNAP,
    WEST,
    A,
    Cloud,
    allow,
    policy,
)

EC2 = f"ec2.{EAST}.amazonaws.com"
ORG = {"aws:PrincipalOrgID": ORG_A}


def narrow(**of_grant: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of KMS-B that allows what is evaluated (aws 2.2), and grants under these conditions."""
    via = {**ORG, "kms:ViaService": EC2}
    grants = {"StringEquals": {**via, **of_grant.pop("StringEquals", {})}, **of_grant}
    return policy(
        allow(f"arn:aws:iam::{DR}:root", "kms:*"),
        allow("*", "kms:DescribeKey", StringEquals=ORG),
        allow("*", "kms:GenerateDataKeyWithoutPlaintext", StringEquals=via),
        allow("*", "kms:CreateGrant", **grants),
    )


def copied(cloud: Cloud, **of_grant: dict[str, Any]) -> str:
    """Return the state that a copy of account A under KMS-B ends in."""
    cloud.control.put_key_policy(KMS_B.arn, narrow(**of_grant))
    state: str = cloud.show(cloud.copied())["State"]
    return state


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({}, "completed"),
        ({"Bool": {"kms:GrantIsForAWSResource": "true", "aws:ViaAWSService": "true"}}, "completed"),
        ({"Bool": {"kms:GrantIsForAWSResource": "false"}}, "error"),
        ({"StringEquals": {"kms:GranteePrincipal": EC2, "kms:RetiringPrincipal": EC2}}, "completed"),
        ({"StringEquals": {"kms:GranteePrincipal": f"ec2.{WEST}.amazonaws.com"}}, "error"),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "Encrypt"]}}, "completed"),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}, "error"),
        ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}}, "completed"),
        ({"StringLike": {"kms:EncryptionContext:aws:ebs:id": "snap-*"}}, "completed"),
        ({"StringEquals": {"kms:EncryptionContext:aws:ebs:id": SNAP}}, "error"),
    ],
)
def test_grant_on_the_new_key(cloud: Cloud, condition: dict[str, Any], state: str) -> None:
    """The grant is EC2's own, for the copy's id, and made on behalf of the caller (aws 2.3, 2.4)."""
    assert copied(cloud, **condition) == state


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}, "completed"),
        ({"StringEquals": {"kms:EncryptionContext:aws:ebs:id": SNAP, "kms:ViaService": EC2}}, "completed"),
        ({"StringEquals": {"kms:EncryptionContext:aws:ebs:id": "vol-1"}}, "error"),
    ],
)
def test_grant_on_the_source_key(cloud: Cloud, condition: dict[str, Any], state: str) -> None:
    """The grant on the source's key is for Decrypt alone, bound to the source's id (aws 2.3)."""
    cloud.control.put_key_policy(KMS_A.arn, policy(allow("*", "kms:CreateGrant", **condition)))
    assert cloud.show(cloud.copied())["State"] == state


def test_one_action_missing_stops_the_copy(cloud: Cloud) -> None:
    """Without any one of the three actions in KMS-B's policy nothing is copied (aws 2.2)."""
    whole = narrow()["Statement"]
    for missing in whole[2:]:
        cloud.control.put_key_policy(KMS_B.arn, policy(*(each for each in whole if each is not missing)))
        assert cloud.show(cloud.copied())["State"] == "error"
    cloud.control.put_key_policy(KMS_B.arn, policy(whole[0], *whole[2:]))
    with pytest.raises(cloud.ec2().exceptions.ClientError, match="Not authorized to use key"):
        cloud.copy()


def test_window_ends_with_the_clock(cloud: Cloud) -> None:
    """A copy that is asked for when the window has ended fails, one before it completes though it ends later."""
    until = cloud.control.advance(0).replace(hour=6)
    ends = {"DateLessThan": {"aws:CurrentTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    cloud.control.put_key_policy(KMS_B.arn, narrow(**ends))
    cloud.control.advance(6 * 3600 - 1)
    early = cloud.copy()
    cloud.control.advance(1)
    late = cloud.copy()
    cloud.control.advance(60)
    assert (cloud.show(early)["State"], cloud.show(late)["State"]) == ("completed", "error")


def test_copy_across_regions_asks_each_key_in_its_region(cloud: Cloud) -> None:
    """From another Region EC2 of the source's Region uses the source's key, and EC2 here the new one (aws 2.8)."""
    source = allow("*", "kms:CreateGrant", StringEquals={"kms:ViaService": EC2, "kms:GranteePrincipal": EC2})
    cloud.control.put_key_policy(KMS_A.arn, policy(source))
    copy = cloud.copied(client=cloud.ec2(A, WEST), key=KMS_B_WEST.arn)
    assert cloud.show(copy, A, WEST)["State"] == "completed"
