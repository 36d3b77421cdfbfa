"""What ``airflow snapshot-dr coverage`` makes of ages, for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from snapshot_dr_provider.cli.coverage.show import describe_age


@pytest.mark.parametrize(
    ("age", "written"),
    [
        (timedelta(0), "0.0 h"),
        (timedelta(seconds=-3), "0.0 h"),
        (timedelta(minutes=90), "1.5 h"),
        (timedelta(hours=26), "26.0 h"),
        (timedelta(hours=99.9), "99.9 h"),
        (timedelta(hours=100), "4.2 days"),
        (timedelta(days=400), "400.0 days"),
    ],
)
def test_ages_are_hours_and_then_days(age, written):
    """An age is told in hours up to 100, then in days; what began since the look is new."""
    assert describe_age(age) == written
