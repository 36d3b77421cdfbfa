"""Key policy documents: what is read, and what is refused with which line and reason."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.documents import parse_document
from snapshot_dr_provider.domain.key_policy.policy import ConditionTest, Policy, PrincipalEntry
from snapshot_dr_provider.domain.key_policy.reading import parse_policy
from snapshot_dr_provider.exceptions import KeyPolicyError

ROOT = "arn:aws:iam::999999999999:root"
ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}


def statement(**elements: object) -> dict[str, object]:
    """Write a statement that allows everything, or with other elements."""
    return {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*", **elements}


def document(*statements: object, **elements: object) -> str:
    """Write a document, one element a line."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **elements}, indent=1)


def refusal(text: str) -> KeyPolicyError:
    """Give the error that a text is refused with."""
    with pytest.raises(KeyPolicyError) as raised:
        parse_policy(text)
    return raised.value


def outcome(text: str) -> Policy | str:
    """Read a policy, or give the reason why it is none."""
    try:
        return parse_policy(text)
    except KeyPolicyError as error:
        return error.reason


def test_a_policy_is_read_as_it_is_written():
    """Each element of a document comes out as it was written, with the line of each statement and the size."""
    text = document(statement(Sid="Org", **ORGANIZATION), statement(Effect="Deny"), Id="key-policy")
    policy = parse_policy(text)
    first, second = policy.statements
    assert (policy.version, policy.policy_id, policy.size) == ("2012-10-17", "key-policy", len(text))
    assert (first.effect, first.sid, first.actions, first.resources) == ("Allow", "Org", ("kms:*",), ("*",))
    assert first.conditions == (ConditionTest("StringEquals", "aws:PrincipalOrgID", ("o-1",)),)
    assert (first.label, second.label, second.effect) == ("Org", "Statement[1]", "Deny")
    lines = text.splitlines()
    assert [lines[each.line - 1].strip() for each in policy.statements] == ["{", "{"]
    assert [each.line for each in policy.statements] == [4, 16]


def test_one_statement_needs_no_list():
    """A statement, an action, a resource and a value may each stand alone or in a list."""
    alone = parse_policy(json.dumps({"Statement": statement(**ORGANIZATION)}))
    listed = parse_policy(
        json.dumps(
            {
                "Statement": [
                    statement(
                        Action=["kms:*"],
                        Resource=["*"],
                        Condition={"StringEquals": {"aws:PrincipalOrgID": ["o-1"]}},
                    )
                ]
            }
        )
    )
    assert alone.statements == listed.statements
    assert alone.version == "2008-10-17"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("*", [("AWS", "*")]),
        ({"AWS": "*"}, [("AWS", "*")]),
        ({"AWS": ["*", ROOT, "999999999999"]}, [("AWS", "*"), ("AWS", ROOT), ("AWS", "999999999999")]),
        (
            {"AWS": ROOT, "Service": ["cloudtrail.amazonaws.com"], "Federated": "f", "CanonicalUser": "c"},
            [("AWS", ROOT), ("Service", "cloudtrail.amazonaws.com"), ("Federated", "f"), ("CanonicalUser", "c")],
        ),
    ],
)
@pytest.mark.parametrize("name", ["Principal", "NotPrincipal"])
def test_principals_are_read_in_every_form(name, written, read):
    """A principal may be the asterisk, a text or a list below its kind, and several kinds together."""
    elements = {key: value for key, value in statement().items() if key != "Principal"}
    found = parse_policy(document({**elements, name: written})).statements[0]
    assert [(each.kind, each.value) for each in found.principals or found.not_principals or ()] == read
    assert (found.principals is None) is (name == "NotPrincipal")
    assert all(isinstance(each, PrincipalEntry) for each in found.principals or found.not_principals or ())


def test_negated_elements_are_read():
    """NotAction and NotResource are kept apart from Action and Resource, which are then not there."""
    found = parse_policy(
        document({"Effect": "Deny", "Principal": "*", "NotAction": "kms:Get*", "NotResource": ["a", "b"]})
    ).statements[0]
    assert (found.not_actions, found.not_resources) == (("kms:Get*",), ("a", "b"))
    assert (found.actions, found.resources) == (None, None)


def test_values_of_conditions_become_texts():
    """A condition value may be a text, a number or a Boolean, and is kept as it was written."""
    tests = {"Bool": {"kms:MultiRegion": True}, "NumericEquals": {"kms:RotationPeriodInDays": [90, 1.50, "7"]}}
    text = document(statement(Condition=tests)).replace("1.5", "1.50")
    found = parse_policy(text).statements[0].conditions
    assert [each.values for each in found] == [("true",), ("90", "1.50", "7")]


def test_a_statement_without_action_or_resource_is_read():
    """KMS takes a statement that has no effect, so it is no reason to refuse (aws 9.1)."""
    found = parse_policy(document({"Effect": "Allow", "Principal": "*"})).statements[0]
    assert (found.actions, found.resources) == (None, None)


REFUSED = {
    "empty": ("", 1, "a value is expected, but the text ends"),
    "not JSON": ('{"Statement": [}', 1, "a value is expected instead of '}'"),
    "cut off": ('{"Statement": [\n', 2, "but the text ends"),
    "comma at the end": ('{"Version": "2012-10-17",\n}', 2, "a name in double quotes is expected instead of '}'"),
    "missing comma": ('{"Id": "a"\n "Version": "b"}', 2, "a comma or the closing bracket"),
    "missing colon": ('{"Id"\n "a"}', 2, "a colon is expected"),
    "text behind": ('{"Statement": []}\n}', 2, "more text follows"),
    "byte order mark": ("\ufeff{}", 1, "a value is expected"),
    "line break in a text": ('{"Id": "a\nb"}', 1, "control character"),
    "unknown escape": ('{\n"Id": "\\x"}', 2, "escape"),
    "not a number": ('{"Statement": NaN}', 1, "a value is expected instead of 'N'"),
    "infinity": ('{"Statement": -Infinity}', 1, "a value is expected instead of '-'"),
    "huge number": ('{"Id":\n' + "9" * 5000 + "}", 2, "more than 40 digits"),
    "half a pair": ('{"Id": "\ud800"}', 1, "half a surrogate pair"),
    "half a pair escaped": ('{\n"Id": "\\ud800"}', 2, "half a surrogate pair"),
    "too deep": ("[" * 100_000, 1, "deeper than 32 levels"),
    "too deep inside": ('{"Statement":\n' + '{"a":' * 20_000, 2, "deeper than 32 levels"),
    "too long": (" " * 131_073, 0, "131073 bytes"),
    "duplicate": (
        '{"Version": "2012-10-17",\n\n"Version": "2012-10-17"}',
        3,
        "'Version' stands twice (first in line 1)",
    ),
    "duplicate key": (
        document(statement(**ORGANIZATION)).replace('"o-1"', '"o-1",\n"aws:PrincipalOrgID": "o-2"'),
        12,
        "'aws:PrincipalOrgID' stands twice",
    ),
    "a list": ("[]", 1, "the document is a list; it has to be an object"),
    "a text": ('"policy"', 1, "the document is a string"),
    "unknown element": ('{\n"Statments": []}', 2, "'Statments' of the document is unknown"),
    "no statement": ("{}", 1, "has no Statement"),
    "empty statement": ('{\n"Statement": []}', 2, "Statement is empty"),
    "statement is a text": ('{"Statement": "Allow"}', 1, "Statement is a string; it has to be a list"),
    "statement is null": (document(None), 4, "Statement[0] is null"),
    "bad version": (document(statement(), Version="2012-10-18"), 2, "'2012-10-18' does not exist"),
    "number as version": (document(statement(), Version=2012), 2, "Version of the document is a number"),
    "bad id": (document(statement(), Id=["a"]), 11, "Id of the document is a list"),
    "unknown in statement": (document(statement(), statement(Acton="kms:*")), 15, "'Acton' of Statement[1] is unknown"),
    "wrong case": (document(statement(sid="a")), 9, "'sid' of Statement[0] is unknown"),
    "no effect": (document({"Principal": "*"}), 4, "the Effect ''"),
    "bad effect": (document(statement(Effect="allow")), 5, "the Effect 'allow'; write 'Allow' or 'Deny'"),
    "effect is a list": (document(statement(Effect=["Allow"])), 5, "Effect of Statement[0] is a list"),
    "action twice": (document(statement(NotAction="kms:*")), 9, "both Action and NotAction"),
    "resource twice": (document(statement(NotResource="*")), 9, "both Resource and NotResource"),
    "principal twice": (document(statement(NotPrincipal="*")), 9, "both Principal and NotPrincipal"),
    "no principal": (document({"Effect": "Allow", "Action": "*", "Resource": "*"}), 4, "has no Principal"),
    "principal is a text": (document(statement(Principal=ROOT)), 6, f"is '{ROOT}'; write \"*\" or an object"),
    "principal is a list": (document(statement(Principal=["*"])), 6, "Principal of Statement[0] is a list"),
    "unknown kind": (document(statement(Principal={"aws": "*"})), 7, "'aws' of Principal of Statement[0] is unknown"),
    "nobody": (document(statement(Principal={"AWS": []})), 6, "names nobody"),
    "principal is a number": (
        document(statement(Principal={"AWS": 999999999999})),
        7,
        "holds a number; write a string",
    ),
    "action is a number": (document(statement(Action=["kms:*", 1])), 9, "'Action' of Statement[0] holds a number"),
    "resource is an object": (document(statement(Resource={})), 8, "'Resource' of Statement[0] holds an object"),
    "condition is a list": (document(statement(Condition=[])), 9, "Condition of Statement[0] is a list"),
    "operator is a text": (document(statement(Condition={"Bool": "x"})), 10, "'Bool' in the Condition of Statement[0]"),
    "value is null": (document(statement(Condition={"Bool": {"a:b": None}})), 11, "'a:b' of 'Bool' in the Condition"),
    "value is an object": (document(statement(Condition={"Bool": {"a:b": [{}]}})), 12, "holds an object"),
}


@pytest.mark.parametrize(("text", "line", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_key_policy_is_refused_with_line_and_reason(text, line, reason):
    """Whatever KMS would refuse or could read otherwise is refused, and the message names its place."""
    error = refusal(text)
    assert reason in error.reason
    assert error.line == line


def test_long_names_are_cut_in_messages():
    """A message stays readable when what it quotes is not."""
    assert len(refusal(json.dumps({"x" * 100_000: 1})).reason) < 200


def test_a_policy_beyond_the_quota_is_read():
    """The quota of 32 KB is a rule's to judge: what KMS takes up to the limit of its model is read (aws 9.3)."""
    text = document(*[statement(Sid=f"Statement{number}") for number in range(1000)])
    assert 32_768 < len(text) <= 131_072
    assert len(parse_policy(text).statements) == 1000


TEXTS = st.text(max_size=30) | st.sampled_from(["*", "kms:*", ROOT, "o-1", "${aws:username}", "2012-10-17"])
NAMES = st.sampled_from([
    "Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
    "NotResource", "Condition", "AWS", "Service", "StringEquals", "aws:PrincipalOrgID",
])  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
ANYTHING = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(NAMES | TEXTS, inside, max_size=5)
)


@given(st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text(max_size=300))
@example("{" * 20_000)
@example('{"a":' * 20_000)
@example("\x00")
def test_any_text_is_a_policy_or_refused(text):
    """Bytes and texts of any kind give a policy or a KeyPolicyError, and nothing else."""
    assert outcome(text)


@given(ANYTHING)
def test_any_json_is_a_policy_or_refused(value):
    """JSON of any shape, with the names of elements in wrong places, gives a policy or a KeyPolicyError."""
    assert outcome(json.dumps(value))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"Effect": st.sampled_from(["Allow", "Deny"]), "Principal": st.just("*") | st.just({"AWS": [ROOT]})},
            optional={
                "Sid": TEXTS,
                "Action": TEXTS | st.lists(TEXTS, max_size=3),
                "Resource": TEXTS | st.lists(TEXTS, max_size=3),
                "Condition": st.dictionaries(TEXTS, st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=3))),
            },
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([None, 1]),
)
def test_layout_changes_nothing_but_lines(statements, indent):
    """A well-formed document is read whatever its layout, and every text comes out as it went in."""
    found = parse_policy(json.dumps({"Statement": statements}, indent=indent)).statements
    assert [each.sid for each in found] == [each.get("Sid", "") for each in statements]
    for each, written in zip(found, statements, strict=True):
        action = written.get("Action")
        assert each.actions == (None if action is None else (action,) if isinstance(action, str) else tuple(action))
        tests = written.get("Condition", {})
        assert {(test.operator, test.key) for test in each.conditions} == {
            (operator, key) for operator, keys in tests.items() for key in keys
        }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 2]), st.booleans())
def test_places_in_a_document_are_exact(value, indent, ascii_only):
    """What stands between start and end of any value is that value, so that a statement can be cut out of a text."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    def check(node, expected):
        assert json.loads(text[node.start : node.end]) == expected
        assert node.line == text.count("\n", 0, node.start) + 1
        for name, member in node.members.items():
            check(member, expected[name])
        for item, wanted in zip(node.items, expected if node.kind == "array" else (), strict=True):
            check(item, wanted)

    check(parse_document(text), value)


@pytest.mark.parametrize(
    "text",
    [
        document(*[statement(Sid=f"S{number}", **ORGANIZATION) for number in range(500)]),
        "\n" * 131_072,
        '{"Id": "' + "a" * 131_000 + '"}',
        '{"Statement": [' + "1," * 60_000,
        "{" + ",".join(f'"{number}":0' for number in range(12_000)) + "}",
        "[" * 131_072,
        '"' + "\\u0041" * 21_000,
    ],
    ids=["policy", "lines", "long text", "long list", "many keys", "brackets", "escapes"],
)
def test_reading_takes_bounded_time(text):
    """The longest documents are read or refused within five seconds, whatever is in them."""
    began = time.process_time()
    assert outcome(text)
    assert time.process_time() - began < 5
