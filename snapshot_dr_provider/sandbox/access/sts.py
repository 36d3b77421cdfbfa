"""Answer STS: AssumeRole of roles that exist and trust the caller, and GetCallerIdentity."""

import json
import re
from typing import ClassVar

from moto.core.responses import ActionResult

from snapshot_dr_provider.sandbox.access.authority import denial_message
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.identities import is_role_arn, trust_document
from snapshot_dr_provider.sandbox.access.principals import user_id
from snapshot_dr_provider.sandbox.access.responses import JudgedResponse
from snapshot_dr_provider.sandbox.world import Role

#: Seconds. A role's MaxSessionDuration unless somebody raises it, and the limit of a session opened by a session [M].
_LONGEST_SESSION = 3600
_SHORTEST_SESSION = 900
_SESSION_NAME = re.compile(r"^[\w+=,.@-]{2,64}$", re.ASCII)


class StsResponse(JudgedResponse):
    """Answer STS. Plain moto lets anyone assume any role, existing or not (moto 1.8)."""

    operations: ClassVar[frozenset[str]] = frozenset({"AssumeRole", "GetCallerIdentity"})
    denied: ClassVar[tuple[str, int]] = ("AccessDenied", 403)
    unsupported: ClassVar[str] = "InvalidAction"

    def __init__(self) -> None:
        super().__init__(service_name="sts")
        self.automated_parameter_parsing = True

    def get_caller_identity(self) -> ActionResult:
        """Return who the caller is, which no policy can forbid."""
        principal = self.principal
        return ActionResult(
            {"UserId": user_id(principal), "Account": principal.account_id, "Arn": principal.session_arn}
        )

    def assume_role(self) -> ActionResult:
        """Open a session of a role that trusts the caller.

        Whether the role is missing, does not trust the caller, or asks for another external id is not told apart.
        """
        arn = self._text("RoleArn")
        name = self._text("RoleSessionName")
        if not is_role_arn(arn):
            raise _invalid(f"{arn} is invalid")
        if not _SESSION_NAME.match(name):
            raise _invalid(
                f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w+=,.@-]{2,64}"
            )
        role = self._trusting_role(arn, name)
        session = self.authority.identities.open_session(role, name, self._session_policies(), self._duration())
        return ActionResult(
            {
                "Credentials": {
                    "AccessKeyId": session.access_key_id,
                    "SecretAccessKey": session.secret_access_key,
                    "SessionToken": session.session_token,
                    "Expiration": session.expiration,
                },
                "AssumedRoleUser": {
                    "AssumedRoleId": user_id(session.principal),
                    "Arn": session.principal.session_arn,
                },
            }
        )

    def _trusting_role(self, arn: str, session_name: str) -> Role:
        principal = self.principal
        if principal.is_root:
            raise self.access_denied("Roles may not be assumed by root accounts.")
        role = self.authority.identities.role(arn)
        refused = f"User: {principal.session_arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        if role is None:
            raise self.access_denied(refused)
        context = {"sts:RoleSessionName": session_name}
        external_id = self._get_param("ExternalId")
        if external_id is not None:
            context["sts:ExternalId"] = external_id
        decision = self.authority.may_assume(principal, role, trust_document(role), context)
        if not decision.allowed and decision.explicit_deny:
            raise self.access_denied(denial_message(principal, "sts:AssumeRole", arn, decision))
        if not decision.allowed:
            raise self.access_denied(refused)
        return role

    def _duration(self) -> int:
        seconds = int(self._get_param("DurationSeconds", _LONGEST_SESSION))
        if seconds < _SHORTEST_SESSION:
            raise _invalid(
                f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
                f"Member must have value greater than or equal to {_SHORTEST_SESSION}"
            )
        if seconds > _LONGEST_SESSION and self.principal.kind == "AssumedRole":
            raise _invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        if seconds > _LONGEST_SESSION:
            raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        return seconds

    def _session_policies(self) -> tuple[str, ...]:
        if self._get_param("PolicyArns"):
            raise ApiError("InvalidAction", "The sandbox does not model managed policies in sts:AssumeRole")
        policy = self._get_param("Policy")
        if policy is None:
            return ()
        try:
            document = json.loads(policy)
        except ValueError:
            document = None
        if not isinstance(document, dict) or "Statement" not in document:
            raise ApiError("MalformedPolicyDocument", "Syntax errors in policy.")
        return (policy,)

    def _text(self, name: str) -> str:
        value = self._get_param(name)
        if not value:
            raise _invalid(
                f"1 validation error detected: Value null at '{name[0].lower()}{name[1:]}' "
                "failed to satisfy constraint: Member must not be null"
            )
        return str(value)


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)
