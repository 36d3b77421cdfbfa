"""The rules KP101 to KP109: what must be true of the copies themselves, in Account-B and in the accounts of Org-A."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.snapshot_facts import DrRegionFacts, KmsBCopy
from snapshot_dr_provider.domain.lineage import STAGE, Stage, decode_tags, describe_copy, lineage_of
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import Snapshot

PUBLIC: Final = Rule("KP101", "No KMS-C copy is public", Severity.CRITICAL)
SHARED: Final = Rule("KP102", "No KMS-C copy is shared with another account", Severity.HIGH)
LOOKED_AT: Final = Rule("KP103", "Every KMS-C copy was asked with whom it is shared", Severity.LOW)
TOO_OLD: Final = Rule("KP104", "No KMS-B copy stays longer than kms_b_max_age_days", Severity.MEDIUM)
KMS_B_KEY: Final = Rule("KP105", "Every KMS-B copy is under KMS-B", Severity.HIGH)
KMS_C_KEY: Final = Rule("KP106", "Every KMS-C copy is under KMS-C or a listed former one", Severity.HIGH)
ENCRYPTED: Final = Rule("KP107", "Every copy is encrypted", Severity.CRITICAL)
PUBLIC_ACCESS: Final = Rule("KP108", "Block public access is on in the DR Region", Severity.MEDIUM)
LINEAGE: Final = Rule("KP109", "Tags and description of every copy name the same source", Severity.MEDIUM)

SNAPSHOT_RULES: Final[Mapping[str, Rule]] = {
    rule.rule_id: rule
    for rule in (PUBLIC, SHARED, LOOKED_AT, TOO_OLD, KMS_B_KEY, KMS_C_KEY, ENCRYPTED, PUBLIC_ACCESS, LINEAGE)
}
"""The rules on snapshots by their ids."""

NOT_READ: Final = "Permit the DR account's role what is missing and clear this task: what was not read is not judged."


def judge_dr_region(facts: DrRegionFacts) -> list[Finding]:
    """Judge what Account-B has in one destination Region."""
    return [
        *_judge_public(facts),
        *_judge_shares(facts),
        *_judge_looked_at(facts),
        *_judge_dr_copies(facts),
        *_judge_public_access(facts),
    ]


def judge_kms_b_copies(
    left: Mapping[Route, tuple[KmsBCopy, ...]], *, max_age: timedelta, now: datetime
) -> list[Finding]:
    """
    Judge what the accounts of Org-A have left under KMS-B.

    :param left: the copies that the last stage of each route has reported; routes without a report are not in it.
    """
    rules = (_too_old(max_age, now), _wrong_kms_b_key, _kms_b_unencrypted, _kms_b_contradiction)
    copies = [(route, copy) for route, found in left.items() for copy in found]
    place = f"{len(copies)} KMS-B copies of {len(left)} routes"
    findings = []
    for rule, judge in zip((TOO_OLD, KMS_B_KEY, ENCRYPTED, LINEAGE), rules, strict=True):
        wrong = [finding for route, copy in copies if (finding := judge(route, copy)) is not None]
        findings += wrong or [rule.finding(Verdict.PASS, place)]
    return findings


def kms_b_rules_do_not_apply(why: str) -> list[Finding]:
    """Say that nothing was to be found out about KMS-B copies, as in an audit without a run."""
    return [rule.finding(Verdict.NOT_APPLICABLE, "KMS-B copies", why) for rule in (TOO_OLD, KMS_B_KEY)]


def _judge_public(facts: DrRegionFacts) -> Iterable[Finding]:
    if facts.public is None:
        yield PUBLIC.finding(Verdict.UNDECIDED, facts.place, facts.unread.get("sharing", "not read"), NOT_READ)
        return
    # Those that were asked one by one as well: a listing may lag.
    asked = {copy_id for copy_id, users in facts.shared_with.items() if "all" in users}
    for copy_id in sorted(facts.public | asked):
        why = "every AWS account may make a volume of it; under KMS-C it cannot be public, so that it is not encrypted"
        yield PUBLIC.finding(Verdict.FAIL, copy_id, why, _unshare(copy_id, facts.region, "--group-names all"))
    if not facts.public | asked:
        yield PUBLIC.finding(Verdict.PASS, facts.place)


def _judge_shares(facts: DrRegionFacts) -> Iterable[Finding]:
    if "sharing" in facts.unread or facts.copies is None:
        yield SHARED.finding(Verdict.UNDECIDED, facts.place, facts.unread.get("sharing", "not read"), NOT_READ)
        return
    given = {copy_id: sorted(set(users) - {"all"}) for copy_id, users in facts.shared_with.items()}
    for copy_id, users in given.items():
        if users:
            why = (
                f"it is shared with {', '.join(users)}, which can copy it as soon as KMS-C lets it, and nobody but "
                f"account {facts.account_id} has any business with it"
            )
            remedy = _unshare(copy_id, facts.region, f"--user-ids {' '.join(users)}")
            yield SHARED.finding(Verdict.FAIL, copy_id, why, remedy)
    if not any(given.values()):
        yield SHARED.finding(Verdict.PASS, facts.place, f"{len(given)} copies were asked")


def _judge_looked_at(facts: DrRegionFacts) -> Iterable[Finding]:
    """
    Say how many copies were not asked.

    It is a finding of its own and not *undecided*: an account of many years has more copies than can be asked in each
    run, each takes a call, and they would keep every run from green.
    """
    if "sharing" in facts.unread or facts.copies is None:
        yield LOOKED_AT.finding(Verdict.UNDECIDED, facts.place, facts.unread.get("sharing", "not read"), NOT_READ)
        return
    rest = sum(copy.snapshot_id not in facts.shared_with for copy in facts.shareable)
    if rest:
        why = (
            f"{len(facts.shared_with)} of {len(facts.shareable)} copies were asked, the newest; of the others it is "
            "only known that they are not public"
        )
        remedy = "Raise audit_share_checks, or let the weekly audit look at more: each copy takes a call."
        yield LOOKED_AT.finding(Verdict.FAIL, facts.place, why, remedy)
    else:
        yield LOOKED_AT.finding(Verdict.PASS, facts.place)


def _judge_dr_copies(facts: DrRegionFacts) -> Iterable[Finding]:
    rules = ((KMS_C_KEY, _wrong_kms_c_key), (ENCRYPTED, _dr_unencrypted), (LINEAGE, _dr_contradiction))
    for rule, judge in rules:
        if facts.copies is None:
            yield rule.finding(Verdict.UNDECIDED, facts.place, facts.unread.get("copies", "not read"), NOT_READ)
            continue
        wrong = [finding for copy in facts.copies if (finding := judge(facts, copy)) is not None]
        yield from wrong or [rule.finding(Verdict.PASS, facts.place, f"{len(facts.copies)} copies")]


def _judge_public_access(facts: DrRegionFacts) -> Iterable[Finding]:
    if facts.public_access is None:
        why = facts.unread.get("public_access", "not read")
        yield PUBLIC_ACCESS.finding(Verdict.UNDECIDED, facts.place, why, NOT_READ)
    else:
        yield judge_public_access(facts.place, facts.account_id, facts.region, facts.public_access)


def judge_public_access(place: str, account_id: str, region: str, state: str) -> Finding:
    """Judge what block public access of snapshots is set to, in the words of EC2."""
    remedy = (
        "aws ec2 enable-snapshot-block-public-access --state block-all-sharing "
        f"--region {region}, as account {account_id}"
    )
    if state == "unblocked":
        why = "anybody who may share snapshots there may give one to the whole world"
        return PUBLIC_ACCESS.finding(Verdict.FAIL, place, why, remedy)
    if state == "block-new-sharing":
        why = "no snapshot can become public, but those that are stay so"
        return PUBLIC_ACCESS.finding(Verdict.FAIL, place, why, remedy, severity=Severity.LOW)
    return PUBLIC_ACCESS.finding(Verdict.PASS, place, state)


def _wrong_kms_c_key(facts: DrRegionFacts, copy: Snapshot) -> Finding | None:
    lineage = lineage_of(copy, owner_id=facts.account_id)
    # A pending copy does not name its key for certain (aws 1.8); one that is not ours is another rule's.
    if lineage is None or copy.state != "completed" or not copy.encrypted or copy.kms_key_arn in facts.kms_c_arns:
        return None
    why = f"it is under {_describe_key(copy.kms_key_arn, facts.account_id)}, so that it does not count as a DR copy"
    remedy = (
        "If that key was KMS-C before, or is KMS-C of another settings file, list it under "
        f"destinations.{facts.region}.former_kms_c. Otherwise, once the snapshot has another copy under KMS-C: "
        f"aws ec2 delete-snapshot --snapshot-id {copy.snapshot_id} --region {facts.region}"
    )
    return KMS_C_KEY.finding(Verdict.FAIL, copy.snapshot_id, why, remedy)


def _dr_unencrypted(facts: DrRegionFacts, copy: Snapshot) -> Finding | None:
    if lineage_of(copy, owner_id=facts.account_id) is None:
        return None
    return _unencrypted(copy.snapshot_id, copy.state, facts.region, encrypted=copy.encrypted)


def _dr_contradiction(facts: DrRegionFacts, copy: Snapshot) -> Finding | None:
    lineage = lineage_of(copy, owner_id=facts.account_id)
    if lineage is not None and lineage.stage is Stage.KMS_C:
        return None
    named = decode_tags(copy.tags)
    expected = f"{describe_copy(named)!r} as its description" if named else "all tags of a copy"
    why = f"it has the tag {STAGE} but not {expected}: it is {copy.description!r}, and no run counts it"
    return _contradiction(copy.snapshot_id, facts.region, why)


def _too_old(max_age: timedelta, now: datetime) -> Callable[[Route, KmsBCopy], Finding | None]:
    def judge(route: Route, copy: KmsBCopy) -> Finding | None:
        age = now - copy.start_time
        if copy.kept or not copy.is_ours or age <= max_age:
            return None
        why = (
            f"{route.label}: the copy of {copy.source_snapshot_id} is {age / timedelta(days=1):.1f} days old, "
            f"{copy.state}, and no run has been able to retire it; whoever may use KMS-B in that account can read it"
        )
        remedy = (
            f"Let a run rotate it (the param snapshot_ids: {copy.source_snapshot_id}), or, if its source is not wanted "
            f"any more: aws ec2 delete-snapshot --snapshot-id {copy.snapshot_id} --region {route.destination_region}, "
            f"as account {route.account_id}"
        )
        return TOO_OLD.finding(Verdict.FAIL, copy.snapshot_id, why, remedy)

    return judge


def _wrong_kms_b_key(route: Route, copy: KmsBCopy) -> Finding | None:
    settled = copy.state == "completed" and copy.encrypted and copy.is_ours
    if not settled or copy.kms_key_arn == route.kms_b_arn:
        return None
    why = (
        f"{route.label}: the copy of {copy.source_snapshot_id} is under "
        f"{_describe_key(copy.kms_key_arn, route.dr_account_id)}, not under KMS-B, so that it is never rotated"
    )
    remedy = (
        f"aws ec2 delete-snapshot --snapshot-id {copy.snapshot_id} --region {route.destination_region}, as account "
        f"{route.account_id}; the next run copies its source again"
    )
    return KMS_B_KEY.finding(Verdict.FAIL, copy.snapshot_id, why, remedy)


def _kms_b_unencrypted(route: Route, copy: KmsBCopy) -> Finding | None:
    if not copy.is_ours:
        return None
    return _unencrypted(copy.snapshot_id, copy.state, route.destination_region, encrypted=copy.encrypted)


def _kms_b_contradiction(route: Route, copy: KmsBCopy) -> Finding | None:
    if copy.is_ours:
        return None
    why = f"{route.label}: it has the tag {STAGE}, but its tags and its description do not name the same source"
    return _contradiction(copy.snapshot_id, route.destination_region, why)


def _unencrypted(copy_id: str, state: str, region: str, *, encrypted: bool) -> Finding | None:
    # Fresh copies say that they are not encrypted, whatever their key (aws 1.8).
    if encrypted or state != "completed":
        return None
    why = "everybody it is shared with can read it, without any key; no task of this package makes such a copy"
    remedy = (
        "Find out who made it, and once its source has an encrypted copy: "
        f"aws ec2 delete-snapshot --snapshot-id {copy_id} --region {region}"
    )
    return ENCRYPTED.finding(Verdict.FAIL, copy_id, why, remedy)


def _contradiction(copy_id: str, region: str, why: str) -> Finding:
    remedy = (
        "If it is not a copy of this package, take our tag off it: "
        f"aws ec2 delete-tags --resources {copy_id} --tags Key={STAGE} --region {region}. If it is, put its tags right."
    )
    return LINEAGE.finding(Verdict.FAIL, copy_id, why, remedy)


def _describe_key(arn: str | None, dr_account_id: str) -> str:
    if arn is None:
        return "a key that EC2 does not name"
    owner = arn.split(":")[4] if arn.count(":") >= 5 else ""  # noqa: PLR2004  # of a key's ARN
    if owner == dr_account_id:
        return f"{arn}, another key of the DR account (perhaps its aws/ebs)"
    return f"{arn}, a key of account {owner or 'unknown'} (perhaps its aws/ebs, which is taken where none is named)"


def _unshare(copy_id: str, region: str, whom: str) -> str:
    return (
        f"aws ec2 modify-snapshot-attribute --snapshot-id {copy_id} --attribute createVolumePermission "
        f"--operation-type remove {whom} --region {region}"
    )
