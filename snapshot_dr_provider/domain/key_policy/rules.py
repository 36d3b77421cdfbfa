"""The rules on keys and their policies, KP001 to KP022, and how a key is judged by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from snapshot_dr_provider.domain.key_policy.copy_rules import COPY_RULES
from snapshot_dr_provider.domain.key_policy.facts import KeyFacts, Surroundings
from snapshot_dr_provider.domain.key_policy.findings import Finding
from snapshot_dr_provider.domain.key_policy.key_rules import KEY_RULES, judge_key_itself
from snapshot_dr_provider.domain.key_policy.policy import Policy
from snapshot_dr_provider.domain.key_policy.policy_case import PolicyCase
from snapshot_dr_provider.domain.key_policy.policy_rules import (
    POLICY_RULES,
    judge_kms_b_policies,
    judge_kms_c_policies,
)
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.window import Terms, without_windows
from snapshot_dr_provider.exceptions import KeyPolicyError

RULES: Final[Mapping[str, Rule]] = {
    rule.rule_id: rule for rule in sorted((*KEY_RULES, *POLICY_RULES, *COPY_RULES), key=lambda rule: rule.rule_id)
}
"""The rules on keys by their ids."""


@dataclass(frozen=True, slots=True)
class KeyExpectations:
    """
    Say how a key is run.

    :param window_managed: whether runs open and close KMS-B, so that its standing policy has to be locked.
    """

    window_managed: bool = False


def judge_key(facts: KeyFacts, around: Surroundings, expectations: KeyExpectations) -> list[Finding]:
    """
    Judge a key by every rule, also those that it keeps.

    A policy that cannot be read leaves what depends on it out; that it could not be read is a finding of its own.
    """
    around = replace(around, key_arn=facts.arn if facts.arn.startswith("arn:") else around.key_arn)
    try:
        case = _case_of(facts, around, expectations)
    except KeyPolicyError as error:
        facts = replace(facts, policies={}, unread=(*facts.unread, f"its policy: {error}"))
        return list(judge_key_itself(facts, around))
    findings = list(judge_key_itself(facts, around))
    if case.policies:
        judge = judge_kms_b_policies if facts.kind == "kms-b" else judge_kms_c_policies
        findings += judge(case)
    return findings


def _case_of(facts: KeyFacts, around: Surroundings, expectations: KeyExpectations) -> PolicyCase:
    terms = Terms(around.organization_id, around.region, around.partition)
    standing: dict[str, Policy] = {}
    policies: dict[str, Policy] = {}
    for name, text in facts.policies.items():
        policies[name] = standing[name] = parse_policy(text)
        if name == "default" and facts.kind == "kms-b":
            standing[name] = parse_policy(without_windows(text, terms, now=around.now))
    return PolicyCase(
        facts.arn, tuple(policies.values()), tuple(standing.values()), around, expectations.window_managed
    )
