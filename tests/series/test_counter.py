from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.series import Series, SeriesKey
from aiops.series.counter import increase


def counter(*values):
    return Series(
        key=SeriesKey("c"),
        start=datetime(2026, 1, 1, tzinfo=UTC),
        step=timedelta(minutes=5),
        values=np.array(values, dtype=np.float64),
        unit="bytes",
    )


@pytest.mark.parametrize(
    ("values", "grown"),
    [
        ([5, 7, 7, 12], [np.nan, 2, 0, 5]),
        ([100, 130, 20, 25], [np.nan, 30, 20, 5]),
        ([1, np.nan, 9, 10], [np.nan, np.nan, np.nan, 1]),
        ([3], [np.nan]),
        ([], []),
    ],
    ids=["grows", "is reset", "has a gap", "is one point", "is empty"],
)
def test_a_counter_that(values, grown):
    series = counter(*values)
    found = increase(series)
    np.testing.assert_array_equal(found.values, grown)
    assert (found.start, found.step, found.unit) == (series.start, series.step, series.unit)
