"""Apply the CloudFormation templates of ``airflow snapshot-dr infra`` to a sandbox, resource after resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import boto3

from snapshot_dr_provider.sandbox import Sandbox, World
from snapshot_dr_provider.sandbox.world import Role
from tests import worlds

AIRFLOW = f"arn:aws:iam::{worlds.TOOLING}:user/airflow"
DR_AIRFLOW = f"arn:aws:iam::{worlds.DR}:user/airflow"
DR_KEY_ADMIN = f"arn:aws:iam::{worlds.DR}:user/key-admin"

Stacks = dict[str, Mapping[str, Any]]
"""Templates by their names without number."""


def bare_world(**behaviour: Any) -> World:
    """Build one account that has neither the role nor the keys of ours, with users who can but assume roles."""
    world = worlds.world(1, seeds=(), **behaviour)
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/SnapshotDr*"}
    policy = {"Version": "2012-10-17", "Statement": [assume]}
    bound = {DR_AIRFLOW, DR_KEY_ADMIN}
    return replace(
        world,
        roles=(),
        keys=tuple(key for key in world.keys if key.account_id != worlds.DR),
        users=tuple(
            replace(user, policies=(policy,)) if f"arn:aws:iam::{user.account_id}:user/{user.name}" in bound else user
            for user in world.users
        ),
    )


def stacks_of(files: Mapping[str, str]) -> Stacks:
    """Read the templates among the files that ``infra`` writes."""
    return {name.split("-", 1)[1]: json.loads(text) for name, text in files.items() if name.endswith(".json")}


def apply_keys(sandbox: Sandbox, stacks: Stacks) -> Mapping[str, str]:
    """Apply the template of the keys, and tell its outputs."""
    return Applied(sandbox, stacks[f"keys-{worlds.REGION}.json"], worlds.DR).outputs


def apply_the_rest(sandbox: Sandbox, stacks: Stacks, keys: Mapping[str, str], account: str) -> None:
    """Apply all other templates, those of StackSets in one source account."""
    rest = {name: stack for name, stack in stacks.items() if not name.startswith("keys-")}
    arns = {"KmsBUsEast1": keys["KmsBArn"], "KmsCUsEast1": keys["KmsCArn"]}
    roles = rest.pop("dr-roles.json")
    admin = {"KeyAdminPrincipal": DR_KEY_ADMIN} if "KeyAdminPrincipal" in roles["Parameters"] else {}
    Applied(sandbox, roles, worlds.DR, TrustedPrincipal=DR_AIRFLOW, **admin, **arns)
    Applied(sandbox, rest.pop("source-role.json"), account, TrustedPrincipal=AIRFLOW, KmsBUsEast1=keys["KmsBArn"])
    Applied(sandbox, rest.pop("event-queue.json"), worlds.TOOLING, TrustedPrincipal=AIRFLOW)
    Applied(sandbox, rest.pop("event-rule.json"), account)
    assert not rest


class Applied:
    """
    Apply one template in one account and Region, and tell its outputs.

    A type of resource that is not known here is an error, and so is a reference to nothing. Roles go through the
    control API, since the sandbox has no IAM; what a role trusts is what its template says.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        template: Mapping[str, Any],
        account: str,
        region: str = worlds.REGION,
        **parameters: str,
    ) -> None:
        self._sandbox, self._account, self._region = sandbox, account, region
        described = template.get("Parameters", {})
        unknown = parameters.keys() - described.keys()
        assert not unknown
        self._values = {name: parameters.get(name, each.get("Default")) for name, each in described.items()}
        assert None not in self._values.values(), self._values
        self._arns: dict[str, str] = {}
        waiting = dict(template["Resources"])
        while waiting:
            ready = [name for name, each in waiting.items() if not _needs(each) & waiting.keys()]
            assert ready, f"in a circle: {list(waiting)}"
            for name in ready:
                self._apply(name, waiting.pop(name))
        self.outputs = {name: self._resolved(each["Value"]) for name, each in template.get("Outputs", {}).items()}

    def _apply(self, name: str, resource: Mapping[str, Any]) -> None:
        kind = resource["Type"].removeprefix("AWS::").replace("::", "_").lower()
        getattr(self, f"_{kind}")(name, self._resolved(resource["Properties"]))

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, dict) and "Ref" in value:
            return self._values[value["Ref"]]
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            return self._arns[value["Fn::GetAtt"][0]]
        if isinstance(value, dict):
            return {key: self._resolved(part) for key, part in value.items()}
        return [self._resolved(part) for part in value] if isinstance(value, list) else value

    def _client(self, service: str) -> Any:
        keys = self._sandbox.control.credentials(self._account)
        if self._account == worlds.DR:
            # The first user of the DR account is the one that copies.
            user = worlds.RESTORE
            keys = {"access_key_id": user.access_key_id, "secret_access_key": user.secret_access_key}
        return boto3.client(
            service,
            region_name=self._region,
            endpoint_url=self._sandbox.endpoint_url,
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
        )

    def _kms_key(self, name: str, properties: dict[str, Any]) -> None:
        # The sandbox knows no rotation.
        made = self._client("kms").create_key(
            Policy=json.dumps(properties["KeyPolicy"]), Description=properties["Description"]
        )
        self._values[name] = made["KeyMetadata"]["KeyId"]
        self._arns[name] = made["KeyMetadata"]["Arn"]

    def _kms_alias(self, name: str, properties: dict[str, Any]) -> None:
        self._client("kms").create_alias(**properties)

    def _iam_role(self, name: str, properties: dict[str, Any]) -> None:
        role_name = properties.get("RoleName", f"made-for-{name}")
        principals = [each["Principal"] for each in properties["AssumeRolePolicyDocument"]["Statement"]]
        trusts = tuple(each["AWS"] for each in principals if "AWS" in each)
        policies = tuple(each["PolicyDocument"] for each in properties["Policies"])
        self._sandbox.control.put_role(Role(self._account, role_name, trusts=trusts, policies=policies))
        self._values[name], self._arns[name] = role_name, f"arn:aws:iam::{self._account}:role/{role_name}"

    def _sqs_queue(self, name: str, properties: dict[str, Any]) -> None:
        names = ("MessageRetentionPeriod", "RedrivePolicy")
        attributes = {key: _text(properties[key]) for key in names if key in properties}
        made = self._client("sqs").create_queue(QueueName=properties["QueueName"], Attributes=attributes)
        self._values[name] = made["QueueUrl"]

    def _sqs_queuepolicy(self, name: str, properties: dict[str, Any]) -> None:
        for url in properties["Queues"]:
            attributes = {"Policy": json.dumps(properties["PolicyDocument"])}
            self._client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)

    def _events_eventbus(self, name: str, properties: dict[str, Any]) -> None:
        self._client("events").create_event_bus(**properties)
        self._values[name] = properties["Name"]

    def _events_eventbuspolicy(self, name: str, properties: dict[str, Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": [properties["Statement"]]}
        self._client("events").put_permission(EventBusName=properties["EventBusName"], Policy=json.dumps(policy))

    def _events_rule(self, name: str, properties: dict[str, Any]) -> None:
        events, bus = self._client("events"), properties["EventBusName"]
        pattern = json.dumps(properties["EventPattern"])
        events.put_rule(Name=properties["Name"], EventBusName=bus, EventPattern=pattern, State=properties["State"])
        events.put_targets(Rule=properties["Name"], EventBusName=bus, Targets=properties["Targets"])


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _needs(value: Any) -> set[str]:
    """Name what a resource refers to or comes after."""
    if isinstance(value, list):
        return set().union(*(_needs(part) for part in value))
    if not isinstance(value, dict):
        return set()
    own = {str(value[key]) for key in ("Ref", "DependsOn") if key in value}
    own |= {value["Fn::GetAtt"][0]} if "Fn::GetAtt" in value else set()
    return own.union(*(_needs(part) for part in value.values()))
