"""Hooks that triggers share while they use them, and no longer."""

from snapshot_dr_provider.triggers.snapshot_copies import SharedHooks

ARGUMENTS = {"role_arn": "arn:aws:iam::111111111111:role/SnapshotDr", "region_name": "us-east-1"}


def test_users_of_the_same_arguments_share_a_hook():
    """Two triggers that ask for the same connection, role and Region have one hook; another Region is another hook."""
    with SharedHooks() as one, SharedHooks() as other:
        assert one("aws", **ARGUMENTS) is other("aws", **ARGUMENTS)
        assert one("aws", **ARGUMENTS) is not one("aws", **{**ARGUMENTS, "region_name": "eu-west-1"})


def test_hook_goes_with_its_last_user():
    """A hook stays while anybody uses it; the next one after that reads the connection anew, whoever holds the old."""
    with SharedHooks() as later:
        with SharedHooks() as earlier:
            first = earlier("aws", **ARGUMENTS)
            assert later("aws", **ARGUMENTS) is first
        with SharedHooks() as another:
            assert another("aws", **ARGUMENTS) is first
    with SharedHooks() as next_one:
        assert next_one("aws", **ARGUMENTS) is not first
