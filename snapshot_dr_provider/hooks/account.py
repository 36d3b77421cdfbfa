"""Credentials of one AWS account, or an error: never those of another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook, SessionFactory
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from snapshot_dr_provider._compat import AirflowNotFoundException
from snapshot_dr_provider.exceptions import (
    AccessDeniedError,
    ConnectionMissingError,
    RoleRefusedError,
    WrongAccountError,
)
from snapshot_dr_provider.hooks.clients import shared_client, shared_loader, shared_session, signed_by
from snapshot_dr_provider.hooks.errors import translated

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.session import Session

MAX_CONNECTIONS: Final = 32
"""Connections that a client keeps open; all accounts use the same one."""

_ABOUT_THE_ROLE: Final = (
    "AWS says the same of a role that is not there, of one that does not trust the caller, and of a caller that may "
    "not call sts:AssumeRole. Create the role, or correct its trust policy or the caller's policy."
)

ONCE: Final = Config(retries={"total_max_attempts": 1, "mode": "standard"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Hold credentials, and the account that STS says they belong to."""

    account_id: str
    credentials: Credentials


class _SessionFactory(SessionFactory):  # type: ignore[misc, valid-type]  # a class that Airflow's configuration names
    """
    Sign in as the amazon provider does, with a client of STS that all accounts share.

    :param sts: gives that client, which is asked to assume a role.
    """

    def __init__(self, sts: Callable[[], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sts = sts
        self.assumed_role_arn = ""

    def credentials(self) -> Credentials:
        """
        Get credentials that renew themselves; for a role without the session that nobody would use.

        :raises NoCredentialsError: when the connection says none and there are none in the environment.
        """
        if self.role_arn and self.conn.assume_role_method == "assume_role":
            return RefreshableCredentials.create_from_metadata(
                metadata=self._assumed(), refresh_using=self._assumed, method="sts-assume-role"
            )
        return _found(self.create_session())

    def _assumed(self) -> dict[str, str]:
        # In a context of its own: it becomes due in the middle of a call that is signed with what is to be renewed.
        answer = Context().run(self._assume)
        self.assumed_role_arn = answer["AssumedRoleUser"]["Arn"]
        given = answer["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    def _assume(self) -> Any:
        with signed_by(_found(self.basic_session)):
            return self._assume_role(self._sts())

    def _create_basic_session(self, session_kwargs: dict[str, Any]) -> Any:
        def make() -> Any:
            session = super(_SessionFactory, self)._create_basic_session(session_kwargs)
            session._session.register_component("data_loader", shared_loader())  # noqa: SLF001  # boto3 gives it no name
            return session

        return shared_session(repr(sorted(session_kwargs.items())), make)


def _found(session: Any) -> Credentials:
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


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

    @property
    def _who(self) -> str:
        return f"account {self.expected_account_id}" if self.expected_account_id else "AWS"

    @property
    def client(self) -> Any:
        """
        Give the client, once STS has named the expected account. It can be used within :meth:`asking` only.

        :raises WrongAccountError: when the credentials belong to another account.
        :raises AccessDeniedError: when they are unknown, expired or may not assume the role.
        """
        self._checked_identity()
        return self._client()

    def sign_in(self) -> None:
        """
        Have STS name the expected account, without any other request.

        :raises RoleRefusedError: when the role that enters it is not there, or may not be assumed.
        :raises WrongAccountError: when the credentials belong to another account.
        """
        self._checked_identity()

    def _checked_identity(self) -> Identity:
        # Several threads may use one hook: it signs in once.
        with self._opening:
            return self._identity

    @cached_property
    def _identity(self) -> Identity:
        try:
            with translated(f"sign in with connection {self.aws_conn_id!r}{self._as_role} in {self.region_name}"):
                identity = self._sign_in()
        except AccessDeniedError as error:
            if error.code != "AccessDenied":
                raise
            raise RoleRefusedError(f"{str(error).rstrip('.')}. {_ABOUT_THE_ROLE}", error.code) from error
        if self.expected_account_id and identity.account_id != self.expected_account_id:
            msg = (
                f"connection {self.aws_conn_id!r}{self._as_role} has credentials of account {identity.account_id}, but "
                f"account {self.expected_account_id} was expected. Nothing was read or changed. Correct the connection."
            )
            raise WrongAccountError(msg)
        return identity

    def _sign_in(self) -> Identity:
        """Get credentials as the connection says, and their account: by AssumeRole's answer, or by asking STS."""
        factory = _SessionFactory(
            lambda: self._client_of("sts", sts_connection_assume=True),
            conn=self.conn_config,
            region_name=self.region_name,
            config=self.config,
        )
        credentials = factory.credentials()
        if factory.assumed_role_arn:
            return Identity(factory.assumed_role_arn.split(":")[4], credentials)
        with signed_by(credentials):
            return Identity(self._client_of("sts").get_caller_identity()["Account"], credentials)

    def _client(self, *, once: bool = False) -> Any:
        return self._client_of(self._resolve_service_name(is_resource_type=False), once=once)

    def _client_of(self, service: str, *, once: bool = False, **purpose: bool) -> Any:
        """Give the client of a service that all hooks with the same configuration share."""
        endpoint = self.conn_config.get_service_endpoint_url(service, **purpose)

        def make(session: Session) -> Any:
            # A copy: the SDK writes into what it is given.
            config = Config(max_pool_connections=MAX_CONNECTIONS).merge(deepcopy(self.config))
            return session.create_client(
                service,
                region_name=self.region_name,
                endpoint_url=endpoint,
                config=self._get_config(config.merge(ONCE) if once else config),
                verify=self.verify,
            )

        return shared_client((service, str(endpoint), str(once), *self._configuration), make)

    @cached_property
    def _configuration(self) -> tuple[str, ...]:
        """Say in what the clients of two hooks may differ."""
        options = {name: value for name, value in vars(self.config).items() if not name.startswith("_")}
        endpoints = {name: value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL")}
        return (
            str(self.region_name),
            str(self.verify),
            repr(sorted(options.items())),
            repr(sorted(endpoints.items())),
        )

    @property
    def _as_role(self) -> str:
        return f" as {self.role_arn}" if self.role_arn else ""

    @contextmanager
    def asking(self, what: str, *, changes_something: bool = False, once: bool = False) -> Iterator[Any]:
        """
        Give the client for one request, with the SDK's errors translated; nothing may be yielded out of the block.

        :param what: the request in words that can follow "could not".
        :param changes_something: whether a missing answer leaves open if it took effect.
        :param once: whether the SDK sends the request one single time, whatever becomes of it.
        """
        identity = self._checked_identity()
        with translated(f"{what} {self.where}", changes_something=changes_something), signed_by(identity.credentials):
            yield self._client(once=once)

    @property
    def where(self) -> str:
        """Say in which account and Region this hook works."""
        account = self.expected_account_id or f"of connection {self.aws_conn_id}"
        return f"in account {account}, {self.region_name}"
