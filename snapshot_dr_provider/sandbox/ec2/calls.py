"""Judge what a caller of EC2 may do: identity policies for EC2 itself, both policies for the keys that it uses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snapshot_dr_provider.sandbox.access.authority import Authority, denial_message
from snapshot_dr_provider.sandbox.access.context import encryption_context, grant_context, via_service_context
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.keyring import KeyInfo
from snapshot_dr_provider.sandbox.access.principals import Principal
from snapshot_dr_provider.sandbox.ec2.model import Snapshot, Volume
from snapshot_dr_provider.sandbox.ec2.store import Store

Context = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Call:
    """Hold one EC2 request and what is needed to answer it.

    *parameters* are named as in the API's model. *copy_failure* is the StateMessage that an injected fault makes the
    copy of this request end with.
    """

    action: str
    parameters: Mapping[str, Any]
    principal: Principal
    region: str
    store: Store
    authority: Authority
    copy_failure: str | None = None

    @property
    def account_id(self) -> str:
        """Return the account that calls."""
        return self.principal.account_id

    @property
    def place(self) -> tuple[str, str]:
        """Return the account and the Region that the call is about."""
        return self.account_id, self.region

    @property
    def now(self) -> datetime:
        """Return the sandbox time."""
        return self.store.now()

    def authorize(self, resource: str, context: Context | None = None, *, action: str | None = None) -> None:
        """Refuse the call unless the caller's identity policies allow the action on *resource*.

        :raises ApiError: ``UnauthorizedOperation``, with the sentence that names principal, action and resource.
        """
        name = f"ec2:{action or self.action}"
        full: Context = {"ec2:Region": self.region, "aws:RequestedRegion": self.region, **(context or {})}
        decision = self.authority.may_call(self.principal, name, [resource], full)
        if not decision.allowed:
            sentence = denial_message(self.principal, name, resource, decision)
            raise ApiError(
                "UnauthorizedOperation", f"You are not authorized to perform this operation. {sentence}", 403
            )

    def authorize_tags(self, resource: str, tags: Mapping[str, str], context: Context) -> None:
        """Refuse to tag a resource while creating it without ``ec2:CreateTags`` for this action (aws 2.14, [O])."""
        if tags:
            self.authorize(resource, {**context, "ec2:CreateAction": self.action}, action="CreateTags")

    def stop_at_dry_run(self) -> None:
        """Stop here when the caller asked only whether it may. Source and keys are not looked at (aws 1.5, [O]).

        :raises ApiError: ``DryRunOperation``.
        """
        if self.parameters.get("DryRun"):
            raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)

    def can_access(self, snapshot: Snapshot) -> bool:
        """Tell whether the caller sees *snapshot* and can copy it.

        One that is shared with everyone counts as private where its owner blocks all public sharing (aws 7.2).
        """
        if snapshot.owner_id == self.account_id:
            return True
        public = self.store.block_public_access((snapshot.owner_id, snapshot.region)) != "block-all-sharing"
        return snapshot.is_accessible_to(self.account_id, self.now, public=public)

    def may_create_grant(self, key: KeyInfo, resource_id: str, *operations: str) -> bool:
        """Tell whether EC2 may make itself a grant of *key* for the caller, bound to *resource_id* (aws 2.3, [O])."""
        service = f"ec2.{key.region}.amazonaws.com"
        constraints = {"EncryptionContextEquals": {"aws:ebs:id": resource_id}}
        return self._may_use_key("CreateGrant", key, grant_context(service, service, operations, constraints))

    def may_generate_data_key(self, key: KeyInfo, resource_id: str) -> bool:
        """Tell whether EC2 may have a data key under *key* for the caller, for *resource_id*."""
        context = encryption_context({"aws:ebs:id": resource_id})
        return self._may_use_key("GenerateDataKeyWithoutPlaintext", key, context)

    def _may_use_key(self, action: str, key: KeyInfo, context: Context) -> bool:
        """Tell whether EC2 may use *key* in the caller's name: by IAM on both sides, and while it is enabled.

        EC2 in the Region of the key asks: for a copy from another Region that is the Region of the source, whose key
        under ``aws/ebs`` allows no other (aws 2.8; that it is so for copies is [I]).
        """
        via = via_service_context(self.principal, key.region, self.now, grant=action == "CreateGrant")
        full = {**via, **context}
        return key.enabled and self.authority.may_use_key(self.principal, f"kms:{action}", key.arn, full).allowed

    def require_describe_key(self, key: KeyInfo) -> None:
        """Refuse at once when the caller may not describe *key* (aws 2.2, 1.10, [O]).

        :raises ApiError: ``AuthFailure``.
        """
        context = via_service_context(self.principal, self.region, self.now, grant=False)
        if not self.authority.may_use_key(self.principal, "kms:DescribeKey", key.arn, context).allowed:
            raise ApiError("AuthFailure", f"Not authorized to use key {key.arn}", 403)

    def key(self, reference: str) -> KeyInfo | None:
        """Return the key that *reference* names here; ids and aliases are those of the caller's account (aws 1.2)."""
        return self.authority.key(reference, account_id=self.account_id, region=self.region)

    def default_key(self) -> KeyInfo:
        """Return the caller's ``aws/ebs`` key in this Region, which is made on first use."""
        key = self.key("alias/aws/ebs")
        if key is None:
            raise LookupError(f"account {self.account_id} has no aws/ebs key in {self.region}")
        return key

    def snapshot_context(self, snapshot: Snapshot) -> Context:
        """Return the condition keys that describe a snapshot; its tags are those that the caller sees (aws 5.7)."""
        return {
            "ec2:Owner": snapshot.owner_id,
            "aws:ResourceAccount": snapshot.owner_id,
            "ec2:Encrypted": _text(snapshot.encrypted),
            "ec2:VolumeSize": str(snapshot.size_gib),
            "ec2:SnapshotID": snapshot.id,
            **_resource_tags(snapshot.tags_of(self.account_id, self.now)),
        }

    def volume_context(self, volume: Volume) -> Context:
        """Return the condition keys that describe an existing volume."""
        return {
            "aws:ResourceAccount": volume.owner_id,
            "ec2:Encrypted": _text(volume.encrypted),
            "ec2:VolumeSize": str(volume.size_gib),
            "ec2:VolumeID": volume.id,
            **_resource_tags(volume.tags_of(self.account_id, self.now)),
        }


def new_resource_context(call: Call, tags: Mapping[str, str]) -> Context:
    """Return the condition keys of a resource that *call* would make: the requester's own, with the tags asked for."""
    return {"aws:ResourceAccount": call.account_id, "ec2:Owner": call.account_id, **request_tags(tags)}


def request_tags(tags: Mapping[str, str]) -> Context:
    """Return the condition keys of the tags in a request."""
    keys: Context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        keys["aws:TagKeys"] = tuple(tags)
    return keys


def required(call: Call, name: str) -> Any:
    """Return a parameter of the call.

    :raises ApiError: ``MissingParameter``.
    """
    value = call.parameters.get(name)
    if value in (None, "", [], {}):
        raise ApiError("MissingParameter", f"The request must contain the parameter {name[0].lower()}{name[1:]}")
    return value


def tags_for(call: Call, resource_type: str) -> dict[str, str]:
    """Return the tags of a create call's TagSpecifications.

    :raises ApiError: when they are for another type of resource, or no tags that AWS takes.
    """
    tags: dict[str, str] = {}
    for specification in call.parameters.get("TagSpecifications") or ():
        if specification.get("ResourceType") != resource_type:
            raise ApiError(
                "InvalidParameterValue",
                f"'{specification.get('ResourceType')}' is not a valid taggable resource type for this operation.",
            )
        tags.update(checked_tags(specification.get("Tags") or ()))
    return tags


def checked_tags(pairs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags as a mapping: keys to 127 characters, values to 256, no ``aws:`` (aws 5.3).

    :raises ApiError: ``InvalidParameterValue``, whose wording is from memory ([M]).
    """
    tags: dict[str, str] = {}
    for pair in pairs:
        key, value = pair.get("Key", ""), pair.get("Value") or ""
        if not key or len(key) > 127:
            raise ApiError("InvalidParameterValue", f"Tag key '{key}' must have a length between 1 and 127.")
        if key.lower().startswith("aws:"):
            raise ApiError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if len(value) > 256:
            raise ApiError("InvalidParameterValue", f"Tag value of '{key}' exceeds the maximum length of 256.")
        tags[key] = value
    require_tag_room(tags)
    return tags


def require_tag_room(tags: Mapping[str, str]) -> None:
    """Refuse more than 50 tags on one resource (aws 5.3, [M]).

    :raises ApiError: ``TagLimitExceeded``.
    """
    if len(tags) > 50:
        raise ApiError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")


def _resource_tags(tags: Mapping[str, str]) -> Context:
    keys: Context = {}
    for key, value in tags.items():
        keys[f"aws:ResourceTag/{key}"] = value
        keys[f"ec2:ResourceTag/{key}"] = value
    return keys


def _text(flag: object) -> str:
    return "true" if flag else "false"
