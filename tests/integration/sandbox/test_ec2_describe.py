from datetime import timedelta

import pytest

from tests.integration.sandbox.ec2_world import (
    A2,
    DR,
    NOW,
    SNAP,
    SNAP_ARCHIVED,
    SNAP_EBS,
    SNAP_PENDING,
    SNAP_PLAIN,
    UNKNOWN,
    VOLUME_EBS,
    A,
    Cloud,
    refusal,
    seed,
)

ALL = {SNAP, SNAP_EBS, SNAP_PLAIN, SNAP_PENDING, SNAP_ARCHIVED}


def ids(cloud: Cloud, account_id: str = A, **request: object) -> set[str]:
    """Return the ids that DescribeSnapshots answers."""
    return {each["SnapshotId"] for each in cloud.ec2(account_id).describe_snapshots(**request)["Snapshots"]}


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("tag:Tier", ["gold"], {SNAP}),
        ("tag:Tier", ["gold", "silver"], {SNAP, SNAP_PLAIN}),
        ("tag:Tier", ["g*"], {SNAP}),
        ("tag:Tier", ["gol?"], {SNAP}),
        ("tag:Tier", ["Gold"], set()),
        ("tag:Tier", ["gol\\*"], set()),
        ("tag-key", ["Name"], {SNAP}),
        ("tag-key", ["*i*"], {SNAP, SNAP_PLAIN}),
        ("status", ["pending"], {SNAP_PENDING}),
        ("start-time", ["2026-11-21T21:00:00.000Z"], ALL - {SNAP_EBS}),
        ("start-time", ["2026-11-21T00:*"], {SNAP_EBS}),
        ("volume-id", [VOLUME_EBS], {SNAP_EBS}),
        ("snapshot-id", [SNAP, UNKNOWN], {SNAP}),
        ("owner-id", [A], ALL),
        ("owner-id", ["self"], set()),
        ("description", ["nightly*"], {SNAP}),
        ("encrypted", ["false"], {SNAP_PLAIN}),
        ("volume-size", ["20"], {SNAP_EBS}),
        ("progress", ["0%", "7?%"], {SNAP_PENDING}),
        ("storage-tier", ["archive"], {SNAP_ARCHIVED}),
        ("transfer-type", ["standard"], set()),
        ("owner-alias", ["amazon"], set()),
    ],
)
def test_filters(cloud: Cloud, name: str, values: list, expected: set) -> None:
    """A filter selects by its values, any of which may have wildcards, and letters count (aws 5.5)."""
    assert ids(cloud, OwnerIds=["self"], Filters=[{"Name": name, "Values": values}]) == expected


def test_filters_are_combined(cloud: Cloud) -> None:
    """A snapshot has to pass every filter."""
    filters = [{"Name": "status", "Values": ["completed"]}, {"Name": "volume-size", "Values": ["8"]}]
    assert ids(cloud, OwnerIds=["self"], Filters=filters) == {SNAP, SNAP_ARCHIVED}


def test_unknown_filter_is_refused(cloud: Cloud) -> None:
    """There is no filter on the KMS key, nor any other than AWS's (aws 5.5)."""
    filters = [{"Name": "kms-key-id", "Values": ["x"]}]
    assert refusal(cloud.ec2().describe_snapshots, Filters=filters)[0] == "InvalidParameterValue"


def test_owners(cloud: Cloud) -> None:
    """OwnerIds scopes to owners; other accounts' private snapshots are never there."""
    assert ids(cloud, OwnerIds=["self"]) == ids(cloud, OwnerIds=[A]) == ids(cloud) == ALL
    assert ids(cloud, DR, OwnerIds=[A]) == ids(cloud, DR) == set()


def test_shared_snapshot_is_seen_by_the_receiver_alone(cloud: Cloud) -> None:
    """A share is found with OwnerIds of the owner and RestorableByUserIds of oneself, not with self (aws 5.6)."""
    cloud.share(SNAP, DR)
    for user in ("self", DR):
        assert ids(cloud, DR, OwnerIds=[A], RestorableByUserIds=[user]) == {SNAP}
    assert ids(cloud, DR, OwnerIds=["self"]) == set()
    assert ids(cloud, A2, OwnerIds=[A]) == set()


def test_owner_asks_whom_it_shares_with(cloud: Cloud) -> None:
    """RestorableByUserIds of another account lists what one shares with it; of oneself also what one owns."""
    cloud.share(SNAP, DR)
    assert ids(cloud, RestorableByUserIds=[DR]) == {SNAP}
    assert ids(cloud, RestorableByUserIds=["self"]) == ALL


def test_public_snapshots_are_listed_without_owner(cloud: Cloud) -> None:
    """Without OwnerIds public snapshots of others are listed too (aws 5.6)."""
    cloud.ec2().modify_snapshot_attribute(
        SnapshotId=SNAP_PLAIN, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
    )
    assert ids(cloud, DR) == ids(cloud, DR, RestorableByUserIds=["all"]) == {SNAP_PLAIN}
    assert ids(cloud, DR, OwnerIds=["self"]) == set()


@pytest.mark.parametrize("account_id", [A, DR])
def test_missing_id_is_an_error(cloud: Cloud, account_id: str) -> None:
    """An explicit id that is missing or not shared is an error with a message (aws 5.8)."""
    wanted = UNKNOWN if account_id == A else SNAP
    expected = ("InvalidSnapshot.NotFound", 400, f"The snapshot '{wanted}' does not exist.")
    assert refusal(cloud.ec2(account_id).describe_snapshots, SnapshotIds=[wanted]) == expected


def test_malformed_id_is_an_error(cloud: Cloud) -> None:
    """An id of the wrong form is refused as such."""
    assert refusal(cloud.ec2().describe_snapshots, SnapshotIds=["snap-x"])[0] == "InvalidParameterValue"


def test_pages_are_complete_and_without_repetition(cloud: Cloud) -> None:
    """Following the tokens gives each snapshot once, in pages of the size asked for (aws 5.5)."""
    more = {cloud.control.add_snapshot(seed(f"snap-0000000000000{n:04x}")) for n in range(0x100, 0x10C)}
    pages = list(cloud.ec2().get_paginator("describe_snapshots").paginate(OwnerIds=["self"], MaxResults=5))
    assert [len(page["Snapshots"]) for page in pages] == [5, 5, 5, 2]
    found = [each["SnapshotId"] for page in pages for each in page["Snapshots"]]
    assert len(found) == len(set(found))
    assert set(found) == ALL | more


def test_pages_hold_when_snapshots_come_and_go(cloud: Cloud) -> None:
    """What is added or deleted between two pages neither repeats nor hides another snapshot."""
    for n in range(0x100, 0x106):
        cloud.control.add_snapshot(seed(f"snap-0000000000000{n:04x}"))
    first = cloud.ec2().describe_snapshots(OwnerIds=["self"], MaxResults=5)
    cloud.ec2().delete_snapshot(SnapshotId=first["Snapshots"][0]["SnapshotId"])
    cloud.control.add_snapshot(seed("snap-00000000000000200"))
    rest = cloud.ec2().describe_snapshots(OwnerIds=["self"], MaxResults=100, NextToken=first["NextToken"])
    assert len(rest["Snapshots"]) == 7
    assert not {each["SnapshotId"] for each in first["Snapshots"]} & {each["SnapshotId"] for each in rest["Snapshots"]}


def test_filters_work_across_pages(cloud: Cloud) -> None:
    """A page is filled with snapshots that pass the filter."""
    wanted = set()
    for n in range(0x100, 0x110):
        tags = {"odd": "yes"} if n % 2 else {}
        snapshot_id = cloud.control.add_snapshot(seed(f"snap-0000000000000{n:04x}", tags=tags))
        wanted |= {snapshot_id} if tags else set()
    request = {"OwnerIds": ["self"], "MaxResults": 5, "Filters": [{"Name": "tag:odd", "Values": ["yes"]}]}
    pages = list(cloud.ec2().get_paginator("describe_snapshots").paginate(**request))
    assert [len(page["Snapshots"]) for page in pages] == [5, 3]
    assert {each["SnapshotId"] for page in pages for each in page["Snapshots"]} == wanted


def test_page_size_of_the_sandbox(cloud: Cloud) -> None:
    """A smaller page size of the sandbox gives a token where AWS would give all, which is AWS's right."""
    cloud.control.configure(page_size=2)
    answer = cloud.ec2().describe_snapshots(OwnerIds=["self"], MaxResults=1000)
    assert (len(answer["Snapshots"]), "NextToken" in answer) == (2, True)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"MaxResults": 4}, "InvalidParameterValue"),
        ({"MaxResults": 10, "SnapshotIds": [SNAP]}, "InvalidParameterCombination"),
        ({"NextToken": "nonsense"}, "InvalidParameterValue"),
    ],
)
def test_bad_paging_is_refused(cloud: Cloud, request_: dict, code: str) -> None:
    """Pages below 5, pages of explicit ids and foreign tokens are refused."""
    assert refusal(cloud.ec2().describe_snapshots, **request_)[0] == code


def test_more_than_a_thousand_counts_as_a_thousand(cloud: Cloud) -> None:
    """A MaxResults above 1,000 is no error."""
    assert len(cloud.ec2().describe_snapshots(MaxResults=5000)["Snapshots"]) == len(ALL)


def test_pending_snapshot_completes_on_the_clock(cloud: Cloud) -> None:
    """A source that is pending at the start shows its key meanwhile, and completes at its time."""
    shown = cloud.show(SNAP_PENDING)
    assert (shown["State"], shown["Encrypted"], "CompletionTime" in shown) == ("pending", True, False)
    cloud.control.advance(3600)
    assert cloud.show(SNAP_PENDING)["CompletionTime"] == NOW + timedelta(hours=1)
