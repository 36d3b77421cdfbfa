"""Check a source account: can it be entered, may it copy, and are its keys fit to be copied from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from snapshot_dr_provider.cli.accounts import is_excused
from snapshot_dr_provider.cli.preflight.answers import policy_remedy, refused
from snapshot_dr_provider.domain.coverage import Expectation
from snapshot_dr_provider.domain.key_policy.source_key import source_key_statements
from snapshot_dr_provider.domain.lineage import Lineage, Stage
from snapshot_dr_provider.domain.planning import Origin, Selection, why_excluded, why_no_source
from snapshot_dr_provider.domain.preflight import Check, Kind, Outcome
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot
from snapshot_dr_provider.exceptions import SnapshotDrError
from snapshot_dr_provider.hooks.kms import KeyView
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.settings.names import partition_of
from snapshot_dr_provider.triggers.orders import accepted_keys

NOBODYS_SNAPSHOT: Final = f"snap-{1:017x}"
"""
For a rehearsal where there is no snapshot yet.

That it does not look at the source was observed of sources that are pending, not shared, or of another Region; not of
one that never was (aws 1.5).
"""

ENABLED: Final = "Enabled"


@dataclass(frozen=True, slots=True)
class SourceAccountChecks:
    """
    Check the accounts of routes, one after the other.

    :param selection: which snapshots somebody wants copied: the keys of the others do not matter.
    """

    selection: Selection
    now: datetime

    def check(self, hooks: RouteHooks) -> tuple[Check, ...]:
        """Check one; what cannot be read is told and raises nothing."""
        route = hooks.route
        try:
            hooks.sources().sign_in()
        except SnapshotDrError as error:
            if is_excused(route, error, self.now):
                detail = f"is new, and new_account_grace_hours excuses it: {error}"
                return (Check(Kind.SIGN_IN, route.label, Outcome.WARNING, detail),)
            return (refused(Kind.SIGN_IN, route.label, error),)
        entered = Check(Kind.SIGN_IN, route.label, Outcome.OK, f"STS names account {route.account_id}")
        return (entered, *self._permissions(hooks))

    def _permissions(self, hooks: RouteHooks) -> Iterator[Check]:
        route, remedy = hooks.route, policy_remedy("source-role")
        try:
            sources = hooks.sources().own_snapshots()
            wanted = [source for source in sources if self._is_wanted(source, route)]
            hooks.kms_b().rehearse_copy(any_of(wanted), route.source_region, _lineage(route, Stage.KMS_B, self.now))
        except SnapshotDrError as error:
            yield refused(Kind.PERMISSION, route.label, error, remedy)
            return
        detail = f"may list snapshots, {len(wanted)} of {len(sources)} are wanted, and copy them with our tags (DryRun)"
        yield Check(Kind.PERMISSION, route.label, Outcome.OK, detail)
        yield _kms_b(hooks)
        yield from _keys(hooks, wanted)

    def _is_wanted(self, source: Snapshot, route: Route) -> bool:
        expected = Expectation(Stage.KMS_C, route.dr_account_id, accepted_keys(Stage.KMS_C, route))
        origin = Origin(route.account_id, route.source_region, expected)
        return not why_no_source(source, origin) and not why_excluded(source, self.selection)


def rehearse_hop_2(hooks: RouteHooks, snapshot_id: str, now: datetime) -> None:
    """
    Ask whether Account-B may copy under KMS-C what a route gives it.

    :param snapshot_id: one that is there, if there is one.
    :raises SnapshotDrError: when it may not, or cannot be asked.
    """
    route = hooks.route
    hooks.kms_c().rehearse_copy(snapshot_id, route.destination_region, _lineage(route, Stage.KMS_C, now))


def any_of(snapshots: Sequence[Snapshot]) -> str:
    """Name a snapshot to rehearse with: a real one where there is one, and else one that nobody has."""
    return snapshots[0].snapshot_id if snapshots else NOBODYS_SNAPSHOT


def _lineage(route: Route, stage: Stage, now: datetime) -> Lineage:
    return Lineage(
        source_account=route.account_id,
        source_region=route.source_region,
        source_snapshot_id=NOBODYS_SNAPSHOT,
        source_volume_id=PLACEHOLDER_VOLUME_ID,
        source_start_time=now,
        stage=stage,
        kms_key_arn=route.kms_b_arn if stage is Stage.KMS_B else route.kms_c_arn,
        run="preflight",
    )


def _kms_b(hooks: RouteHooks) -> Check:
    """
    Look at KMS-B as the account that copies under it: AWS asks for DescribeKey at once (aws 2.2).

    It answers what no policy says: whether the account is in the organization at all that the key trusts.
    """
    route = hooks.route
    key = hooks.key(route.kms_b_arn, as_dr_account=False)
    if key.state:
        return Check(Kind.PERMISSION, route.label, Outcome.OK, f"may look at KMS-B {key.arn}")
    remedy = (
        "The key policy of KMS-B and the role's IAM policy both have to allow kms:DescribeKey: airflow snapshot-dr "
        f"policy show kms-b --region {route.destination_region}, and policy show source-role. Where both do, the "
        "account is not in the organization that the key policy names."
    )
    outcome = Outcome.FAILED if key.refused else Outcome.UNKNOWN
    return Check(Kind.PERMISSION, route.label, outcome, f"cannot look at KMS-B: {key.why}", remedy)


def _keys(hooks: RouteHooks, wanted: Iterable[Snapshot]) -> Iterator[Check]:
    """Check each key that wanted snapshots are under, as the account itself sees it."""
    used = Counter(source.kms_key_arn for source in wanted if source.kms_key_arn)
    for arn, number in sorted(used.items()):
        yield _key(hooks.route, hooks.key(arn, as_dr_account=False), number)


def _key(route: Route, key: KeyView, snapshots: int) -> Check:
    subject = f"{key.arn} of {snapshots} snapshots"
    if key.state == ENABLED:
        # No call tells whether it lets the role make a grant through EC2, but a copy.
        detail = "enabled; only a copy shows whether its policy lets the role"
        return Check(Kind.SOURCE_KEY, subject, Outcome.OK, detail)
    if key.state:
        remedy = f"aws kms enable-key --region {key.arn.split(':')[3]} --key-id {key.arn}"
        return Check(Kind.SOURCE_KEY, subject, Outcome.FAILED, f"is {key.state}: copies of its snapshots fail", remedy)
    account = f"arn:{partition_of(route.source_region)}:iam::{route.account_id}:root"
    regions = dict.fromkeys((route.source_region, route.destination_region))
    statements = source_key_statements(route.source_role_arn or account, *regions)
    remedy = (
        "Where its key policy does not leave the decision to IAM, as most do, its owner adds: "
        f"{json.dumps(list(statements))}"
    )
    return Check(Kind.SOURCE_KEY, subject, Outcome.UNKNOWN, key.why, remedy)
