"""
Open and close the window of a run on the text of a key policy.

KMS keeps a policy as one text without a version (aws 9.1). Only our own statements are written into it or cut out of
it: every other byte stays. A statement is ours if its Sid and all that it says are exactly what this module writes for
the same organization and Region; one that somebody has widened is not, and is judged like everybody's.

A window ends by ``aws:CurrentTime``, so that it closes without a further write (aws 9.7). That guards new
authorisations, not grants that were made before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

from snapshot_dr_provider.domain.key_policy.texts import add_statements, cut_statements, find_statements
from snapshot_dr_provider.exceptions import KeyPolicyError

MAX_POLICY_BYTES: Final = 32_768
"""Size of a key policy; it may have become adjustable, which is not verified (aws 9.3)."""

MAX_WINDOW: Final = timedelta(days=7)
"""No window of ours ends later than this; a statement that does was changed by somebody."""

LAST_STARTS: Final = timedelta(minutes=5)
"""Nothing is started so shortly before the end: EBS may ask KMS later than it was called (aws 9.7)."""

_Kind = Literal["Use", "Grant"]
_Json = Mapping[str, object]

_SID: Final = re.compile(r"SnapshotDrWindow(?P<kind>Use|Grant)(?P<marker>[0-9a-f]{16})")
_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Terms:
    """Say whom every window of a key is for: an organization, through EC2 in the Region of the key."""

    organization_id: str
    region: str
    partition: str = "aws"

    @classmethod
    def of_key(cls, key_arn: str, organization_id: str) -> Terms:
        """Take Region and partition from the ARN of KMS-B."""
        _, partition, _, region, *_ = key_arn.split(":")
        return cls(organization_id, region, partition)


@dataclass(frozen=True, slots=True)
class Window:
    """
    Say for which run a key is opened, and until when.

    :param run: id of the DAG run.
    :param end: aware; whole seconds count.
    :param role_name: role that all accounts copy by, with its path; the window is for that role alone then.
    """

    terms: Terms
    run: str
    end: datetime
    role_name: str | None = None

    @property
    def marker(self) -> str:
        """Tell this run's statements from those of others; a Sid takes no run id as it is."""
        return sha256(self.run.encode()).hexdigest()[:16]

    @property
    def last_start(self) -> datetime:
        """Name the moment from which on no copy is started."""
        return self.end - LAST_STARTS

    def statements(self) -> tuple[_Json, _Json]:
        """
        Write the two statements of the window.

        CreateGrant stands apart: ``kms:GrantIsForAWSResource`` is in no request for the other actions (aws 2.4).
        """
        arn = self.role_name and f"arn:{self.terms.partition}:iam::*:role/{self.role_name}"
        return (
            _statement("Use", self.marker, self.end, arn, self.terms),
            _statement("Grant", self.marker, self.end, arn, self.terms),
        )


@dataclass(frozen=True, slots=True)
class FoundWindow:
    """
    State a window that a policy has.

    :param marker: that of its run, as :attr:`Window.marker`.
    :param end: UTC; of its statement that ends last.
    """

    marker: str
    end: datetime

    def is_live(self, now: datetime) -> bool:
        """Whether the window still lets anybody copy."""
        return now < self.end


def open_window(text: str, window: Window) -> str:
    """
    Add the window of a run to a policy, or renew its end; the same policy when it is open as long already.

    :raises KeyPolicyError: when the text is no policy, or has no room for the window.
    """
    if is_open(text, window):
        return text
    others = _without(text, window.terms, window.end + MAX_WINDOW, lambda found: found.marker == window.marker)
    opened = add_statements(others, window.statements())
    size = len(opened.encode())
    if size > MAX_POLICY_BYTES:
        msg = (
            f"the key policy would have {size} bytes with the window of this run, and KMS takes {MAX_POLICY_BYTES}. "
            "Remove statements that are no longer needed; runs that overlap each need room for their own window."
        )
        raise KeyPolicyError(msg)
    return opened


def is_open(text: str, window: Window) -> bool:
    """Whether a policy has the window of this run, for the same role and until its end at least."""
    values = [each.value for each in find_statements(text)]
    found = filter(None, (_read_window(value, window.terms, window.end + MAX_WINDOW) for value in values))
    ends = {
        each.end for each in found if each.marker == window.marker and each.end >= window.end.replace(microsecond=0)
    }
    return any(all(statement in values for statement in replace(window, end=end).statements()) for end in ends)


def close_windows(text: str, terms: Terms, *, run: str, now: datetime) -> str:
    """Cut out the window of a run, and those of ours that have ended; the same policy when there are none."""
    mine = Window(terms, run, now).marker
    return _without(text, terms, now + MAX_WINDOW, lambda found: found.marker == mine or not found.is_live(now))


def without_windows(text: str, terms: Terms, *, now: datetime) -> str:
    """Give the standing policy: that which is left when all windows of ours are set aside."""
    return _without(text, terms, now + MAX_WINDOW, lambda _: True)


def windows_in(text: str, terms: Terms, *, now: datetime) -> tuple[FoundWindow, ...]:
    """List the windows of ours, live or not."""
    found = [_read_window(each.value, terms, now + MAX_WINDOW) for each in find_statements(text)]
    ends: dict[str, datetime] = {}
    for each in filter(None, found):
        ends[each.marker] = max(each.end, ends.get(each.marker, each.end))
    return tuple(FoundWindow(marker, end) for marker, end in ends.items())


def look_alikes(text: str, terms: Terms, *, now: datetime) -> tuple[str, ...]:
    """Name the statements that bear the name of a window but say something else: somebody has changed them."""
    sids = {
        sid
        for each in find_statements(text)
        if (sid := _text_at(each.value, "Sid")) and _SID.fullmatch(sid)
        if _read_window(each.value, terms, now + MAX_WINDOW) is None
    }
    return tuple(sorted(sids))


def _statement(kind: _Kind, marker: str, end: datetime, role: str | None, terms: Terms) -> _Json:
    use: dict[str, object] = {
        "Sid": f"SnapshotDrWindow{kind}{marker}",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"],
        "Resource": "*",
    }
    condition: dict[str, object] = {
        "StringEquals": {
            "aws:PrincipalOrgID": terms.organization_id,
            "kms:ViaService": f"ec2.{terms.region}.amazonaws.com",
        },
        "DateLessThan": {"aws:CurrentTime": end.astimezone(UTC).strftime(_MOMENT)},
    }
    if role:
        condition["ArnLike"] = {"aws:PrincipalArn": role}
    if kind == "Grant":
        use["Action"] = "kms:CreateGrant"
        condition["Bool"] = {"kms:GrantIsForAWSResource": "true"}
    return {**use, "Condition": condition}


def _read_window(statement: object, terms: Terms, latest: datetime) -> FoundWindow | None:
    """Read a statement of ours; ``None`` for one that differs from it in anything."""
    sid = _SID.fullmatch(_text_at(statement, "Sid"))
    if sid is None:
        return None
    role = _text_at(statement, "Condition", "ArnLike", "aws:PrincipalArn")
    pin = rf"arn:{re.escape(terms.partition)}:iam::\*:role/[\w+=,.@/-]+"
    try:
        moment = _text_at(statement, "Condition", "DateLessThan", "aws:CurrentTime")
        end = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    if end > latest or (role and not re.fullmatch(pin, role, re.ASCII)):
        return None
    kind: _Kind = "Use" if sid["kind"] == "Use" else "Grant"
    is_ours = statement == _statement(kind, sid["marker"], end, role or None, terms)
    return FoundWindow(sid["marker"], end) if is_ours else None


def _without(text: str, terms: Terms, latest: datetime, is_to_go: Callable[[FoundWindow], bool]) -> str:
    """Cut windows of ours that end no later out of a policy."""
    found = [_read_window(each.value, terms, latest) for each in find_statements(text)]
    going = [each is not None and is_to_go(each) for each in found]
    if all(going):
        msg = (
            "the key policy has no statement but the windows of this package: the root statement of the account is "
            "missing, without which nobody could write the policy again. Add it first."
        )
        raise KeyPolicyError(msg)
    return cut_statements(text, going)


def _text_at(value: object, *path: str) -> str:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
