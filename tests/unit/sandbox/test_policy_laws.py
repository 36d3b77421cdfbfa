import string

from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.sandbox.access import conditions, patterns
from snapshot_dr_provider.sandbox.access.policy import evaluate

TEXTS = st.text(alphabet="ab*?:/", max_size=8)
PLAIN = st.text(alphabet="ab:/", max_size=8)
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(st.sampled_from(["kms:*", "kms:A", "kms:B", "*"]), max_size=2),
        "Resource": st.sampled_from(["*", "arn:1", "arn:2", "arn:?"]),
        "Condition": st.sampled_from(
            [{}, {"StringEquals": {"k": "1"}}, {"StringNotEquals": {"k": "1"}}, {"Weird": {"k": "1"}}]
        ),
    }
)
CONTEXTS = st.sampled_from([{}, {"k": "1"}, {"K": "2"}])
NEGATIONS = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "ArnLike": "ArnNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
}


def like(pattern: str, value: str) -> bool:
    """Match by trying every split, as slowly and plainly as the definition reads."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(like(pattern[1:], value[cut:]) for cut in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and like(pattern[1:], value[1:])


@given(TEXTS, PLAIN)
def test_wildcards_match_as_defined(pattern, value):
    """``*`` stands for any run of characters, ``?`` for exactly one, and everything else for itself."""
    tokens = patterns.resolve(pattern, {}, version="2012-10-17")
    assert tokens is not None
    assert patterns.is_like(tokens, value) is like(pattern, value)


@given(st.text(alphabet=string.printable, max_size=20))
def test_a_variable_stands_for_its_value_alone(value):
    """Whatever characters a variable's value has, it matches itself and works as no wildcard."""
    tokens = patterns.resolve("${v}", {"v": (value,)}, version="2012-10-17")
    assert tokens is not None
    assert patterns.is_like(tokens, value)
    assert not patterns.is_like(tokens, f"{value}x")


@given(st.lists(STATEMENTS, max_size=4), STATEMENTS, CONTEXTS, st.sampled_from(["kms:A", "kms:B"]))
def test_a_deny_never_widens_and_an_allow_never_narrows(statements, extra, context, action):
    """Adding a Deny makes nothing allowed, and adding an Allow makes nothing denied."""

    def allowed(each):
        document = {"Statement": each}
        return evaluate([document], principal=None, action=action, resource="arn:1", context=context).allowed

    before, after = allowed(statements), allowed([*statements, extra])
    if extra["Effect"] == "Deny":
        assert before or not after
    else:
        assert after or not before


@given(st.lists(STATEMENTS, max_size=5), CONTEXTS, st.randoms())
def test_the_order_of_statements_does_not_matter(statements, context, random):
    """Statements are a set: neither their order nor their spread over documents changes the decision."""
    shuffled = random.sample(statements, len(statements))
    one = evaluate([{"Statement": statements}], principal=None, action="kms:A", resource="arn:1", context=context)
    many = evaluate(
        [{"Statement": each} for each in shuffled], principal=None, action="kms:A", resource="arn:1", context=context
    )
    assert one == many


@given(
    st.sampled_from(sorted(NEGATIONS)),
    st.lists(st.sampled_from(["1", "2", "arn:a:b:c:d:e", "A", "a*"]), max_size=3),
    st.none() | st.sampled_from(["1", "2", "arn:a:b:c:d:e", "a"]),
)
def test_a_negated_operator_is_the_opposite(operator, wanted, found):
    """A negated operator holds exactly where its positive one does not, also for an absent key."""
    context = {} if found is None else {"k": (found,)}
    positive = conditions.holds({operator: {"k": wanted}}, context, version="2012-10-17")
    negative = conditions.holds({NEGATIONS[operator]: {"k": wanted}}, context, version="2012-10-17")
    if positive is None:
        assert negative is None
    else:
        assert negative is (not positive)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.lists(st.sampled_from("abc"), max_size=3))
def test_the_quantifiers_are_dual(found, wanted):
    """Any value equals one listed, unless all values differ from those listed."""
    context = {"k": tuple(found)}
    any_equal = conditions.holds({"ForAnyValue:StringEquals": {"k": wanted}}, context, version="2012-10-17")
    all_differ = conditions.holds({"ForAllValues:StringNotEquals": {"k": wanted}}, context, version="2012-10-17")
    assert any_equal is (not all_differ)
