"""Routes travel through XCom and through the arguments of mapped tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.routes import Route

names = st.text(min_size=1, max_size=20)
routes = st.builds(
    Route,
    account_id=names,
    account_name=names,
    source_region=names,
    destination_region=names,
    kms_b_arn=names,
    kms_c_arn=names,
    dr_account_id=names,
    source_conn_id=names,
    dr_conn_id=names,
    source_role_arn=st.none() | names,
    dr_role_arn=st.none() | names,
    former_kms_c_arns=st.lists(names, max_size=3).map(tuple),
    source_copy_slots=st.none() | st.integers(1, 1000),
    grace_until=st.none() | st.datetimes(timezones=st.just(UTC)),
)
PLAIN = Route(
    account_id="111111111111",
    account_name="payments-prod",
    source_region="us-east-1",
    destination_region="eu-west-1",
    kms_b_arn="b",
    kms_c_arn="c",
    dr_account_id="999999999999",
    source_conn_id="aws_a",
    dr_conn_id="aws_dr",
)


@given(routes)
def test_a_route_comes_back_from_xcom_as_it_was(route):
    """A route survives JSON, which knows no tuples."""
    assert Route.from_json(json.loads(json.dumps(route.to_json()))) == route


def test_a_route_is_called_by_its_account_and_region():
    """The label is what people look for in the grid; it names the destination where that is another Region."""
    assert PLAIN.label == "payments-prod (111111111111) us-east-1 to eu-west-1"
    assert replace(PLAIN, destination_region="us-east-1").label == "payments-prod (111111111111) us-east-1"


def test_what_may_be_left_out_has_no_value():
    """Roles, former keys, slots and grace may be missing in what a person or an earlier version wrote; no more may."""
    written = PLAIN.to_json()
    for name in ("source_role_arn", "dr_role_arn", "former_kms_c_arns", "source_copy_slots", "grace_until"):
        del written[name]
    assert Route.from_json(written | {"later": 1}) == PLAIN
    del written["kms_c_arn"]
    with pytest.raises((KeyError, TypeError), match="kms_c_arn"):
        Route.from_json(written)


def test_one_key_is_no_list_of_keys():
    """A text in place of the list of former keys is refused, not taken apart into its letters."""
    with pytest.raises(TypeError, match="former_kms_c_arns of a route is a list of ARNs, not 'c'"):
        Route.from_json(PLAIN.to_json() | {"former_kms_c_arns": "c"})
