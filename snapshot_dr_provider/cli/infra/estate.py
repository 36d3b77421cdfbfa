"""Which stacks the settings need. Each policy is the one that ``airflow snapshot-dr policy show`` prints."""

from __future__ import annotations

from typing import Any, Final

from snapshot_dr_provider.cli.infra.events import event_stacks
from snapshot_dr_provider.cli.infra.model import IamRole, Key, Parameter, Stack
from snapshot_dr_provider.cli.infra.principals import trusted
from snapshot_dr_provider.cli.placeholders import is_placeholder
from snapshot_dr_provider.cli.policy.documents import Choices, render
from snapshot_dr_provider.domain.key_policy.role_policies import Role
from snapshot_dr_provider.settings import Settings
from snapshot_dr_provider.settings.names import parse_role_arn

_KEY_PATTERN: Final = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+"


def stacks_of(settings: Settings, *, pin: bool = False) -> list[Stack]:
    """
    List the stacks in the order in which they are applied.

    :param pin: whether an open KMS-B is pinned to the role that the settings name.
    :raises ConfigurationError: when the settings name no such role.
    """
    keys = [_keys(settings, region, pin=pin) for region in settings.destinations]
    optional = [_source_role(settings), _organization_role(settings)]
    return [*keys, _dr_roles(settings), *(each for each in optional if each), *event_stacks(settings)]


def _keys(settings: Settings, region: str, *, pin: bool) -> Stack:
    managed = settings.kms_b_window == "per_run"
    name = "kms-b-locked" if managed else "kms-b"
    return Stack(
        name=f"keys-{region}",
        purpose="KMS-B, which the source organization copies under, and KMS-C, which only Account-B can use.",
        account=f"Account-B ({settings.dr_account.account_id})",
        only=(settings.dr_account.account_id,),
        regions=(region,),
        parameters=(),
        resources=(
            Key(
                "KmsB",
                "snapshot-dr-kms-b",
                "snapshot-dr: KMS-B, for the copies of the source organization",
                render(name, settings, Choices(region, pin=pin and not managed)),
                policy_changes=managed,
            ),
            Key(
                "KmsC",
                "snapshot-dr-kms-c",
                "snapshot-dr: KMS-C, for the copies of Account-B alone",
                render("kms-c", settings, Choices(region)),
            ),
        ),
    )


def _dr_roles(settings: Settings) -> Stack:
    account = settings.dr_account
    principal = trusted("TrustedPrincipal", "enters Account-B to copy and to audit")
    admin = trusted("KeyAdminPrincipal", "enters Account-B to open and to lock KMS-B")
    arns = _key_parameters(settings, "kms_b", "kms_c")
    roles = [
        IamRole(
            "CopyRole",
            _name_of(account.role_arn, "SnapshotDrCopy"),
            "snapshot-dr: copies to KMS-C and audits",
            {"AWS": principal},
            _with(arns, render(Role.DR_COPY.value, settings, Choices())),
        )
    ]
    if settings.kms_b_window == "per_run":
        roles.append(
            IamRole(
                "KeyAdminRole",
                _name_of(account.key_admin_role_arn, "SnapshotDrKeyAdmin"),
                "snapshot-dr: opens and locks KMS-B, and can do nothing else",
                {"AWS": admin},
                _with(arns, render(Role.KEY_ADMIN.value, settings, Choices())),
            )
        )
    people = (principal, admin) if len(roles) > 1 else (principal,)
    return Stack(
        name="dr-roles",
        purpose="The roles of Account-B. Roles are the same in all Regions, so one is enough.",
        account=f"Account-B ({account.account_id})",
        only=(account.account_id,),
        regions=tuple(settings.destinations)[:1],
        parameters=(*people, *arns.values()),
        resources=tuple(roles),
    )


def _source_role(settings: Settings) -> Stack | None:
    """Write the role in the source accounts; where connections say it all, nothing is known of their principals."""
    name = settings.source_connection and settings.source_connection.role_name
    if not name:
        return None
    principal = trusted("TrustedPrincipal", "enters each source account")
    arns = _key_parameters(settings, "kms_b")
    policy = _with(arns, render(Role.SOURCE.value, settings, Choices()))
    return Stack(
        name="source-role",
        purpose="The role in each source account. Roles are the same in all Regions, so one is enough.",
        account="each Org-A account",
        regions=tuple(settings.source_regions)[:1],
        parameters=(principal, *arns.values()),
        resources=(
            IamRole("SourceRole", name, "snapshot-dr: copies under KMS-B and shares", {"AWS": principal}, policy),
        ),
        everywhere=True,
        only=tuple(account.account_id for account in settings.static_accounts),
    )


def _organization_role(settings: Settings) -> Stack | None:
    listed = settings.accounts.organizations
    if listed is None:
        return None
    principal = trusted("TrustedPrincipal", "lists the accounts of the organization")
    return Stack(
        name="organization-role",
        purpose="The role that lists the source accounts.",
        account="the management account of Org-A, or a delegated administrator",
        regions=tuple(settings.source_regions)[:1],
        parameters=(principal,),
        resources=(
            IamRole(
                "ListerRole",
                _name_of(listed.role_arn, "SnapshotDrListAccounts"),
                "snapshot-dr: lists the source accounts",
                {"AWS": principal},
                render(Role.LISTER.value, settings, Choices()),
            ),
        ),
    )


def _key_parameters(settings: Settings, *kinds: str) -> dict[str, Parameter]:
    """Name a parameter for each key, by the ARN that the settings have; it is the default unless it is made up."""
    parameters = {}
    for region, keys in settings.destinations.items():
        for kind in kinds:
            arn: str = getattr(keys, kind)
            words = "".join(word.capitalize() for word in (*kind.split("_"), *region.split("-")))
            purpose = f"ARN of {kind.upper().replace('_', '-')} in {region}"
            default = None if is_placeholder(arn) else arn
            parameters[arn] = Parameter(words, purpose, _KEY_PATTERN, default)
    return parameters


def _with(arns: dict[str, Parameter], document: Any) -> Any:
    """Put parameters in the place of key ARNs."""
    if isinstance(document, dict):
        return {key: _with(arns, value) for key, value in document.items()}
    if isinstance(document, list):
        return [_with(arns, value) for value in document]
    return arns.get(document, document)


def _name_of(role_arn: str | None, default: str) -> str:
    role = parse_role_arn(role_arn)
    return role.name if role else default
