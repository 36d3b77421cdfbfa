"""Policies that let somebody in whom nobody meant to let in, or the organization by another way than EC2."""

from __future__ import annotations

from typing import Any

from tests.key_policies.case import (
    BY_ROLE,
    DR,
    EC2,
    FOREIGN,
    FOREIGN_ORGANIZATION,
    IN_ORGANIZATION,
    MEMBER,
    ORGANIZATION,
    REGION,
    ROOT,
    THROUGH_EC2,
    USE,
    Answers,
    Case,
    Reply,
    Statement,
    Topic,
    allow,
    deny,
    document,
    least,
    root_arn,
)

PATHS = "aws:PrincipalOrgPaths"
ORG_ID = "aws:PrincipalOrgID"


def outsiders(name: str, about: str, *statements: Statement, copy: Reply = "yes", topic: Topic | None = None) -> Case:
    """Describe a policy, of Account-B's statement and others, that an outsider can use through EC2."""
    rules: frozenset[Topic] = frozenset({"outside-access", *([topic] if topic else [])})
    answers = Answers(outside_org_can_use="yes", org_can_copy=copy)
    return Case(name, about, document(ROOT, *statements), answers, rules, "FAIL")


def organization(operator: str, value: object, key: str = ORG_ID) -> tuple[Statement, ...]:
    """Write the three statements with another test of who may use them."""
    return least({operator: {key: value}})


def beyond(
    name: str, about: str, through: dict[str, Any] | None, copy: Reply = "yes", topic: Topic | None = None
) -> Case:
    """Describe a policy whose statements test kms:ViaService as given."""
    rules: frozenset[Topic] = frozenset({"via-service", *([topic] if topic else [])})
    answers = Answers(org_can_use_outside_ec2="yes", org_can_copy=copy)
    return Case(name, about, document(ROOT, *least(through=through)), answers, rules, "FAIL")


OUTSIDERS = [
    Case(
        "world-open",
        "Grants everything to everybody.",
        document(ROOT, allow("kms:*")),
        Answers("yes", "yes", "yes", "yes"),
        frozenset({"outside-access", "via-service", "administration"}),
        "FAIL",
    ),
    outsiders("everybody-through-ec2", "Forgets the organization.", *least(None)),
    outsiders(
        "organization-if-exists",
        "Lets in whoever is in no organization.",
        *organization("StringEqualsIfExists", ORGANIZATION),
        topic="loose-match",
    ),
    outsiders(
        "organization-for-all-values",
        "Lets in whoever is in no organization, for ForAllValues holds on an absent key.",
        *organization("ForAllValues:StringEquals", ORGANIZATION),
        topic="loose-match",
    ),
    outsiders(
        "any-organization",
        "Lets in every organization by a wildcard.",
        *organization("StringLike", "o-*"),
    ),
    outsiders(
        "organization-prefix",
        "Lets in every organization whose id begins alike.",
        *organization("StringLike", f"{ORGANIZATION[:6]}*"),
    ),
    outsiders(
        "foreign-organization-listed",
        "Lists a foreign organization beside ours.",
        *organization("StringEquals", [ORGANIZATION, FOREIGN_ORGANIZATION]),
        topic="foreign-organization",
    ),
    outsiders(
        "foreign-organization-alone",
        "Has the id of another organization.",
        *organization("StringEquals", FOREIGN_ORGANIZATION),
        copy="no",
        topic="foreign-organization",
    ),
    outsiders(
        "not-the-foreign-organization",
        "Keeps out one organization, and nobody else.",
        *organization("StringNotEquals", FOREIGN_ORGANIZATION),
    ),
    outsiders(
        "in-some-organization",
        "Asks by Null only that the caller is in an organization.",
        *organization("Null", "false"),
    ),
    outsiders(
        "own-organization-variable",
        "Compares the caller's organization with itself.",
        *organization("StringEquals", "${aws:PrincipalOrgID}"),
    ),
    outsiders(
        "organization-of-the-key",
        "Lets in the organization that owns the key, which is Account-B's and not Org-A.",
        *organization("StringEquals", "${aws:ResourceOrgID}"),
        copy="no",
    ),
    outsiders(
        "paths-for-all-values",
        "Lets in whoever is in no organization, who has no paths.",
        *organization("ForAllValues:StringLike", f"{ORGANIZATION}/*", PATHS),
        topic="loose-match",
    ),
    outsiders(
        "paths-of-any-organization",
        "Lets in every organization by a wildcard in the path.",
        *organization("ForAnyValue:StringLike", "o-*/r-*/*", PATHS),
    ),
    outsiders(
        "role-name-alone",
        "Lets in whoever gives a role the right name.",
        *least(BY_ROLE),
        copy="undecided",
    ),
    outsiders(
        "no-aws-service",
        "Keeps out AWS services alone.",
        *least({"Bool": {"aws:PrincipalIsAWSService": "false"}}),
    ),
    outsiders(
        "foreign-account",
        "Names an account that is not in the organization.",
        *least(),
        allow("kms:Decrypt", THROUGH_EC2, principal=root_arn(FOREIGN), sid="Partner"),
    ),
    outsiders(
        "foreign-account-id",
        "Names an account by its 12 digits.",
        *least(),
        allow("kms:Decrypt", principal=FOREIGN, sid="Partner"),
    ),
    outsiders(
        "foreign-role",
        "Names a role of another account.",
        *least(),
        allow("kms:CreateGrant", principal=f"arn:aws:iam::{FOREIGN}:role/partner", sid="Partner"),
    ),
    outsiders(
        "foreign-caller-account",
        "Lists a foreign account by kms:CallerAccount.",
        *least(),
        allow(USE, {"StringEquals": {"kms:CallerAccount": [DR, FOREIGN]}}, sid="Partner"),
    ),
    outsiders(
        "service-for-everybody",
        "Lets a service use the key for whomever it serves.",
        *least(),
        allow("kms:GenerateDataKey*", principal={"Service": "cloudtrail.amazonaws.com"}, sid="Trail"),
    ),
    Case(
        "everybody-but-account-b",
        "Allows whoever is not named.",
        document(
            ROOT,
            {"Effect": "Allow", "NotPrincipal": {"AWS": root_arn(DR)}, "Action": list(USE), "Resource": "*"},
            *least(),
        ),
        Answers("yes", "yes"),
        frozenset({"outside-access", "via-service"}),
        "FAIL",
    ),
    outsiders(
        "deny-for-any-value",
        "Denies foreign organizations by ForAnyValue, which whoever is in none does not meet.",
        *least(None),
        deny(
            "kms:*",
            {"ForAnyValue:StringNotEquals": {ORG_ID: ORGANIZATION}, "StringNotEquals": {"aws:PrincipalAccount": DR}},
        ),
    ),
    outsiders(
        "deny-the-homeless",
        "Denies whoever is in no organization, and leaves every other organization.",
        *least(None),
        deny("kms:*", {"Null": {ORG_ID: "true"}}, {"StringNotEquals": {"aws:PrincipalAccount": DR}}),
    ),
    outsiders(
        "deny-too-little",
        "Denies outsiders to decrypt and forgets grants.",
        *least(None),
        deny("kms:Decrypt", {"StringNotEquals": {ORG_ID: ORGANIZATION, "aws:PrincipalAccount": DR}}),
    ),
    outsiders(
        "deny-spares-a-foreign-organization",
        "Denies whoever is in neither of two organizations, one of which is foreign.",
        *least(None),
        deny(
            "kms:*",
            {"StringNotEquals": {ORG_ID: [ORGANIZATION, FOREIGN_ORGANIZATION], "aws:PrincipalAccount": DR}},
        ),
    ),
]

BEYOND_EC2 = [
    Case(
        "via-service-missing",
        "Grants kms:* to the organization whichever way it comes.",
        document(ROOT, allow("kms:*", IN_ORGANIZATION)),
        Answers(org_can_use_outside_ec2="yes", org_can_administer="yes"),
        frozenset({"via-service", "administration"}),
        "FAIL",
    ),
    beyond("use-without-via-service", "Grants the use whichever way it comes.", None),
    beyond(
        "via-service-of-another-region",
        "Has EC2 of another Region, so that copies fail here.",
        {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}},
        copy="no",
    ),
    beyond(
        "via-service-of-two-regions",
        "Has EC2 of another Region as well.",
        {"StringEquals": {"kms:ViaService": [EC2, "ec2.eu-west-1.amazonaws.com"]}},
    ),
    beyond(
        "via-service-of-any-region",
        "Has EC2 of every Region by a wildcard.",
        {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}},
    ),
    beyond(
        "via-any-service",
        "Has every service of the Region by a wildcard.",
        {"StringLike": {"kms:ViaService": f"*.{REGION}.amazonaws.com"}},
    ),
    beyond(
        "via-service-if-exists",
        "Lets direct calls through, which have no kms:ViaService.",
        {"StringEqualsIfExists": {"kms:ViaService": EC2}},
        topic="loose-match",
    ),
    beyond(
        "via-service-for-all-values",
        "Lets direct calls through, for ForAllValues holds on an absent key.",
        {"ForAllValues:StringEquals": {"kms:ViaService": EC2}},
        topic="loose-match",
    ),
    beyond(
        "not-via-another-service",
        "Keeps out one service, and nothing else.",
        {"StringNotEquals": {"kms:ViaService": f"rds.{REGION}.amazonaws.com"}},
    ),
    Case(
        "grants-through-any-service",
        "Lets every AWS service make grants for the organization.",
        document(
            ROOT, *least()[:2], allow("kms:CreateGrant", IN_ORGANIZATION, {"Bool": {"kms:GrantIsForAWSResource": True}})
        ),
        Answers(org_can_use_outside_ec2="yes"),
        frozenset({"via-service"}),
        "FAIL",
    ),
    Case(
        "direct-use-hardly-denied",
        "Denies other ways by ForAnyValue, which a direct call does not meet.",
        document(
            ROOT,
            *least(through=None),
            deny(
                (*USE, "kms:CreateGrant"),
                {
                    "ForAnyValue:StringNotEquals": {"kms:ViaService": EC2},
                    "StringNotEquals": {"aws:PrincipalAccount": DR},
                },
            ),
        ),
        Answers(org_can_use_outside_ec2="yes"),
        frozenset({"via-service"}),
        "FAIL",
    ),
    Case(
        "a-restore-role-of-the-organization",
        "Lets one role of the organization decrypt directly.",
        document(
            ROOT, *least(), allow("kms:Decrypt", IN_ORGANIZATION, principal=f"arn:aws:iam::{MEMBER}:role/restore")
        ),
        Answers(org_can_use_outside_ec2="yes"),
        frozenset({"via-service"}),
        None,
    ),
]

CASES = [*OUTSIDERS, *BEYOND_EC2]
