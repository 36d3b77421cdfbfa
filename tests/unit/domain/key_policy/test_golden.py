from collections import Counter

from tests.oracle.domain import ask_domain
from tests.oracle.golden import read_golden


def test_the_audit_decides_as_an_independent_evaluator_has_decided():
    """On each recorded pair of a key policy and a request, the audit's evaluator decides as iam-simulate did."""
    wrong = [(pair, decision) for pair, decision in read_golden() if ask_domain(pair) != decision]
    assert wrong == []


def test_the_recorded_pairs_cover_each_family_with_both_decisions():
    """Hundreds of pairs are recorded, and each family of them has requests that are allowed and such that are not."""
    decisions = Counter((pair.family, decision) for pair, decision in read_golden())
    families = {family for family, _ in decisions}
    assert decisions.total() >= 500
    assert len(families) == 17
    assert min(decisions[family, decision] for family in families for decision in ("yes", "no")) >= 5
