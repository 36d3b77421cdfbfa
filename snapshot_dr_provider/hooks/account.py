"""Credentials of one AWS account, or an error: never those of another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from threading import RLock
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from botocore.loaders import Loader, create_loader

from snapshot_dr_provider._compat import AirflowNotFoundException
from snapshot_dr_provider.exceptions import ConnectionMissingError, WrongAccountError
from snapshot_dr_provider.hooks.errors import translated


@cache
def _shared_loader() -> Loader:
    """Load each service model once in a process."""
    return create_loader()


class AccountHook(AwsBaseHook):
    """
    Speak to AWS as one account, in one Region.

    Unlike its base class it does not fall back to the default credential chain when the connection is missing, and
    it asks STS who it is before its first call.

    :param aws_conn_id: Airflow connection; it has to exist.
    :param region_name: Region that is spoken to.
    :param role_arn: role to assume with the connection's credentials, instead of the one that its extra names.
    :param expected_account_id: 12-digit id of the account that the credentials have to belong to.
    """

    permissions: ClassVar[tuple[str, ...]] = ()
    """IAM actions that the methods of this hook call, for the policies that are rendered from them."""

    def __init__(
        self,
        aws_conn_id: str,
        *,
        region_name: str | None = None,
        role_arn: str | None = None,
        expected_account_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(aws_conn_id, region_name=region_name, **kwargs)
        self.role_arn = role_arn or None
        self.expected_account_id = expected_account_id or None
        # boto3 clients may be shared between threads, but not made by several at once.
        self._opening = RLock()

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """
        Read the connection.

        :raises ConnectionMissingError: when there is none of that id.
        """
        if not self.aws_conn_id:
            msg = f"{self._who}: no Airflow connection is named; set its aws_conn_id"
            raise ConnectionMissingError(msg)
        try:
            connection = self.get_connection(self.aws_conn_id)
        except AirflowNotFoundException as error:
            msg = (
                f"{self._who}: the Airflow connection {self.aws_conn_id!r} does not exist, or could not be read. "
                f"Create it (airflow connections add {self.aws_conn_id} --conn-type aws ...) or correct its name in "
                "the settings."
            )
            raise ConnectionMissingError(msg) from error
        wrapper = AwsConnectionWrapper(
            conn=connection, region_name=self._region_name, botocore_config=self._config, verify=self._verify
        )
        if self.role_arn:
            wrapper.role_arn, wrapper.assume_role_method = self.role_arn, "assume_role"
        return wrapper

    @cached_property
    def _session(self) -> Any:
        session = super().get_session(region_name=self.region_name)
        # The models of the services make up nearly all of a client: 30 MB for EC2's, once and not for each account.
        session._session.register_component("data_loader", _shared_loader())  # noqa: SLF001  # boto3 gives it no name
        return session

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:  # noqa: FBT001, FBT002  # inherited signature
        """Share one session, and so one AssumeRole, between the clients of this hook."""
        if deferrable or region_name not in (None, self.region_name):
            return super().get_session(region_name=region_name, deferrable=deferrable)
        return self._session

    @property
    def _who(self) -> str:
        return f"account {self.expected_account_id}" if self.expected_account_id else "AWS"

    @property
    def client(self) -> Any:
        """
        Give the client, opened once STS has named the expected account.

        :raises WrongAccountError: when the credentials belong to another account.
        :raises AccessDeniedError: when they are unknown, expired or may not assume the role.
        """
        with self._opening:
            return self._checked_client

    @cached_property
    def _checked_client(self) -> Any:
        with translated(f"sign in with connection {self.aws_conn_id!r}{self._as_role}"):
            account_id = self.account_id if self.expected_account_id else None
            client = self.get_conn()
        if account_id != self.expected_account_id:
            msg = (
                f"connection {self.aws_conn_id!r}{self._as_role} has credentials of account {account_id}, but account "
                f"{self.expected_account_id} was expected. Nothing was read or changed. Correct the connection."
            )
            raise WrongAccountError(msg)
        return client

    @property
    def _as_role(self) -> str:
        return f" as {self.role_arn}" if self.role_arn else ""

    @contextmanager
    def asking(self, what: str, *, changes_something: bool = False) -> Iterator[Any]:
        """
        Give the client for one request, with the SDK's errors translated.

        :param what: the request in words that can follow "could not".
        :param changes_something: whether a missing answer leaves open if it took effect.
        """
        client = self.client
        with translated(f"{what} {self.where}", changes_something=changes_something):
            yield client

    @property
    def where(self) -> str:
        """Say in which account and Region this hook works."""
        account = self.expected_account_id or f"of connection {self.aws_conn_id}"
        return f"in account {account}, {self.region_name}"
