"""The least that a settings file needs, from options or from whoever is asked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from snapshot_dr_provider.exceptions import ConfigurationError
from snapshot_dr_provider.settings import names

Ask = Callable[[str], str]
"""Put a question to somebody, and return the answer."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answers:
    """
    Hold what the file is written of.

    :param accounts: id and name of each source account; ``None`` takes them from AWS Organizations.
    :param kms_b: ``None`` when the key is yet to be made.
    """

    organization_id: str
    dr_account_id: str
    region: str
    source_regions: tuple[str, ...]
    accounts: tuple[tuple[str, str], ...] | None
    kms_b: str | None
    kms_c: str | None
    role_name: str
    kms_b_window: str


def collect(args: argparse.Namespace, ask: Ask | None) -> Answers:
    """
    Take what the options say, and ask for the rest.

    :param ask: ``None`` where there is nobody to ask.
    :raises ConfigurationError: when something is missing and nobody can be asked, or an option cannot be used.
    """
    if args.account and args.organizations:
        raise ConfigurationError("--account and --organizations exclude each other: name the accounts or take all.")
    organization_id = args.organization_id or _asked(
        ask, "--organization-id", "Organization of the source accounts (o-...)", names.require_organization_id
    )
    dr_account_id = args.dr_account_id or _asked(
        ask, "--dr-account-id", "The DR account, which gets the copies (12 digits)", names.require_account_id
    )
    region = args.region or _asked(ask, "--region", "Region of the DR copies", names.require_region)
    return Answers(
        organization_id=organization_id,
        dr_account_id=dr_account_id,
        region=region,
        source_regions=tuple(dict.fromkeys(args.source_region or (region,))),
        accounts=_accounts(args, ask),
        kms_b=args.kms_b or _optional(ask, "ARN of KMS-B (empty: infra makes it)", names.require_key_arn),
        kms_c=args.kms_c or _optional(ask, "ARN of KMS-C (empty: infra makes it)", names.require_key_arn),
        role_name=args.role_name,
        kms_b_window=args.kms_b_window,
    )


def read_account(text: str) -> tuple[str, str]:
    """
    Read the id and the name of an account; without a name the id is the name.

    :raises ValueError: when there is no account id.
    """
    account_id, _, name = text.partition("=")
    return names.require_account_id(account_id.strip()), name.strip() or account_id.strip()


def _accounts(args: argparse.Namespace, ask: Ask | None) -> tuple[tuple[str, str], ...] | None:
    if args.organizations:
        return None
    if args.account:
        try:
            return tuple(read_account(each) for each in args.account)
        except ValueError as error:
            raise ConfigurationError(f"--account {error}") from None
    question = (
        "Source accounts, as 111111111111=payments-prod, with spaces between them (empty: all of the organization)"
    )
    return _asked(ask, "--account or --organizations", question, _read_accounts)


def _read_accounts(text: str) -> tuple[tuple[str, str], ...] | None:
    return tuple(read_account(each) for each in text.split()) or None


def _optional(ask: Ask | None, question: str, read: Callable[[str], str]) -> str | None:
    """Ask for what need not be there; nobody to ask is as good as no answer."""
    return ask and _asked(ask, "", question, lambda text: read(text) if text else None)


def _asked(ask: Ask | None, option: str, question: str, read: Callable[[str], Value]) -> Value:
    """Ask until the answer can be used."""
    if ask is None:
        raise ConfigurationError(f"{option} is missing, and there is no terminal to ask for it.")
    why = ""
    while True:
        try:
            return read(ask(f"{why}{question}: ").strip())
        except ValueError as error:
            why = f"{error}\n"
