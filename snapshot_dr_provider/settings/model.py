"""The content of the settings file, and the routes that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sized
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
)

from snapshot_dr_provider.domain.accounts import Account
from snapshot_dr_provider.domain.routes import Retention, Route, Scope, WindowMode
from snapshot_dr_provider.settings import names

Several = TypeVar("Several", bound=Sized)

_NOT_OF_COPIES: Final = (
    "audit_fail_on",
    "audit_fail_on_undecided",
    "audit_report_path",
    "audit_share_checks",
    # Which news starts a run makes no difference to what it does.
    "events",
    "kms_b_max_age_days",
    "prices",
    "rpo_hours",
)
"""Settings that no copy goes by: they may be mended in the middle of a run."""


def _not_empty(value: Several) -> Several:
    """Refuse what has no entry; pydantic's own check also counts out those entries that are wrong."""
    if not value:
        msg = "is empty. Give it at least one entry, or leave it out where it is optional."
        raise ValueError(msg)
    return value


def _list_of(value: object) -> object:
    """Let one value stand for a list of one."""
    return [value] if isinstance(value, str | int | float) else value


AccountId = Annotated[StrictStr, AfterValidator(names.require_account_id)]
OrganizationId = Annotated[StrictStr, AfterValidator(names.require_organization_id)]
ParentId = Annotated[StrictStr, AfterValidator(names.require_parent_id)]
Region = Annotated[StrictStr, AfterValidator(names.require_region)]
KeyArn = Annotated[StrictStr, AfterValidator(names.require_key_arn)]
RoleArn = Annotated[StrictStr, AfterValidator(names.require_role_arn)]
RoleName = Annotated[StrictStr, AfterValidator(names.require_role_name)]
QueueUrl = Annotated[StrictStr, AfterValidator(names.require_queue_url)]
ConnId = Annotated[StrictStr, AfterValidator(names.require_conn_id)]
ConnTemplate = Annotated[StrictStr, AfterValidator(names.require_conn_template)]
CompletionDuration = Annotated[StrictInt, AfterValidator(names.require_completion_duration)]
Slots = Annotated[StrictInt, Field(ge=1, le=1000)]
Text = Annotated[StrictStr, Field(min_length=1)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Price = Annotated[Number, Field(ge=0)]
Regions = Annotated[tuple[Region, ...], BeforeValidator(_list_of), AfterValidator(_not_empty)]
Patterns = Annotated[tuple[StrictStr, ...], BeforeValidator(_list_of), AfterValidator(_not_empty)]
TagPatterns = Mapping[Text, Patterns]


class Section(BaseModel):
    """A mapping of the file whose keys are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DrAccount(Section):
    """
    The account that gets the copies, and how to enter it.

    :param role_arn: role of that account to assume with the connection; without it the connection says it all.
    :param key_admin_aws_conn_id: connection that may write the key policy of KMS-B; for the window alone.
    :param key_admin_role_arn: role of that account to assume with that one, likewise.
    """

    account_id: AccountId
    aws_conn_id: ConnId
    role_arn: RoleArn | None = None
    key_admin_aws_conn_id: ConnId | None = None
    key_admin_role_arn: RoleArn | None = None


class Destination(Section):
    """
    The keys of one destination Region. All lie in that Region and belong to the DR account.

    :param kms_b: ARN of the key that the whole organization may use.
    :param kms_c: ARN of the key that only the DR account can use.
    :param former_kms_c: ARNs of keys under which earlier DR copies still count.
    :param copy_slots: copies in flight at once in the DR account (aws 3.1).
    :param source_copy_slots: copies in flight at once in each source account, whose quota is its own.
    :param source_copy_slots_by_account: exceptions from it, by account id. They are not beside the accounts, because a
        quota is one of an account and a Region, and accounts that AWS Organizations lists have no entry there.
    :param completion_duration_minutes: of the copies of both hops; ``None`` for standard copies, which cost nothing
        beside the storage (aws 5.10).
    """

    kms_b: KeyArn
    kms_c: KeyArn
    former_kms_c: tuple[KeyArn, ...] = ()
    copy_slots: Slots = 20
    source_copy_slots: Slots = 20
    source_copy_slots_by_account: Mapping[AccountId, Slots] = Field(default_factory=dict)
    completion_duration_minutes: CompletionDuration | None = None


class StaticAccount(Section):
    """
    A source account that is listed by hand.

    :param aws_conn_id: its own connection, taken instead of ``source_connection``.
    """

    account_id: AccountId
    name: Text
    aws_conn_id: ConnId | None = None


class OrganizationAccounts(Section):
    """
    Take the source accounts from AWS Organizations; only active ones, and never the DR account.

    :param aws_conn_id: connection into the management account or a delegated administrator.
    :param include_ous: ids of organizational units, whose accounts are taken with those of the units below them;
        empty means all.
    :param new_account_grace_hours: how long after it has joined the organization an account may lack the role that
        enters it without turning runs red. Bounded, so that nobody is excused for good.
    """

    aws_conn_id: ConnId
    role_arn: RoleArn | None = None
    include_ous: tuple[ParentId, ...] = ()
    exclude_accounts: tuple[AccountId, ...] = ()
    new_account_grace_hours: Number = Field(default=0.0, ge=0, le=720)


class Accounts(Section):
    """The source accounts, in one of two ways."""

    static: Annotated[tuple[StaticAccount, ...], AfterValidator(_not_empty)] | None = None
    organizations: OrganizationAccounts | None = None


class SourceConnection(Section):
    """
    How to enter a source account.

    :param aws_conn_id: an Airflow connection, or a template with ``{account_id}`` or ``{account_name}``.
    :param role_name: role to assume in each account with it; without it the connection says it all.
    """

    aws_conn_id: ConnTemplate
    role_name: RoleName | None = None


class SnapshotSelection(Section):
    """
    Which source snapshots are copied.

    :param include_tags: shell patterns of values by tag key; a snapshot needs one of them. Empty: all qualify.
    :param exclude_tags: likewise; one of them is enough to leave a snapshot out.
    :param priority_tag: key of the tag that says who is copied first: a whole number, 1 before 2, in all accounts;
        whoever has none comes last.
    """

    include_tags: TagPatterns = Field(default_factory=dict)
    exclude_tags: TagPatterns = Field(default_factory=dict)
    snapshots: Scope = "every"
    include_unencrypted: StrictBool = False
    priority_tag: Text | None = None


class Events(Section):
    """
    The queue into which EventBridge puts the news of new snapshots, and how to read it.

    :param queue_url: URL of the queue, in Org-A; its account is the one that the credentials have to belong to.
    :param dead_letter_queue_url: of the queue for messages that are no events; in the same account and Region.
    :param aws_conn_id: connection that reads the one and writes to the other.
    :param role_arn: role of that account to assume with it.
    """

    queue_url: QueueUrl
    dead_letter_queue_url: QueueUrl
    aws_conn_id: ConnId
    role_arn: RoleArn | None = None


class Tuning(Section):
    """
    Times and bounds that seldom need a change.

    :param settle_seconds: how long nothing is started after an answer of AWS was lost.
    :param first_fire_seconds: least time that a task waits outside its worker; below 15 s Airflow 3.3 now and then
        fails the task (airflow 5).
    :param max_attempts: how often one copy is started at most in a run.
    :param policy_settle_seconds: how long a key policy that was written is waited for before it is relied on; mostly
        seconds, sometimes minutes (aws 9.4).
    :param lock_down_wait_seconds: how long KMS-B copies in flight are waited for before the window is closed.
    """

    settle_seconds: Number = Field(default=60.0, ge=0)
    poll_seconds: Number = Field(default=15.0, gt=0)
    first_fire_seconds: Number = Field(default=15.0, ge=0)
    max_attempts: StrictInt = Field(default=3, ge=1, le=20)
    policy_settle_seconds: Number = Field(default=60.0, ge=0, le=3600)
    lock_down_wait_seconds: Number = Field(default=900.0, ge=0, le=86400)


class PriceTable(Section):
    """
    What AWS charges, for ``airflow snapshot-dr plan`` alone. No defaults: prices differ by Region and contract.

    :param transfer_per_gib: for a GiB that hop 1 moves to another Region.
    :param time_based_per_gib: for a GiB of a time-based copy; each hop pays it.
    :param storage_per_gib_month: for a GiB of snapshots and month.
    """

    currency: Text
    transfer_per_gib: Price | None = None
    time_based_per_gib: Price | None = None
    storage_per_gib_month: Price | None = None


class Settings(Section):
    """
    The settings of one DAG: one organization, one DR account.

    Read it with ``load_settings``: what parts have to do with each other is checked there.

    :param organization_id: of the source accounts.
    :param destinations: keys by destination Region.
    :param source_regions: destination Regions by source Region.
    :param lookback_days: how far back scheduled runs look for snapshots that have no verified copy.
    :param source_timeout_hours: how long a pending source snapshot is awaited.
    :param kms_b_window: whether each run opens KMS-B and locks it again.
    :param kms_b_window_hours: how long it is open at most; in its last five minutes hop 1 starts nothing.
    :param kms_b_max_age_days: how old a KMS-B copy becomes before the audit names it.
    :param rpo_hours: how old the data of a volume's newest DR copy may become (its recovery point objective), counted
        from the start of the source snapshot; ``None``: nobody judges it.
    :param audit_fail_on: the severity from which a broken rule makes the audit fail.
    :param audit_fail_on_undecided: whether a rule that could not be decided does so too.
    :param audit_share_checks: of how many KMS-C copies of a Region an audit asks with whom they are shared; the newest.
    :param audit_report_path: where reports are written, as Airflow's ObjectStoragePath takes it.
    :param events: where the news of new snapshots comes from; ``None`` where nothing listens to it.
    :param kms_b_restore_role_arns: roles of the organization that may restore volumes from KMS-B copies; each can copy
        under KMS-B outside of the window, too (aws 2.2).
    :param prices: what plans are charged by; no run goes by it.
    """

    organization_id: OrganizationId
    dr_account: DrAccount
    destinations: Annotated[Mapping[Region, Destination], AfterValidator(_not_empty)]
    source_regions: Annotated[Mapping[Region, Regions], AfterValidator(_not_empty)]
    accounts: Accounts
    source_connection: SourceConnection | None = None
    selection: SnapshotSelection = SnapshotSelection()
    lookback_days: Number = Field(default=3.0, ge=0, le=3650)
    source_timeout_hours: Number = Field(default=12.0, gt=0, le=8760)
    kms_b_retention: Retention = "none"
    kms_b_window: WindowMode = "unmanaged"
    kms_b_window_hours: Number = Field(default=6.0, ge=0.1, le=168)
    kms_b_max_age_days: Number = Field(default=2.0, gt=0, le=3650)
    rpo_hours: Annotated[Number, Field(gt=0, le=87600)] | None = None
    audit_fail_on: Literal["low", "medium", "high", "critical"] = "high"
    audit_fail_on_undecided: StrictBool = True
    audit_share_checks: StrictInt = Field(default=1000, ge=0, le=1_000_000)
    audit_report_path: Text | None = None
    kms_b_restore_role_arns: tuple[RoleArn, ...] = ()
    events: Events | None = None
    tuning: Tuning = Tuning()
    prices: PriceTable | None = None

    @property
    def static_accounts(self) -> tuple[Account, ...]:
        """Return the accounts that are listed by hand."""
        return tuple(Account(account.account_id, account.name) for account in self.accounts.static or ())

    def routes(self, accounts: Iterable[Account]) -> tuple[Route, ...]:
        """Combine accounts, source Regions and destination Regions, ordered by these three."""
        ways = [
            (account, source, destination)
            for account in accounts
            for source, destinations in self.source_regions.items()
            for destination in destinations
        ]
        ways.sort(key=lambda way: (way[0].account_id, way[1], way[2]))
        return tuple(self._route(*way) for way in ways)

    @property
    def fingerprint(self) -> str:
        """Tell two files apart under which runs would copy differently; what no copy goes by is left out."""
        text = self.model_dump_json(exclude=set(_NOT_OF_COPIES))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _route(self, account: Account, source_region: str, destination_region: str) -> Route:
        keys = self.destinations[destination_region]
        conn_id, role_arn = self._entrance(account, names.partition_of(source_region))
        return Route(
            account_id=account.account_id,
            account_name=account.name,
            source_region=source_region,
            destination_region=destination_region,
            kms_b_arn=keys.kms_b,
            kms_c_arn=keys.kms_c,
            former_kms_c_arns=keys.former_kms_c,
            dr_account_id=self.dr_account.account_id,
            source_conn_id=conn_id,
            source_role_arn=role_arn,
            dr_conn_id=self.dr_account.aws_conn_id,
            dr_role_arn=self.dr_account.role_arn,
            source_copy_slots=keys.source_copy_slots_by_account.get(account.account_id),
            grace_until=self._grace_until(account),
        )

    def _grace_until(self, account: Account) -> datetime | None:
        """Say until when an account may lack the role to enter it; one that is listed by hand has no such time."""
        listed = self.accounts.organizations
        if listed is None or listed.new_account_grace_hours == 0 or account.joined is None:
            return None
        return account.joined + timedelta(hours=listed.new_account_grace_hours)

    def _entrance(self, account: Account, partition: str) -> tuple[str, str | None]:
        """Name the connection of an account and the role to assume with it."""
        own = {static.account_id: static.aws_conn_id for static in self.accounts.static or ()}.get(account.account_id)
        if own or self.source_connection is None:
            return own or "", None
        conn_id = self.source_connection.aws_conn_id.format(account_id=account.account_id, account_name=account.name)
        role = self.source_connection.role_name
        return conn_id, f"arn:{partition}:iam::{account.account_id}:role/{role}" if role else None
