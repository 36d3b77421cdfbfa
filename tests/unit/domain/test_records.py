"""What stages hand on to each other, as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from snapshot_dr_provider.domain.coverage import SourceSize
from snapshot_dr_provider.domain.records import read_records, write_records

sizes = st.builds(
    SourceSize,
    volume_size_gib=st.integers(0, 65536),
    full_snapshot_bytes=st.none() | st.integers(0, 2**46),
    priority=st.none() | st.integers(0, 999_999),
)


@given(st.dictionaries(st.text(), sizes))
def test_records_come_back_from_xcom_as_they_were(wanted):
    """Sources survive JSON with their sizes, their priorities and their order."""
    read = read_records(json.loads(json.dumps(write_records(wanted))))
    assert list(read.items()) == list(wanted.items())


def test_a_source_without_a_priority_says_nothing_of_it():
    """Records are no larger where no priorities are set, and those of an earlier version are read."""
    assert write_records({"snap-1": SourceSize(8, 4096)}) == [{"snapshot_id": "snap-1", "gib": 8, "bytes": 4096}]
    assert read_records([{"snapshot_id": "snap-1"}]) == {"snap-1": SourceSize(0, None, None)}
