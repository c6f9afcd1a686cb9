"""Highest values of blocks: of what was observed, on whole multiples of the step, and of whole blocks only."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import DataError
from aiops.series import Series, SeriesKey
from aiops.series.coarse import block_maxima

FIVE, HOUR = timedelta(minutes=5), timedelta(hours=1)
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def series(values, start=START, step=FIVE):
    return Series(key=SeriesKey("a"), start=start, step=step, values=np.asarray(values, dtype=np.float64), unit="GB")


def test_each_hour_has_the_highest_value_that_was_observed_in_it():
    values = np.arange(36.0)
    values[23] = np.nan
    values[24:] = np.nan
    found = block_maxima(series(values), HOUR)
    assert (found.start, found.step, found.unit) == (START, HOUR, "GB")
    np.testing.assert_array_equal(found.values, [11.0, 22.0, np.nan])


@pytest.mark.parametrize("late", [0, 1, 7, 11])
def test_hours_that_are_covered_in_part_are_left_out_at_both_ends(late):
    whole = series(np.arange(60.0))
    part = series(whole.values[late:53], start=START + late * FIVE)
    found = block_maxima(part, HOUR)
    first = 1 if late else 0
    assert found.start == START + first * HOUR
    np.testing.assert_array_equal(found.values, block_maxima(whole, HOUR).values[first:4])


def test_a_coarse_series_is_left_as_it_is_and_a_step_that_does_not_fit_is_refused():
    coarse = series([1, 2], step=2 * HOUR)
    assert block_maxima(coarse, HOUR) is coarse
    with pytest.raises(DataError, match="no multiple"):
        block_maxima(series(range(50), step=timedelta(minutes=7)), HOUR)
    with pytest.raises(DataError, match="too short"):
        block_maxima(series(range(11)), HOUR)
