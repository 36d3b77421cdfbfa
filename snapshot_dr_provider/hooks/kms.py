"""KMS keys, as the account of a route sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from snapshot_dr_provider.exceptions import AccessDeniedError, AwsError
from snapshot_dr_provider.hooks.account import AccountHook


@dataclass(frozen=True, slots=True)
class KeyView:
    """
    Say what an account can tell about a key.

    :param state: ``Enabled``, ``Disabled``, ``PendingDeletion`` and so on; empty when the key could not be read.
    :param refused: whether a policy keeps the account from reading it.
    :param why: what AWS said, when the key could not be read.
    """

    arn: str
    state: str = ""
    refused: bool = False
    why: str = ""


class KmsKeyHook(AccountHook):
    """Read KMS keys with the credentials of one account, in one Region."""

    permissions: ClassVar[tuple[str, ...]] = ("kms:DescribeKey",)

    def __init__(self, aws_conn_id: str, **kwargs: Any) -> None:
        super().__init__(aws_conn_id, **{**kwargs, "client_type": "kms"})

    def view(self, key_arn: str) -> KeyView:
        """Read the state of a key, also of another account's, which is named by its full ARN (aws 1.2)."""
        try:
            return KeyView(key_arn, state=self.state(key_arn))
        except AwsError as error:
            return KeyView(key_arn, refused=isinstance(error, AccessDeniedError), why=str(error))

    def state(self, key_arn: str) -> str:
        """Read whether a key is ``Enabled``, ``Disabled``, ``PendingDeletion`` and so on."""
        with self.asking(f"describe key {key_arn}") as client:
            state: str = client.describe_key(KeyId=key_arn)["KeyMetadata"]["KeyState"]
            return state
