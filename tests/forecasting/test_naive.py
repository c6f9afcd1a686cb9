from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import ConfigError
from aiops.forecasting.naive import SeasonalNaive
from aiops.series import Frame, SeriesKey

nan = np.nan


def frame(*rows, hours=6):
    return Frame(
        keys=tuple(SeriesKey(f"s{number}") for number in range(len(rows))),
        start=datetime(2026, 1, 5, tzinfo=UTC),
        step=timedelta(hours=hours),
        values=np.array(rows, dtype=np.float64),
    )


def test_repeats_the_last_day():
    found = SeasonalNaive().point(frame([9, 9, 9, 9, 1, 2, 3, 4], [0, 0, 0, 0, 5, 6, 7, 8]), 6)
    assert found.tolist() == [[1, 2, 3, 4, 1, 2], [5, 6, 7, 8, 5, 6]]


def test_starts_where_history_ends_within_the_day():
    assert SeasonalNaive().point(frame([1, 2, 3, 4, 5, 6]), 4).tolist() == [[3, 4, 5, 6]]


def test_a_missing_value_comes_from_the_day_before_and_else_is_the_latest():
    found = SeasonalNaive().point(frame([1, nan, 3, 4, nan, nan, 7, nan]), 4)
    assert found.tolist() == [[1, 7, 7, 4]]


def test_a_history_shorter_than_its_period_repeats_the_latest_value_where_it_must():
    assert SeasonalNaive(period=timedelta(days=7)).point(frame([1, 2, 3]), 28)[0, -4:].tolist() == [3, 1, 2, 3]


def test_steps_of_a_day_or_more_repeat_the_latest_value():
    assert SeasonalNaive().point(frame([1, 2, 3], hours=48), 3).tolist() == [[3, 3, 3]]


def test_nothing_known_gives_nothing():
    assert np.isnan(SeasonalNaive().point(frame([nan, nan]), 2)).all()


def test_a_period_must_be_positive():
    with pytest.raises(ConfigError, match="period"):
        SeasonalNaive(period=timedelta(0))
