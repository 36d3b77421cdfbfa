"""Give the sandbox's own KMS, STS and Organizations their common manners inside moto's dispatch."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import BaseResponse

from snapshot_dr_provider.sandbox.access.authentication import caller
from snapshot_dr_provider.sandbox.access.authority import Authority, denial_message
from snapshot_dr_provider.sandbox.access.errors import ApiError, render
from snapshot_dr_provider.sandbox.access.policy import Context
from snapshot_dr_provider.sandbox.access.principals import Principal

Item = TypeVar("Item")

_current: list[Authority] = []


def set_authority(authority: Authority | None) -> None:
    """Make *authority* the one that answers requests in this process, or nobody with ``None``."""
    _current[:] = [authority] if authority else []


class JudgedResponse(BaseResponse):
    """Answer the operations named in ``operations``, one at a time, and refuse every other one by name.

    Refusing keeps moto's own handlers, which know neither policies nor accounts, out of the way.
    """

    operations: ClassVar[frozenset[str]]
    denied: ClassVar[tuple[str, int]] = ("AccessDeniedException", 400)
    unsupported: ClassVar[str]

    @property
    def authority(self) -> Authority:
        """Return the authority of the sandbox that is running."""
        return _current[0]

    @property
    def principal(self) -> Principal:
        """Return who makes this request."""
        return caller(self, self.authority)

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the parameters of a JSON request."""
        try:
            parsed = json.loads(self.body or "{}")
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise ApiError("SerializationException", "The body of the request is not a JSON object")
        return parsed

    def call_action(self) -> TYPE_RESPONSE:
        """Run the operation while holding the authority, and word its errors in the service's protocol."""
        service = str(self.service_name)
        operation = self._get_action()
        try:
            self._require_modelled(operation)
            with self.authority.lock:
                return super().call_action()
        except ApiError as error:
            status, headers, body = render(service, error)
            return status, {**self.response_headers, **headers}, body

    def _require_modelled(self, operation: str) -> None:
        if operation not in self.operations:
            raise ApiError(self.unsupported, f"The sandbox does not model {self.service_name}:{operation}")

    def require_call(self, action: str, resource: str = "*", context: Context | None = None) -> None:
        """Refuse the request unless the caller's identity policies allow *action* on *resource*."""
        decision = self.authority.may_call(self.principal, action, [resource], context)
        if not decision.allowed:
            raise self.access_denied(denial_message(self.principal, action, resource, decision))

    def access_denied(self, message: str) -> ApiError:
        """Return the service's error for a call that is not allowed."""
        code, status = self.denied
        return ApiError(code, message, status)


def take_page(
    items: Sequence[Item], *, token: str | None, limit: int, bad_token: ApiError
) -> tuple[list[Item], str | None]:
    """Return at most *limit* of *items* from where *token* points, and the token of the rest.

    A token counts items, so an item that is added or removed between two pages moves the rest.

    :raises ApiError: *bad_token*, for one that no page gave out.
    """
    start = 0
    if token is not None:
        try:
            start = int(base64.b64decode(token, validate=True).decode().removeprefix("from:"))
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise bad_token from None
    end = start + limit
    following = base64.b64encode(f"from:{end}".encode()).decode() if end < len(items) else None
    return list(items[start:end]), following
