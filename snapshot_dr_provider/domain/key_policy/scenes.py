"""
Who might call a key, and how: examples of every kind of request that a policy can tell apart.

What ties the parts of a request together is kept: a caller of the organization has its id, a call through a service
names it in ``kms:ViaService``, and a grant is for an AWS resource exactly when a service asks for it (aws 2.4, 2.8,
2.10). What a caller can choose, such as a tag or an address, takes every value that the policy can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from string import digits
from typing import Final

from snapshot_dr_provider.domain.key_policy.evaluation import UNKNOWN, Caller, ContextValue
from snapshot_dr_provider.domain.key_policy.examples import Examples, Groups, examples, sets_of
from snapshot_dr_provider.domain.key_policy.facts import Surroundings
from snapshot_dr_provider.domain.key_policy.free_values import values_of
from snapshot_dr_provider.domain.key_policy.keys import find_key
from snapshot_dr_provider.domain.key_policy.patterns import matches_pattern
from snapshot_dr_provider.domain.key_policy.vocabulary import ARN_PARTS, Vocabulary

Choices = Sequence[ContextValue | None]
"""Values that a key may have; ``None`` is for a request without it."""

ORGANIZATION_KEYS: Final = ("aws:principalorgid", "aws:principalorgpaths")
"""Keys that a caller has by the organization it is in."""

GRANT_OPERATIONS: Final = frozenset({"kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"})
"""Operations whose requests say whether an AWS service asks for them (aws 2.4)."""

_ACCOUNT: Final = "?" * 12
_ACCOUNT_KEYS: Final = ("aws:principalaccount", "kms:calleraccount")
_ORGANIZATION: Final = "o-??????????*"

_OWNERS_ORGANIZATION: Final = "o-ownerofthekey"
"""Stands for the organization of Account-B, which is not Org-A."""

_OF_THE_KEY: Final = (
    "aws:resourceorgpaths",
    "aws:resourcetag/",
    "kms:keyorigin",
    "kms:keyspec",
    "kms:keyusage",
    "kms:multiregion",
    "kms:resourcealiases",
)
"""Beginnings of keys that tell of the key itself, of which the policy says nothing."""

_OF_EC2S_CALL: Final = (
    "aws:referer",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:useragent",
    "aws:vpcsourceip",
    "aws:vpce",
    "kms:encryptioncontext",
    "kms:grant",
    "kms:retiringprincipal",
    "kms:requestalias",
)
"""Beginnings of keys that EC2 fills when it calls KMS for somebody; AWS does not promise with what (aws 2.3, 2.10)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Stand for everybody who is alike to the policy.

    :param fixed: values of the keys that follow from who calls, in lower case; absent ones are ``None``.
    :param words: who that is, for people.
    :param may_be_outside: whether it is an account that policies write out and of which nobody knows whether it is in
        the organization.
    """

    caller: Caller
    fixed: Mapping[str, Choices]
    words: str
    may_be_outside: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """
    Say how a call reaches KMS.

    :param via_service: value of ``kms:ViaService``; empty for a direct call.
    """

    via_service: str = ""

    @property
    def words(self) -> str:
        """Say it for people."""
        return f"through {self.via_service}" if self.via_service else "directly"

    @property
    def service(self) -> str:
        """Name the service as ``aws:CalledVia`` does [M]."""
        return f"{self.via_service.split('.')[0]}.amazonaws.com"

    def values(self) -> dict[str, Choices]:
        """Fill the keys that tell of the path."""
        called = [(self.service,)] if self.via_service else [None]
        return {
            "kms:viaservice": [(self.via_service,)] if self.via_service else [None],
            "aws:viaawsservice": [("true" if self.via_service else "false",)],
            "aws:calledvia": called,
            "aws:calledviafirst": called,
            "aws:calledvialast": called,
        }


@dataclass
class Stage:
    """
    Set the scenes for some statements.

    :param around: who is who.
    :param is_complete: turned off as soon as examples of something may be missing.
    """

    words: Vocabulary
    around: Surroundings
    is_complete: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        embedding = (
            "aws:principalarn",
            "aws:principalorgid",
            "aws:principalorgpaths",
            "kms:viaservice",
            *_ACCOUNT_KEYS,
        )
        resources = [text for s in self.words.statements for text in (*(s.resources or ()), *(s.not_resources or ()))]
        self.is_complete = not (self.words.has_variables(*embedding) or any("${" in text for text in resources))

    # Who calls

    def outsiders(self, *, members_too: bool = False) -> Iterator[Identity]:
        """Go through those who are neither of the organization nor of the account that owns the key."""
        for account_id in self._accounts_but(self.around.dr_account_id):
            if account_id not in self.around.member_accounts:
                for organization in self._other_organizations():
                    yield from self._identities(account_id, organization)
        if members_too:
            yield from self.members()
        yield from self._services(members_too=members_too)

    def members(self, *, roles_only: bool = False) -> Iterator[Identity]:
        """Go through those of the organization. Any account but the owner's may be of it, unless it is known."""
        for account_id in self._accounts_but(self.around.dr_account_id):
            yield from self._identities(account_id, self.around.organization_id, roles_only=roles_only)

    def owners(self) -> Iterator[Identity]:
        """Go through the root user and any role of the account that owns the key; its organization is not known."""
        account_id = self.around.dr_account_id
        arns = [f"{self._arn_of(account_id)}root", f"{self._arn_of(account_id)}role/any"]
        for arn in arns:
            yield Identity(Caller(account_id, arn), self._fixed(account_id, arn, [UNKNOWN], [UNKNOWN]), arn)

    def _accounts_but(self, owner: str) -> list[str]:
        """List accounts of every kind: those that nobody has written out come first."""
        named = self.words.accounts
        # One of those that stand in the same places is enough.
        others = ((number, places) for number, places in named.items() if number != owner)
        kept = sorted({(places, number in self.around.member_accounts): number for number, places in others}.values())
        groups = self.words.groups(*_ACCOUNT_KEYS) | _each({owner}) | _each(kept)
        found = self._noted(examples(groups, _ACCOUNT, digits))
        unnamed = [account for account in found.values if account not in named and account != owner]
        return [*unnamed, *kept]

    def _other_organizations(self) -> list[str | None]:
        of_paths = self.words.groups("aws:principalorgpaths")
        groups = self.words.groups("aws:principalorgid") | _each({self.around.organization_id})
        groups |= {frozenset(path.split("/")[0] for path in group) for group in of_paths}
        found = self._noted(examples(groups, _ORGANIZATION))
        of_the_key = [_OWNERS_ORGANIZATION] if "aws:resourceorgid" in self.words.keys else []
        return [None, *of_the_key, *(each for each in found.values if each != self.around.organization_id)]

    def _identities(self, account_id: str, organization: str | None, *, roles_only: bool = False) -> Iterator[Identity]:
        paths: Choices = [None]
        if organization is not None:
            shape = f"{organization}/r-????*/"
            paths = [(p,) for p in self._noted(examples(self.words.groups("aws:principalorgpaths"), shape)).values]
        whose = f"of {organization}" if organization else "of no organization"
        for arn, session_arn in self._arns(account_id, roles_only=roles_only):
            fixed = self._fixed(account_id, arn, [(organization,) if organization else None], paths)
            is_unclear = account_id in self.words.accounts and account_id not in self.around.member_accounts
            yield Identity(Caller(account_id, arn, session_arn), fixed, f"{arn} ({whose})", is_unclear)

    def _arns(self, account_id: str, *, roles_only: bool) -> Iterator[tuple[str, str]]:
        """Name roles, users and the root user of an account, with the ARN of their session where it counts."""
        prefix = self._arn_of(account_id)
        if roles_only and self.around.role_name:
            yield f"{prefix}role/{self.around.role_name}", ""
            return
        groups = frozenset(_within(prefix, *test) for test in self.words.tests_of("aws:principalarn"))
        kinds = ["role/?*"] if roles_only else ["role/?*", "user/?*", "root"]
        for kind in kinds:
            for arn in self._noted(examples(groups, prefix + kind)).values:
                yield arn, ""
        for arn in self.words.identities_in(account_id):
            if ":assumed-role/" in arn:
                yield f"{prefix}role/{arn.split('/')[1]}", arn
            elif not roles_only or ":role/" in arn:
                yield arn, ""

    def _arn_of(self, account_id: str) -> str:
        return f"arn:{self.around.partition}:iam::{account_id}:"

    def _fixed(self, account_id: str, arn: str, organization: Choices, paths: Choices) -> dict[str, Choices]:
        kind = "Account" if arn.endswith(":root") else "User" if ":user/" in arn else "AssumedRole"
        return {
            "aws:principalaccount": [(account_id,)],
            "kms:calleraccount": [(account_id,)],
            "aws:principalorgid": organization,
            "aws:principalorgpaths": paths,
            "aws:principalarn": [(arn,)],
            "aws:principaltype": [(kind,)],
            "aws:principalisawsservice": [("false",)],
            **{key: [None] for key in _OF_SERVICES},
        }

    def _services(self, *, members_too: bool) -> Iterator[Identity]:
        """Go through services that call as themselves, for somebody outside."""
        ours = {self.around.dr_account_id} | (set() if members_too else self.around.member_accounts)
        groups = self.words.groups("aws:sourceaccount") | _each(ours)
        sources = self._noted(examples(groups, _ACCOUNT, digits)).values
        accounts: Choices = [None, *((each,) for each in sources if each not in ours)]
        groups = self.words.groups("aws:sourceorgid") | _each({self.around.organization_id})
        organizations = self._noted(examples(groups, _ORGANIZATION)).values
        others: Choices = [
            None,
            *((each,) for each in organizations if members_too or each != self.around.organization_id),
        ]
        for service in self.words.services:
            yield Identity(
                Caller("", "", "", service),
                {
                    "aws:principalisawsservice": [("true",)],
                    "aws:principalservicename": [(service,)],
                    "aws:principalservicenameslist": [(service,)],
                    "aws:sourceaccount": accounts,
                    "aws:sourceorgid": others,
                    "aws:sourceorgpaths": [None, UNKNOWN],
                    "aws:sourcearn": self._source_arns(ours),
                    **{key: [None] for key in _OF_PRINCIPALS},
                },
                f"the service {service}, on behalf of an account outside",
            )

    def _source_arns(self, ours: set[str]) -> Choices:
        of_ours = frozenset({frozenset(f"arn:*:*:*:{account_id}:*" for account_id in ours)})
        shape = f"arn:{self.around.partition}:*:*:*:*"
        found = self._noted(examples(self.words.groups("aws:sourcearn") | of_ours, shape))
        owners = {arn: arn.split(":")[4] for arn in found.values}
        return [None, *((arn,) for arn, owner in owners.items() if owner not in ours)]

    # How the call reaches KMS

    @property
    def ec2(self) -> Path:
        """Reach KMS through EC2 in the Region of the key, as copies do (aws 2.8)."""
        return Path(f"ec2.{self.around.region}.amazonaws.com")

    def paths(self) -> list[Path]:
        """Reach KMS in every way that the policy can tell apart; EC2 in this Region is one of them."""
        called = {f"{p.split('.')[0]}.{self.around.region}.amazonaws.com" for p in self._called_services()}
        usual = {self.ec2.via_service, f"s3.{self.around.region}.amazonaws.com"}
        found = self._noted(
            examples(self.words.groups("kms:viaservice") | _each(called | usual), "?*.?*.amazonaws.com*")
        )
        # An example that no service has as its name would be no caller at all.
        return [Path(), *(Path(value) for value in found.values)]

    def _called_services(self) -> frozenset[str]:
        return self.words.patterns("aws:calledvia", "aws:calledviafirst", "aws:calledvialast")

    # What else the policy may ask for

    def contexts(
        self, identity: Identity, path: Path, action: str, *, by_ec2: bool = False
    ) -> Iterator[Mapping[str, ContextValue]]:
        """
        Fill the keys that the policy asks for in every way that matters.

        :param by_ec2: whether EC2 makes the call for a copy, so that the caller does not choose what is in it.
        """
        fixed = {**identity.fixed, **path.values(), **self._of_the_request(path, action)}
        names = sorted(self.words.keys)
        choices = [fixed[name] if name in fixed else self._free(name, by_ec2=by_ec2) for name in names]
        for values in product(*choices):
            yield {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def anything(self, identity: Identity) -> Mapping[str, ContextValue]:
        """Fill the keys that follow from who calls, and leave all others open."""
        sure = {key: choices[0] for key, choices in identity.fixed.items() if len(choices) == 1}
        filled = {key: sure.get(key, UNKNOWN) for key in self.words.keys}
        return {key: value for key, value in filled.items() if value is not None}

    def _of_the_request(self, path: Path, action: str) -> dict[str, Choices]:
        grants: Choices = [("true" if path.via_service else "false",)] if action in GRANT_OPERATIONS else [None]
        return {**self._of_every_request, "kms:grantisforawsresource": grants}

    @cached_property
    def _of_every_request(self) -> dict[str, Choices]:
        now = self.around.now
        # A policy can compare it with the caller's; which one it is, nobody has said.
        is_compared_only = self.words.patterns("aws:resourceorgid") <= {"*"}
        return {
            "aws:currenttime": [(now.strftime("%Y-%m-%dT%H:%M:%SZ"),)],
            "aws:epochtime": [(str(int(now.timestamp())),)],
            "aws:securetransport": [("true",)],
            "aws:requestedregion": [(self.around.region,)],
            "aws:resourceaccount": [(self.around.dr_account_id,)],
            "aws:resourceorgid": [(_OWNERS_ORGANIZATION,) if is_compared_only else UNKNOWN],
        }

    def _free(self, key: str, *, by_ec2: bool) -> Choices:
        """List the values of a key that is up to the caller; what is not known stays unknown."""
        if key.startswith(_OF_THE_KEY) or (by_ec2 and key.startswith(_OF_EC2S_CALL)):
            return [UNKNOWN]
        found = self._noted(values_of(key, self.words))
        self.is_complete = self.is_complete and not self.words.has_variables(key, whole=True)
        known = find_key(key)
        if known is not None and known.many:
            return [None, *sets_of(found)]
        return [None, *((value,) for value in found.values)]

    def _noted(self, found: Examples) -> Examples:
        self.is_complete = self.is_complete and found.complete
        return found


def _each(values: Iterable[str]) -> Groups:
    """Tell values apart from all others, as if there were a test for each."""
    return frozenset(frozenset({value}) for value in values)


def _within(prefix: str, family: str, patterns: frozenset[str]) -> frozenset[str]:
    """
    Write a test of ARNs for those with one prefix, all of whose parts but the last are given.

    The operators for ARNs compare part by part; what they let in elsewhere is not asked for.
    """
    if family != "arn":
        return patterns
    parts = [pattern.split(":", ARN_PARTS - 1) for pattern in patterns]
    given = prefix.split(":")[: ARN_PARTS - 1]
    return frozenset(
        prefix + each[-1]
        for each in parts
        if len(each) == ARN_PARTS and all(matches_pattern(p, g) for p, g in zip(each, given, strict=False))
    )


_OF_SERVICES: Final = (
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
)
"""Keys that only a service that calls as itself fills."""

_OF_PRINCIPALS: Final = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principaltype",
    "kms:calleraccount",
)
"""Keys that are missing when a service calls as itself (aws 2.10)."""
