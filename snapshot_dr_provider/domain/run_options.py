"""What one run is about: its period and the options that hold for all of its routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from snapshot_dr_provider.domain.planning import NO_LOOKBACK, Selection, TagFilters
from snapshot_dr_provider.domain.routes import Retention, Scope, WindowMode
from snapshot_dr_provider.exceptions import ConfigurationError

BACKFILL: Final = "backfill"
SCHEDULED: Final = "scheduled"

_SNAPSHOT_ID: Final = re.compile(r"snap-[0-9a-f]{8}(?:[0-9a-f]{9})?")
_ACCOUNT_ID: Final = re.compile(r"\d{12}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """
    Everything that the stages need to know and that is the same for all routes of a run; travels beside them.

    :param interval_start: first moment of the period, aware; the period excludes its end.
    :param lookback_hours: how far before it snapshots without a verified copy are made up for.
    :param snapshot_ids: when not empty, these sources and no others, whatever their age.
    :param by_events: whether events named them and no person: one that is gone by now, or that the selection leaves
        out, is no failure then.
    :param include_tags: pairs of a tag key and a shell pattern for its value; a source needs one of them.
    :param source_timeout_hours: how long a pending source is awaited.
    :param settle_seconds: how long nothing is started after an ambiguous answer.
    :param first_fire_seconds: how long a deferred task waits at least, against a race of Airflow (airflow 5).
    :param copy_slots: copies in flight at once in one account and destination Region (aws 3.1).
    :param copy_slots_by_region: those in the DR account, as pairs of a destination Region and a number.
    :param source_copy_slots_by_region: those in each source account, likewise; a run of a version that knew one number
        for both has none.
    :param completion_duration_by_region: minutes that time-based copies may take, as pairs with a destination Region;
        copies to all others are standard ones (aws 5.10).
    :param priority_tag: key of the source's tag that says who is copied first; ``None``: the oldest.
    :param coverage: whether the audit judges volumes by ``rpo_hours``, so that each plan leaves what its account has.
    :param organization_id: of the source accounts, to which KMS-B is opened.
    :param copy_role_name: role, with its path, by which all accounts are entered; ``None`` when it is not the same.
    :param key_admin_conn_id: Airflow connection that may write the policy of KMS-B; empty where nothing writes it.
    :param key_admin_role_arn: role to assume with it.
    :param policy_settle_seconds: how long a key policy that was written is waited for.
    """

    interval_start: datetime
    interval_end: datetime
    lookback_hours: float = 0.0
    snapshot_ids: tuple[str, ...] = ()
    by_events: bool = False
    dry_run: bool = False
    include_tags: TagFilters = ()
    exclude_tags: TagFilters = ()
    scope: Scope = "every"
    include_unencrypted: bool = False
    kms_b_retention: Retention = "none"
    source_timeout_hours: float = 12.0
    settle_seconds: float = 60.0
    max_attempts: int = 3
    poll_seconds: float = 15.0
    first_fire_seconds: float = 15.0
    copy_slots: int = 20
    copy_slots_by_region: tuple[tuple[str, int], ...] = ()
    source_copy_slots_by_region: tuple[tuple[str, int], ...] = ()
    completion_duration_by_region: tuple[tuple[str, int], ...] = ()
    priority_tag: str | None = None
    coverage: bool = False
    organization_id: str = ""
    copy_role_name: str | None = None
    kms_b_window: WindowMode = "unmanaged"
    kms_b_window_hours: float = 6.0
    key_admin_conn_id: str = ""
    key_admin_role_arn: str | None = None
    policy_settle_seconds: float = 60.0
    lock_down_wait_seconds: float = 900.0

    def __post_init__(self) -> None:
        if self.interval_start.tzinfo is None or self.interval_end.tzinfo is None:
            msg = f"the period {self.interval_start} to {self.interval_end} has no time zone"
            raise ValueError(msg)

    @property
    def selection(self) -> Selection:
        """Say which source snapshots the run is about."""
        return Selection(
            start=self.interval_start,
            end=self.interval_end,
            lookback=timedelta(hours=self.lookback_hours),
            snapshot_ids=frozenset(self.snapshot_ids),
            include_tags=self.include_tags,
            exclude_tags=self.exclude_tags,
            scope=self.scope,
            include_unencrypted=self.include_unencrypted,
            priority_tag=self.priority_tag,
        )

    def to_json(self) -> dict[str, object]:
        """Write the options as JSON primitives, the moments in ISO 8601."""
        written = {name: _as_lists(value) for name, value in asdict(self).items()}
        return {
            **written,
            "interval_start": self.interval_start.isoformat(),
            "interval_end": self.interval_end.isoformat(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> RunOptions:
        """
        Read options written by :meth:`to_json`; options that this version does not know are left out.

        :raises KeyError: when the period is missing.
        """
        known = {field.name: _as_tuples(value[field.name]) for field in fields(cls) if field.name in value}
        for name in ("interval_start", "interval_end"):
            known[name] = datetime.fromisoformat(str(value[name]))
        return cls(**known)  # type: ignore[arg-type]  # JSON values


def _as_lists(value: object) -> object:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


def _as_tuples(value: object) -> object:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value


@dataclass(frozen=True, slots=True)
class RunFacts:
    """
    What the scheduler says of a run. None of it changes when a task is tried again or cleared.

    :param run_type: ``scheduled``, ``backfill``, ``manual``, ``asset_triggered`` and others.
    :param run_after: the moment from which the run was due, aware; for a manual one that of its request.
    :param data_interval: its start and end, aware; ``None`` for runs without one.
    """

    run_type: str
    run_after: datetime
    data_interval: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class RunParams:
    """What a person, another program, or events asked of a run."""

    day: date | None = None
    accounts: tuple[str, ...] = ()
    snapshot_ids: tuple[str, ...] = ()
    dry_run: bool = False
    by_events: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a run is about, aware, excluding its end, and how far before it is made up for."""

    start: datetime
    end: datetime
    lookback: timedelta = NO_LOOKBACK


def read_params(params: Mapping[str, object]) -> RunParams:
    """
    Read the params of a DAG run; those that are missing, ``None`` or empty are not asked for.

    :raises ConfigurationError: naming each param that cannot be used, and why.
    """
    problems: list[str] = []
    day = _read_day(params.get("day"), problems)
    accounts = _read_ids("accounts", params.get("accounts"), _ACCOUNT_ID, "12-digit account ids in quotes", problems)
    snapshot_ids = _read_ids(
        "snapshot_ids", params.get("snapshot_ids"), _SNAPSHOT_ID, "snapshot ids (snap-0123456789abcdef0)", problems
    )
    dry_run = params.get("dry_run") or False
    if not isinstance(dry_run, bool):
        problems.append(f"dry_run is true or false, not {dry_run!r}")
    if day and snapshot_ids:
        problems.append("day and snapshot_ids exclude each other: the snapshots are copied whatever their day")
    if problems:
        msg = "The params of this run cannot be used: " + "; ".join(problems) + "."
        raise ConfigurationError(msg)
    return RunParams(day, accounts, snapshot_ids, bool(dry_run))


def _read_day(value: object, problems: list[str]) -> date | None:
    if value is None or value == "":
        return None
    try:
        # fromisoformat alone would also take 20260301 and 2026-W09-7.
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError as error:
        problems.append(f"day {value!r} is not a date: {error}")
        return None
    problems.append(f"day {value!r} is not a date such as 2026-03-01")
    return None


def _read_ids(
    name: str, value: object, pattern: re.Pattern[str], expected: str, problems: list[str]
) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, list | tuple):
        problems.append(f"{name} is a list of {expected}, not {value!r}")
        return ()
    wrong = [item for item in value if not (isinstance(item, str) and pattern.fullmatch(item))]
    if wrong:
        problems.append(f"{name} takes {expected}; {', '.join(repr(item) for item in wrong)} is none")
    return tuple(sorted({item for item in value if isinstance(item, str)}))


def period_of_run(run: RunFacts, params: RunParams, lookback: timedelta) -> Period:
    """
    Decide which period a run is about.

    Scheduled runs have their data interval and the lookback, backfills their data interval alone, and ``day`` is
    that day, 00:00 to 24:00 UTC. Every other run has the UTC day in which it was due and the lookback, which is
    what the next scheduled run would want: the data interval that Airflow makes up for a manual run is of the past.
    Named snapshots need no lookback.

    :raises ConfigurationError: for a day or an interval that has not come yet, and for a schedule without intervals.
    """
    if params.day is not None:
        return _day_asked_for(params.day, run)
    if run.run_type in (SCHEDULED, BACKFILL):
        start, end = _data_interval(run)
    else:
        start, end = _utc_day(run.run_after.astimezone(UTC).date())
    no_lookback = run.run_type == BACKFILL or params.snapshot_ids
    return Period(start, end, NO_LOOKBACK if no_lookback else lookback)


def _day_asked_for(day: date, run: RunFacts) -> Period:
    today = run.run_after.astimezone(UTC).date()
    if run.run_type == BACKFILL:
        msg = f"A backfill names its days by itself, so its param day ({day}) cannot be used: leave it out."
        raise ConfigurationError(msg)
    if day > today:
        msg = (
            f"The param day ({day}) is in the future: this run is of {today} UTC. Name that day or an earlier one, "
            "or leave the param out."
        )
        raise ConfigurationError(msg)
    return Period(*_utc_day(day))


def _utc_day(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time.min, UTC)
    return start, start + _ONE_DAY


def _data_interval(run: RunFacts) -> tuple[datetime, datetime]:
    """Take the run's data interval; a bare cron string gives an empty one (airflow 4)."""
    if run.data_interval is None or run.data_interval[0] >= run.data_interval[1]:
        msg = (
            f"This {run.run_type} run has no data interval, so that it would copy nothing of its day. Schedule the DAG "
            "with CronDataIntervalTimetable: a bare cron string has intervals that end where they start."
        )
        raise ConfigurationError(msg)
    start, end = (moment.astimezone(UTC) for moment in run.data_interval)
    if start >= run.run_after:
        msg = (
            f"The data interval of this {run.run_type} run, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, is in "
            f"the future: the run was due at {run.run_after.astimezone(UTC):%Y-%m-%d %H:%M} UTC, so that there is "
            "nothing to copy yet. Schedule the DAG with CronDataIntervalTimetable, whose runs are due once their "
            "interval is over."
        )
        raise ConfigurationError(msg)
    return start, end


def tag_filters(patterns: Mapping[str, Iterable[str]]) -> TagFilters:
    """Write tag patterns, several for a key, as the pairs that a selection takes."""
    return tuple((key, pattern) for key, values in patterns.items() for pattern in values)
