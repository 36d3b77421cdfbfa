"""The forms of the names that the settings file has in it: account and organization ids, Regions, ARNs, connections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from string import Formatter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CONN_PLACEHOLDERS: Final = ("account_id", "account_name")
"""What the template of a connection's name may have in braces."""

COMPLETION_DURATIONS: Final = range(15, 2881, 15)
"""Minutes in which a time-based copy can be asked to be completed (aws 3.6, 5.10)."""

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
_ORGANIZATION_ID: Final = re.compile(r"o-[a-z0-9]{10,32}")
_PARENT_ID: Final = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}")
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,2}-[0-9]{1,2}")
_ZONE: Final = re.compile(rf"(?P<region>{_REGION.pattern})[a-z]")
_CONN_ID: Final = re.compile(r"[\w.:/@-]+")
_ROLE_NAME: Final = re.compile(r"(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}", re.ASCII)
_ROLE_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account_id>[0-9]{12}):role/(?P<name>.+)", re.ASCII
)
_KEY_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):kms:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12}):key/(?P<key_id>[0-9A-Za-z-]+)"
)
_QUEUE_URL: Final = re.compile(
    rf"https://sqs\.(?P<region>{_REGION.pattern})\.[a-z0-9.-]+/(?P<account_id>[0-9]{{12}})/(?P<name>[A-Za-z0-9_-]{{1,80}})"
)
_ALIAS: Final = re.compile(r"(?:arn:[^:]+:kms:[^:]*:[^:]*:)?alias/.+")
_KEY_ID: Final = re.compile(r"(?:key/)?(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")

# A Region's partition by the beginning of its name; all others lie in "aws".
_PARTITIONS: Final = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of the ARN of a KMS key or of a role; a role has no Region."""

    text: str
    partition: str
    region: str
    account_id: str
    name: str

    @property
    def is_multi_region(self) -> bool:
        """Whether other Regions may have a replica of the key: the same id and the same material."""
        return self.name.startswith("mrk-")


def parse_key_arn(text: object) -> Arn | None:
    """Read the ARN of a KMS key; ``None`` when it is none."""
    match = _KEY_ARN.fullmatch(text) if isinstance(text, str) else None
    return Arn(match[0], match["partition"], match["region"], match["account_id"], match["key_id"]) if match else None


def parse_role_arn(text: object) -> Arn | None:
    """Read the ARN of an IAM role; ``None`` when it is none."""
    match = _ROLE_ARN.fullmatch(text) if isinstance(text, str) else None
    return Arn(match[0], match["partition"], "", match["account_id"], match["name"]) if match else None


@dataclass(frozen=True, slots=True)
class QueueUrl:
    """The parts of the URL of an SQS queue."""

    text: str
    region: str
    account_id: str
    name: str


def parse_queue_url(text: object) -> QueueUrl | None:
    """Read the URL of a standard queue; ``None`` when it is none."""
    match = _QUEUE_URL.fullmatch(text) if isinstance(text, str) else None
    return QueueUrl(match[0], match["region"], match["account_id"], match["name"]) if match else None


def partition_of(region: str) -> str:
    """Name the partition that a Region lies in."""
    return next((partition for start, partition in _PARTITIONS if region.startswith(start)), "aws")


def is_region(text: object) -> bool:
    """Whether a text has the form of a Region's name."""
    return isinstance(text, str) and _REGION.fullmatch(text) is not None


def is_account_id(text: object) -> bool:
    """Whether a text has the form of an account id."""
    return isinstance(text, str) and _ACCOUNT_ID.fullmatch(text) is not None


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the known names, or list them all."""
    names = sorted(known)
    near = get_close_matches(wrong, names, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(names) or 'none'}."


def unknown_placeholders(template: str) -> list[str]:
    """
    Name what a connection's template has in braces and cannot be put in.

    :raises ValueError: when the braces do not match.
    """
    names = (name for _, name, _, _ in Formatter().parse(template) if name is not None)
    return [name for name in names if name not in CONN_PLACEHOLDERS]


def require_account_id(text: str) -> str:
    """Refuse what is not an account id."""
    if is_account_id(text):
        return text
    length = f" ({len(text)} digits)" if text.isdigit() else ""
    msg = f"{text!r} is not an account id{length}: 12 digits in quotes, leading zeros included."
    raise ValueError(msg)


def require_organization_id(text: str) -> str:
    """Refuse what is not the id of an organization."""
    if _ORGANIZATION_ID.fullmatch(text):
        return text
    msg = (
        f"{text!r} is not the id of an organization: o- and 10 to 32 lower-case letters or digits. "
        "`aws organizations describe-organization --query Organization.Id` prints that of the source accounts."
    )
    raise ValueError(msg)


def require_parent_id(text: str) -> str:
    """Refuse what is not the id of an organizational unit or of the root."""
    if _PARENT_ID.fullmatch(text):
        return text
    msg = (
        f"{text!r} is not the id of an organizational unit (ou-ab12-11111111) or of the root (r-ab12); its name does "
        "not do. `aws organizations list-organizational-units-for-parent` prints the ids."
    )
    raise ValueError(msg)


def require_region(text: str) -> str:
    """Refuse what does not look like a Region; whether there is such a Region is not known here."""
    if is_region(text):
        return text
    zone = _ZONE.fullmatch(text)
    remedy = f"That is an Availability Zone; write {zone['region']}." if zone else "Write it as in us-east-1."
    msg = f"{text!r} is not a Region. {remedy}"
    raise ValueError(msg)


def require_key_arn(text: str) -> str:
    """Refuse aliases and bare key ids: each account would look them up among its own keys (aws 1.2)."""
    if parse_key_arn(text):
        return text
    if _ALIAS.fullmatch(text):
        what = "is an alias"
    elif _KEY_ID.fullmatch(text):
        what = "is a key id without its account and Region"
    else:
        msg = f"{text!r} is not the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID."
        raise ValueError(msg)
    msg = (
        f"{text!r} {what}. A source account would look it up among its own keys, and copies are checked against the "
        "key's ARN. In the DR account `aws kms describe-key --key-id ... --query KeyMetadata.Arn` prints it."
    )
    raise ValueError(msg)


def require_completion_duration(minutes: int) -> int:
    """Refuse what AWS does not take as the duration of a time-based copy (aws 3.6)."""
    if minutes in COMPLETION_DURATIONS:
        return minutes
    shortest, longest, step = COMPLETION_DURATIONS[0], COMPLETION_DURATIONS[-1], COMPLETION_DURATIONS.step
    near = min(COMPLETION_DURATIONS, key=lambda allowed: abs(allowed - minutes))
    msg = (
        f"{minutes} is no duration of a time-based copy: AWS takes {shortest} to {longest} minutes in steps of {step}. "
        f"Write {near}, or leave it out for copies that take as long as they take."
    )
    raise ValueError(msg)


def require_role_arn(text: str) -> str:
    """Refuse what is not the ARN of an IAM role."""
    if parse_role_arn(text):
        return text
    msg = f"{text!r} is not the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME."
    raise ValueError(msg)


def require_role_name(text: str) -> str:
    """Refuse what is not the name of a role, with its path if it has one."""
    if parse_role_arn(text):
        msg = f"{text!r} is an ARN. Write only what follows role/: the account of each route is put in."
        raise ValueError(msg)
    if _ROLE_NAME.fullmatch(text):
        return text
    msg = f"{text!r} is not the name of an IAM role: letters, digits and +=,.@_- , after its path if it has one."
    raise ValueError(msg)


def require_queue_url(text: str) -> str:
    """Refuse what is not the URL of a standard queue: Region and account of the queue are read from it."""
    if parse_queue_url(text):
        return text
    if text.endswith(".fifo") and parse_queue_url(text.removesuffix(".fifo")):
        msg = f"{text!r} is a FIFO queue, which the messages need no order for. Name a standard queue."
        raise ValueError(msg)
    msg = (
        f"{text!r} is not the URL of an SQS queue, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME. "
        "`aws sqs get-queue-url --queue-name ...` prints it."
    )
    raise ValueError(msg)


def require_conn_id(text: str) -> str:
    """Refuse what cannot be the id of an Airflow connection."""
    if _CONN_ID.fullmatch(text):
        return text
    msg = f"{text!r} is not the id of an Airflow connection: letters, digits and _.:/@- ."
    raise ValueError(msg)


def require_conn_template(text: str) -> str:
    """Refuse a template with other placeholders than those of an account."""
    allowed = " and ".join(f"{{{name}}}" for name in CONN_PLACEHOLDERS)
    try:
        unknown = unknown_placeholders(text)
    except ValueError as error:
        msg = f"{text!r} is not a template: {error}. Placeholders are {allowed}."
        raise ValueError(msg) from error
    if unknown:
        hints = " ".join(f"{{{name}}}: {did_you_mean(name, CONN_PLACEHOLDERS)}" for name in unknown)
        msg = f"{text!r} has placeholders that are not known. {hints}"
        raise ValueError(msg)
    require_conn_id(text.replace("{", "").replace("}", ""))
    return text
