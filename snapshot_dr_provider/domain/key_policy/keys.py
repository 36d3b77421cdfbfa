"""The condition keys that a key policy can test: the global ones and those of KMS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ValueKind = Literal["string", "arn", "bool", "date", "numeric", "ip"]


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """
    Describe one condition key, or a family of them.

    :param name: as AWS writes it; one that ends in ``/`` or ``:`` is followed by the key of a tag or the like.
    :param many: whether a request carries a list of values.
    :param operations: those of KMS that carry the key; ``None`` when it is not tied to operations.
    """

    name: str
    kind: ValueKind = "string"
    many: bool = False
    operations: frozenset[str] | None = None


def find_key(name: str) -> ConditionKey | None:
    """
    Find what is known of a condition key, in whatever case it is written.

    ``None`` means that there is no such key, or that it is newer than the lists here (service authorization reference
    of 2026-10-27; the global keys as the IAM user guide lists them): what a test of it does is then not known.
    """
    wanted = name.lower()
    found = _BY_NAME.get(wanted)
    if found is not None:
        return found
    return next((each for prefix, each in _FAMILIES.items() if wanted.startswith(prefix) and wanted != prefix), None)


def is_understood(name: str) -> bool:
    """Say whether there is such a condition key, in whatever case it is written."""
    return find_key(name) is not None


_GENERATE_DATA_KEY: Final = frozenset(
    {
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
    }
)
_SYMMETRIC: Final = _GENERATE_DATA_KEY | {"Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo"}
_CONTEXT: Final = _SYMMETRIC | {"CreateGrant", "RetireGrant"}
_SIGNING: Final = frozenset({"Sign", "Verify"})
_MAC: Final = frozenset({"GenerateMac", "VerifyMac"})
_ENCAPSULATING: Final = frozenset({"Decapsulate", "Encapsulate"})
_ATTESTED: Final = frozenset(
    {"Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"}
)
_BY_ALIAS: Final = _SYMMETRIC | _SIGNING | _MAC | _ENCAPSULATING | {"DeriveSharedSecret", "DescribeKey", "GetPublicKey"}
_TAGGING: Final = frozenset({"CreateKey", "ReplicateKey", "TagResource", "UntagResource"})
_GRANTING: Final = frozenset({"CreateGrant"})
_IMPORTING: Final = frozenset({"ImportKeyMaterial"})

_GLOBAL: Final = (
    # Who asks.
    ConditionKey("aws:PrincipalArn", "arn"),
    ConditionKey("aws:PrincipalAccount"),
    ConditionKey("aws:PrincipalOrgID"),
    ConditionKey("aws:PrincipalOrgPaths", many=True),
    ConditionKey("aws:PrincipalTag/"),
    ConditionKey("aws:PrincipalIsAWSService", "bool"),
    ConditionKey("aws:PrincipalServiceName"),
    ConditionKey("aws:PrincipalServiceNamesList", many=True),
    ConditionKey("aws:PrincipalType"),
    ConditionKey("aws:userid"),
    ConditionKey("aws:username"),
    # The session.
    ConditionKey("aws:AssumedRoot", "bool"),
    ConditionKey("aws:FederatedProvider"),
    ConditionKey("aws:TokenIssueTime", "date"),
    ConditionKey("aws:SignInSessionArn", "arn"),
    ConditionKey("aws:MultiFactorAuthAge", "numeric"),
    ConditionKey("aws:MultiFactorAuthPresent", "bool"),
    ConditionKey("aws:ChatbotSourceArn", "arn"),
    ConditionKey("aws:Ec2InstanceSourceVpc"),
    ConditionKey("aws:Ec2InstanceSourcePrivateIPv4", "ip"),
    ConditionKey("aws:SourceIdentity"),
    ConditionKey("ec2:RoleDelivery", "numeric"),
    ConditionKey("ec2:SourceInstanceArn", "arn"),
    ConditionKey("glue:RoleAssumedBy"),
    ConditionKey("glue:CredentialIssuingService"),
    ConditionKey("codebuild:BuildArn", "arn"),
    ConditionKey("codebuild:ProjectArn", "arn"),
    ConditionKey("lambda:SourceFunctionArn", "arn"),
    ConditionKey("ssm:SourceInstanceArn", "arn"),
    ConditionKey("identitystore:UserId"),
    # The network.
    ConditionKey("aws:SourceIp", "ip"),
    ConditionKey("aws:SourceVpc"),
    ConditionKey("aws:SourceVpcArn", "arn"),
    ConditionKey("aws:SourceVpce"),
    ConditionKey("aws:VpceAccount"),
    ConditionKey("aws:VpceOrgID"),
    ConditionKey("aws:VpceOrgPaths", many=True),
    ConditionKey("aws:VpcSourceIp", "ip"),
    # The resource.
    ConditionKey("aws:ResourceAccount"),
    ConditionKey("aws:ResourceOrgID"),
    ConditionKey("aws:ResourceOrgPaths", many=True),
    ConditionKey("aws:ResourceTag/"),
    # The request.
    ConditionKey("aws:CalledVia", many=True),
    ConditionKey("aws:CalledViaFirst"),
    ConditionKey("aws:CalledViaLast"),
    ConditionKey("aws:CalledViaAWSMCP"),
    ConditionKey("aws:ViaAWSService", "bool"),
    ConditionKey("aws:ViaAWSMCPService", "bool"),
    ConditionKey("aws:IsMcpServiceAction", "bool"),
    ConditionKey("aws:CurrentTime", "date"),
    ConditionKey("aws:EpochTime", "date"),
    ConditionKey("aws:referer"),
    ConditionKey("aws:RequestedRegion"),
    ConditionKey("aws:RequestTag/", operations=_TAGGING),
    ConditionKey("aws:TagKeys", many=True, operations=_TAGGING),
    ConditionKey("aws:SecureTransport", "bool"),
    ConditionKey("aws:SourceAccount"),
    ConditionKey("aws:SourceArn", "arn"),
    ConditionKey("aws:SourceOrgID"),
    ConditionKey("aws:SourceOrgPaths", many=True),
    ConditionKey("aws:UserAgent"),
)

_KMS: Final = (
    ConditionKey("kms:BypassPolicyLockoutSafetyCheck", "bool", operations=frozenset({"CreateKey", "PutKeyPolicy"})),
    ConditionKey("kms:CallerAccount"),
    ConditionKey("kms:CustomerMasterKeySpec"),
    ConditionKey("kms:CustomerMasterKeyUsage"),
    ConditionKey(
        "kms:DataKeyPairSpec",
        operations=frozenset({"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"}),
    ),
    ConditionKey("kms:EncapsulationAlgorithm", operations=_ENCAPSULATING),
    ConditionKey("kms:EncryptionAlgorithm", operations=_SYMMETRIC),
    ConditionKey("kms:EncryptionContext:", operations=_CONTEXT),
    ConditionKey("kms:EncryptionContextKeys", many=True, operations=_CONTEXT),
    ConditionKey("kms:ExpirationModel", operations=_IMPORTING),
    ConditionKey("kms:GrantConstraintSourceArn", "arn", operations=_GRANTING),
    ConditionKey("kms:GrantConstraintType", operations=frozenset({"CreateGrant", "RetireGrant"})),
    # Present on these three alone: beside other actions a test of it keeps them out (aws 2.4).
    ConditionKey(
        "kms:GrantIsForAWSResource", "bool", operations=frozenset({"CreateGrant", "ListGrants", "RevokeGrant"})
    ),
    ConditionKey("kms:GrantOperations", many=True, operations=_GRANTING),
    ConditionKey("kms:GranteePrincipal", operations=_GRANTING),
    ConditionKey("kms:GranteeServicePrincipal", operations=_GRANTING),
    ConditionKey("kms:KeyAgreementAlgorithm", operations=frozenset({"DeriveSharedSecret"})),
    ConditionKey("kms:KeyOrigin"),
    ConditionKey("kms:KeySpec"),
    ConditionKey("kms:KeyUsage"),
    ConditionKey("kms:MacAlgorithm", operations=_MAC),
    ConditionKey("kms:MessageType", operations=_SIGNING),
    ConditionKey("kms:MultiRegion", "bool"),
    ConditionKey("kms:MultiRegionKeyType"),
    # With the second key policy; the reference does not list it yet (aws 9.2).
    ConditionKey("kms:PolicyName"),
    ConditionKey("kms:PrimaryRegion", operations=frozenset({"UpdatePrimaryRegion"})),
    ConditionKey("kms:ReEncryptOnSameKey", "bool", operations=frozenset({"ReEncryptFrom", "ReEncryptTo"})),
    ConditionKey("kms:RecipientAttestation:ImageSha384", operations=_ATTESTED),
    *(ConditionKey(f"kms:RecipientAttestation:PCR{index}", operations=_ATTESTED) for index in range(32)),
    *(ConditionKey(f"kms:RecipientAttestation:NitroTPMPCR{index}", operations=_ATTESTED) for index in range(24)),
    ConditionKey("kms:ReplicaRegion", operations=frozenset({"ReplicateKey"})),
    ConditionKey("kms:RequestAlias", operations=_BY_ALIAS),
    ConditionKey("kms:ResourceAliases", many=True),
    ConditionKey("kms:RetiringPrincipal", operations=_GRANTING),
    ConditionKey("kms:RetiringServicePrincipal", operations=_GRANTING),
    ConditionKey("kms:RotationPeriodInDays", "numeric", operations=frozenset({"EnableKeyRotation"})),
    ConditionKey(
        "kms:ScheduleKeyDeletionPendingWindowInDays", "numeric", operations=frozenset({"ScheduleKeyDeletion"})
    ),
    ConditionKey("kms:SigningAlgorithm", operations=_SIGNING),
    ConditionKey(
        "kms:TrailingDaysWithoutKeyUsage", "numeric", operations=frozenset({"DisableKey", "ScheduleKeyDeletion"})
    ),
    ConditionKey("kms:ValidTo", "date", operations=_IMPORTING),
    ConditionKey("kms:ViaService"),
    ConditionKey("kms:WrappingAlgorithm", operations=frozenset({"GetParametersForImport"})),
    ConditionKey("kms:WrappingKeySpec", operations=frozenset({"GetParametersForImport"})),
)

_BY_NAME: Final[Mapping[str, ConditionKey]] = {
    each.name.lower(): each for each in (*_GLOBAL, *_KMS) if not each.name.endswith(("/", ":"))
}
_FAMILIES: Final[Mapping[str, ConditionKey]] = {
    each.name.lower(): each for each in (*_GLOBAL, *_KMS) if each.name.endswith(("/", ":"))
}
