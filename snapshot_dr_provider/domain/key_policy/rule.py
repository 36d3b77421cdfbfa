"""A rule as data: what it is called and how much it matters, apart from how it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from snapshot_dr_provider.domain.key_policy.findings import Finding, Severity, Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Name one rule.

    :param rule_id: stable id, such as ``KP001``; it is never given to another rule.
    :param title: the rule in one sentence that is true where it is kept.
    :param severity: how much a breach matters, unless a finding says otherwise.
    """

    rule_id: str
    title: str
    severity: Severity

    def finding(
        self,
        verdict: Verdict,
        subject: str,
        why: str = "",
        remedy: str = "",
        *,
        statement: str = "",
        severity: Severity | None = None,
    ) -> Finding:
        """State what the rule found at one place; ``severity`` where this breach is worse or slighter than most."""
        return Finding(
            rule=self.rule_id,
            verdict=verdict,
            severity=self.severity if severity is None else severity,
            title=self.title,
            why=why,
            remedy=remedy,
            statement=statement,
            subject=subject,
        )
