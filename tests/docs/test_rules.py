from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from snapshot_dr_provider.domain.key_policy.rule import Rule
from snapshot_dr_provider.domain.key_policy.rules import RULES
from snapshot_dr_provider.domain.key_policy.run_rules import RUN_RULES
from snapshot_dr_provider.domain.key_policy.snapshot_rules import SNAPSHOT_RULES

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"\| `(KP\d{3})` \| (\w+) \| (.+) \|")


@pytest.mark.parametrize(("page", "rules"), [("key_policies.md", RULES), ("audit.md", {**SNAPSHOT_RULES, **RUN_RULES})])
def test_pages_have_every_rule_as_it_is(page: str, rules: Mapping[str, Rule]) -> None:
    """The rules are documented by the ids, the severities and the words that findings have, and no others."""
    text = (DOCS / page).read_text(encoding="utf-8")
    documented = [match.groups() for match in ROW.finditer(text)]
    assert documented == [(rule_id, rule.severity.label, rule.title) for rule_id, rule in rules.items()]
