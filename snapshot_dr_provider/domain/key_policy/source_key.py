"""What a source key's policy has to say where it does not leave its account's IAM to decide."""

from __future__ import annotations

from snapshot_dr_provider.domain.key_policy.statements import Document, via_ec2


def source_key_statements(principal_arn: str, *regions: str) -> tuple[Document, ...]:
    """
    Let a role copy from snapshots under a key, by that key's own policy.

    Of the key that a copy is read from AWS evaluates CreateGrant alone (observed: aws 2.2); Decrypt is documented, and
    DescribeKey lets failures be explained. Nothing but DescribeKey is allowed directly. CreateGrant stands by itself,
    since its condition is its own (aws 2.4).

    :param principal_arn: the role that copies; the root of its account lets IAM decide there.
    :param regions: whose EC2 may use the key.
    """
    through_ec2 = {"StringEquals": {"kms:ViaService": via_ec2(*regions)}}
    return (
        _allow(principal_arn, "SnapshotDrMayDescribe", "kms:DescribeKey"),
        _allow(principal_arn, "SnapshotDrMayReadThroughEc2", "kms:Decrypt", through_ec2),
        _allow(
            principal_arn,
            "SnapshotDrMayGrantToEc2",
            "kms:CreateGrant",
            {**through_ec2, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    )


def _allow(principal_arn: str, sid: str, action: str, condition: Document | None = None) -> Document:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal_arn}, "Action": action, "Resource": "*"}
    return statement if condition is None else {**statement, "Condition": condition}
