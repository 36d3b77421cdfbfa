"""Key policies and grants of the account that owns the keys; AWS tells nobody else (aws 2.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from snapshot_dr_provider.domain.key_policy.facts import GrantFacts, KeyFacts, KeyKind
from snapshot_dr_provider.exceptions import AwsError
from snapshot_dr_provider.hooks.kms import KmsKeyHook

Answer = TypeVar("Answer")

DEFAULT: Final = "default"
"""The one policy that PutKeyPolicy writes; ``AWS_RAM`` beside it is written by AWS RAM (aws 9.2)."""


class KeyPolicyHook(KmsKeyHook):
    """Read all that decides who may use a key."""

    permissions: ClassVar[tuple[str, ...]] = (
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:ListGrants",
        "kms:ListKeyPolicies",
    )

    def policies(self, key_arn: str) -> dict[str, str]:
        """Read every policy of a key, by its name; ``default`` alone is not the whole truth (aws 9.2)."""
        with self.asking(f"read the policies of {key_arn}") as client:
            pages = client.get_paginator("list_key_policies").paginate(KeyId=key_arn)
            names = [name for page in pages for name in page["PolicyNames"]]
            return {name: client.get_key_policy(KeyId=key_arn, PolicyName=name)["Policy"] for name in names}

    def default_policy(self, key_arn: str) -> str:
        """Read the policy that PutKeyPolicy writes, byte for byte."""
        with self.asking(f"read the policy of {key_arn}") as client:
            text: str = client.get_key_policy(KeyId=key_arn, PolicyName=DEFAULT)["Policy"]
            return text

    def grants(self, key_arn: str) -> tuple[GrantFacts, ...]:
        """Read all grants of a key."""
        with self.asking(f"list the grants of {key_arn}") as client:
            pages = client.get_paginator("list_grants").paginate(KeyId=key_arn)
            return tuple(_read_grant(item) for page in pages for item in page["Grants"])

    def facts(self, key_arn: str, kind: KeyKind) -> KeyFacts:
        """
        Read state, policies and grants of a key; what AWS refuses to tell is said so.

        :raises SnapshotDrError: when the account cannot be entered at all, and for what may pass, such as throttling.
        """
        unread: list[str] = []
        state = _unless_refused("its state", lambda: self.state(key_arn), unread)
        policies = _unless_refused("its policies", lambda: self.policies(key_arn), unread)
        grants = _unless_refused("its grants", lambda: self.grants(key_arn), unread)
        return KeyFacts(key_arn, kind, policies or {}, state, grants, tuple(unread))


class KeyAdministrationHook(KeyPolicyHook):
    """Write the key policy of KMS-B, with the credentials of its administrator; the copy role has none for it."""

    permissions: ClassVar[tuple[str, ...]] = (
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:ListKeyPolicies",
        "kms:PutKeyPolicy",
    )

    def put_policy(self, key_arn: str, text: str) -> None:
        """
        Replace the whole ``default`` policy of a key.

        There is no version to compare with, so that whoever writes last wins; read it back (aws 9.1). KMS refuses a
        policy under which the caller could not write it again: the safety check is never bypassed here.
        """
        with self.asking(f"write the policy of {key_arn}", changes_something=True) as client:
            client.put_key_policy(KeyId=key_arn, PolicyName=DEFAULT, Policy=text)
        self.log.info("wrote the key policy of %s", key_arn)

    def revise_policy(self, key_arn: str, revise: Callable[[str], str]) -> tuple[str, str]:
        """
        Read the ``default`` policy of a key, and write it as it should be, if it is not; answer it before and after.

        Another writer may read before and write after: look again later.
        """
        before = self.default_policy(key_arn)
        after = revise(before)
        if after != before:
            self.put_policy(key_arn, after)
        return before, after


def key_administration(
    key_arn: str, conn_id: str, role_arn: str | None, client_arguments: Mapping[str, Any]
) -> KeyAdministrationHook:
    """
    Open the account and Region that a key's ARN names, as the administrator of its policy.

    :param client_arguments: ``verify`` and ``config`` of the amazon provider's hooks.
    """
    _, _, _, region, account_id, _ = key_arn.split(":")
    return KeyAdministrationHook(
        conn_id, role_arn=role_arn, expected_account_id=account_id, region_name=region, **client_arguments
    )


def _unless_refused(what: str, ask: Callable[[], Answer], unread: list[str]) -> Answer | None:
    """Ask, or note why there is no answer; what may pass is raised, so that it is asked again and not judged."""
    try:
        return ask()
    except AwsError as error:
        if not error.permanent:
            raise
        unread.append(f"{what}: {error}")
        return None


def _read_grant(item: dict[str, Any]) -> GrantFacts:
    return GrantFacts(
        grant_id=item["GrantId"],
        grantee=item.get("GranteePrincipal", ""),
        operations=tuple(item.get("Operations", ())),
        name=item.get("Name", ""),
        issuing_account=item.get("IssuingAccount", ""),
        retiring=item.get("RetiringPrincipal", ""),
        constraints=item.get("Constraints", {}),
    )
