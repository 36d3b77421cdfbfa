"""Which policy is rendered from which part of the settings, and the permissions that the hooks declare for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from snapshot_dr_provider.domain.key_policy.role_policies import (
    Estate,
    Permission,
    Role,
    role_permissions,
    role_policy,
)
from snapshot_dr_provider.domain.key_policy.statements import (
    COPY_ACTIONS,
    Basis,
    Document,
    Trust,
    kms_b_locked_policy,
    kms_b_policy,
    kms_b_wide_policy,
    kms_c_policy,
)
from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.hooks.account import AccountHook
from snapshot_dr_provider.hooks.ebs import EbsSnapshotHook, SnapshotAuditHook
from snapshot_dr_provider.hooks.event_queue import EventQueueHook
from snapshot_dr_provider.hooks.key_policies import KeyAdministrationHook, KeyPolicyHook
from snapshot_dr_provider.hooks.kms import KmsKeyHook
from snapshot_dr_provider.hooks.organizations import OrganizationsHook
from snapshot_dr_provider.settings import Settings
from snapshot_dr_provider.settings.names import did_you_mean, parse_queue_url, partition_of

HOOKS: Final[Mapping[Role, tuple[type[AccountHook], ...]]] = {
    Role.SOURCE: (EbsSnapshotHook, KmsKeyHook),
    Role.DR_COPY: (EbsSnapshotHook, SnapshotAuditHook, KmsKeyHook, KeyPolicyHook),
    Role.KEY_ADMIN: (KeyAdministrationHook,),
    Role.LISTER: (OrganizationsHook,),
    Role.EVENTS: (EventQueueHook,),
}
"""What works as each role."""

KEY_POLICIES: Final = ("kms-b", "kms-b-locked", "kms-c")

_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "kms-b": ("--wide", "--role", "--pin", "--restore-role"),
    "kms-b-locked": ("--restore-role",),
}
"""What can be asked for beside the Region, by document; no other document has such a choice."""


@dataclass(frozen=True, slots=True)
class Choices:
    """
    Say what is asked for beside the name of the document.

    :param region: destination Region; all of them, or the only one, when it is not named.
    :param role_name: role that KMS-B is pinned to; ``pin`` takes the one that the settings name.
    :param restore_role_arns: in addition to those of the settings.
    """

    region: str | None = None
    wide: bool = False
    pin: bool = False
    role_name: str | None = None
    restore_role_arns: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Name the options that were used and are not for every document."""
        used = {
            "--wide": self.wide,
            "--pin": self.pin,
            "--role": self.role_name,
            "--restore-role": self.restore_role_arns,
        }
        return tuple(option for option, is_used in used.items() if is_used)


def render(name: str, settings: Settings, choices: Choices) -> Document:
    """
    Render one policy.

    :param name: ``kms-b``, ``kms-b-locked``, ``kms-c`` or the value of a :class:`Role`.
    :raises ConfigurationError: when the choices do not go with the document or with the settings.
    """
    _require_fitting(name, choices)
    if name not in KEY_POLICIES:
        return role_policy(Role(name), declared(Role(name)), estate_of(settings, choices.region))
    trust = _trust(settings, choices)
    if name == "kms-b":
        return kms_b_wide_policy(trust) if choices.wide else kms_b_policy(trust)
    return kms_b_locked_policy(trust) if name == "kms-b-locked" else kms_c_policy(trust)


def explain(name: str) -> list[Permission]:
    """Explain the actions of a policy beside Account-B's own root statement."""
    if name == "kms-b":
        purpose = "copies of the organization under KMS-B"
        return [Permission(action, basis, purpose) for action, basis in COPY_ACTIONS.items()]
    if name == "kms-b-locked":
        return [Permission("kms:DescribeKey", Basis.EVALUATED, "share KMS-B copies of the organization")]
    return [] if name == "kms-c" else role_permissions(Role(name), declared(Role(name)))


def declared(role: Role) -> list[str]:
    """Collect what the hooks that work as a role declare to call."""
    return list(dict.fromkeys(action for hook in HOOKS[role] for action in hook.permissions))


def estate_of(settings: Settings, region: str | None = None) -> Estate:
    """
    Take from the settings what the roles work on: one destination Region, or all of them.

    :raises ConfigurationError: when the settings do not have that Region.
    """
    regions = [_destination(settings, region)] if region else list(settings.destinations)
    sources = [source for source, to in settings.source_regions.items() if not set(regions).isdisjoint(to)]
    keys = [settings.destinations[each] for each in regions]
    return Estate(
        kms_b=tuple(each.kms_b for each in keys),
        kms_c=tuple(each.kms_c for each in keys),
        former_kms_c=tuple(former for each in keys for former in each.former_kms_c),
        source_regions=tuple(sources),
        destination_regions=tuple(regions),
        partition=partition_of(regions[0]),
        queue=queue_arn(settings.events.queue_url) if settings.events else None,
        dead_letter_queue=queue_arn(settings.events.dead_letter_queue_url) if settings.events else None,
    )


def queue_arn(url: str) -> str | None:
    """Name the queue of a URL by its ARN; ``None`` when it is the URL of none."""
    queue = parse_queue_url(url)
    if queue is None:
        return None
    return f"arn:{partition_of(queue.region)}:sqs:{queue.region}:{queue.account_id}:{queue.name}"


def _trust(settings: Settings, choices: Choices) -> Trust:
    region = _destination(settings, choices.region)
    return Trust(
        organization_id=settings.organization_id,
        dr_account_id=settings.dr_account.account_id,
        region=region,
        partition=partition_of(region),
        role_name=choices.role_name or (_role_of_settings(settings) if choices.pin else None),
        restore_role_arns=tuple(dict.fromkeys((*settings.kms_b_restore_role_arns, *choices.restore_role_arns))),
    )


def _destination(settings: Settings, region: str | None) -> str:
    """Choose the destination Region: each has keys of its own."""
    known = list(settings.destinations)
    if region is None and len(known) == 1:
        return known[0]
    if region is None:
        msg = (
            f"the settings have {len(known)} destination Regions, each with keys and key policies of its own: "
            f"{', '.join(known)}. Choose one with --region."
        )
        raise ConfigurationError(msg)
    if region not in settings.destinations:
        msg = f"--region {region} is not a destination of the settings. {did_you_mean(region, known)}"
        raise ConfigurationError(msg)
    return region


def _role_of_settings(settings: Settings) -> str:
    role = settings.source_connection and settings.source_connection.role_name
    if not role:
        msg = (
            "--pin takes the role from source_connection.role_name, which the settings do not have. Name the role that "
            "copies in all accounts with --role."
        )
        raise ConfigurationError(msg)
    return role


def _require_fitting(name: str, choices: Choices) -> None:
    unfit = [option for option in choices.options if option not in _OPTIONS.get(name, ())]
    if unfit:
        documents = " and ".join(document for document, options in _OPTIONS.items() if unfit[0] in options)
        msg = f"{unfit[0]} has no meaning for {name}; it belongs to {documents}."
        raise ConfigurationError(msg)
