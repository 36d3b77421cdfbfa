import pytest

from snapshot_dr_provider.sandbox.access import conditions

VERSION = "2012-10-17"
ABSENT = object()


def holds(operator, wanted, found):
    """Return how ``{operator: {"K": wanted}}`` holds for a request in which the key has the value *found*."""
    context = {}
    if found is not ABSENT:
        context["k"] = (found,) if isinstance(found, str) else tuple(found)
    return conditions.holds({operator: {"K": wanted}}, context, version=VERSION)


ROLE = "arn:aws:iam::111111111111:role/Copy"


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "", "", True),
        ("StringNotEquals", "a", "a", False),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringEqualsIgnoreCase", "aB", "Ab", True),
        ("StringNotEqualsIgnoreCase", "aB", "Ab", False),
        ("StringLike", "a*c?", "abbcd", True),
        ("StringLike", "a?c", "ac", False),
        ("StringLike", "*", "", True),
        ("StringLike", "a.c", "abc", False),
        ("StringLike", "A*", "abc", False),
        ("StringNotLike", "a*", "abc", False),
        ("StringNotLike", ["a*", "b*"], "cab", True),
        ("ArnEquals", "arn:aws:iam::*:role/Copy", ROLE, True),
        ("ArnLike", "arn:aws:iam::*:role/Cop?", ROLE, True),
        ("ArnLike", "arn:aws:iam::*:user/*", ROLE, False),
        ("ArnLike", "arn:aws:*/Copy", ROLE, False),
        ("ArnLike", "arn:*:role/Copy", ROLE, False),
        ("ArnLike", "*", ROLE, True),
        ("ArnLike", "arn:aws:logs:*:*:group:*", "arn:aws:logs:eu-west-1:1:group:x:y", True),
        ("ArnNotLike", "arn:aws:iam::*:role/Copy", ROLE, False),
        ("ArnNotEquals", "arn:aws:iam::*:role/Other", ROLE, True),
        ("Bool", "true", "true", True),
        ("Bool", True, "true", True),
        ("Bool", "False", "false", True),
        ("Bool", "false", "true", False),
        ("Bool", ["true", "false"], "true", True),
        ("Bool", "true", "yes", False),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("NumericEquals", 10, "10.0", True),
        ("NumericNotEquals", "10", "10", False),
        ("NumericLessThan", "10", "9.5", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "11", True),
        ("NumericGreaterThanEquals", ["10", "5"], "7", True),
        ("NumericEquals", "10", "ten", False),
        ("DateEquals", "2026-11-23T00:00:00Z", "2026-11-23T01:00:00+01:00", True),
        ("DateNotEquals", "2026-11-23T00:00:00Z", "2026-11-23", False),
        ("DateLessThan", "2026-11-23T12:00:00Z", "2026-11-23T11:59:59Z", True),
        ("DateLessThan", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z", False),
        ("DateLessThanEquals", "2026-11-23T12:00Z", "2026-11-23T12:00:00Z", True),
        ("DateGreaterThan", "1763856000", "2025-11-23T00:00:01Z", True),
        ("DateGreaterThanEquals", 1763856000, "2025-11-23T00:00:00Z", True),
        ("DateGreaterThan", "2026-11", "2026-11-02", True),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("IpAddress", ["10.0.0.0/8", "192.168.0.1"], "192.168.0.1", True),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "10.0.0.0/8", "11.1.2.3", False),
        ("IpAddress", "10.0.0.0/8", "ec2.amazonaws.com", False),
        ("NotIpAddress", "10.0.0.0/8", "11.1.2.3", True),
        ("NotIpAddress", ["10.0.0.0/8", "11.0.0.0/8"], "11.1.2.3", False),
    ],
)
def test_operators_compare_one_value(operator, wanted, found, expected):
    """Several values of a policy are alternatives for an operator, and all excluded by a negated one."""
    assert holds(operator, wanted, found) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "expected"),
    [
        *[
            (name, "1", False)
            for name in (
                *("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "BinaryEquals"),
                *("NumericEquals", "NumericLessThan", "NumericGreaterThanEquals", "DateLessThan", "DateEquals"),
            )
        ],
        ("Bool", "false", False),
        ("IpAddress", "0.0.0.0/0", False),
        *[
            (name, "1", True)
            for name in (
                *("StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "ArnNotEquals", "ArnNotLike"),
                *("NumericNotEquals", "DateNotEquals"),
            )
        ],
        ("NotIpAddress", "10.0.0.0/8", True),
        ("StringEqualsIfExists", "a", True),
        ("BoolIfExists", "true", True),
        ("StringNotEqualsIfExists", "a", True),
        ("ForAllValues:StringEquals", "a", True),
        ("ForAllValues:StringNotEquals", "a", True),
        ("ForAnyValue:StringEquals", "a", False),
        ("ForAnyValue:StringNotEquals", "a", False),
        ("ForAnyValue:StringEqualsIfExists", "a", True),
        ("ForAllValues:StringLikeIfExists", "a", True),
        ("Null", "true", True),
        ("Null", "false", False),
        ("Null", ["true", "false"], True),
    ],
)
def test_an_absent_key(operator, wanted, expected):
    """An absent key matches negated operators, IfExists and ForAllValues, and no other."""
    assert holds(operator, wanted, ABSENT) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
        ("ForAnyValue:StringEquals", ["a", "b"], ("c", "b"), True),
        ("ForAnyValue:StringEquals", ["a", "b"], ("c", "d"), False),
        ("ForAllValues:StringNotEquals", "a", ("b", "c"), True),
        ("ForAllValues:StringNotEquals", "a", ("a", "c"), False),
        ("ForAnyValue:StringNotEquals", "a", ("a", "c"), True),
        ("ForAnyValue:StringNotEquals", "a", ("a",), False),
        ("ForAnyValue:StringLike", "a*", ("b", "ab"), True),
        ("ForAllValues:ArnLike", "arn:aws:iam::*:role/*", (ROLE,), True),
        ("ForAllValues:StringEquals", "a", (), True),
        ("ForAnyValue:StringEquals", "a", (), False),
        ("ForAllValues:StringEquals", "a", ("",), True),
        ("ForAnyValue:StringEquals", "", ("",), False),
        ("StringEqualsIfExists", "a", ("b",), False),
        ("StringEqualsIfExists", "a", ("a",), True),
        ("StringEquals", "a", ("a", "b"), None),
        ("Null", "true", ("a",), False),
        ("Null", "false", ("a",), True),
        ("Null", "true", (), True),
    ],
)
def test_keys_with_several_values(operator, wanted, found, expected):
    """A quantifier says whether all or any of a key's values count; without one several values are undecidable [M]."""
    assert holds(operator, wanted, found) is expected


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [
        ("StringMatches", "a"),
        ("stringequals", "a"),
        ("ForSomeValues:StringEquals", "a"),
        ("NullIfExists", "true"),
        ("ForAllValues:Null", "true"),
        ("Bool", "maybe"),
        ("NumericEquals", "ten"),
        ("NumericEquals", "NaN"),
        ("DateLessThan", "tomorrow"),
        ("IpAddress", "10.0.0.0/64"),
        ("Null", "perhaps"),
        ("StringEquals", {"nested": "a"}),
        ("StringEquals", None),
        ("IpAddress", ["1.0.0.0/8", "nonsense"]),
    ],
)
def test_what_makes_no_sense_is_undecidable(operator, wanted):
    """An unknown operator, or a policy value that is not of its operator's kind, is neither true nor false."""
    assert holds(operator, wanted, "1.2.3.4") is None


@pytest.mark.parametrize("condition", [None, [], "StringEquals", {"StringEquals": "a"}])
def test_a_condition_of_another_shape_is_undecidable(condition):
    """A Condition that is no mapping of mappings is undecidable."""
    assert conditions.holds(condition, {}, version=VERSION) is None


def test_all_operators_and_keys_have_to_hold():
    """Operators and keys are joined by AND, and one that is certainly unmet outweighs one that is undecidable."""
    context = {"a": ("1",), "b": ("2",)}

    def both(first, second):
        return conditions.holds({"StringEquals": {"a": first, "b": second}}, context, version=VERSION)

    assert both("1", "2") is True
    assert both("1", "1") is False
    unknown = {"Weird": {"a": "1"}}
    assert conditions.holds({**unknown, "StringEquals": {"a": "1"}}, context, version=VERSION) is None
    assert conditions.holds({**unknown, "StringEquals": {"a": "2"}}, context, version=VERSION) is False
    assert conditions.holds({}, context, version=VERSION) is True


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "expected"),
    [
        ("StringEquals", "x-${aws:username}", "x-ann", True),
        ("StringEquals", "x-${AWS:UserName}", "x-ann", True),
        ("StringLike", "${aws:username}*", "ann-1", True),
        ("StringLike", "${star}", "anything", False),
        ("StringLike", "${star}", "*", True),
        ("StringLike", "a${*}c", "abc", False),
        ("StringLike", "a${*}c", "a*c", True),
        ("StringEquals", "${$}{x}", "${x}", True),
        ("StringEquals", "${absent}", "", False),
        ("StringNotEquals", "${absent}", "a", True),
        ("StringEquals", "${absent, 'none'}", "none", True),
        ("StringEquals", "${aws:username, 'none'}", "ann", True),
        ("StringEquals", "${several}", "1", False),
        ("ArnLike", "arn:aws:iam::*:role/${aws:username}", "arn:aws:iam::1:role/ann", True),
        ("NumericEquals", "${aws:username}", "1", None),
    ],
)
def test_policy_variables(operator, wanted, found, expected):
    """Variables stand for single values of the request in texts and ARNs, never as wildcards, and may have defaults."""
    context = {"aws:username": ("ann",), "star": ("*",), "several": ("1", "2"), "k": (found,)}
    assert conditions.holds({operator: {"k": wanted}}, context, version=VERSION) is expected


def test_variables_need_the_newer_policy_version():
    """In a policy of 2008-10-17, which a missing version means, ``${...}`` is plain text."""
    condition = {"StringEquals": {"k": "${aws:username}"}}
    context = {"aws:username": ("ann",), "k": ("ann",)}
    assert conditions.holds(condition, context, version=VERSION) is True
    assert conditions.holds(condition, context, version="2008-10-17") is False
    assert conditions.holds(condition, {**context, "k": ("${aws:username}",)}, version="") is True
