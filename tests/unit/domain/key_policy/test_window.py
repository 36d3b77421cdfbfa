"""The window on the text of a policy: ours comes and goes, everything else stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.key_policy.window import (
    MAX_POLICY_BYTES,
    MAX_WINDOW,
    Terms,
    Window,
    close_windows,
    is_open,
    look_alikes,
    open_window,
    windows_in,
    without_windows,
)
from snapshot_dr_provider.exceptions import KeyPolicyError

NOW = datetime(2026, 3, 11, 0, 30, tzinfo=UTC)
TERMS = Terms("o-orga000000001", "us-east-1")
MINE = Window(TERMS, "scheduled__2026-03-10", NOW + timedelta(hours=6))
OTHER = Window(TERMS, "manual__1", NOW + timedelta(hours=2), "SnapshotDr")
DEAD = Window(TERMS, "scheduled__2026-03-09", NOW - timedelta(hours=18))

ROOT = {
    "Sid": "AccountB",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
    "Action": "kms:*",
    "Resource": "*",
}
FOREIGN = '{"Sid" : "Caf\\u00e9", "Effect":"Deny","Principal":"*","Action":["kms:Sign"],"Resource":"*" }'


def policy(*statements: str, space: str = " ") -> str:
    """Write a policy of some statements, each as it is."""
    listed = f",{space}".join([json.dumps(ROOT), *statements])
    return f'{{"Version": "2012-10-17",{space}"Statement": [{space}{listed}{space}]}}\n'


def statements_of(text: str) -> list[Any]:
    """Read the statements of a policy."""
    found = json.loads(text)["Statement"]
    return found if isinstance(found, list) else [found]


spaces = st.sampled_from(["", " ", "\n", "\n    ", "\r\n\t", " \n "])
numbered = st.integers(0, 99).map(lambda n: FOREIGN.replace("Caf", f"Caf{n}"))
ours = st.sampled_from([*OTHER.statements(), *DEAD.statements()]).map(json.dumps)
policies = st.builds(lambda found, space: policy(*found, space=space), st.lists(numbered | ours, max_size=6), spaces)


@given(policies)
def test_closing_gives_back_what_was_opened(text: str) -> None:
    """A policy that a run opens and closes is the same to the byte, but for windows that are over."""
    standing = close_windows(text, TERMS, run="nobody", now=NOW)
    assert close_windows(open_window(standing, MINE), TERMS, run=MINE.run, now=NOW) == standing


@given(policies)
def test_opening_keeps_what_is_there(text: str) -> None:
    """Opening adds two statements behind the others, whose text is untouched up to the end of the last one."""
    opened = open_window(text, MINE)
    assert statements_of(opened) == [*statements_of(text), *MINE.statements()]
    assert opened.startswith(text[: text.rindex("}", 0, text.rindex("]"))])


@given(policies)
def test_opening_twice_is_opening_once(text: str) -> None:
    """A window that is open is not written again."""
    once = open_window(text, MINE)
    assert is_open(once, MINE)
    assert open_window(once, MINE) == once


@given(st.permutations([json.dumps(each) for window in (MINE, OTHER, DEAD) for each in window.statements()]), spaces)
def test_closing_takes_its_own_and_those_that_are_over(mixed: list[str], space: str) -> None:
    """Whatever the order, a run closes its own window and dead ones, and leaves live ones of others and the rest."""
    closed = close_windows(policy(*mixed, FOREIGN, space=space), TERMS, run=MINE.run, now=NOW)
    left = [each for each in mixed if "Use" + OTHER.marker in each or "Grant" + OTHER.marker in each]
    assert closed == policy(*left, FOREIGN, space=space)
    assert without_windows(closed, TERMS, now=NOW) == policy(FOREIGN, space=space)


def test_windows_before_the_other_statements_are_cut_out_too() -> None:
    """Somebody may have sorted the statements: the first ones are cut out with the comma behind them."""
    use, grant = (json.dumps(each) for each in MINE.statements())
    text = f'{{"Statement":[ {use},\n{grant} , {json.dumps(ROOT)}]}}'
    assert close_windows(text, TERMS, run=MINE.run, now=NOW) == f'{{"Statement":[ {json.dumps(ROOT)}]}}'


def test_only_statement_without_a_list_becomes_one_of_a_list() -> None:
    """A policy whose one statement stands without brackets gets them; the statement keeps its bytes."""
    text = f'{{"Statement": {FOREIGN} }}'
    opened = open_window(text, MINE)
    assert statements_of(opened) == [json.loads(FOREIGN), *MINE.statements()]
    assert close_windows(opened, TERMS, run=MINE.run, now=NOW) == f'{{"Statement": [{FOREIGN}] }}'


def test_opening_again_renews_the_end() -> None:
    """The same run opened later ends later, in one pair of statements; opened for less, it keeps its end."""
    later = replace(MINE, end=MINE.end + timedelta(hours=1))
    text = open_window(open_window(policy(), MINE), later)
    assert [window.end for window in windows_in(text, TERMS, now=NOW)] == [later.end]
    assert len(statements_of(text)) == 3
    assert open_window(text, MINE) == text


def test_statements_are_what_a_copy_needs_and_no_more() -> None:
    """The organization, through EC2 in the Region of the key, until the end; grants for AWS resources alone."""
    use, grant = Window(TERMS, "r", NOW, "team/SnapshotDr").statements()
    both = {
        "StringEquals": {
            "aws:PrincipalOrgID": "o-orga000000001",
            "kms:ViaService": "ec2.us-east-1.amazonaws.com",
        },
        "DateLessThan": {"aws:CurrentTime": "2026-03-11T00:30:00Z"},
        "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/team/SnapshotDr"},
    }
    assert use["Action"] == ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
    assert use["Condition"] == both
    assert grant["Action"] == "kms:CreateGrant"
    assert grant["Condition"] == {**both, "Bool": {"kms:GrantIsForAWSResource": "true"}}


def changed(place: tuple[str, ...], value: object) -> str:
    """Open the window of MINE, and change one thing in its grant statement."""
    statements = [json.loads(json.dumps(each)) for each in MINE.statements()]
    at = statements[1]
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return policy(*map(json.dumps, statements))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("Action",), "kms:*"),
        (("Principal",), {"AWS": "arn:aws:iam::111111111111:root"}),
        (("Condition", "StringEquals", "aws:PrincipalOrgID"), "o-other000001"),
        (("Condition", "StringEquals", "aws:PrincipalOrgID"), ["o-orga000000001", "o-other000001"]),
        (("Condition", "Bool"), {}),
        (("Condition", "DateLessThan", "aws:CurrentTime"), "2026-03-11T06:30Z"),
        (
            ("Condition", "DateLessThan", "aws:CurrentTime"),
            f"{NOW + MAX_WINDOW + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        ),
        (("Condition", "DateLessThan"), "never"),
        (("Condition", "ArnLike"), {"aws:PrincipalArn": "*"}),
        (("NotAction",), "kms:Sign"),
    ],
)
def test_statement_that_was_changed_is_not_ours(place: tuple[str, ...], value: object) -> None:
    """A statement with the name of a window that says anything else is left where it is, and named."""
    text = changed(place, value)
    sid = f"SnapshotDrWindowGrant{MINE.marker}"
    assert look_alikes(text, TERMS, now=NOW) == (sid,)
    closed = close_windows(text, TERMS, run=MINE.run, now=NOW)
    assert [each["Sid"] for each in statements_of(closed)] == ["AccountB", sid]
    assert not is_open(text, MINE)


def test_window_that_lost_a_statement_is_completed() -> None:
    """Half of a window is no window: opening puts both statements there, once each."""
    half = policy(json.dumps(MINE.statements()[0]))
    assert not is_open(half, MINE)
    assert open_window(half, MINE) == open_window(policy(), MINE)


def test_window_that_does_not_fit_is_refused() -> None:
    """Where KMS would refuse the policy for its size, the error says how large it would be and what to do."""
    text = policy(FOREIGN.replace("kms:Sign", "kms:" + "S" * (MAX_POLICY_BYTES - 800)))
    with pytest.raises(KeyPolicyError, match=r"would have \d+ bytes .* KMS takes 32768\. Remove statements"):
        open_window(text, MINE)


def test_windows_are_never_all_that_is_left() -> None:
    """A policy of windows alone has lost its root statement, and nothing is cut out of it."""
    text = json.dumps({"Statement": MINE.statements()})
    with pytest.raises(KeyPolicyError, match="root statement of the account is missing"):
        close_windows(text, TERMS, run=MINE.run, now=NOW)


@given(st.text(max_size=60) | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_what_is_no_policy_is_refused(text: str) -> None:
    """Any other text is refused with an error of ours, and never changed."""
    with pytest.raises(KeyPolicyError):
        open_window(text, MINE)
    with pytest.raises(KeyPolicyError):
        close_windows(text, TERMS, run=MINE.run, now=NOW)


@given(st.text(min_size=1, max_size=250), st.text(min_size=1, max_size=250))
def test_runs_do_not_share_a_marker(one: str, other: str) -> None:
    """Two runs have two markers, of a form that a Sid may have, however long their ids are."""
    assume(one != other)
    markers = {Window(TERMS, run, NOW).marker for run in (one, other)}
    assert len(markers) == 2
    assert all(len(marker) == 16 and marker.isalnum() for marker in markers)
