"""Write a stack as a Terraform module in JSON, which Terraform reads as it reads HCL, in a settled order."""

from __future__ import annotations

import json
import re
from functools import singledispatch
from typing import Any, Final

from snapshot_dr_provider.cli.infra.model import ArnOf, EventBus, EventRule, IamRole, Key, Parameter, Queue, Stack
from snapshot_dr_provider.cli.infra.sizes import MAX_RECEIVES, RETENTION_SECONDS
from snapshot_dr_provider.domain.key_policy.statements import Document

_REQUIRED: Final[Document] = {
    "required_version": ">= 1.4",
    "required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}},
}

_TYPES: Final = {
    Key: "aws_kms_key",
    IamRole: "aws_iam_role",
    Queue: "aws_sqs_queue",
    EventBus: "aws_cloudwatch_event_bus",
    EventRule: "aws_cloudwatch_event_rule",
}


def module(stack: Stack) -> str:
    """Write the ``main.tf.json`` of a stack, which Terraform applies in the accounts that it is for and in no other."""
    types = {each.id: _TYPES[type(each)] for each in stack.resources}
    resources: dict[str, Document] = {}
    for each in stack.resources:
        for kind, body in _resources(each).items():
            resources.setdefault(kind, {})[snake(each.id)] = _plain(body, types)
    guard = {"allowed_account_ids": list(stack.only)} if stack.only else {}
    parts: Document = {
        "//": f"snapshot-dr {stack.name}. {_escaped(stack.purpose)}",
        "terraform": _REQUIRED,
        "provider": {"aws": {"region": "${var.region}", **guard}},
        "variable": {"region": _region(stack), **{snake(each.name): _variable(each) for each in stack.parameters}},
        "resource": resources,
        "output": {name: {"value": value} for each in stack.resources for name, value in _outputs(each).items()},
    }
    return json.dumps({name: part for name, part in parts.items() if part}, indent=2) + "\n"


def snake(name: str) -> str:
    """Write a name as Terraform's own are: ``KmsBUsEast1`` as ``kms_b_us_east_1``."""
    return re.sub(r"(?<!^)(?=[A-Z])|(?<=[a-z])(?=[0-9])", "_", name).lower()


def _region(stack: Stack) -> Document:
    one = {"default": stack.regions[0]} if len(stack.regions) == 1 else {}
    return {
        "type": "string",
        "description": f"Region that it is applied in: {', '.join(stack.regions)}",
        **one,
        "validation": [
            {
                "condition": f"${{contains({json.dumps(list(stack.regions))}, var.region)}}",
                "error_message": f"It is for {', '.join(stack.regions)}.",
            }
        ],
    }


def _variable(parameter: Parameter) -> Document:
    name = snake(parameter.name)
    default = {} if parameter.default is None else {"default": parameter.default}
    return {
        "type": "string",
        "description": _escaped(parameter.purpose),
        **default,
        "validation": [
            {
                "condition": f'${{can(regex("^{parameter.pattern}$", var.{name}))}}',
                "error_message": f"{name} has to be such an ARN in full.",
            }
        ],
    }


def _outputs(resource: object) -> Document:
    if isinstance(resource, Key | IamRole):
        name = snake(resource.id)
        return {f"{name}_arn": f"${{{_TYPES[type(resource)]}.{name}.arn}}"}
    return (
        {f"{snake(resource.id)}_url": f"${{aws_sqs_queue.{snake(resource.id)}.url}}"}
        if isinstance(resource, Queue)
        else {}
    )


def _plain(value: Any, types: dict[str, str]) -> Any:
    """Turn what stands for something into Terraform's own references, and a document within a body into its text."""
    if isinstance(value, _Text):
        return json.dumps(_plain(value.document, types))
    if isinstance(value, _Reference):
        return value.text
    if isinstance(value, Parameter):
        return f"${{var.{snake(value.name)}}}"
    if isinstance(value, ArnOf):
        return f"${{{types[value.resource]}.{snake(value.resource)}.arn}}"
    if isinstance(value, _After):
        return [f"{types[value.resource]}.{snake(value.resource)}"]
    if isinstance(value, dict):
        return {key: _plain(part, types) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, types) for part in value]
    return _escaped(value) if isinstance(value, str) else value


def _escaped(text: str) -> str:
    """Write a text in which Terraform finds nothing to replace."""
    return text.replace("${", "$${").replace("%{", "%%{")


class _Text:
    """Stand for a document that a resource takes as text."""

    def __init__(self, document: Document) -> None:
        self.document = document


class _Reference:
    """Stand for a text that is Terraform's own."""

    def __init__(self, text: str) -> None:
        self.text = text


class _After:
    """Stand for the resource that has to be there before."""

    def __init__(self, resource: str) -> None:
        self.resource = resource


def _after(resource: str | None) -> Document:
    return {"depends_on": _After(resource)} if resource else {}


@singledispatch
def _resources(resource: object) -> dict[str, Document]:
    """Write a resource, with those that Terraform has apart from it, by their types."""
    raise TypeError(f"no module is known for {resource!r}")


@_resources.register
def _(key: Key) -> dict[str, Document]:
    # Runs open and lock the key: Terraform would take their change back in the middle of one.
    ignored = {"ignore_changes": ["policy"]} if key.policy_changes else {}
    name = snake(key.id)
    return {
        "aws_kms_key": {
            "description": key.description,
            "enable_key_rotation": True,
            "deletion_window_in_days": 30,
            "policy": _Text(key.policy),
            "lifecycle": {"prevent_destroy": True, **ignored},
        },
        "aws_kms_alias": {
            "name": f"alias/{key.alias}",
            "target_key_id": _Reference(f"${{aws_kms_key.{name}.key_id}}"),
        },
    }


@_resources.register
def _(role: IamRole) -> dict[str, Document]:
    path, _, name = (role.name or "").rpartition("/")
    named = {"name": name, "path": f"/{path}/" if path else "/"} if name else {}
    trust = {"Effect": "Allow", "Principal": role.principal, "Action": "sts:AssumeRole"}
    return {
        "aws_iam_role": {
            **named,
            "description": role.description,
            "assume_role_policy": _Text({"Version": "2012-10-17", "Statement": [trust]}),
        },
        "aws_iam_role_policy": {
            "name": "snapshot-dr",
            "role": _Reference(f"${{aws_iam_role.{snake(role.id)}.id}}"),
            "policy": _Text(role.policy),
        },
    }


@_resources.register
def _(queue: Queue) -> dict[str, Document]:
    redrive = {"deadLetterTargetArn": queue.dead_letter_arn, "maxReceiveCount": MAX_RECEIVES}
    return {
        "aws_sqs_queue": {
            "name": queue.name,
            "message_retention_seconds": RETENTION_SECONDS,
            "sqs_managed_sse_enabled": True,
            **({"redrive_policy": _Text(redrive)} if queue.dead_letter_arn else {}),
            # Whoever replaces a queue would lose the news that is in it.
            "lifecycle": {"prevent_destroy": True},
            **_after(queue.after),
        },
        "aws_sqs_queue_policy": {
            "queue_url": _Reference(f"${{aws_sqs_queue.{snake(queue.id)}.url}}"),
            "policy": _Text(queue.policy),
        },
    }


@_resources.register
def _(bus: EventBus) -> dict[str, Document]:
    return {
        "aws_cloudwatch_event_bus": {"name": bus.name},
        "aws_cloudwatch_event_bus_policy": {
            "event_bus_name": _Reference(f"${{aws_cloudwatch_event_bus.{snake(bus.id)}.name}}"),
            "policy": _Text({"Version": "2012-10-17", "Statement": [bus.statement]}),
        },
    }


@_resources.register
def _(rule: EventRule) -> dict[str, Document]:
    role = {"role_arn": rule.role} if rule.role else {}
    return {
        "aws_cloudwatch_event_rule": {
            "name": rule.name,
            "event_bus_name": rule.bus,
            "event_pattern": _Text(rule.pattern),
            **_after(rule.after),
        },
        "aws_cloudwatch_event_target": {
            "rule": _Reference(f"${{aws_cloudwatch_event_rule.{snake(rule.id)}.name}}"),
            "event_bus_name": rule.bus,
            "arn": rule.target_arn,
            **role,
        },
    }
