from datetime import UTC, date, datetime
from typing import Any

import pytest

from snapshot_dr_provider.cli.demo.progress import doing
from snapshot_dr_provider.cli.demo.survey import AccountSurvey, survey
from snapshot_dr_provider.cli.demo.world import DR_ACCOUNT, KMS_B, KMS_C, REGION

ACCOUNT = "111111111111"
DAY = date(2026, 11, 23)
SOURCE: dict[str, Any] = {
    "id": "snap-a",
    "owner": ACCOUNT,
    "region": REGION,
    "state": "completed",
    "kms_key_arn": "arn:aws:kms:us-east-1:111111111111:key/a",
    "encrypted": True,
    "size": 8,
    "full_snapshot_bytes": 4096,
    "start_time": "2026-11-23T12:00:00+00:00",
    "tags": {},
    "shared_with": [],
    "is_copy": False,
    "source_snapshot_id": None,
    "deleted": False,
}
HOP_1: dict[str, Any] = {
    **SOURCE,
    "id": "snap-b",
    "kms_key_arn": KMS_B,
    "start_time": "2026-11-24T00:30:00+00:00",
    "is_copy": True,
    "source_snapshot_id": "snap-a",
    "deleted": True,
    "shared_with": [DR_ACCOUNT],
}
HOP_2: dict[str, Any] = {
    **HOP_1,
    "id": "snap-c",
    "owner": DR_ACCOUNT,
    "kms_key_arn": KMS_C,
    "source_snapshot_id": "snap-b",
    "deleted": False,
    "shared_with": [],
}
KEPT = {**HOP_1, "deleted": False}


def look(*snapshots: dict[str, Any]) -> AccountSurvey:
    """Survey the one account."""
    (found,) = survey(snapshots, {ACCOUNT: "payments"}, DAY)
    return found


def test_finished_account() -> None:
    """A source with its KMS-C copy and no KMS-B copy left is all that an account needs."""
    found = look(SOURCE, HOP_1, HOP_2)
    assert found.is_done
    assert found.wanted == ("snap-a",)
    assert found.verified == {"snap-a"}
    assert found.kms_b_left == ()
    assert found.newest == datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "pending"},
        {"state": "error"},
        {"deleted": True},
        {"owner": ACCOUNT},
        {"kms_key_arn": KMS_B},
        {"kms_key_arn": None},
        {"region": "eu-west-1"},
        {"size": 9},
        {"full_snapshot_bytes": 4095},
        {"shared_with": [ACCOUNT]},
        {"source_snapshot_id": "snap-a"},
    ],
    ids=str,
)
def test_what_a_kms_c_copy_must_not_be(wrong: dict[str, Any]) -> None:
    """A copy that is wrong in one respect is not verified, and the account not done."""
    found = look(SOURCE, HOP_1, {**HOP_2, **wrong})
    assert not found.verified
    assert not found.is_done
    assert found.newest is None


@pytest.mark.parametrize("wrong", [{"kms_key_arn": KMS_C}, {"owner": DR_ACCOUNT}, {"state": "error"}], ids=str)
def test_kms_c_copy_has_to_come_from_a_kms_b_copy(wrong: dict[str, Any]) -> None:
    """A KMS-C copy made from anything but a completed KMS-B copy of the account is not verified."""
    assert not look(SOURCE, {**HOP_1, **wrong}, HOP_2).verified


def test_two_kms_c_copies_are_one_too_many() -> None:
    """A run ends with exactly one KMS-C copy of each source."""
    assert not look(SOURCE, HOP_1, HOP_2, {**HOP_2, "id": "snap-d"}).verified


@pytest.mark.parametrize("state", ["completed", "pending", "error"])
def test_kms_b_copy_that_is_left(state: str) -> None:
    """A KMS-B copy in whatever state keeps the account from being done."""
    found = look(SOURCE, HOP_1, HOP_2, {**KEPT, "id": "snap-e", "state": state})
    assert found.verified == {"snap-a"}
    assert found.kms_b_left == ("snap-e",)
    assert not found.is_done


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"start_time": "2026-11-22T23:59:59+00:00"}, "taken before 2026-11-23"),
        ({"start_time": "2026-11-24T00:00:00+00:00"}, "taken after 2026-11-23"),
        ({"encrypted": False}, "unencrypted"),
        ({"tags": {"Backup": "none"}}, "tagged Backup=none"),
    ],
)
def test_reasons_not_to_want_a_source(change: dict[str, Any], reason: str) -> None:
    """A source that is not wanted has a reason and does not keep the account from being done."""
    found = look({**SOURCE, **change})
    assert (found.wanted, found.not_wanted) == ((), {"snap-a": reason})
    assert found.is_done


@pytest.mark.parametrize("start", ["2026-11-23T00:00:00+00:00", "2026-11-23T23:59:59+00:00"])
def test_day_has_its_first_and_last_second(start: str) -> None:
    """What was taken from midnight to midnight is wanted."""
    assert look({**SOURCE, "start_time": start}).wanted == ("snap-a",)


def test_pending_source_is_wanted() -> None:
    """A source that is still pending is no less wanted."""
    found = look({**SOURCE, "state": "pending"})
    assert found.wanted == ("snap-a",)
    assert found.pending == {"snap-a"}


def test_tags_decide_nothing_about_lineage() -> None:
    """Somebody else's snapshot that bears our tags is no copy of the source."""
    impostor = {**HOP_2, "is_copy": False, "source_snapshot_id": None, "tags": {"SourceSnapshotId": "snap-a"}}
    assert not look(SOURCE, HOP_1, impostor).verified


@pytest.mark.parametrize(
    ("snapshots", "words"),
    [
        ([], "nothing wanted"),
        ([SOURCE], "waiting for its turn"),
        ([SOURCE, {**KEPT, "state": "pending"}], "copying to KMS-B"),
        ([SOURCE, KEPT], "KMS-B completed"),
        ([SOURCE, KEPT, {**HOP_2, "state": "pending"}], "copying to KMS-C"),
        ([SOURCE, KEPT, HOP_2], "KMS-C verified; KMS-B to be deleted"),
        ([SOURCE, HOP_1, HOP_2], "done"),
    ],
)
def test_progress_is_told_in_words(snapshots: list[dict[str, Any]], words: str) -> None:
    """Each step of an account has its words."""
    assert doing(look(*snapshots)) == words


def test_progress_names_a_pending_source() -> None:
    """While a source is pending, that is what an account waits for."""
    late = {**SOURCE, "id": "snap-z", "state": "pending"}
    assert doing(look(SOURCE, KEPT, late)) == "copying to KMS-B; 1 source pending"
