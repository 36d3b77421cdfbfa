from datetime import UTC, datetime, timedelta

from snapshot_dr_provider.domain.coverage import SourceSize
from snapshot_dr_provider.domain.lineage import Lineage, Stage, describe_copy, encode_tags
from snapshot_dr_provider.domain.new_copies import tell_new_copies
from snapshot_dr_provider.domain.routes import Route
from snapshot_dr_provider.domain.snapshots import PLACEHOLDER_VOLUME_ID, Snapshot

ROUTE = Route(
    account_id="111111111111",
    account_name="payments",
    source_region="us-east-1",
    destination_region="us-west-2",
    kms_b_arn="arn:b",
    kms_c_arn="arn:c",
    dr_account_id="999999999999",
    source_conn_id="a",
    dr_conn_id="b",
)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def copies(count: int, run: str) -> dict[str, Snapshot]:
    """Make verified copies of so many sources, each taken a minute after the one before."""
    made = {}
    for number in range(count):
        start = NOON + timedelta(minutes=number)
        lineage = Lineage("111111111111", "us-east-1", f"snap-{number}", "vol-1", start, Stage.KMS_C, "arn:c", run)
        made[f"snap-{number}"] = Snapshot(
            f"snap-c{number}",
            "999999999999",
            PLACEHOLDER_VOLUME_ID,
            "completed",
            start,
            description=describe_copy(lineage),
            tags=encode_tags(lineage),
        )
    return made


def test_the_size_does_not_depend_on_the_number_of_copies() -> None:
    """What is told of 5,000 copies is as long as what is told of two, but for the digits."""
    many = copies(5000, "run")
    told = tell_new_copies(ROUTE, "run", dict.fromkeys(many, SourceSize()), many)
    assert told is not None
    assert (told["new_copies"], len(str(told)) < 500) == (5000, True)


def test_a_run_with_a_long_id_knows_its_copies() -> None:
    """The tag of a copy has the first 256 characters of the run's id, by which the run knows what it has started."""
    run = "r" * 300
    mine, others = copies(1, run), copies(1, "another")
    kept = {"snap-0": SourceSize(is_kept=True)}
    assert tell_new_copies(ROUTE, run, kept, mine) is not None
    assert tell_new_copies(ROUTE, run, kept, others) is None
