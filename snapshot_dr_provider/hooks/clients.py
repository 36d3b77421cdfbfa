"""
One client for a service and Region, whichever account asks.

A client of EC2 takes about a megabyte, and far longer to make than a call takes; a triggerer may wait for a thousand
accounts. So accounts share clients, and a request is signed with the credentials of the account that makes it, or not
at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from threading import Lock
from typing import Any, Final

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader, create_loader
from botocore.session import Session
from botocore.session import get_session as new_session
from botocore.utils import parse_timestamp

MAX_SESSIONS: Final = 64
"""Connections whose sessions are kept; mostly there is one for all accounts, and one for the DR account."""

_CALLER: Final[ContextVar[Credentials | None]] = ContextVar("caller", default=None)


class CallersCredentials(Credentials):  # type: ignore[misc]  # botocore is untyped
    """Sign as whoever calls within :func:`signed_by`; refuse everybody else."""

    def __init__(self) -> None:
        super().__init__(access_key="of the caller", secret_key="of the caller")  # noqa: S106  # there is none

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """
        Give what one request is signed with.

        :raises NoCredentialsError: outside of :func:`signed_by`.
        """
        caller = _CALLER.get()
        if caller is None:
            raise NoCredentialsError
        return caller.get_frozen_credentials()


@contextmanager
def signed_by(credentials: Credentials) -> Iterator[None]:
    """
    Sign the calls within a ``with`` block as one account.

    Blocks of two accounts are never nested, and nothing is yielded out of one: whose turn it is, is never in doubt.

    :raises RuntimeError: within a block of other credentials.
    """
    if _CALLER.get() not in (None, credentials):
        msg = "a call of one account was begun within a call of another; end the first one before"
        raise RuntimeError(msg)
    token = _CALLER.set(credentials)
    try:
        yield
    finally:
        _CALLER.reset(token)


@cache
def shared_loader() -> Loader:
    """Load the model of each service once in a process: 30 MB for that of EC2."""
    return create_loader()


def read_timestamp(value: object) -> datetime:
    """Read a time of an answer as the SDK does, but the usual form of EC2's in a fraction of the time."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    return moment if moment is not None and moment.tzinfo is not None else parse_timestamp(value)


def signing_session() -> Session:
    """Make a session whose clients sign as their callers."""
    session = new_session()
    session.register_component("data_loader", shared_loader())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_timestamp)
    session._credentials = CallersCredentials()  # noqa: SLF001  # what the amazon provider does; there is no other way
    return session


_CLIENTS: Final[dict[tuple[str, ...], Any]] = {}
_MAKING: Final = Lock()


_SESSIONS: Final[dict[str, Any]] = {}


def shared_session(key: str, make: Callable[[], Any]) -> Any:
    """
    Give the session that all who use the same connection share; to make one takes longer than a call.

    :param key: everything that sessions may differ in.
    """
    with _MAKING:
        if key not in _SESSIONS:
            while len(_SESSIONS) >= MAX_SESSIONS:
                _SESSIONS.pop(next(iter(_SESSIONS)))
            _SESSIONS[key] = make()
        return _SESSIONS[key]


def shared_client(key: tuple[str, ...], make: Callable[[Session], Any]) -> Any:
    """
    Give the client that all callers with the same key share; boto3 clients may be used from several threads.

    :param key: everything that clients may differ in: service, Region, endpoint, configuration.
    """
    with _MAKING:
        # They are as many as there are Regions and ways to call: not as many as there are accounts.
        if key not in _CLIENTS:
            _CLIENTS[key] = make(signing_session())
        return _CLIENTS[key]
