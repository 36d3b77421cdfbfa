"""What the parts of the settings file have to do with each other.

The rules look at the file as it is written, so that they also speak when some other part of it is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from snapshot_dr_provider.settings.document import Place, Problem
from snapshot_dr_provider.settings.names import (
    Arn,
    QueueUrl,
    did_you_mean,
    is_account_id,
    is_region,
    parse_key_arn,
    parse_queue_url,
    parse_role_arn,
    partition_of,
)


@dataclass(frozen=True, slots=True)
class _KeyUse:
    """A key that is named in the file, and the destination Region that it is named for."""

    place: Place
    arn: Arn
    region: str

    @property
    def is_kms_b(self) -> bool:
        return self.place[-1] == "kms_b"

    @property
    def title(self) -> str:
        return {"kms_b": "KMS-B", "kms_c": "KMS-C"}.get(str(self.place[-1]), "a former KMS-C")

    def is_same_key_as(self, other: _KeyUse) -> bool:
        """Whether two keys have the same material: replicas of a multi-Region key do."""
        replica = self.arn.is_multi_region and self.arn.name == other.arn.name
        return self.arn.text == other.arn.text or replica


class _File:
    """Read parts of the file without trusting its form; what is not as it should be is not there."""

    def __init__(self, data: Mapping[str, object]) -> None:
        self.data = data

    def at(self, *place: str | int) -> object:
        found: object = self.data
        for step in place:
            if isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int) and step < len(found):
                found = found[step]
            else:
                return None
        return found

    def section(self, *place: str | int) -> Mapping[str, object]:
        found = self.at(*place)
        return found if isinstance(found, Mapping) else {}

    def sequence(self, *place: str | int) -> list[tuple[Place, object]]:
        found = self.at(*place)
        return [((*place, i), item) for i, item in enumerate(found)] if isinstance(found, list) else []

    @property
    def dr_account(self) -> str | None:
        found = self.at("dr_account", "account_id")
        return str(found) if is_account_id(found) else None

    @property
    def keys(self) -> list[_KeyUse]:
        places: list[Place] = []
        for region in filter(is_region, self.section("destinations")):
            section: Place = ("destinations", region)
            places += [(*section, "kms_b"), (*section, "kms_c")]
            places += [place for place, _ in self.sequence(*section, "former_kms_c")]
        named = ((place, parse_key_arn(self.at(*place))) for place in places)
        return [_KeyUse(place, arn, str(place[1])) for place, arn in named if arn is not None]

    @property
    def source_accounts(self) -> list[tuple[Place, str]]:
        places = ((*place, "account_id") for place, _ in self.sequence("accounts", "static"))
        return [(place, str(self.at(*place))) for place in places if is_account_id(self.at(*place))]

    @property
    def accounts_with_slots(self) -> list[tuple[Place, str]]:
        """Each account with slots of its own, by destination Region."""
        sections: list[Place] = [
            ("destinations", region, "source_copy_slots_by_account") for region in self.section("destinations")
        ]
        return [((*place, key), key) for place in sections for key in self.section(*place) if is_account_id(key)]

    @property
    def pairs_of_regions(self) -> list[tuple[Place, str]]:
        """Each destination Region that a source Region names, one value standing for a list of one."""
        found: list[tuple[Place, object]] = []
        for source in self.section("source_regions"):
            value = self.at("source_regions", source)
            place = ("source_regions", source)
            found += [(place, value)] if isinstance(value, str) else self.sequence(*place)
        return [(place, str(region)) for place, region in found if is_region(region)]

    @property
    def roles(self) -> list[tuple[Place, Arn]]:
        places: tuple[Place, ...] = (
            ("dr_account", "role_arn"),
            ("dr_account", "key_admin_role_arn"),
            ("accounts", "organizations", "role_arn"),
            ("events", "role_arn"),
        )
        return [(place, arn) for place in places if (arn := parse_role_arn(self.at(*place))) is not None]

    @property
    def queues(self) -> list[tuple[Place, QueueUrl]]:
        places: tuple[Place, ...] = (("events", "queue_url"), ("events", "dead_letter_queue_url"))
        return [(place, url) for place in places if (url := parse_queue_url(self.at(*place))) is not None]


def broken_rules(data: Mapping[str, object]) -> list[Problem]:
    """Name all places that contradict another place of the same file."""
    file = _File(data)
    return [problem for rule in _RULES for problem in rule(file)]


def _keys_lie_in_their_destination(file: _File) -> Iterator[Problem]:
    for key in file.keys:
        if partition_of(key.region) != key.arn.partition:
            yield Problem(
                key.place,
                f"the key's ARN is of partition {key.arn.partition}, but {key.region} lies in partition "
                f"{partition_of(key.region)}; keys and snapshots do not cross partitions. Use a key of "
                f"{key.region}, and a settings file and a DAG of its own for each partition.",
            )
        elif key.arn.region != key.region:
            yield Problem(
                key.place,
                f"the key lies in {key.arn.region}, but copies to {key.region} need {key.title} there: CopySnapshot "
                f"takes keys of the Region that it copies to only. Name a key of the DR account in {key.region}.",
            )


def _keys_belong_to_the_dr_account(file: _File) -> Iterator[Problem]:
    for key in file.keys:
        if file.dr_account and key.arn.account_id != file.dr_account:
            yield Problem(
                key.place,
                f"the key belongs to account {key.arn.account_id}, not to the DR account {file.dr_account}, whose keys "
                "KMS-B and KMS-C are. Name a key of the DR account, or correct dr_account.account_id.",
            )


def _kms_b_is_never_kms_c(file: _File) -> Iterator[Problem]:
    shared = [key for key in file.keys if key.is_kms_b]
    private = [key for key in file.keys if not key.is_kms_b]
    for key in shared:
        same = next((other for other in private if key.is_same_key_as(other)), None)
        if same is not None:
            yield Problem(
                key.place,
                f"{key.arn.text} is KMS-B and also {same.title} of {same.region}. The source accounts may use KMS-B, "
                "so the copies under it would be within their reach. Name two keys, none a replica of the other.",
            )


def _roles_belong_where_they_are_used(file: _File) -> Iterator[Problem]:
    for place, arn in file.roles:
        if place[0] == "dr_account" and file.dr_account and arn.account_id != file.dr_account:
            yield Problem(
                place,
                f"the role belongs to account {arn.account_id}, not to the DR account {file.dr_account}. Name a role "
                "of the DR account.",
            )


def _all_lies_in_one_partition(file: _File) -> Iterator[Problem]:
    """Compare with the first destination Region; keys are compared with the Region that they are named for."""
    destinations = [region for region in file.section("destinations") if is_region(region)]
    if not destinations:
        return
    first, partition = destinations[0], partition_of(destinations[0])
    sources = [(("source_regions", region), region) for region in file.section("source_regions") if is_region(region)]
    others: list[tuple[Place, str, str]] = [
        *((("destinations", region), region, partition_of(region)) for region in destinations),
        *((place, region, partition_of(region)) for place, region in sources),
        *((place, "the role", arn.partition) for place, arn in file.roles),
        *((place, "the queue", partition_of(url.region)) for place, url in file.queues),
    ]
    for place, what, theirs in others:
        if theirs != partition:
            yield Problem(
                place,
                f"{what} lies in partition {theirs}, but {first} in partition {partition}; snapshots and roles do not "
                "cross partitions. Use a settings file and a DAG of its own for each partition.",
            )


def _destinations_are_known(file: _File) -> Iterator[Problem]:
    known = file.section("destinations")
    for place, region in file.pairs_of_regions:
        if known and region not in known:
            yield Problem(
                place,
                f"{region} is not among the destinations, so that there are no keys for its copies. Add "
                f"destinations.{region} with its kms_b and kms_c, or correct it. {did_you_mean(region, known)}",
            )


def _regions_are_named_once(file: _File) -> Iterator[Problem]:
    seen: set[tuple[Place, str]] = set()
    for place, region in file.pairs_of_regions:
        if (place[:2], region) in seen:
            yield Problem(place, f"{region} is there twice. Remove one.")
        seen.add((place[:2], region))


def _accounts_are_listed_in_one_way(file: _File) -> Iterator[Problem]:
    section = file.section("accounts")
    ways = [way for way in ("static", "organizations") if section.get(way) is not None]
    if isinstance(file.at("accounts"), Mapping) and len(ways) != 1:
        found = "has both static and organizations" if ways else "names no account"
        yield Problem(
            ("accounts",),
            f"{found}. Keep one of them: static, a list of accounts, or organizations, which takes them from AWS "
            "Organizations.",
        )


def _accounts_are_listed_once(file: _File) -> Iterator[Problem]:
    seen: dict[str, Place] = {}
    for place, account_id in file.source_accounts:
        if account_id in seen:
            first = seen[account_id][2]
            yield Problem(place, f"account {account_id} is there twice, first as accounts.static[{first}]. Remove one.")
        seen.setdefault(account_id, place)


def _the_dr_account_is_no_source(file: _File) -> Iterator[Problem]:
    for place, account_id in file.source_accounts:
        if account_id == file.dr_account:
            yield Problem(
                place,
                f"account {account_id} is the DR account: its snapshots would be copied into the account they are in. "
                "Remove it here, or correct dr_account.account_id.",
            )


def _slots_of_accounts_are_those_of_source_accounts(file: _File) -> Iterator[Problem]:
    known = [account_id for _, account_id in file.source_accounts]
    for place, account_id in file.accounts_with_slots:
        if account_id == file.dr_account:
            yield Problem(
                place,
                f"account {account_id} is the DR account, which receives the copies of hop 2. Write "
                f"destinations.{place[1]}.copy_slots instead.",
            )
        elif known and account_id not in known:
            yield Problem(
                place,
                f"account {account_id} is not among accounts.static, so that nothing is copied there. Correct it, or "
                f"remove it. {did_you_mean(account_id, known)}",
            )


def _every_account_has_its_own_credentials(file: _File) -> Iterator[Problem]:
    accounts = file.sequence("accounts", "static")
    needy = [place for place, account in accounts if isinstance(account, Mapping) and not account.get("aws_conn_id")]
    if not needy and not file.section("accounts", "organizations"):
        return
    section = file.section("source_connection")
    template = section.get("aws_conn_id")
    if file.at("source_connection") is None:
        place = needy[0] if needy else ("accounts", "organizations")
        yield Problem(
            ("source_connection",),
            f"is missing, so that nothing says how to enter {_name(place)}. Add it: aws_conn_id with {{account_id}} in "
            "it, or an aws_conn_id and the role_name to assume in each account.",
        )
    elif isinstance(template, str) and not section.get("role_name") and "{" not in template:
        yield Problem(
            ("source_connection", "aws_conn_id"),
            f"{template!r} is the same connection for every account, and no role_name is given. Add role_name, the "
            "role to assume in each account, or put {account_id} into the connection's name.",
        )


def _a_managed_window_has_its_key(file: _File) -> Iterator[Problem]:
    if file.at("kms_b_window") != "per_run" or not isinstance(file.at("dr_account"), Mapping):
        return
    if file.section("dr_account").get("key_admin_aws_conn_id") is None:
        yield Problem(
            ("kms_b_window",),
            "per_run writes the key policy of KMS-B in each run, but nothing says with which credentials. Add "
            "dr_account.key_admin_aws_conn_id, the connection of that policy's administrator, or write unmanaged.",
        )


def _a_role_of_the_key_administrator_has_its_connection(file: _File) -> Iterator[Problem]:
    section = file.section("dr_account")
    if section.get("key_admin_role_arn") is not None and section.get("key_admin_aws_conn_id") is None:
        yield Problem(
            ("dr_account", "key_admin_role_arn"),
            "there is no key_admin_aws_conn_id to assume this role with. Add it, or remove the role.",
        )


def _the_queues_of_events_lie_beside_each_other(file: _File) -> Iterator[Problem]:
    """One connection serves both, and the account that it has to belong to is read from their URLs."""
    if len(file.queues) < 2:  # noqa: PLR2004  # both
        return
    (_, queue), (place, dead) = file.queues
    if queue.text == dead.text:
        yield Problem(
            place,
            "is also queue_url: what cannot be read would come back for ever. Name another queue of that account.",
        )
    elif (queue.region, queue.account_id) != (dead.region, dead.account_id):
        yield Problem(
            place,
            f"the queue lies in account {dead.account_id}, {dead.region}, but events.queue_url in account "
            f"{queue.account_id}, {queue.region}, and one connection serves both. Name a queue there.",
        )


def _the_role_that_reads_events_belongs_to_the_queues(file: _File) -> Iterator[Problem]:
    owners = {url.account_id for _, url in file.queues}
    for place, arn in file.roles:
        if place[0] == "events" and owners and arn.account_id not in owners:
            yield Problem(
                place,
                f"the role belongs to account {arn.account_id}, the queue to account {min(owners)}. Name a role of "
                "the queue's account.",
            )


def _name(place: Place) -> str:
    return f"accounts.static[{place[2]}]" if place[1] == "static" else "the accounts of the organization"


_RULES: Final[tuple[Callable[[_File], Iterable[Problem]], ...]] = (
    _keys_lie_in_their_destination,
    _keys_belong_to_the_dr_account,
    _kms_b_is_never_kms_c,
    _roles_belong_where_they_are_used,
    _all_lies_in_one_partition,
    _destinations_are_known,
    _regions_are_named_once,
    _accounts_are_listed_in_one_way,
    _accounts_are_listed_once,
    _the_dr_account_is_no_source,
    _slots_of_accounts_are_those_of_source_accounts,
    _every_account_has_its_own_credentials,
    _a_managed_window_has_its_key,
    _a_role_of_the_key_administrator_has_its_connection,
    _the_queues_of_events_lie_beside_each_other,
    _the_role_that_reads_events_belongs_to_the_queues,
)
