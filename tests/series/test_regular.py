"""From rows to a grid, and from a grid to a window."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import DataError
from aiops.series import Series, SeriesKey
from aiops.series.regular import place, regularize

KEY = SeriesKey("x")
START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAN = float("nan")


def gridded(seconds, values=None, **more):
    stamps = START.timestamp() + np.array(seconds, dtype=np.float64)
    return regularize(KEY, stamps, np.arange(float(len(stamps))) if values is None else np.array(values), **more)


def test_missing_rows_are_nan():
    series, dropped = gridded([0, 60, 240, 300])
    np.testing.assert_array_equal(series.values, [0, 1, NAN, NAN, 2, 3])
    assert (series.start, series.step, dropped) == (START, MINUTE, 0)


def test_the_usual_distance_is_the_step_unless_the_index_says_another():
    assert gridded([0, 300, 600, 1500])[0].step == timedelta(seconds=300)
    assert gridded([0, 300, 600], step=MINUTE)[0].values.tolist()[:6:5] == [0.0, 1.0]


def test_distances_that_waver_around_a_whole_second_mean_it():
    assert gridded([0, 60.02, 119.98, 180.01])[0].step == MINUTE
    assert gridded([0, 0.25, 0.5])[0].step == timedelta(seconds=0.25)


def test_the_first_row_of_a_step_is_kept_and_the_others_are_counted():
    series, dropped = gridded([0, 60, 60, 60, 120], [1.0, 2.0, 3.0, 4.0, 5.0], step=MINUTE)
    np.testing.assert_array_equal(series.values, [1, 2, 5])
    assert dropped == 2


def test_an_odd_phase_that_all_rows_share_is_kept():
    series, _ = gridded([17, 77, 137])
    assert series.start == START + timedelta(seconds=17)


def test_stamps_that_jitter_fall_into_whole_steps():
    series, dropped = gridded([17.1, 76.9, 137.3, 196.8, 257.2])
    assert (series.start, series.step, dropped) == (START, MINUTE, 0)
    np.testing.assert_array_equal(series.values, [0, 1, 2, 3, 4])


@pytest.mark.parametrize(
    ("seconds", "more", "said"),
    [
        ([0, 0, 0], {}, "all rows have one timestamp"),
        ([0, 60, 120], {"step": timedelta(hours=1)}, "one row every 3600 s, the rows come every 60 s"),
        ([0, 60, 120, 1e9], {}, "is a timestamp wrong"),
    ],
)
def test_rows_that_make_no_grid_are_refused(seconds, more, said):
    with pytest.raises(DataError, match=said):
        gridded(seconds, **more)


@given(
    there=st.lists(st.booleans(), min_size=3, max_size=60).filter(lambda seen: sum(seen) >= 1),
    step=st.sampled_from([1, 15, 60, 300, 3600]),
    phase=st.integers(0, 3599),
)
def test_every_row_is_found_at_its_own_stamp(there, step, phase):
    rows = np.flatnonzero(there)
    series, dropped = gridded(phase + rows * step, step=timedelta(seconds=step))
    found = {stamp: value for stamp, value in zip(series.stamps(), series.values, strict=True) if not np.isnan(value)}
    assert found == {START.timestamp() + phase + row * step: float(number) for number, row in enumerate(rows)}
    assert dropped == 0


def at(offset_seconds, values):
    start = START + timedelta(seconds=offset_seconds)
    return Series(key=KEY, start=start, step=MINUTE, values=np.array(values, dtype=np.float64), unit="bytes")


@given(offset=st.integers(-600, 600), n=st.integers(0, 8), width=st.integers(1, 8))
def test_a_window_holds_each_point_where_it_was_known_and_nothing_earlier(offset, n, width):
    series = at(offset, np.arange(1.0, n + 1))
    part = place(series, START, START + width * MINUTE, MINUTE)
    assert (part.start, len(part), part.unit) == (START, width, "bytes")
    expected = {}
    for stamp, value in zip(series.stamps() - START.timestamp(), series.values, strict=True):
        column = int(-(-stamp // 60))  # the first stamp of the grid that is not before it
        if 0 <= column < width:
            expected[column] = value
    assert {column: value for column, value in enumerate(part.values) if not np.isnan(value)} == expected


def test_a_window_of_another_step_is_refused():
    with pytest.raises(DataError, match="x has a step of 60 s and not of 300 s"):
        place(at(0, [1.0]), START, START + timedelta(hours=1), timedelta(minutes=5))
