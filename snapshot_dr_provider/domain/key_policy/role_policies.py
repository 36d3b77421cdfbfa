"""
IAM policies of the roles, made of the permissions that the hooks declare.

A hook says which actions it calls; here stands for each role in which statement an action belongs, for which resources
and under which conditions. An action that has no place is an error, so that a new call cannot be forgotten in the
policies that people apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from snapshot_dr_provider.domain.key_policy.statements import ACTIONS_OF_EC2, COPY_ACTIONS, Basis, Document, via_ec2
from snapshot_dr_provider.domain.lineage import STAGE, Stage
from snapshot_dr_provider.exceptions import ConfigurationError


class Role(Enum):
    """Name the roles as the command line does."""

    SOURCE = "source-role"
    DR_COPY = "dr-copy-role"
    KEY_ADMIN = "dr-key-admin-role"
    LISTER = "organization-role"
    EVENTS = "event-queue-role"


@dataclass(frozen=True, slots=True)
class Estate:
    """
    Say what the roles work on.

    :param former_kms_c: keys under which earlier DR copies lie; they are looked at and no longer used.
    :param queue: ARN of the queue of events; ``None`` where nothing listens to them, and so for the next one.
    :param dead_letter_queue: ARN of the queue for messages that cannot be read.
    """

    kms_b: tuple[str, ...]
    kms_c: tuple[str, ...]
    source_regions: tuple[str, ...]
    destination_regions: tuple[str, ...]
    former_kms_c: tuple[str, ...] = ()
    partition: str = "aws"
    queue: str | None = None
    dead_letter_queue: str | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """State why somebody is allowed an action: how sure it is that AWS asks for it, and for what."""

    action: str
    basis: Basis
    purpose: str


_Part = Callable[[Estate], Document]


@dataclass(frozen=True, slots=True)
class _Place:
    """
    Hold one statement of a role's policy.

    :param actions: all that belong into it, in their order; only those that are needed get there.
    """

    sid: str
    actions: tuple[str, ...]
    purpose: str
    resources: Callable[[Estate], Iterable[str]]
    conditions: tuple[_Part, ...] = ()


def role_policy(role: Role, declared: Iterable[str], estate: Estate) -> Document:
    """
    Write the IAM policy of a role.

    :param declared: what the hooks that work as this role declare to call.
    :raises ConfigurationError: when one of these actions has no place in the policy.
    """
    needed = _needed(role, declared)
    return {
        "Version": "2012-10-17",
        "Statement": [_statement(place, actions, estate) for place, actions in _filled_places(role, needed)],
    }


def role_permissions(role: Role, declared: Iterable[str]) -> list[Permission]:
    """
    Explain each action of :func:`role_policy`.

    :raises ConfigurationError: when one of these actions has no place in the policy.
    """
    return [
        Permission(action, COPY_ACTIONS.get(action, Basis.EVALUATED), place.purpose)
        for place, actions in _filled_places(role, _needed(role, declared))
        for action in actions
    ]


def _needed(role: Role, declared: Iterable[str]) -> frozenset[str]:
    """Add what EC2 asks of KMS for its caller, which no hook calls; take away what the role does not call."""
    through_ec2 = COPY_ACTIONS if role in (Role.SOURCE, Role.DR_COPY) else ()
    needed = frozenset(declared).union(through_ec2) - _NOT_CALLED.get(role, frozenset())
    homeless = sorted(needed.difference(*(place.actions for place in _PLACES[role])))
    if homeless:
        msg = (
            f"{', '.join(homeless)} is declared by a hook that works as {role.value}, but nothing says in which "
            "statement of its policy it belongs. Give it a place in domain/key_policy/role_policies.py."
        )
        raise ConfigurationError(msg)
    return needed


def _filled_places(role: Role, needed: frozenset[str]) -> list[tuple[_Place, list[str]]]:
    places = ((place, [action for action in place.actions if action in needed]) for place in _PLACES[role])
    return [(place, actions) for place, actions in places if actions]


def _statement(place: _Place, actions: list[str], estate: Estate) -> Document:
    resources = list(dict.fromkeys(place.resources(estate)))
    condition: Document = {}
    for part in place.conditions:
        for operator, tests in part(estate).items():
            condition.setdefault(operator, {}).update(tests)
    statement: Document = {
        "Sid": place.sid,
        "Effect": "Allow",
        "Action": actions[0] if len(actions) == 1 else actions,
        "Resource": resources[0] if len(resources) == 1 else resources,
    }
    return {**statement, "Condition": condition} if condition else statement


def _everything(_: Estate) -> list[str]:
    return ["*"]


def _snapshots(estate: Estate) -> list[str]:
    return [f"arn:{estate.partition}:ec2:*::snapshot/*"]


def _keys_in_use(estate: Estate) -> tuple[str, ...]:
    return (*estate.kms_b, *estate.kms_c)


def _all_keys(estate: Estate) -> tuple[str, ...]:
    return (*_keys_in_use(estate), *estate.former_kms_c)


def _kms_b(estate: Estate) -> tuple[str, ...]:
    return estate.kms_b


def _queue(estate: Estate) -> list[str]:
    return [_required(estate.queue)]


def _dead_letter_queue(estate: Estate) -> list[str]:
    return [_required(estate.dead_letter_queue)]


def _queues(estate: Estate) -> list[str]:
    return [*_queue(estate), *_dead_letter_queue(estate)]


def _required(queue: str | None) -> str:
    if queue is None:
        msg = (
            "the settings name no queue of events, so that nobody reads one. Add events with queue_url, "
            "dead_letter_queue_url and aws_conn_id."
        )
        raise ConfigurationError(msg)
    return queue


def _through_ec2_there(estate: Estate) -> Document:
    return {"StringEquals": {"kms:ViaService": via_ec2(*estate.destination_regions)}}


def _through_ec2(estate: Estate) -> Document:
    """In which Region EC2 asks for the key of a source in another one is not documented: in either."""
    regions = dict.fromkeys((*estate.source_regions, *estate.destination_regions))
    return {"StringEquals": {"kms:ViaService": via_ec2(*regions)}}


def _for_aws_resources(_: Estate) -> Document:
    return {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def _while_copying(_: Estate) -> Document:
    return {"StringEquals": {"ec2:CreateAction": "CopySnapshot"}}


def _of_stage(stage: Stage) -> _Part:
    def part(_: Estate) -> Document:
        return {"StringEquals": {f"aws:ResourceTag/{STAGE}": stage.value}}

    return part


_FOR_READING: Final = ("kms:Decrypt", "kms:ReEncryptFrom")
_FOR_WRITING: Final = tuple(action for action in ACTIONS_OF_EC2 if action not in _FOR_READING)

_COPY: Final = (
    # Both the new snapshot and its source are asked about (aws 2.14).
    _Place("Copy", ("ec2:CopySnapshot",), "start copies", _snapshots),
    _Place("TagInsideTheCopyCall", ("ec2:CreateTags",), "tag a copy while it is made", _snapshots, (_while_copying,)),
)

_PLACES: Final[Mapping[Role, tuple[_Place, ...]]] = {
    Role.SOURCE: (
        _Place("ReadSnapshots", ("ec2:DescribeSnapshots",), "find sources and copies, and follow them", _everything),
        *_COPY,
        _Place(
            "ShareOwnCopies",
            ("ec2:ModifySnapshotAttribute",),
            "share KMS-B copies with Account-B",
            _snapshots,
            (_of_stage(Stage.KMS_B),),
        ),
        _Place(
            "DeleteOwnCopies",
            ("ec2:DeleteSnapshot",),
            "delete KMS-B copies that are verified, failed, or duplicates",
            _snapshots,
            (_of_stage(Stage.KMS_B),),
        ),
        # Not through EC2 alone: a failed copy's keys are looked at directly, to name the one to blame.
        _Place("LookAtKeys", ("kms:DescribeKey",), "copy, share, find the key to blame for a failed copy", _everything),
        _Place("UseKmsBThroughEc2", _FOR_WRITING, "encrypt KMS-B copies", _kms_b, (_through_ec2_there,)),
        # Any key: the sources' keys may belong to further accounts, and each key's own policy has to allow it too.
        _Place("ReadSourcesThroughEc2", _FOR_READING, "read sources under any key", _everything, (_through_ec2,)),
        _Place(
            "GrantKeysToEc2",
            ("kms:CreateGrant",),
            "let EC2 read the source and write the copy",
            _everything,
            (_through_ec2, _for_aws_resources),
        ),
    ),
    Role.DR_COPY: (
        _Place("ReadSnapshots", ("ec2:DescribeSnapshots",), "find and verify copies", _everything),
        _Place(
            "AuditSnapshots",
            ("ec2:DescribeSnapshotAttribute", "ec2:GetSnapshotBlockPublicAccessState"),
            "audit with whom copies are shared",
            _everything,
        ),
        *_COPY,
        _Place(
            "DeleteOwnFailedCopies",
            ("ec2:DeleteSnapshot",),
            "delete KMS-C copies of ours that failed, or are duplicates",
            _snapshots,
            (_of_stage(Stage.KMS_C),),
        ),
        _Place("LookAtKeys", ("kms:DescribeKey",), "copy, find the key to blame for a failed copy, audit", _all_keys),
        _Place(
            "AuditKeys",
            ("kms:GetKeyPolicy", "kms:ListKeyPolicies", "kms:ListGrants"),
            "audit who may use the keys",
            _all_keys,
        ),
        _Place(
            "UseKeysThroughEc2",
            ACTIONS_OF_EC2,
            "read KMS-B copies, encrypt KMS-C copies",
            _keys_in_use,
            (_through_ec2_there,),
        ),
        _Place(
            "GrantKeysToEc2",
            ("kms:CreateGrant",),
            "let EC2 read the KMS-B copy and write the KMS-C copy",
            _keys_in_use,
            (_through_ec2_there, _for_aws_resources),
        ),
    ),
    Role.KEY_ADMIN: (
        _Place(
            "WriteThePolicyOfKmsB",
            ("kms:DescribeKey", "kms:ListKeyPolicies", "kms:GetKeyPolicy", "kms:PutKeyPolicy"),
            "open and lock the window",
            _kms_b,
        ),
    ),
    Role.LISTER: (
        _Place(
            "ListAccounts",
            (
                "organizations:DescribeOrganization",
                "organizations:ListAccounts",
                "organizations:ListAccountsForParent",
                "organizations:ListOrganizationalUnitsForParent",
            ),
            "list the source accounts",
            _everything,
        ),
    ),
    Role.EVENTS: (
        _Place("ReadEvents", ("sqs:ReceiveMessage", "sqs:DeleteMessage"), "take events from the queue", _queue),
        _Place("SetAside", ("sqs:SendMessage",), "set aside messages that cannot be read", _dead_letter_queue),
        _Place("LookAtQueues", ("sqs:GetQueueAttributes",), "say before a run whether the queues are there", _queues),
    ),
}

_NOT_CALLED: Final[Mapping[Role, frozenset[str]]] = {
    # What is Account-B's is never shared.
    Role.DR_COPY: frozenset({"ec2:ModifySnapshotAttribute"}),
}
"""Actions that a hook declares and a role does not call."""
