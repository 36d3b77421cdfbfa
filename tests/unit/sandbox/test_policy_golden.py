from tests.oracle.golden import read_golden
from tests.oracle.sandbox import ask_sandbox


def test_the_sandbox_decides_as_an_independent_evaluator_has_decided():
    """On each recorded pair of a key policy and a request, the sandbox's evaluator decides as iam-simulate did."""
    wrong = [(pair, decision) for pair, decision in read_golden() if ask_sandbox(pair) != decision]
    assert wrong == []
