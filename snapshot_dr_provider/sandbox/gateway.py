"""Receive every request: authenticate it, apply faults, route it, log it."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from moto.moto_server.werkzeug_app import create_backend_app

from snapshot_dr_provider.sandbox.access import authentication
from snapshot_dr_provider.sandbox.access.errors import Answer, ApiError, render
from snapshot_dr_provider.sandbox.access.principals import Principal, UnknownCredentials
from snapshot_dr_provider.sandbox.control import Control
from snapshot_dr_provider.sandbox.ec2.calls import Call
from snapshot_dr_provider.sandbox.faults import Fault
from snapshot_dr_provider.sandbox.serving import CONNECTION, Environ, as_wsgi, cut
from snapshot_dr_provider.sandbox.simulation import Simulation

WsgiApplication = Callable[..., Iterable[bytes]]

#: The services that the sandbox answers for; EC2 itself, the others through moto.
SERVICES = ("ec2", "events", "kms", "organizations", "sqs", "sts")

#: What a throttled call is answered with, by service (aws 3.4; those of the others are [M]).
_THROTTLED = {
    "ec2": ("RequestLimitExceeded", 503),
    "kms": ("ThrottlingException", 400),
    "organizations": ("TooManyRequestsException", 400),
    "sts": ("Throttling", 400),
}
_FORBIDDEN = frozenset({"AuthFailure", "UnauthorizedOperation", "AccessDenied", "ExpiredToken", "InvalidClientTokenId"})
_CODE = re.compile(r'<Code>([^<]+)</Code>|"__type":\s*"(?:[^"]*#)?([^"]+)"')


@dataclass(frozen=True, slots=True)
class _Request:
    """Hold what is known of a request before it is routed."""

    service: str
    region: str
    action: str
    form: Mapping[str, str]
    parameters: Mapping[str, Any]


class Gateway:
    """Be the application of a sandbox's server."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._control = Control(simulation)
        self._moto: dict[str, WsgiApplication] = {}
        self._guard = threading.Lock()

    def __call__(self, environ: Environ, body: bytes) -> Answer:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path.startswith("/sandbox/"):
            return self._control.answer(path.removeprefix("/sandbox/"), body)
        request = self._parse(environ, body)
        if request is None:
            error = ApiError("MissingAuthenticationToken", "The sandbox answers signed requests of its services.", 403)
            return render("sts", error)
        try:
            principal = authentication.authenticate(self._simulation.authority, environ)
        except UnknownCredentials as error:
            answer = authentication.refusal(request.service, error)
            self._record(request, "", answer)
            return answer
        self._simulation.tick()
        return self._serve(environ, body, request, principal)

    def _serve(self, environ: Environ, body: bytes, request: _Request, principal: Principal) -> Answer:
        """Apply the faults that are due around the call itself."""
        faults = self._simulation.faults.take(request.service, request.action, principal.account_id, request.parameters)
        for delay in faults:
            if delay.kind == "delay":
                time.sleep(delay.seconds)
        fault: Fault | None = next((each for each in faults if each.kind != "delay"), None)
        kind = fault.kind if fault else None
        if fault and kind in ("error", "throttle", "server_error"):
            answer = render(request.service, _injected_error(request.service, fault))
        elif kind == "reset_before":
            self._record(request, principal.account_id, None)
            cut(environ[CONNECTION])
        else:
            copy_failure = (fault.message or "Internal error") if fault and kind == "copy_error" else None
            answer = self._route(environ, body, request, principal, copy_failure)
        self._simulation.tick()
        if kind == "lost_answer":
            self._record(request, principal.account_id, None)
            cut(environ[CONNECTION])
        self._record(request, principal.account_id, answer)
        return answer

    def _route(
        self, environ: Environ, body: bytes, request: _Request, principal: Principal, copy_failure: str | None
    ) -> Answer:
        if request.service != "ec2":
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = principal.account_id
            return _call_application(self._moto_application(request.service), as_wsgi(environ, body))
        simulation = self._simulation
        call = Call(
            action=request.action,
            parameters=request.parameters,
            principal=principal,
            region=request.region,
            store=simulation.store,
            authority=simulation.authority,
            copy_failure=copy_failure,
        )
        return simulation.ec2.answer(call)

    def _moto_application(self, service: str) -> WsgiApplication:
        """Return moto's application for a service; its dispatcher would look for the service anew for each request."""
        with self._guard:
            if service not in self._moto:
                self._moto[service] = create_backend_app(service)  # type: ignore[arg-type]  # A Literal of all names.
            return self._moto[service]

    def _parse(self, environ: Environ, body: bytes) -> _Request | None:
        signed_for = authentication.service_and_region(environ)
        if signed_for is None or signed_for[0] not in SERVICES:
            return None
        service, region = signed_for
        target = environ.get("HTTP_X_AMZ_TARGET")
        if target:
            return _Request(service, region, target.rpartition(".")[2], {}, _json_object(body))
        form = _form(body.decode("utf-8", "replace"))
        action = form.get("Action", "")
        parameters: Mapping[str, Any] = form
        if service == "ec2":
            parameters = self._simulation.ec2.parameters(action, form)
        return _Request(service, region, action, form, parameters)

    def _record(self, request: _Request, account_id: str, answer: Answer | None) -> None:
        status, code = (0, None) if answer is None else (answer[0], _error_code(answer))
        self._simulation.counters.record(
            request.service,
            request.action,
            account_id,
            request.region,
            request.parameters,
            status=status,
            code=code,
        )


def _injected_error(service: str, fault: Fault) -> ApiError:
    if fault.kind == "throttle":
        code, status = _THROTTLED.get(service, ("ThrottlingException", 400))
        return ApiError(fault.code or code, fault.message or "Request limit exceeded.", status)
    if fault.kind == "server_error":
        code = fault.code or ("InternalError" if service == "ec2" else "InternalFailure")
        return ApiError(code, fault.message or "An internal error has occurred", 500)
    code = fault.code or "InvalidParameterValue"
    return ApiError(code, fault.message or "Injected by the sandbox", 403 if code in _FORBIDDEN else 400)


def _form(text: str) -> dict[str, str]:
    """Return the fields of a form; ``parse_qsl`` costs as much as the rest of a small call."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {_unquoted(name): _unquoted(value) for name, _, value in pairs}


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _error_code(answer: Answer) -> str | None:
    status, _, body = answer
    if status < 400:
        return None
    match = _CODE.search(body)
    return (match[1] or match[2]) if match else str(status)


def _call_application(application: WsgiApplication, environ: Environ) -> Answer:
    """Run a WSGI application and collect its answer."""
    collected: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        collected["status"], collected["headers"] = int(status.split(maxsplit=1)[0]), dict(headers)

    body = b"".join(application(environ, start_response))
    return collected["status"], collected["headers"], body.decode("utf-8")
