"""Check Account-B: can it be entered, may it copy, are its keys sound, and has it room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from snapshot_dr_provider.cli.preflight.answers import policy_remedy, refused
from snapshot_dr_provider.cli.preflight.source_accounts import ENABLED, any_of, rehearse_hop_2
from snapshot_dr_provider.domain.key_policy.facts import KeyFacts
from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rules import KeyExpectations, judge_key
from snapshot_dr_provider.domain.key_policy.snapshot_rules import judge_public_access
from snapshot_dr_provider.domain.lineage import is_copy_in_flight
from snapshot_dr_provider.domain.preflight import Check, Kind, Outcome
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot
from snapshot_dr_provider.exceptions import AccessDeniedError, SnapshotDrError
from snapshot_dr_provider.hooks.ebs import SnapshotAuditHook
from snapshot_dr_provider.hooks.key_policies import KeyPolicyHook, key_administration
from snapshot_dr_provider.hooks.route import RouteHooks
from snapshot_dr_provider.operators.dr_facts import DrRegion
from snapshot_dr_provider.settings import Settings

MOST_SNAPSHOTS: Final = 100_000
"""What an account may have in a Region unless AWS has raised it; told by third parties (aws 3.2)."""

FULL_FROM: Final = 0.8


@dataclass(frozen=True, slots=True)
class DrAccountChecks:
    """Check Account-B in each destination Region."""

    settings: Settings
    now: datetime

    def check(self, routes: Sequence[Route]) -> Iterator[Check]:
        """
        Check all of it.

        :param routes: of the run; without any nothing of theirs can be rehearsed.
        """
        for region in sorted(self.settings.destinations):
            yield from self._check_region(region, routes)
        if self.settings.kms_b_window == "per_run":
            for region in sorted(self.settings.destinations):
                yield self._check_administrator(region)

    def _check_region(self, region: str, routes: Sequence[Route]) -> Iterator[Check]:
        place = DrRegion(self.settings, region, share_checks=0)
        label = f"Account-B ({self.settings.dr_account.account_id}) {region}"
        hook = SnapshotAuditHook(**place.credentials)
        try:
            hook.sign_in()
        except SnapshotDrError as error:
            yield refused(Kind.SIGN_IN, label, error)
            return
        yield Check(Kind.SIGN_IN, label, Outcome.OK, f"STS names account {self.settings.dr_account.account_id}")
        through = [route for route in routes if route.destination_region == region]
        try:
            snapshots = hook.own_snapshots()
        except SnapshotDrError as error:
            yield refused(Kind.PERMISSION, label, error, policy_remedy("dr-copy-role"))
        else:
            if through:
                yield self._check_permission(label, through[0], any_of(snapshots))
            yield _check_room(label, snapshots, self.settings.destinations[region].copy_slots)
        yield self._check_public_access(label, region, hook)
        members = frozenset(route.account_id for route in routes)
        yield from self._check_keys(place, members)

    def _check_permission(self, label: str, route: Route, snapshot_id: str) -> Check:
        try:
            rehearse_hop_2(RouteHooks(route), snapshot_id, self.now)
        except SnapshotDrError as error:
            return refused(Kind.PERMISSION, label, error, policy_remedy("dr-copy-role"))
        return Check(Kind.PERMISSION, label, Outcome.OK, "may copy snapshots with our tags (DryRun)")

    def _check_public_access(self, label: str, region: str, hook: SnapshotAuditHook) -> Check:
        try:
            state = hook.public_access()
        except SnapshotDrError as error:
            return refused(Kind.PUBLIC_ACCESS, label, error, policy_remedy("dr-copy-role"))
        finding = judge_public_access(label, self.settings.dr_account.account_id, region, state)
        detail = f"block public access is set to {state}"
        return self._of_finding(Kind.PUBLIC_ACCESS, label, finding) or Check(
            Kind.PUBLIC_ACCESS, label, Outcome.OK, detail
        )

    def _check_keys(self, place: DrRegion, members: frozenset[str]) -> Iterator[Check]:
        expectations = KeyExpectations(window_managed=self.settings.kms_b_window == "per_run")
        around = place.surroundings(members, self.now)
        hook = KeyPolicyHook(**place.credentials)
        destination = self.settings.destinations[place.region]
        there = True
        for name, arn in (("KMS-B", destination.kms_b), ("KMS-C", destination.kms_c)):
            check = self._check_state(hook, name, arn)
            there &= check.outcome is Outcome.OK
            yield check
        if not there:
            return
        try:
            for facts in place.read_keys():
                yield from self._judge(facts, judge_key(facts, around, expectations))
        except SnapshotDrError as error:
            yield refused(Kind.KEY_POLICY, f"the keys in {place.region}", error)

    def _check_state(self, hook: KeyPolicyHook, name: str, arn: str) -> Check:
        subject = f"{name} {arn}"
        try:
            state = hook.state(arn)
        except AccessDeniedError as error:
            return refused(Kind.KEY_STATE, subject, error, policy_remedy("dr-copy-role"))
        except SnapshotDrError as error:
            return refused(Kind.KEY_STATE, subject, error, "Create it, or correct its ARN in the settings file.")
        if state == ENABLED:
            return Check(Kind.KEY_STATE, subject, Outcome.OK, "enabled")
        remedy = f"aws kms enable-key --region {arn.split(':')[3]} --key-id {arn}"
        return Check(Kind.KEY_STATE, subject, Outcome.FAILED, f"is {state}", remedy)

    def _judge(self, facts: KeyFacts, findings: Sequence[Finding]) -> Iterator[Check]:
        """Make a check of each rule that the audit would not let pass, or one of all of them."""
        subject = f"{facts.kind.upper()} {facts.arn}"
        checks = [check for finding in findings if (check := self._of_finding(Kind.KEY_POLICY, subject, finding))]
        passed = sum(finding.verdict is Verdict.PASS for finding in findings)
        sound = f"the {passed} rules that apply hold"
        yield from checks or [Check(Kind.KEY_POLICY, subject, Outcome.OK, sound)]

    def _of_finding(self, kind: Kind, subject: str, finding: Finding) -> Check | None:
        if finding.verdict is Verdict.FAIL:
            counts = finding.severity >= Severity.of(self.settings.audit_fail_on)
            outcome = Outcome.FAILED if counts else Outcome.WARNING
        elif finding.verdict is Verdict.UNDECIDED:
            outcome = Outcome.UNKNOWN if self.settings.audit_fail_on_undecided else Outcome.WARNING
        else:
            return None
        detail = f"{finding.rule} {finding.title}: {finding.why}"
        return Check(kind, subject, outcome, detail, finding.remedy)

    def _check_administrator(self, region: str) -> Check:
        account = self.settings.dr_account
        label = f"administrator of KMS-B ({account.account_id}) {region}"
        arn = self.settings.destinations[region].kms_b
        try:
            hook = key_administration(arn, account.key_admin_aws_conn_id or "", account.key_admin_role_arn, {})
            hook.sign_in()
        except SnapshotDrError as error:
            return refused(Kind.SIGN_IN, label, error)
        return Check(Kind.SIGN_IN, label, Outcome.OK, f"STS names account {account.account_id}")


def _check_room(label: str, snapshots: Sequence[Snapshot], slots: int) -> Check:
    in_flight = sum(is_copy_in_flight(snapshot) for snapshot in snapshots)
    detail = f"{len(snapshots):,} of {MOST_SNAPSHOTS:,} snapshots, {in_flight} of {slots} copies in flight"
    if len(snapshots) < FULL_FROM * MOST_SNAPSHOTS:
        return Check(Kind.DR_ROOM, label, Outcome.OK, detail)
    remedy = 'Delete what need not be restored any more, or have the quota "Snapshots per Region" of EBS raised.'
    return Check(Kind.DR_ROOM, label, Outcome.WARNING, detail, remedy)
