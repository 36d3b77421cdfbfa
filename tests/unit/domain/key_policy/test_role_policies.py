"""IAM policies follow from what is declared, and nothing in them is wider than its use."""

from __future__ import annotations

import pytest

from snapshot_dr_provider.domain.key_policy.role_policies import Estate, Role, role_permissions, role_policy
from snapshot_dr_provider.domain.key_policy.statements import COPY_ACTIONS, Basis
from snapshot_dr_provider.exceptions import ConfigurationError

KEY = "arn:aws:kms:us-east-1:999999999999:key/"
ESTATE = Estate(
    kms_b=(KEY + "b",),
    kms_c=(KEY + "c",),
    former_kms_c=(KEY + "former-c",),
    source_regions=("eu-west-1", "us-east-1"),
    destination_regions=("us-east-1",),
)
SNAPSHOTS = ("ec2:DescribeSnapshots", "ec2:CopySnapshot", "ec2:CreateTags", "ec2:DeleteSnapshot")


def listed(value):
    """Read an element that is one text or a list."""
    return [value] if isinstance(value, str) else list(value)


def places_of(document):
    """Give resources and conditions of each action of a policy."""
    return {
        action: (listed(statement["Resource"]), statement.get("Condition", {}))
        for statement in document["Statement"]
        for action in listed(statement["Action"])
    }


@pytest.mark.parametrize("role", list(Role))
def test_action_without_a_place_is_an_error(role):
    """A new call cannot be forgotten: its action has to be given a place, and the error says where."""
    with pytest.raises(ConfigurationError, match=rf"ec2:Launch .*{role.value}.*role_policies\.py"):
        role_policy(role, ["ec2:Launch"], ESTATE)


def test_only_what_is_declared_is_allowed():
    """A role gets what its hooks declare, and what EC2 asks of KMS in its name."""
    assert places_of(role_policy(Role.KEY_ADMIN, ["kms:PutKeyPolicy"], ESTATE)).keys() == {"kms:PutKeyPolicy"}
    assert places_of(role_policy(Role.SOURCE, SNAPSHOTS, ESTATE)).keys() == {*SNAPSHOTS, *COPY_ACTIONS}


@pytest.mark.parametrize(("role", "stage"), [(Role.SOURCE, "kms-b"), (Role.DR_COPY, "kms-c")])
def test_only_our_own_copies_can_be_deleted_or_shared(role, stage):
    """What changes a snapshot is for those that bear the tag of our copies, which copying alone can set."""
    places = places_of(role_policy(role, [*SNAPSHOTS, "ec2:ModifySnapshotAttribute"], ESTATE))
    ours = {"StringEquals": {"aws:ResourceTag/snapshot-dr:stage": stage}}
    assert places["ec2:DeleteSnapshot"][1] == ours
    assert places["ec2:CreateTags"][1] == {"StringEquals": {"ec2:CreateAction": "CopySnapshot"}}
    assert places.get("ec2:ModifySnapshotAttribute", ([], ours))[1] == ours


def test_account_b_shares_nothing():
    """The role that makes the DR copies cannot give them to anybody, though its hook could."""
    assert "ec2:ModifySnapshotAttribute" not in places_of(
        role_policy(Role.DR_COPY, ["ec2:ModifySnapshotAttribute"], ESTATE)
    )


def test_keys_are_used_through_ec2_only():
    """Whatever uses a key has to come through EC2 in a Region of the settings; grants are for AWS resources."""
    for role in (Role.SOURCE, Role.DR_COPY):
        places = places_of(role_policy(role, (), ESTATE))
        for action in COPY_ACTIONS.keys() - {"kms:DescribeKey"}:
            via = listed(places[action][1]["StringEquals"]["kms:ViaService"])
            assert set(via) <= {"ec2.eu-west-1.amazonaws.com", "ec2.us-east-1.amazonaws.com"}
        assert places["kms:CreateGrant"][1]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_any_key_is_named_only_where_sources_are_read():
    """Sources may be under any key; what is written is under KMS-B, and Account-B touches its own keys alone."""
    source = places_of(role_policy(Role.SOURCE, (), ESTATE))
    open_to_all = {action for action, (resources, _) in source.items() if resources == ["*"]}
    assert open_to_all == {"kms:DescribeKey", "kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant"}
    assert source["kms:GenerateDataKeyWithoutPlaintext"][0] == [KEY + "b"]
    dr = places_of(role_policy(Role.DR_COPY, ["kms:GetKeyPolicy"], ESTATE))
    assert dr["kms:CreateGrant"][0] == [KEY + "b", KEY + "c"]
    assert dr["kms:GetKeyPolicy"][0] == [KEY + "b", KEY + "c", KEY + "former-c"]


def test_key_administrator_reaches_kms_b_alone():
    """Who opens the window can write the policy of KMS-B, and of no other key."""
    (statement,) = role_policy(Role.KEY_ADMIN, ["kms:GetKeyPolicy", "kms:PutKeyPolicy"], ESTATE)["Statement"]
    assert statement["Resource"] == KEY + "b"


def test_each_action_is_explained():
    """Each action says whether AWS was seen to ask for it, and for what it is there."""
    permissions = {each.action: each for each in role_permissions(Role.SOURCE, SNAPSHOTS)}
    assert permissions.keys() == {*SNAPSHOTS, *COPY_ACTIONS}
    assert permissions["kms:CreateGrant"].basis is Basis.EVALUATED
    assert permissions["kms:Decrypt"].basis is Basis.DOCUMENTED
    assert permissions["ec2:CopySnapshot"].basis is Basis.EVALUATED
    assert all(each.purpose for each in permissions.values())
