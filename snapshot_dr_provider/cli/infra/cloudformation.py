"""Write a stack as a CloudFormation template: JSON in a settled order, so that a change is a small difference."""

from __future__ import annotations

import json
from functools import singledispatch
from typing import Any, Final

from snapshot_dr_provider.cli.infra.model import ArnOf, EventBus, EventRule, IamRole, Key, Parameter, Queue, Stack
from snapshot_dr_provider.cli.infra.sizes import MAX_RECEIVES, RETENTION_SECONDS
from snapshot_dr_provider.domain.key_policy.statements import Document

_KEEP: Final = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def template(stack: Stack) -> str:
    """Write the template of a stack."""
    resources: Document = {}
    for each in stack.resources:
        resources |= _resources(each)
    parts: Document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"snapshot-dr {stack.name}. {stack.purpose}",
        "Parameters": {each.name: _parameter(each) for each in stack.parameters},
        "Resources": _plain(resources),
        "Outputs": {name: {"Value": value} for each in stack.resources for name, value in _outputs(each).items()},
    }
    return json.dumps({name: part for name, part in parts.items() if part}, indent=2) + "\n"


def _parameter(parameter: Parameter) -> Document:
    default = {} if parameter.default is None else {"Default": parameter.default}
    return {
        "Type": "String",
        "Description": parameter.purpose,
        "AllowedPattern": f"^{parameter.pattern}$",
        **default,
    }


def _plain(value: Any) -> Any:
    """Turn what stands for something into CloudFormation's own references."""
    if isinstance(value, Parameter):
        return {"Ref": value.name}
    if isinstance(value, ArnOf):
        return {"Fn::GetAtt": [value.resource, "Arn"]}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _outputs(resource: object) -> Document:
    if isinstance(resource, Key | IamRole):
        return {f"{resource.id}Arn": {"Fn::GetAtt": [resource.id, "Arn"]}}
    return {f"{resource.id}Url": {"Ref": resource.id}} if isinstance(resource, Queue) else {}


@singledispatch
def _resources(resource: object) -> Document:
    """Write a resource, with those that CloudFormation has apart from it."""
    raise TypeError(f"no template is known for {resource!r}")


@_resources.register
def _(key: Key) -> Document:
    # CloudFormation writes a policy only when the template's own has changed, so it leaves alone what runs do to it.
    note = {"Metadata": {"Comment": "Runs change the policy. Update it between runs."}} if key.policy_changes else {}
    return {
        key.id: {
            "Type": "AWS::KMS::Key",
            **_KEEP,
            **note,
            "Properties": {
                "Description": key.description,
                "EnableKeyRotation": True,
                "PendingWindowInDays": 30,
                "KeyPolicy": key.policy,
            },
        },
        f"{key.id}Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": f"alias/{key.alias}", "TargetKeyId": {"Ref": key.id}},
        },
    }


@_resources.register
def _(role: IamRole) -> Document:
    path, _, name = (role.name or "").rpartition("/")
    named = {"RoleName": name, "Path": f"/{path}/" if path else "/"} if name else {}
    trust = {"Effect": "Allow", "Principal": role.principal, "Action": "sts:AssumeRole"}
    return {
        role.id: {
            "Type": "AWS::IAM::Role",
            "Properties": {
                **named,
                "Description": role.description,
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [{"PolicyName": "snapshot-dr", "PolicyDocument": role.policy}],
            },
        }
    }


@_resources.register
def _(queue: Queue) -> Document:
    redrive = {"deadLetterTargetArn": queue.dead_letter_arn, "maxReceiveCount": MAX_RECEIVES}
    properties: Document = {
        "QueueName": queue.name,
        "MessageRetentionPeriod": RETENTION_SECONDS,
        "SqsManagedSseEnabled": True,
        **({"RedrivePolicy": redrive} if queue.dead_letter_arn else {}),
    }
    return {
        queue.id: {
            "Type": "AWS::SQS::Queue",
            # Whoever replaces a queue would lose the news that is in it.
            **_KEEP,
            **_after(queue.after),
            "Properties": properties,
        },
        f"{queue.id}Policy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [{"Ref": queue.id}], "PolicyDocument": queue.policy},
        },
    }


@_resources.register
def _(bus: EventBus) -> Document:
    return {
        bus.id: {"Type": "AWS::Events::EventBus", "Properties": {"Name": bus.name}},
        f"{bus.id}Policy": {
            "Type": "AWS::Events::EventBusPolicy",
            "Properties": {
                "EventBusName": {"Ref": bus.id},
                "StatementId": bus.statement["Sid"],
                "Statement": bus.statement,
            },
        },
    }


@_resources.register
def _(rule: EventRule) -> Document:
    role = {"RoleArn": rule.role} if rule.role else {}
    return {
        rule.id: {
            "Type": "AWS::Events::Rule",
            **_after(rule.after),
            "Properties": {
                "Name": rule.name,
                "EventBusName": rule.bus,
                "EventPattern": rule.pattern,
                "State": "ENABLED",
                "Targets": [{"Id": "target", "Arn": rule.target_arn, **role}],
            },
        }
    }


def _after(resource: str | None) -> Document:
    return {"DependsOn": resource} if resource else {}
