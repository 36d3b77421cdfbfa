"""Find out who signed a request.

Requests are told apart by their access key id and session token; the signature itself is not verified, so a wrong
secret goes unnoticed. The HTTP server authenticates every request and hands moto the account in ``x-moto-account-id``,
which moto prefers to its own look-up and to its default account (moto 3).
"""

import re
from collections.abc import Mapping
from typing import Any

from moto.core.responses import BaseResponse

from snapshot_dr_provider.sandbox.access.authority import Authority
from snapshot_dr_provider.sandbox.access.errors import JSON_SERVICES, Answer, ApiError, render
from snapshot_dr_provider.sandbox.access.principals import ExpiredCredentials, Principal, UnknownCredentials

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


def service_and_region(environ: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return service and Region that a WSGI request is signed for, or ``None`` when it bears no SigV4 header."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match[3], match[2]) if match else None


def access_key_id(environ: Mapping[str, Any]) -> str | None:
    """Return the access key id that a WSGI request is signed with, or ``None``."""
    return _key_in(environ.get("HTTP_AUTHORIZATION", ""))


def _key_in(authorization: str) -> str | None:
    match = _CREDENTIAL.search(authorization)
    return match[1] if match else None


def authenticate(authority: Authority, environ: Mapping[str, Any]) -> Principal:
    """Return who signed a WSGI request.

    :raises UnknownCredentials: for no key, a key of nobody, a key from before a reset, or another key's session token.
    """
    return authority.principal_of(access_key_id(environ), environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))


def caller(response: BaseResponse, authority: Authority) -> Principal:
    """Return who signed the request that one of moto's *response* objects is answering."""
    headers = response.headers
    return authority.principal_of(_key_in(headers.get("Authorization", "")), headers.get("X-Amz-Security-Token", ""))


def refusal(service: str, error: UnknownCredentials) -> Answer:
    """Return status, headers and body with which *service* refuses credentials.

    The codes of EC2 for expired credentials and of JSON services for both are from memory [M].
    """
    return render(service, _refusal(service, expired=isinstance(error, ExpiredCredentials)))


def _refusal(service: str, *, expired: bool) -> ApiError:
    if service == "ec2" and expired:
        return ApiError("RequestExpired", "Request has expired.")
    if service == "ec2":
        return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    json_service = service in JSON_SERVICES
    if expired:
        message = "The security token included in the request is expired"
        return ApiError("ExpiredTokenException", message) if json_service else ApiError("ExpiredToken", message, 403)
    message = "The security token included in the request is invalid."
    if json_service:
        return ApiError("UnrecognizedClientException", message)
    return ApiError("InvalidClientTokenId", message, 403)
