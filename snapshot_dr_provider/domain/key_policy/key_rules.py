"""Judge a key by its state, its place, its grants, its size and its windows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from snapshot_dr_provider.domain.key_policy.facts import GrantFacts, KeyFacts, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.window import MAX_POLICY_BYTES, Terms, look_alikes, windows_in

READABLE: Final = Rule("KP001", "Everything that decides who may use the key can be read", Severity.HIGH)
USABLE: Final = Rule("KP002", "The key is enabled", Severity.HIGH)
PLACE: Final = Rule("KP003", "The key belongs to Account-B and lies in the destination Region", Severity.HIGH)
ONE_POLICY: Final = Rule("KP004", "The key has the default policy alone", Severity.HIGH)
GRANTS: Final = Rule("KP005", "No grant goes to anybody outside Account-B and the organization", Severity.HIGH)
SIZE: Final = Rule("KP006", "The key policy has room left", Severity.MEDIUM)
STALE_WINDOW: Final = Rule("KP007", "No window is left in the policy past its end", Severity.MEDIUM)

KEY_RULES: Final = (READABLE, USABLE, PLACE, ONE_POLICY, GRANTS, SIZE, STALE_WINDOW)

NEARLY_FULL: Final = 0.9
"""Part of the size limit from which on it is said; a window takes some 1,000 bytes."""


def judge_key_itself(facts: KeyFacts, around: Surroundings) -> Iterator[Finding]:
    """Judge what is true of a key beside what its policies say."""
    yield from _judge_read(facts)
    yield from _judge_state(facts)
    yield from _judge_place(facts, around)
    yield from _judge_policies(facts)
    yield from _judge_grants(facts, around)
    yield from _judge_size(facts)
    yield from _judge_windows(facts, around)


def _judge_read(facts: KeyFacts) -> Iterator[Finding]:
    for what in facts.unread:
        yield READABLE.finding(
            Verdict.UNDECIDED,
            facts.arn,
            f"could not be read: {what}",
            "Allow the role of Account-B to kms:DescribeKey, kms:ListKeyPolicies, kms:GetKeyPolicy and kms:ListGrants "
            "(airflow snapshot-dr policy show dr-copy-role), then clear this task.",
        )
    if not facts.unread:
        yield READABLE.finding(Verdict.PASS, facts.arn)


def _judge_state(facts: KeyFacts) -> Iterator[Finding]:
    key_id = facts.arn.rpartition("/")[2]
    remedies = {
        "Disabled": f"aws kms enable-key --key-id {key_id}",
        "PendingDeletion": f"aws kms cancel-key-deletion --key-id {key_id}, then aws kms enable-key --key-id {key_id}",
    }
    if facts.state is None:
        yield USABLE.finding(Verdict.NOT_APPLICABLE, facts.arn, "its state is not known")
    elif facts.state == "Enabled":
        yield USABLE.finding(Verdict.PASS, facts.arn)
    else:
        # Every copy under a key is lost with it.
        severity = Severity.CRITICAL if facts.state == "PendingDeletion" else Severity.HIGH
        why = f"it is {facts.state}: no snapshot under it can be copied or restored"
        remedy = remedies.get(facts.state, "Find out why in the console of AWS KMS.")
        yield USABLE.finding(Verdict.FAIL, facts.arn, why, remedy, severity=severity)


def _judge_place(facts: KeyFacts, around: Surroundings) -> Iterator[Finding]:
    parts = facts.arn.split(":")
    if len(parts) != 6 or parts[2] != "kms":  # noqa: PLR2004  # parts of an ARN
        yield PLACE.finding(Verdict.NOT_APPLICABLE, facts.arn, "its ARN is not known")
        return
    _, _, _, region, account_id, _ = parts
    if (region, account_id) == (around.region, around.dr_account_id):
        yield PLACE.finding(Verdict.PASS, facts.arn)
        return
    why = f"it is of account {account_id} in {region}, not of {around.dr_account_id} in {around.region}"
    yield PLACE.finding(Verdict.FAIL, facts.arn, why, "Name a key of Account-B in the destination Region.")


def _judge_policies(facts: KeyFacts) -> Iterator[Finding]:
    others = sorted(facts.policies.keys() - {"default"})
    if others:
        why = f"it has the policies {', '.join(others)} as well; AWS_RAM is what AWS RAM writes when a key is shared"
        remedy = "aws ram list-resources --resource-owner SELF names the share; take the key out of it."
        yield ONE_POLICY.finding(Verdict.FAIL, facts.arn, why, remedy, statement=others[0])
    elif facts.policies:
        yield ONE_POLICY.finding(Verdict.PASS, facts.arn)


def _judge_grants(facts: KeyFacts, around: Surroundings) -> Iterator[Finding]:
    if facts.grants is None:
        yield GRANTS.finding(Verdict.NOT_APPLICABLE, facts.arn, "its grants are not known")
        return
    found = [finding for grant in facts.grants for finding in _judge_grant(facts, grant, around)]
    yield from found or [GRANTS.finding(Verdict.PASS, facts.arn)]


def _judge_grant(facts: KeyFacts, grant: GrantFacts, around: Surroundings) -> Iterator[Finding]:
    """Judge one grant. Those to EC2 come and go with every copy (aws 2.3, 9.5)."""
    account_id = grant.grantee.split(":")[4] if grant.grantee.startswith("arn:") else ""
    if account_id == around.dr_account_id or _is_aws_service(grant.grantee):
        return
    if facts.kind == "kms-b" and account_id in around.member_accounts:
        return
    is_known = facts.kind == "kms-c" or bool(around.member_accounts)
    operations = ", ".join(grant.operations)
    limits = f" under {json.dumps(dict(grant.constraints), sort_keys=True)}" if grant.constraints else ""
    why = f"grant {grant.grant_id} lets {grant.grantee} {operations}{limits}, whatever the key policy says"
    yield GRANTS.finding(
        Verdict.FAIL if is_known else Verdict.UNDECIDED,
        facts.arn,
        why,
        f"aws kms revoke-grant --key-id {facts.arn} --grant-id {grant.grant_id}",
        statement=grant.name,
    )


def _is_aws_service(grantee: str) -> bool:
    return grantee.endswith(".amazonaws.com") and ":" not in grantee


def _judge_size(facts: KeyFacts) -> Iterator[Finding]:
    size = len(facts.policies.get("default", "").encode(errors="surrogatepass"))
    if size <= NEARLY_FULL * MAX_POLICY_BYTES:
        yield SIZE.finding(Verdict.PASS, facts.arn)
        return
    severity = Severity.HIGH if size > MAX_POLICY_BYTES else Severity.MEDIUM
    why = f"it has {size} of the {MAX_POLICY_BYTES} bytes that KMS takes, so that a window may not fit any more"
    remedy = "Replace lists of accounts by aws:PrincipalOrgID: airflow snapshot-dr policy show kms-b"
    yield SIZE.finding(Verdict.FAIL, facts.arn, why, remedy, severity=severity)


def _judge_windows(facts: KeyFacts, around: Surroundings) -> Iterable[Finding]:
    text = facts.policies.get("default", "")
    if facts.kind != "kms-b" or not text:
        return
    terms = Terms(around.organization_id, around.region, around.partition)
    stale = [each for each in windows_in(text, terms, now=around.now) if not each.is_live(around.now)]
    for window in stale:
        sid = f"SnapshotDrWindowUse{window.marker}"
        why = f"the window that ended at {window.end:%Y-%m-%d %H:%M} UTC is still there: its run never locked the key"
        remedy = "Clear lock_down_kms_b of that run; the next run's lock-down removes it as well."
        yield STALE_WINDOW.finding(Verdict.FAIL, facts.arn, why, remedy, statement=sid)
    changed = look_alikes(text, terms, now=around.now)
    for sid in changed:
        why = "it bears the name of a window but says something else: somebody has changed it, and no run removes it"
        yield STALE_WINDOW.finding(
            Verdict.FAIL, facts.arn, why, f"Remove the statement {sid} by hand.", statement=sid, severity=Severity.HIGH
        )
    if not stale and not changed:
        yield STALE_WINDOW.finding(Verdict.PASS, facts.arn)
