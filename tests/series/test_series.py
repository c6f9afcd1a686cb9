from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import DataError
from aiops.series import Frame, Series, SeriesKey

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def series(values, name="load", start=START, step=MINUTE):
    return Series(key=SeriesKey(name), start=start, step=step, values=np.asarray(values, dtype=np.float64))


def test_the_last_value_is_known_when_its_step_has_ended():
    assert series([1, 2, 3]).end == START + 3 * MINUTE
    assert series([]).end == START


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 3, [0, 1, 2]),
        (2, 9, [2, 3, 4]),
        (-5, 2, [0, 1]),
        (0.5, 2, [1]),  # a stamp before the start of the range is not in it
        (0, 2.5, [0, 1, 2]),  # one before its end is
        (3, 2, []),
        (7, 9, []),
        (-9, -7, []),
    ],
)
def test_between_holds_the_stamps_from_start_to_before_end(first, last, expected):
    part = series(range(5)).between(START + first * MINUTE, START + last * MINUTE)

    assert part.values.tolist() == expected
    assert (part.start - START) % MINUTE == timedelta(0)
    assert part.stamps().tolist() == [(START + value * MINUTE).timestamp() for value in expected]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": np.zeros((2, 2))}, r"float64 \[n\]"),
        ({"values": np.zeros(2, dtype=np.float32)}, "float32"),
        ({"values": np.array([1.0, np.inf])}, "infinity"),
        ({"step": timedelta(0)}, "step must be positive"),
        ({"start": START.replace(tzinfo=None)}, "UTC"),
    ],
)
def test_a_series_that_exists_is_valid(changes, said):
    good = {"key": SeriesKey("load"), "start": START, "step": MINUTE, "values": np.zeros(2)}
    with pytest.raises(DataError, match=said):
        Series(**{**good, **changes})


def test_a_frame_holds_what_its_series_hold_where_they_hold_it():
    early, late = series([1, 2, 3], "early"), series([8, 9], "late", START + 2 * MINUTE)

    frame = Frame.of([early, late])

    np.testing.assert_array_equal(frame.values, [[1, 2, 3, np.nan], [np.nan, np.nan, 8, 9]])
    assert (frame.start, frame.end, frame.cutoff) == (START, START + 4 * MINUTE, START + 3 * MINUTE)
    assert frame.columns(2, 4).row(1).values.tolist() == [8, 9]
    assert frame.columns(2, 4).start == late.start
    assert frame.select([1]).keys == (late.key,)


def test_a_frame_of_other_grids_or_of_one_series_twice_is_refused():
    with pytest.raises(DataError, match="not on the grid of load"):
        Frame.of([series([1, 2]), series([1], "shifted", START + MINUTE / 2)])
    with pytest.raises(DataError, match="not on the grid of load"):
        Frame.of([series([1, 2]), series([1], "coarse", step=2 * MINUTE)])
    with pytest.raises(DataError, match="found twice: load"):
        Frame.of([series([1]), series([2])])


@pytest.mark.parametrize(("minutes", "known"), [(-1, 0), (0, 0), (0.99, 0), (1, 1), (2.5, 2), (3, 3), (9, 3)])
def test_a_point_is_known_once_its_step_has_ended(minutes, known):
    start = datetime(2026, 3, 2, tzinfo=UTC)
    series = Series(key=SeriesKey("load"), start=start, step=timedelta(minutes=1), values=np.array([1.0, 2.0, 3.0]))
    assert len(series.known_at(start + timedelta(minutes=minutes))) == known
