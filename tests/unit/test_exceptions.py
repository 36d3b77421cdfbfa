import inspect
import pickle
import re

import pytest

from snapshot_dr_provider import exceptions
from snapshot_dr_provider.exceptions import AwsError, KeyPolicyError, SnapshotDrError

TREE = [member for _, member in inspect.getmembers(exceptions, inspect.isclass) if issubclass(member, SnapshotDrError)]
PASSING = {
    "AmbiguousAnswerError",
    "ConnectionMissingError",
    "QuotaExceededError",
    "ReportError",
    "ServiceError",
    "ThrottledError",
}


@pytest.mark.parametrize("kind", TREE)
def test_errors_survive_pickling(kind):
    """Each error comes through a pickle as itself: Airflow and executors hand errors from process to process."""
    arguments = ("could not copy: AuthFailure: no", "AuthFailure") if issubclass(kind, AwsError) else ("it failed",)
    original = kind(*arguments)
    copy = pickle.loads(pickle.dumps(original))  # noqa: S301  # just written
    assert type(copy) is kind
    assert str(copy) == str(original) == arguments[0]
    assert vars(copy) == vars(original)


def test_an_aws_error_carries_what_aws_said():
    """An error of AWS is printed as its message alone, and gives its code apart."""
    error = AwsError("could not copy: AuthFailure: no", "AuthFailure")
    assert (str(error), error.message, error.code) == (error.message, "could not copy: AuthFailure: no", "AuthFailure")
    assert AwsError("no answer").code == ""


@pytest.mark.parametrize("kind", TREE)
def test_only_what_may_pass_is_not_permanent(kind):
    """Quotas, throttling, failures of AWS or a secrets backend and lost answers may pass; the rest needs a person."""
    assert kind.permanent is (kind.__name__ not in PASSING)


def test_the_drawn_tree_is_the_tree():
    """The tree in the module's docstring names each error once, and each below the class that it derives from."""
    drawn: dict[str, str] = {}
    parents: list[str] = []
    for branch, name in re.findall(r"^ {4}([│├└─ ]*)(\w+Error)\b", str(exceptions.__doc__), re.MULTILINE):
        depth = len(branch) // 4
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in TREE}


def test_a_key_policy_error_says_its_line():
    """An error in a key policy is printed with its line, where it has one, and gives both apart."""
    error = KeyPolicyError("the element 'Acton' is unknown", 7)
    assert (str(error), error.line, error.reason) == (f"line 7: {error.reason}", 7, "the element 'Acton' is unknown")
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301  # just written
    assert KeyPolicyError("it is empty").line == 0
