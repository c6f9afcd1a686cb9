"""The ring of recent values against a plain dict of all of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import DataError
from aiops.series import SeriesKey
from aiops.usecases.recent import Recent

MINUTE = timedelta(minutes=1)
KEY = SeriesKey("x")


@given(
    capacity=st.integers(1, 12),
    filled=st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), max_size=30),
    first=st.integers(-5, 40),
    steps=st.lists(st.tuples(st.integers(1, 20), st.floats(-9, 9)), max_size=30),
    window=st.tuples(st.integers(-10, 200), st.integers(0, 60)),
)
def test_it_remembers_the_last_of_what_it_was_told(capacity, filled, first, steps, window):
    ring, told = Recent(capacity), dict[int, float]()
    end = first
    if filled:
        ring.fill(first, np.array(filled))
        told.update(enumerate(filled, start=first))
        end = first + len(filled)
    for distance, value in steps:
        place = end + distance - 1
        ring.add(place, value)
        told[place] = value
        end = place + 1
    expected = [told.get(place, np.nan) if place >= end - capacity else np.nan for place in range(end - 80, end + 3)]
    np.testing.assert_array_equal(ring.between(end - 80, end + 3), expected)
    begin, length = window
    np.testing.assert_array_equal(
        ring.between(begin, begin + length),
        [told.get(place, np.nan) if place >= end - capacity else np.nan for place in range(begin, begin + length)],
    )
    assert len(ring) <= capacity
    assert all(
        ring.has(place) == (not np.isnan(value))
        for place, value in zip(range(end - 80, end + 3), expected, strict=True)
    )


def test_only_what_had_ended_at_an_instant_was_known_then():
    ring = Recent(10)
    now = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
    place = int(now.timestamp() // 60)
    ring.fill(place - 3, np.array([1.0, 2.0, 3.0, 4.0]))
    known = ring.known_at(now, timedelta(hours=1), KEY, MINUTE, "s")
    assert known.values.tolist() == [1.0, 2.0, 3.0]
    assert known.end == now.replace(second=0)
    assert ring.known_at(now, 2 * MINUTE, KEY, MINUTE, "s").values.tolist() == [2.0, 3.0]
    with pytest.raises(DataError, match="x: no value of it is known"):
        ring.known_at(now - timedelta(hours=1), timedelta(hours=1), KEY, MINUTE, "s")
