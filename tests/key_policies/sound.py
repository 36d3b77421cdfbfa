"""Policies under which the organization can copy and nobody else gets in, and those of KMS-C."""

from __future__ import annotations

from tests.key_policies.case import (
    ADMINISTRATION_TOO,
    BY_ROLE,
    DR,
    EC2,
    FOR_AWS,
    IN_ORGANIZATION,
    ORGANIZATION,
    REGION,
    ROLE,
    ROOT,
    THROUGH_EC2,
    USE,
    Answers,
    Case,
    allow,
    deny,
    document,
    least,
    root_arn,
    until,
)

NO_COPY = Answers(org_can_copy="no")
OUTSIDERS = {"StringNotEquals": {"aws:PrincipalOrgID": ORGANIZATION, "aws:PrincipalAccount": DR}}
PADDING = [
    allow("kms:Decrypt", principal=f"arn:aws:iam::{DR}:role/reader-{number:03}", sid=f"Reader{number:03}")
    for number in range(208)
]


WORKING = [
    Case("least-privilege", "Grants what a copy needs through EC2, and no more.", document(ROOT, *least()), Answers()),
    Case(
        "reference",
        "Grants kms:* through EC2, as the user's document has it: it works and is wider than needed.",
        document(ROOT, allow(ADMINISTRATION_TOO, IN_ORGANIZATION, THROUGH_EC2)),
        Answers(org_can_administer="yes"),
        frozenset({"administration"}),
    ),
    Case(
        "role-pin-unknown",
        "Pins a role, and nobody says which role copies.",
        document(ROOT, *least(also=BY_ROLE)),
        Answers(org_can_copy="undecided"),
        verdict="UNDECIDED",
    ),
    Case(
        "role-pin-met",
        "Pins the role that copies.",
        document(ROOT, *least(also=BY_ROLE)),
        Answers(),
        role=ROLE,
    ),
    Case(
        "exact-organization-by-like",
        "Compares the organization by StringLike, with a value that has no wildcard.",
        document(ROOT, *least({"StringLike": {"aws:PrincipalOrgID": ORGANIZATION}})),
        Answers(),
    ),
    Case(
        "keys-and-actions-in-other-case",
        "Writes condition keys and actions in other cases, which IAM does not regard.",
        document(
            ROOT,
            allow("KMS:describekey", {"StringEquals": {"AWS:principalorgid": ORGANIZATION}}),
            allow(
                ("kms:generatedatakey*", "kms:ENCRYPT", "kms:Decrypt", "kms:reencrypt*"),
                {"StringEquals": {"aws:principalorgID": ORGANIZATION, "KMS:viaservice": EC2}},
            ),
            allow(
                "kms:createGrant",
                {"StringEquals": {"aws:principalorgID": ORGANIZATION, "kms:VIASERVICE": EC2}},
                {"Bool": {"KMS:GrantIsForAwsResource": "TRUE"}},
            ),
        ),
        Answers(),
    ),
    Case(
        "via-service-by-for-any-value",
        "Compares kms:ViaService by ForAnyValue, which an absent key does not meet.",
        document(ROOT, *least(through={"ForAnyValue:StringEquals": {"kms:ViaService": EC2}})),
        Answers(),
    ),
    Case(
        "open-allow-closed-by-deny",
        "Allows everybody through EC2, and denies whoever is neither in the organization nor in Account-B.",
        document(ROOT, *least(None), deny("kms:*", OUTSIDERS)),
        Answers(),
    ),
    Case(
        "direct-use-closed-by-deny",
        "Allows the organization directly too, and denies its use other than through EC2.",
        document(
            ROOT,
            *least(through=None),
            deny(
                (*USE, "kms:CreateGrant"),
                {"StringNotEquals": {"kms:ViaService": EC2, "aws:PrincipalAccount": DR}},
            ),
        ),
        Answers(),
    ),
    Case(
        "direct-use-closed-by-deny-if-exists",
        "Denies by StringNotEqualsIfExists, which an absent key meets.",
        document(
            ROOT,
            *least(through=None),
            deny(
                (*USE, "kms:CreateGrant"),
                {"StringNotEqualsIfExists": {"kms:ViaService": EC2}, "StringNotEquals": {"aws:PrincipalAccount": DR}},
            ),
        ),
        Answers(),
    ),
    Case(
        "other-grants-denied",
        "Denies grants that are not for an AWS resource instead of asking for it in the Allow.",
        document(
            ROOT,
            *least(grant=None),
            deny(
                "kms:CreateGrant",
                {"Bool": {"kms:GrantIsForAWSResource": "false"}, "StringNotEquals": {"aws:PrincipalAccount": DR}},
            ),
        ),
        Answers(),
        verdict=None,
    ),
    Case(
        "whole-organization-by-path",
        "Compares the organization by aws:PrincipalOrgPaths with ForAnyValue.",
        document(ROOT, *least({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORGANIZATION}/*"}})),
        Answers(),
    ),
    Case(
        "account-b-by-caller-account",
        "Adds everybody in Account-B by kms:CallerAccount, as AWS's own key for EBS does.",
        document(ROOT, allow(USE, {"StringEquals": {"kms:CallerAccount": DR}}, sid="AccountBToo"), *least()),
        Answers(),
    ),
    Case(
        "service-of-account-b",
        "Lets a service encrypt for Account-B alone.",
        document(
            ROOT,
            allow(
                "kms:GenerateDataKey*",
                {"StringEquals": {"aws:SourceAccount": DR}},
                principal={"Service": "cloudtrail.amazonaws.com"},
                sid="Trail",
            ),
            *least(),
        ),
        Answers(),
    ),
    Case(
        "root-by-account-id",
        "Names Account-B by its 12 digits.",
        document(allow("kms:*", principal=DR, sid="AccountB"), *least()),
        Answers(),
    ),
    Case(
        "grants-for-anybody",
        "Lets the organization make grants through EC2 that are not for an AWS resource.",
        document(ROOT, *least(grant=None)),
        Answers(),
        frozenset({"grant-not-for-aws-resource"}),
        verdict=None,
    ),
    Case(
        "documented-permissions-missing",
        "Grants only what AWS has been seen to evaluate.",
        document(
            ROOT,
            allow("kms:DescribeKey", IN_ORGANIZATION),
            allow("kms:GenerateDataKeyWithoutPlaintext", IN_ORGANIZATION, THROUGH_EC2),
            allow("kms:CreateGrant", IN_ORGANIZATION, THROUGH_EC2, FOR_AWS),
        ),
        Answers(),
        frozenset({"documented-permissions"}),
    ),
    Case(
        "everything-but-deletion",
        "Grants by NotAction, and with it all administration.",
        document(
            ROOT,
            {
                "Effect": "Allow",
                "Principal": "*",
                "NotAction": "kms:ScheduleKeyDeletion",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION, "kms:ViaService": EC2}},
            },
        ),
        Answers(org_can_administer="yes"),
        frozenset({"administration"}),
        verdict=None,
    ),
    Case(
        "open-window",
        "Ends by itself, later than now.",
        document(ROOT, *least(also=until("2026-03-11T06:00:00Z"))),
        Answers(),
        verdict=None,
    ),
    Case(
        "nearly-full",
        "Has hardly any room left below 32 KB.",
        document(ROOT, *least(), *PADDING),
        Answers(),
        frozenset({"size"}),
        verdict=None,
    ),
]

KMS_C = [
    Case("kms-c-sound", "Is used by Account-B alone.", document(ROOT), NO_COPY, kind="kms-c"),
    Case(
        "kms-c-by-caller-account",
        "Is used through EC2 by everybody in Account-B.",
        document(
            ROOT,
            allow(USE, {"StringEquals": {"kms:CallerAccount": DR, "kms:ViaService": f"ec2.{REGION}.amazonaws.com"}}),
        ),
        NO_COPY,
        kind="kms-c",
    ),
    Case(
        "kms-c-for-the-organization",
        "Lets the organization use what only Account-B must be able to use.",
        document(ROOT, *least()),
        Answers(),
        frozenset({"kms-c-outside"}),
        verdict="FAIL",
        kind="kms-c",
    ),
    Case(
        "kms-c-for-a-foreign-account",
        "Lets another account use it.",
        document(ROOT, allow("kms:Decrypt", principal=root_arn("888888888888"))),
        Answers(outside_org_can_use="yes", org_can_copy="no"),
        frozenset({"kms-c-outside"}),
        verdict="FAIL",
        kind="kms-c",
    ),
]

CASES = [*WORKING, *KMS_C]
