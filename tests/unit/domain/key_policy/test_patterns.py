"""Wildcards and policy variables."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.patterns import (
    UndecidedValueError,
    expand,
    matches,
    matches_pattern,
    plain,
    split_value,
    text_of,
)

FEW = st.text(alphabet="ab*?\n", max_size=8)


def naive(pattern: str, text: str) -> bool:
    """Match as the definition has it, at any price."""
    regex = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "a:b/c\nd", True),
        ("?", "", False),
        ("?", "a", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a?c*e", "abcde", True),
        ("*b?d*", "abcde", True),
        ("*b?x*", "abcde", False),
        ("kms:Generate*Key", "kms:GenerateDataKey", True),
        ("[a]", "a", False),
        ("a.c", "abc", False),
    ],
)
def test_wildcards(pattern, text, expected):
    """An asterisk is any run of characters, a question mark any one of them, and everything else is itself."""
    assert matches_pattern(pattern, text) is expected


@given(FEW, FEW)
def test_matching_is_what_the_definition_says(pattern, text):
    """The quick matching agrees with a search that tries everything."""
    assert matches_pattern(pattern, text) is naive(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a*" * 16_000 + "b", "a" * 32_000),
        ("a*a*a*a*b", "a" * 100_000),
        ("?*" * 16_000, "a" * 16_000),
        ("*" * 32_000, "a" * 1000),
        ("*?a" * 1000 + "b", "ca" * 3000),
    ],
)
def test_no_pattern_takes_long(pattern, text):
    """The worst patterns that fit into a policy are matched within five seconds."""
    began = time.process_time()
    matches_pattern(pattern, text)
    assert time.process_time() - began < 5


VALUES = {"aws:username": "ann", "aws:PrincipalTag/team": "a*", "aws:PrincipalTag/my team": "x"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("plain", "plain"),
        ("${aws:username}", "ann"),
        ("home/${aws:username}/x", "home/ann/x"),
        ("${aws:username}${aws:username}", "annann"),
        ("${aws:PrincipalTag/my team}", "x"),
        ("${aws:none, 'all'}", "all"),
        ("${aws:none, ''}", ""),
        ("${aws:username, 'all'}", "ann"),
        ("${*}${?}${$}", "*?$"),
        ("${$}{aws:username}", "${aws:username}"),
        ("$aws", "$aws"),
        ("{aws:username}", "{aws:username}"),
    ],
)
def test_variables_are_replaced(written, text):
    """A variable stands for the request's value, or for its default when the request has none."""
    value = expand(written, VALUES.get)
    assert value is not None
    assert text_of(value) == text


def test_a_variable_without_value_matches_nothing():
    """Without a value and a default there is nothing to compare with."""
    assert expand("x${aws:none}", VALUES.get) is None


@pytest.mark.parametrize(
    "written",
    [
        "${",
        "a${aws:username",
        "${}",
        "${username}",
        "${aws:}",
        "${a:b,'c'}",
        "${a:b, c}",
        "${a:b, 'c}",
        "${ a:b}",
        "${a:b*}",
        "${a:" + "b" * 600 + "}",
        "${aws:${aws:username}}",
    ],
)
def test_what_only_looks_like_a_variable_is_undecided(written):
    """Nobody knows what IAM makes of a variable that is written against its rules."""
    with pytest.raises(UndecidedValueError):
        expand(written, VALUES.get)


def test_wildcards_from_a_variable_mean_themselves():
    """A tag whose value is an asterisk opens nothing: only what the policy's author wrote is a wildcard."""
    value = expand("${aws:PrincipalTag/team}?", VALUES.get)
    assert value is not None
    assert matches(value, "a*x")
    assert not matches(value, "abx")


@given(st.text(max_size=10), st.text(max_size=10))
def test_any_text_matches_itself_as_a_variable(text, other):
    """The value of a variable matches that text and no other, whatever characters are in it."""
    value = expand("${a:b}", lambda _: text)
    assert value is not None
    assert matches(value, text)
    assert matches(value, other) is (text == other)


@given(st.text(alphabet="a:*", max_size=12), st.integers(0, 6))
def test_splitting_a_value_is_splitting_its_text(text, most):
    """A value is split where its text is, also where the separator comes from a variable."""
    pieces = expand(f"{text}${{a:b}}", lambda _: text)
    assert pieces is not None
    assert [text_of(part) for part in split_value(pieces, ":", most)] == (text + text).split(":", most)
    assert [text_of(part) for part in split_value(plain(text), ":", most)] == text.split(":", most)


@pytest.mark.parametrize(
    "written", ["${" * 16_000, "${a:" * 8_000, "${" + "a:" * 16_000 + "'}", "${a:b" + " " * 30_000 + "}"]
)
def test_no_variable_takes_long(written):
    """Texts that almost are variables are told apart within five seconds."""
    began = time.process_time()
    with pytest.raises(UndecidedValueError):
        expand(written, VALUES.get)
    assert time.process_time() - began < 5
