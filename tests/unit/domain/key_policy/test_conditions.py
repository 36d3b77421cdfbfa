"""Conditions: operators, their qualifiers, and what is undecided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.conditions import (
    UNKNOWN,
    all_of,
    any_of,
    decide_test,
    find_operator,
    negate,
    read_date,
)
from snapshot_dr_provider.domain.key_policy.keys import find_key, is_understood
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest

ORG = "aws:PrincipalOrgID"
PATHS = "aws:PrincipalOrgPaths"
ARN = "aws:PrincipalArn"
AGE = "aws:MultiFactorAuthAge"
NOW = "aws:CurrentTime"
ADDRESS = "aws:SourceIp"
GRANT = "kms:GrantIsForAWSResource"
ROLE = "arn:aws:iam::111111111111:role/team/copy"
BASES = [
    *(f"String{name}" for name in ("Equals", "EqualsIgnoreCase", "Like")),
    *(f"StringNot{name}" for name in ("Equals", "EqualsIgnoreCase", "Like")),
    *("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Bool", "BinaryEquals", "IpAddress", "NotIpAddress"),
    *(
        f"{family}{name}"
        for family in ("Numeric", "Date")
        for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
    ),
]
NEGATED = [base for base in BASES if "Not" in base]
POSITIVE = [base for base in BASES if "Not" not in base]


def decide(operator, key, values, held=(), *, has_variables=True, **others):
    """Decide one test; ``held`` is what the request has under the key, nothing if it is empty."""
    values = (values,) if isinstance(values, str) else tuple(values)
    held = (held,) if isinstance(held, str) else held
    context = {key.lower(): held} if held else {}
    context |= {name.lower(): value for name, value in others.pop("context", {}).items()}
    return decide_test(ConditionTest(operator, key, values), context, has_variables=has_variables)


@pytest.mark.parametrize(
    ("operator", "wanted", "there", "expected"),
    [
        ("StringEquals", "o-1", "o-1", True),
        ("StringEquals", "o-1", "O-1", False),
        ("StringEquals", "o-*", "o-1", False),
        ("StringEquals", "o-*", "o-*", True),
        ("StringEqualsIgnoreCase", "o-A", "O-a", True),
        ("StringLike", "o-*", "o-1", True),
        ("StringLike", "o-?", "o-1", True),
        ("StringLike", "O-*", "o-1", False),
        ("StringLike", "o-", "o-1", False),
    ],
)
def test_strings(operator, wanted, there, expected):
    """Strings are compared with regard to case unless the operator says otherwise; wildcards work with Like alone."""
    assert decide(operator, ORG, wanted, there) is expected
    negated = operator.replace("String", "StringNot")
    assert decide(negated, ORG, wanted, there) is not expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ROLE, True),
        ("arn:aws:iam::*:role/team/copy", True),
        ("arn:aws:iam::1111111?1111:role/*", True),
        ("arn:*:*:*:*:*", True),
        ("arn:aws:iam::111111111111:*", True),
        ("arn:aws:iam::222222222222:role/team/copy", False),
        ("arn:aws:iam::111111111111:ROLE/team/copy", False),
        ("arn:aws:*:role/team/copy", None),
        ("arn:aws:iam:*:111111111111:role/team/copy:x", False),
        ("*", None),
        ("copy", None),
    ],
)
@pytest.mark.parametrize("operator", ["ArnEquals", "ArnLike"])
def test_arns(operator, wanted, expected):
    """ARNs are compared segment by segment, with wildcards in both operators; what is no ARN cannot be decided."""
    assert decide(operator, ARN, wanted, ROLE) is expected
    assert decide(operator.replace("Arn", "ArnNot"), ARN, wanted, ROLE) is negate(expected)


def test_an_arn_wildcard_does_not_reach_over_a_colon():
    """A wildcard in the account of an ARN matches no more than the account."""
    assert decide("ArnLike", ARN, "arn:aws:iam:*:role/x", "arn:aws:iam::111111111111:role/x") is None
    assert decide("ArnLike", ARN, "arn:aws:*::111111111111:role/x", "arn:aws:iam:x::111111111111:role/x") is False
    assert decide("ArnLike", ARN, "arn:aws:iam::1:log:*", "arn:aws:iam::1:log:group:x") is True


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("true", "true", True),
        ("TRUE", "True", True),
        ("true", "false", False),
        ("false", "false", True),
        ("true", "o-1", False),
        (("true", "false"), "false", True),
        ("yes", "true", None),
        ("1", "true", None),
        ("", "true", None),
    ],
)
def test_booleans(wanted, there, expected):
    """Booleans are compared without regard to case; a request's text that is none matches nothing."""
    assert decide("Bool", GRANT, wanted, there) is expected


@pytest.mark.parametrize(
    ("operator", "less", "same", "more"),
    [
        ("Equals", False, True, False),
        ("NotEquals", True, False, True),
        ("LessThan", True, False, False),
        ("LessThanEquals", True, True, False),
        ("GreaterThan", False, False, True),
        ("GreaterThanEquals", False, True, True),
    ],
)
def test_numbers_and_dates_are_compared_by_value(operator, less, same, more):
    """The request's value stands left of the comparison, the policy's right; only their values count."""
    numbers = [decide(f"Numeric{operator}", AGE, "10.0", there) for there in ("9.5", "10", "1000")]
    assert numbers == [less, same, more]
    moments = ("2026-01-01T00:59:59+01:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z")
    assert [decide(f"Date{operator}", NOW, "2026-01-01", there) for there in moments] == [less, same, more]


@pytest.mark.parametrize("wanted", ["ten", "", " 10", "1e3", "0x10", "NaN", "Infinity", "1" * 41, "${aws:x}"])
def test_a_policy_value_that_is_no_number_is_undecided(wanted):
    """Nobody knows what a test with something else than a number does."""
    assert decide("NumericEquals", AGE, wanted, "10") is None


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01", "2026-01-01T00:00:00+00:00"),
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("2026-01-02T03:04Z", "2026-01-02T03:04:00+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.25Z", "2026-01-02T03:04:05.250000+00:00"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456+00:00"),
        ("2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05+00:00"),
        ("0", "1970-01-01T00:00:00+00:00"),
        ("1767225600", "2026-01-01T00:00:00+00:00"),
    ],
)
def test_dates_are_read_in_every_documented_form(text, iso):
    """A date is written in a W3C form of ISO 8601 or as seconds since 1970."""
    found = read_date(text)
    assert found is not None
    assert found.isoformat() == iso


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026",
        "2026-13",
        "2026-02-30",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03Z",
        "0000-01-01",
        "0001-01-01T00:00:00+23:59",
        "2026-01-01T25:00Z",
        "1767225600000",
        "-1",
        "2026-1-1",
        "20260101T000000Z",
    ],
)
def test_what_may_be_no_date_is_undecided(text):
    """A date that may be read in two ways or none decides nothing in a policy, and in a request it matches nothing."""
    assert read_date(text) is None
    assert decide("DateLessThan", NOW, text, "2026-01-01T00:00:00Z") is None
    assert decide("DateLessThan", NOW, "2030-01-01", text or "x") is False


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3/8", "10.0.0.0", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("0.0.0.0/0", "10.1.2.3", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:DB8::/32", "2001:db8:0::1", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("10.0.0.0/8", "nowhere", False),
        ("10.0.0.0/33", "10.1.2.3", None),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", None),
        ("10.*", "10.1.2.3", None),
        ("10", "10.1.2.3", None),
        ("", "10.1.2.3", None),
    ],
)
def test_addresses(wanted, there, expected):
    """Addresses lie in a network of their own version, or do not; what is no network cannot be decided."""
    assert decide("IpAddress", ADDRESS, wanted, there) is expected
    assert decide("NotIpAddress", ADDRESS, wanted, there) is negate(expected)


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [("YQ==", "YQ==", True), ("YQ==", "Yg==", False), ("YQ==", "??", False), ("??", "YQ==", None)],
)
def test_bytes(wanted, there, expected):
    """Bytes are compared as base64 on both sides."""
    assert decide("BinaryEquals", ORG, wanted, there) is expected


@pytest.mark.parametrize(
    ("wanted", "held", "expected"),
    [
        ("true", (), True),
        ("true", "o-1", False),
        ("false", (), False),
        ("False", "o-1", True),
        (("true", "false"), "o-1", True),
        ("maybe", "o-1", None),
        ("true", UNKNOWN, None),
    ],
)
def test_null_asks_for_absence(wanted, held, expected):
    """Null holds for true when the key is absent, and for false when it is there."""
    assert decide("Null", ORG, wanted, held) is expected


@pytest.mark.parametrize("base", BASES)
def test_an_absent_key_fails_unless_the_operator_is_negated(base):
    """On an absent key a test fails, a negated one holds; IfExists and ForAllValues hold, ForAnyValue never does."""
    assert decide(base, ORG, "1") is (base in NEGATED)
    assert decide(f"{base}IfExists", ORG, "1") is True
    assert decide(f"ForAllValues:{base}", ORG, "1") is True
    assert decide(f"ForAnyValue:{base}", ORG, "1") is False
    assert decide(f"ForAnyValue:{base}IfExists", ORG, "1") is True


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("suffix", ["", "IfExists"])
@pytest.mark.parametrize("qualifier", ["", "ForAnyValue:", "ForAllValues:"])
def test_every_operator_is_understood(base, suffix, qualifier):
    """Each operator family takes IfExists and both qualifiers."""
    found = find_operator(f"{qualifier}{base}{suffix}")
    assert found is not None
    assert (found.is_negated, found.if_exists) == (base in NEGATED, bool(suffix))


@pytest.mark.parametrize(
    "operator",
    [
        "",
        "IfExists",
        "stringEquals",
        "StringEqual",
        "StringEqualsIfExist",
        "StringEqualsIfExistsIfExists",
        "NullIfExists",
        "ForAnyValue:Null",
        "ForAnyValue:",
        ":StringEquals",
        "ForSomeValue:StringEquals",
        "foranyvalue:StringEquals",
        "ForAnyValue:ForAllValues:StringEquals",
        "StringEquals ",
        "BoolEquals",
        "DateLike",
    ],
)
def test_an_operator_that_is_not_documented_is_undecided(operator):
    """An operator in another spelling than AWS documents is not guessed at, whether or not the key is there."""
    assert find_operator(operator) is None
    assert decide(operator, ORG, "o-1", "o-1") is None
    assert decide(operator, ORG, "o-1") is None


@pytest.mark.parametrize(
    ("held", "any_equal", "all_equal", "any_other", "all_other"),
    [
        (("a", "b"), True, True, False, False),
        (("a", "z"), True, False, True, False),
        (("y", "z"), False, False, True, True),
    ],
)
def test_qualifiers_count_the_values_of_the_request(held, any_equal, all_equal, any_other, all_other):
    """ForAnyValue asks for one value of the request, ForAllValues for each, also when the operator is negated."""
    wanted = ("a", "b")
    assert decide("ForAnyValue:StringEquals", PATHS, wanted, held) is any_equal
    assert decide("ForAllValues:StringEquals", PATHS, wanted, held) is all_equal
    assert decide("ForAnyValue:StringNotEquals", PATHS, wanted, held) is any_other
    assert decide("ForAllValues:StringNotEquals", PATHS, wanted, held) is all_other


def test_a_key_of_several_values_without_a_qualifier_never_surely_holds():
    """IAM wants a qualifier for such keys, so that a test without one can surely fail but not surely hold."""
    assert decide("StringEquals", PATHS, "a", ("a", "b")) is None
    assert decide("StringEquals", PATHS, "a", ("y", "z")) is False
    assert decide("StringNotEquals", PATHS, "a", ("y", "z")) is None
    assert decide("StringNotEquals", PATHS, "a", ("a", "z")) is False


def test_several_values_of_a_policy_are_alternatives():
    """One value of the policy is enough for a test, and enough to fail a negated one."""
    assert decide("StringEquals", ORG, ("o-1", "o-2"), "o-2") is True
    assert decide("StringNotEquals", ORG, ("o-1", "o-2"), "o-2") is False
    assert decide("StringNotEquals", ORG, ("o-1", "o-2"), "o-3") is True


def test_an_unknown_value_of_the_request_is_undecided():
    """What the request has is not guessed, whether the operator is negated or not."""
    assert decide("StringEquals", ORG, "o-1", UNKNOWN) is None
    assert decide("StringNotEqualsIfExists", ORG, "o-1", UNKNOWN) is None
    assert decide("StringEquals", ORG, "${aws:username}", "o-1", context={"aws:username": UNKNOWN}) is None


def test_a_value_that_decides_beats_one_that_is_not_understood():
    """An alternative that matches holds whatever the others are, and a negated test then fails."""
    assert decide("NumericEquals", AGE, ("ten", "10"), "10") is True
    assert decide("NumericNotEquals", AGE, ("ten", "10"), "10") is False
    assert decide("NumericEquals", AGE, ("ten", "11"), "10") is None


def test_a_test_without_values_is_undecided():
    """An empty list of values is not documented."""
    assert decide("StringEquals", ORG, ()) is None


def test_variables_are_compared_with_what_they_stand_for():
    """A variable in a String, Arn or Bool test stands for a value of the request, without wildcards of its own."""
    tags = {
        "aws:PrincipalTag/Team": ("o-1",),
        "aws:PrincipalTag/Wild": ("*",),
        "aws:PrincipalAccount": ("111111111111",),
    }
    assert decide("StringEquals", ORG, "${AWS:principaltag/TEAM}", "o-1", context=tags) is True
    assert decide("StringLike", ORG, "o${aws:PrincipalTag/Wild}", "o-1", context=tags) is False
    assert decide("StringEquals", ORG, "${aws:PrincipalTag/none, 'o-1'}", "o-1", context=tags) is True
    assert decide("ArnLike", ARN, "arn:aws:iam::${aws:PrincipalAccount}:role/*", ROLE, context=tags) is True
    assert decide("StringEquals", ORG, "${aws:PrincipalTag/Team}", "o-1", has_variables=False, context=tags) is False
    assert decide("StringEquals", ORG, "${*}", "${*}", has_variables=False) is True


def test_a_variable_without_value_never_makes_a_test_hold():
    """It matches nothing, and a negated test is undecided: IAM may take the whole statement as invalid."""
    assert decide("StringEquals", ORG, "${aws:username}", "o-1") is False
    assert decide("StringNotEquals", ORG, "${aws:username}", "o-1") is None
    assert decide("StringNotEquals", ORG, ("${aws:username}", "o-1"), "o-1") is False


@pytest.mark.parametrize("variable", ["${aws:PrincipalOrgPaths}", "${aws:nothing}", "${username}", "${aws:username"])
def test_a_variable_that_is_not_understood_is_undecided(variable):
    """A key of several values, a key that does not exist and a broken variable stand for nothing that is known."""
    assert decide("StringEquals", ORG, variable, "o-1") is None
    assert decide("StringEquals", ORG, (variable, "o-1"), "o-1") is True


@pytest.mark.parametrize("operator", ["NumericEquals", "DateEquals", "IpAddress", "BinaryEquals"])
def test_other_families_know_no_variables(operator):
    """In numbers, dates, addresses and bytes a variable is just a text that is none of them."""
    assert decide(operator, AGE, "${aws:username}", "10", context={"aws:username": ("10",)}) is None


def test_an_operator_that_does_not_fit_the_key_never_holds():
    """A request's value that the operator cannot read matches nothing, so that a negated test holds."""
    assert decide("Bool", ORG, "true", "o-1") is False
    assert decide("DateLessThan", ORG, "2030-01-01", "o-1") is False
    assert decide("NumericNotEquals", ORG, "1", "o-1") is True
    assert decide("ArnNotLike", ORG, ROLE, "o-1") is True


@pytest.mark.parametrize(
    "key",
    [
        "aws:PrincipalOrgID",
        "AWS:PRINCIPALORGID",
        "kms:ViaService",
        "KMS:grantisforawsresource",
        "aws:PrincipalTag/a b",
        "aws:requesttag/x",
        "kms:EncryptionContext:aws:ebs:id",
        "kms:RecipientAttestation:PCR8",
        "kms:PolicyName",
    ],
)
def test_keys_are_found_in_any_case(key):
    """A condition key is known in whatever case it is written, and so is each member of a family."""
    assert is_understood(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "aws:",
        "aws:PrincipalOrgId2",
        "PrincipalOrgID",
        "aws:PrincipalTag",
        "aws:PrincipalTag/",
        "kms:EncryptionContext:",
        "kms:ViaServices",
        "s3:prefix",
        " aws:PrincipalOrgID",
        "kms:RecipientAttestation:PCR99",
    ],
)
def test_keys_that_do_not_exist_are_undecided(key):
    """A key with a typing error is never there in truth, but is not taken as absent either: the answer is open."""
    assert not is_understood(key)
    assert decide("StringNotEquals", key or "x", "a") is None


def test_keys_say_which_operations_carry_them():
    """GrantIsForAWSResource is on three operations only, ViaService on all (aws 2.4, 2.8)."""
    grant, via, paths = find_key(GRANT), find_key("kms:viaservice"), find_key(PATHS)
    assert grant is not None
    assert grant.operations == frozenset({"CreateGrant", "ListGrants", "RevokeGrant"})
    assert via is not None
    assert (via.operations, via.many) == (None, False)
    assert paths is not None
    assert paths.many


TRUTHS = st.lists(st.sampled_from([True, False, None]), max_size=5)


@given(TRUTHS)
def test_three_valued_logic(truths):
    """One that holds decides an *or*, one that fails an *and*; else what is undecided leaves it undecided."""
    assert any_of(truths) is (True if True in truths else None if None in truths else False)
    assert all_of(truths) is (False if False in truths else None if None in truths else True)


@given(
    st.sampled_from(NEGATED),
    st.lists(st.sampled_from(["1", "2", "10.0.0.1", "arn:a:b:c:d:e", "2026-01-01", "?"]), min_size=1, max_size=3),
    st.sampled_from(["1", "2", "10.0.0.1", "arn:a:b:c:d:e", "2026-01-01", "?"]),
)
def test_a_negated_operator_is_the_negation(operator, wanted, there):
    """On a key of one value that is there, the negated operator says the opposite, and is undecided where it is."""
    positive = operator.replace("Not", "", 1)
    assert decide(operator, ORG, wanted, there) is negate(decide(positive, ORG, wanted, there))


@given(st.sampled_from(BASES), st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_any_text_is_decided_or_undecided(operator, wanted, there):
    """No text in a policy or a request makes a test fail to give an answer."""
    for qualifier in ("", "ForAnyValue:", "ForAllValues:"):
        assert decide(f"{qualifier}{operator}", ORG, wanted, there) in {True, False, None}
