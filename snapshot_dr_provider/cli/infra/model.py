"""
What has to be made, whatever makes it: stacks of resources, each for one kind of account.

Names and ARNs are written out where the settings say them. What they cannot say is a parameter: who may assume a role,
and the ARNs of keys, whose ids are random.
"""

from __future__ import annotations

from dataclasses import dataclass

from snapshot_dr_provider.domain.key_policy.statements import Document


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    Stand for a text that whoever applies the template gives, anywhere in a document.

    :param name: in letters and digits, each word capitalized.
    :param pattern: a regular expression that the whole text fits.
    """

    name: str
    purpose: str
    pattern: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class ArnOf:
    """Stand for the ARN of another resource of the same stack, by its id."""

    resource: str


@dataclass(frozen=True, slots=True)
class Key:
    """
    Describe a KMS key with its alias; it rotates, and outlives its stack.

    :param alias: without ``alias/``.
    :param policy_changes: whether runs change the policy, so that it differs from this one in between.
    """

    id: str
    alias: str
    description: str
    policy: Document
    policy_changes: bool = False


@dataclass(frozen=True, slots=True)
class IamRole:
    """
    Describe a role with one policy.

    :param name: with its path if it has one; ``None`` leaves the name to AWS, for what is made once in each Region.
    :param principal: who may assume it, as the element of a policy has it.
    """

    id: str
    name: str | None
    description: str
    principal: Document
    policy: Document


@dataclass(frozen=True, slots=True)
class Queue:
    """
    Describe a standard SQS queue, encrypted by keys of SQS, which keeps messages as long as SQS can.

    :param dead_letter_arn: of the queue that gets what was received often and never deleted.
    :param after: id of the resource of the stack that has to be there before.
    """

    id: str
    name: str
    policy: Document
    dead_letter_arn: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class EventBus:
    """Describe an event bus and the one statement of its policy."""

    id: str
    name: str
    statement: Document


@dataclass(frozen=True, slots=True)
class EventRule:
    """
    Describe a rule with one target.

    :param bus: name of its bus.
    :param role: in whose name EventBridge puts the event into another bus; queues have a policy instead.
    :param after: id of the resource of the stack that has to be there before.
    """

    id: str
    name: str
    bus: str
    pattern: Document
    target_arn: str
    role: ArnOf | None = None
    after: str | None = None


Resource = Key | IamRole | Queue | EventBus | EventRule


@dataclass(frozen=True, slots=True)
class Stack:
    """
    Gather what is applied together.

    :param name: of the file and, after ``snapshot-dr-``, of what is applied.
    :param account: for people: which account it is applied in.
    :param regions: in which Regions; each gets all of it.
    :param everywhere: whether it is for each account of the organization, so that a StackSet applies it.
    :param only: ids of the accounts that it is for; empty where the settings do not say.
    """

    name: str
    purpose: str
    account: str
    regions: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    resources: tuple[Resource, ...]
    everywhere: bool = False
    only: tuple[str, ...] = ()

    @property
    def has_roles(self) -> bool:
        """Whether it makes roles, which has to be agreed to when it is applied."""
        return any(isinstance(each, IamRole) for each in self.resources)
