import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from snapshot_dr_provider.sandbox.world import PLACEHOLDER_VOLUME_ID
from tests.integration.sandbox.ec2_world import (
    A2,
    DISABLED,
    DR,
    EAST,
    GIB,
    KMS_A,
    KMS_B,
    KMS_B_WEST,
    KMS_C,
    NOW,
    OUTSIDER,
    SNAP,
    SNAP_ARCHIVED,
    SNAP_EBS,
    SNAP_PENDING,
    SNAP_PLAIN,
    UNKNOWN,
    WEST,
    A,
    Cloud,
    deny,
    make_world,
    refusal,
    seed,
)

TAGS = [{"ResourceType": "snapshot", "Tags": [{"Key": "SourceSnapshotId", "Value": SNAP}]}]


def test_copy_belongs_to_its_caller(cloud: Cloud) -> None:
    """A copy is owned by the account that called, whoever owns its key (aws 0.2, 1.1)."""
    shown = cloud.show(cloud.copied())
    assert (shown["OwnerId"], shown["KmsKeyId"]) == (A, KMS_B.arn)


def test_copy_loses_its_volume(cloud: Cloud) -> None:
    """A copy has the placeholder volume id (aws 5.4)."""
    assert cloud.show(cloud.copied())["VolumeId"] == PLACEHOLDER_VOLUME_ID


def test_copy_has_tags_and_description_of_the_call_alone(cloud: Cloud) -> None:
    """Neither tags nor description are inherited from the source (aws 5.3)."""
    bare, tagged = cloud.copied(), cloud.copied(Description="mine", TagSpecifications=TAGS)
    assert (cloud.show(bare).get("Tags"), cloud.show(bare)["Description"]) == (None, "")
    assert (cloud.show(tagged)["Tags"], cloud.show(tagged)["Description"]) == (TAGS[0]["Tags"], "mine")


def test_copy_answers_with_its_tags(cloud: Cloud) -> None:
    """CopySnapshot answers the id and the tags (aws 5.1)."""
    answer = cloud.ec2().copy_snapshot(
        SourceSnapshotId=SNAP, SourceRegion=EAST, KmsKeyId=KMS_B.arn, Encrypted=True, TagSpecifications=TAGS
    )
    assert answer["Tags"] == TAGS[0]["Tags"]


def test_fresh_copy_lies_and_has_its_tags(cloud: Cloud) -> None:
    """A pending copy shows no size, no key and no encryption, but its tags (aws 1.8)."""
    shown = cloud.show(cloud.copy(TagSpecifications=TAGS))
    expected = {"State": "pending", "StateMessage": "Metadata not updated", "VolumeSize": 0, "Encrypted": False}
    assert {name: shown[name] for name in expected} == expected
    assert "KmsKeyId" not in shown
    assert shown["Tags"] == TAGS[0]["Tags"]


def test_completed_copy_tells_the_truth(cloud: Cloud) -> None:
    """On completion the StateMessage goes, and size, key and full size are those of the source (aws 1.8, 8.2)."""
    shown = cloud.show(cloud.copied())
    expected = {"State": "completed", "VolumeSize": 8, "Encrypted": True, "FullSnapshotSizeInBytes": 3 * GIB}
    assert {name: shown[name] for name in expected} == expected
    assert "StateMessage" not in shown
    assert shown["CompletionTime"] == NOW + timedelta(seconds=60)


def test_progress_follows_the_clock(cloud: Cloud) -> None:
    """A copy moves on only with the sandbox clock, and ends exactly on time."""
    snapshot_id = cloud.copy()
    cloud.control.advance(30)
    assert cloud.show(snapshot_id)["Progress"] == "50%"
    cloud.control.advance(29)
    assert cloud.show(snapshot_id)["State"] == "pending"
    cloud.control.advance(1)
    assert (cloud.show(snapshot_id)["State"], cloud.show(snapshot_id)["Progress"]) == ("completed", "100%")


def test_duration_counts_the_size(cloud: Cloud) -> None:
    """A copy lasts as long as the settings say, by GiB."""
    cloud.control.configure(copy_seconds=10, copy_seconds_per_gib=5)
    snapshot_id = cloud.copy()
    cloud.control.advance(49)
    assert cloud.show(snapshot_id)["State"] == "pending"
    cloud.control.advance(1)
    assert cloud.show(snapshot_id)["State"] == "completed"


@pytest.mark.parametrize(
    ("source", "region", "message"),
    [
        (UNKNOWN, EAST, "Source snapshot is not found"),
        (SNAP, WEST, "Source snapshot is not found"),
        (SNAP_PENDING, EAST, "Source snapshot is not complete"),
        (SNAP_ARCHIVED, EAST, "Source snapshot is not complete"),
    ],
)
def test_bad_source_is_accepted_and_fails(cloud: Cloud, source: str, region: str, message: str) -> None:
    """A source that is missing, elsewhere or not completed gives an id, and then an error copy (aws 1.3, 1.5)."""
    snapshot_id = cloud.copy(source, SourceRegion=region)
    assert cloud.show(snapshot_id)["State"] == "pending"
    cloud.control.advance(60)
    shown = cloud.show(snapshot_id)
    assert (shown["State"], shown["StateMessage"], shown["VolumeSize"]) == ("error", message, 0)
    assert "CompletionTime" not in shown
    assert "FullSnapshotSizeInBytes" not in shown


def test_unshared_source_is_accepted_and_fails(cloud: Cloud) -> None:
    """Another account's snapshot that is not shared fails late too (aws 1.3)."""
    snapshot_id = cloud.copied(client=cloud.ec2(DR), key=KMS_C.arn)
    assert cloud.show(snapshot_id, DR)["StateMessage"] == "Source snapshot is not found"


def test_shared_source_is_copied_by_the_receiver(cloud: Cloud) -> None:
    """A snapshot under KMS-B that is shared with the DR account becomes its own under KMS-C (aws 1.1, 1.3)."""
    source = cloud.copied()
    cloud.share(source, DR)
    shown = cloud.show(cloud.copied(source, client=cloud.ec2(DR), key=KMS_C.arn), DR)
    assert (shown["State"], shown["OwnerId"], shown["KmsKeyId"]) == ("completed", DR, KMS_C.arn)


def test_share_without_the_key_is_not_enough(cloud: Cloud) -> None:
    """A shared snapshot under a key that the receiver may not use ends in error (aws 1.4)."""
    cloud.share(SNAP, DR)
    shown = cloud.show(cloud.copied(client=cloud.ec2(DR), key=KMS_C.arn), DR)
    assert (shown["State"], shown["StateMessage"]) == ("error", "Given key ID is not accessible")


MISSING = KMS_B.arn.replace(KMS_B.key_id, "bbbbbbbb-0000-4000-8000-0000000000ff")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (DISABLED.arn, "disabled"),
        (MISSING, "invalid"),
        (KMS_B.key_id, "invalid"),
        ("alias/kms-b", "invalid"),
        (KMS_B_WEST.arn, "invalid"),
    ],
)
def test_unusable_key_is_refused_at_once(cloud: Cloud, key: str, reason: str) -> None:
    """A disabled or missing key is refused before there is a copy; ids and aliases are the caller's (aws 2.13, 1.2)."""
    expected = ("InvalidParameterValue", 400, f"The specified keyId {key} is {reason}")
    assert refusal(cloud.copy, key=key) == expected
    assert not [each for each in cloud.control.snapshots() if each["is_copy"]]


def test_key_that_may_not_be_described_is_refused_at_once(cloud: Cloud) -> None:
    """Without kms:DescribeKey on the new key the call is an AuthFailure and makes nothing (aws 2.2)."""
    worker = cloud.ec2_with(deny("kms:DescribeKey"))
    expected = ("AuthFailure", 403, f"Not authorized to use key {KMS_B.arn}")
    assert refusal(cloud.copy, client=worker) == expected
    assert not [each for each in cloud.control.snapshots() if each["is_copy"]]


def test_key_policy_keeps_other_organizations_out(cloud: Cloud) -> None:
    """An account outside of the organization may not even describe KMS-B (aws 2.5, 2.7)."""
    cloud.share(SNAP, OUTSIDER)
    assert refusal(cloud.copy, client=cloud.ec2(OUTSIDER))[0] == "AuthFailure"


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("kms:CreateGrant", "error"),
        ("kms:GenerateDataKeyWithoutPlaintext", "error"),
        ("kms:Decrypt", "completed"),
        ("kms:ReEncrypt*", "completed"),
        ("kms:GenerateDataKey", "completed"),
    ],
)
def test_what_the_new_key_has_to_allow(cloud: Cloud, action: str, state: str) -> None:
    """Of the new key a copy needs CreateGrant and GenerateDataKeyWithoutPlaintext, and nothing else (aws 2.2)."""
    worker = cloud.ec2_with(deny(action, KMS_B.arn))
    shown = cloud.show(cloud.copied(client=worker))
    message = "Given key ID is not accessible" if state == "error" else None
    assert (shown["State"], shown.get("StateMessage")) == (state, message)


def test_key_policy_counts_as_well(cloud: Cloud) -> None:
    """An identity policy that allows everything does not replace the key policy of another account (aws 2.5)."""
    statements = [each for each in (KMS_B.policy or {})["Statement"] if each["Action"] != ["kms:CreateGrant"]]
    cloud.control.put_key_policy(KMS_B.arn, {"Version": "2012-10-17", "Statement": statements})
    assert cloud.show(cloud.copied())["StateMessage"] == "Given key ID is not accessible"


def test_earlier_copy_lends_its_data_key(cloud: Cloud) -> None:
    """With an earlier copy under the key, GenerateDataKeyWithoutPlaintext is not needed (aws 2.2, 4.3)."""
    first = cloud.copied()
    worker = cloud.ec2_with(deny("kms:GenerateDataKeyWithoutPlaintext"))
    assert cloud.show(cloud.copied(client=worker))["State"] == "completed"
    for snapshot in cloud.control.snapshots(A):
        if snapshot["kms_key_arn"] == KMS_B.arn:
            cloud.ec2().delete_snapshot(SnapshotId=snapshot["id"])
    assert cloud.truth(first)["deleted"]
    assert cloud.show(cloud.copied(client=worker))["State"] == "error"


@pytest.mark.parametrize(
    ("action", "state"),
    [("kms:CreateGrant", "error"), ("kms:DescribeKey", "completed"), ("kms:Decrypt", "completed")],
)
def test_what_the_source_key_has_to_allow(cloud: Cloud, action: str, state: str) -> None:
    """Of the source's key a copy needs CreateGrant only (aws 2.2)."""
    worker = cloud.ec2_with(deny(action, KMS_A.arn))
    assert cloud.show(cloud.copied(client=worker))["State"] == state


def test_disabled_source_key_stops_the_copy(cloud: Cloud) -> None:
    """A source under a disabled key cannot be read."""
    cloud.control.disable_key(KMS_A.arn)
    assert cloud.show(cloud.copied())["State"] == "error"
    cloud.control.enable_key(KMS_A.arn)
    assert cloud.show(cloud.copied())["State"] == "completed"


def test_snapshot_under_the_default_key_is_copied(cloud: Cloud) -> None:
    """A snapshot under aws/ebs can be copied to another key by its owner (aws 1.7)."""
    assert cloud.show(cloud.copied(SNAP_EBS))["KmsKeyId"] == KMS_B.arn


def test_default_key_when_none_is_given(cloud: Cloud) -> None:
    """Without KmsKeyId an encrypted source ends under the caller's aws/ebs (aws 1.2)."""
    key = cloud.show(cloud.copied(key=None))["KmsKeyId"]
    assert key == cloud.show(SNAP_EBS)["KmsKeyId"]


def test_unencrypted_source_stays_unencrypted(cloud: Cloud) -> None:
    """Without a key and without Encrypted an unencrypted source is copied as it is."""
    shown = cloud.show(cloud.copied(SNAP_PLAIN, key=None))
    assert (shown["State"], shown["Encrypted"]) == ("completed", False)


def test_copy_across_regions(cloud: Cloud) -> None:
    """A copy lies in the Region whose endpoint was called (aws 1.1)."""
    snapshot_id = cloud.copied(client=cloud.ec2(A, WEST), key=KMS_B_WEST.arn)
    assert cloud.show(snapshot_id, A, WEST)["State"] == "completed"
    assert refusal(cloud.show, snapshot_id=snapshot_id)[0] == "InvalidSnapshot.NotFound"


def test_no_idempotency(cloud: Cloud) -> None:
    """The same call twice makes two copies (aws 5.1)."""
    assert cloud.copy() != cloud.copy()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"SourceSnapshotId": "snap-00000000000000000"}, "InvalidParameterValue"),
        ({"SourceSnapshotId": "vol-0000000000000001"}, "InvalidParameterValue"),
        ({"SourceSnapshotId": ""}, "MissingParameter"),
        ({"SourceRegion": "mars-north-1"}, "InvalidRegion"),
        ({"SourceRegion": ""}, "InternalError"),
        ({"CompletionDurationMinutes": 7}, "InvalidParameterValue"),
        ({"CompletionDurationMinutes": 20}, "InvalidParameterValue"),
        ({"CompletionDurationMinutes": 2895}, "InvalidParameterValue"),
        ({"Encrypted": False}, "InvalidParameterValue"),
        ({"Description": "x" * 256}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "volume", "Tags": []}]}, "InvalidParameterValue"),
    ],
)
def test_what_is_refused_at_once(cloud: Cloud, change: dict, code: str) -> None:
    """Malformed requests make nothing (aws 3.6)."""
    request = {"SourceSnapshotId": SNAP, "SourceRegion": EAST, "KmsKeyId": KMS_B.arn, "Encrypted": True, **change}
    # The SDK would sign a URL at the source Region's endpoint, which has to exist for that.
    request["PresignedUrl"] = "https://example.com/"
    assert refusal(cloud.ec2().copy_snapshot, **request)[0] == code
    assert not [each for each in cloud.control.snapshots() if each["is_copy"]]


def test_time_based_copy(cloud: Cloud) -> None:
    """A valid CompletionDurationMinutes is reported, and kept (aws 5.10)."""
    cloud.control.configure(copy_seconds=7200)
    snapshot_id = cloud.copy(CompletionDurationMinutes=15)
    cloud.control.advance(900)
    shown = cloud.show(snapshot_id)
    assert (shown["State"], shown["TransferType"], shown["CompletionDurationMinutes"]) == (
        "completed",
        "time-based",
        15,
    )


def test_slots_are_limited_per_account_and_region(cloud: Cloud) -> None:
    """The 21st copy in flight is refused, in that account and Region only, until one ends (aws 3.1)."""
    for _ in range(20):
        cloud.copy()
    expected = "Too many snapshot copies in progress. The limit is 20 for this destination region."
    assert refusal(cloud.copy) == ("ResourceLimitExceeded", 400, expected)
    cloud.copy(client=cloud.ec2(A, WEST), key=KMS_B_WEST.arn)
    cloud.copy(client=cloud.ec2(A2))
    assert cloud.control.peak_in_flight() == {f"{A}/{EAST}": 20, f"{A}/{WEST}": 1, f"{A2}/{EAST}": 1}
    cloud.control.advance(60)
    cloud.copy()


def test_slots_are_counted_exactly_under_concurrency(cloud: Cloud) -> None:
    """However many threads ask at once, exactly as many copies start as there are slots."""
    cloud.control.configure(copy_slots_by_account={A: 7})
    barrier = threading.Barrier(12)

    def attempt(_: int) -> str:
        barrier.wait()
        try:
            return cloud.copy()
        except cloud.ec2().exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(attempt, range(12)))
    assert answers.count("ResourceLimitExceeded") == 5
    assert cloud.control.peak_in_flight()[f"{A}/{EAST}"] == 7


def test_snapshots_of_a_region_are_limited(cloud: Cloud) -> None:
    """Beyond the quota of snapshots nothing is copied (aws 3.3)."""
    cloud.control.configure(snapshot_limit=5)
    assert refusal(cloud.copy)[0] == "SnapshotLimitExceeded"


@pytest.mark.parametrize("source", [SNAP, SNAP_PENDING, UNKNOWN])
def test_dry_run_proves_nothing_about_the_source(cloud: Cloud, source: str) -> None:
    """DryRun looks at permissions alone (aws 1.5)."""
    code, status, _ = refusal(cloud.copy, source=source, DryRun=True)
    assert (code, status) == ("DryRunOperation", 412)
    assert not [each for each in cloud.control.snapshots() if each["is_copy"]]


def test_dry_run_looks_at_permissions(cloud: Cloud) -> None:
    """DryRun of a call that is not allowed says so."""
    worker = cloud.ec2_with(deny("ec2:CopySnapshot"))
    assert refusal(cloud.copy, client=worker, DryRun=True)[0] == "UnauthorizedOperation"


def test_completed_copy_is_independent(cloud: Cloud) -> None:
    """A completed copy outlives the un-share and the deletion of its source (aws 4.6)."""
    source = cloud.copied()
    cloud.share(source, DR)
    copy = cloud.copied(source, client=cloud.ec2(DR), key=KMS_C.arn)
    cloud.ec2().reset_snapshot_attribute(SnapshotId=source, Attribute="createVolumePermission")
    cloud.ec2().delete_snapshot(SnapshotId=source)
    assert cloud.show(copy, DR)["State"] == "completed"


def test_failed_copy_frees_its_slot(cloud: Cloud) -> None:
    """A copy in error takes no slot any more."""
    cloud.control.reset(make_world(copy_slots=1))
    cloud.copy(SNAP_PENDING)
    assert refusal(cloud.copy)[0] == "ResourceLimitExceeded"
    cloud.control.advance(2)
    cloud.copy()


def test_added_snapshot_is_copied(cloud: Cloud) -> None:
    """A snapshot that is added while the sandbox runs is a source like any other."""
    added = cloud.control.add_snapshot(seed("snap-000000000000000b1"))
    assert cloud.show(cloud.copied(added))["State"] == "completed"
