"""Holt-Winters as a detector: the time of day, through gaps and over River's own beginning of a season."""

import numpy as np
import pytest

from aiops.detection.detector import Points
from aiops.detection.holt_winters import HoltWintersDetector
from aiops.errors import ConfigError

STEP = 600.0
DAY = 144
random = np.random.default_rng(3)
SHAPE = 100 + 80 * np.sin(2 * np.pi * np.arange(6 * DAY) / DAY)
VALUES = SHAPE + random.normal(size=len(SHAPE))


def point(value: float, index: int) -> Points:
    return Points.unforecast(np.array([0]), np.array([STEP * index]), np.array([value]))


def replayed(values):
    found = HoltWintersDetector()
    state, raw = found.start(1), []
    for index, value in enumerate(values.tolist()):
        raw.append(float(found.score(state, point(value, index))[0]))
        found.learn(state, point(value, index))
    return found, state, np.array(raw)


def test_a_usual_value_at_the_wrong_time_of_day_is_odd():
    found, state, raw = replayed(VALUES)
    usual = np.nanmax(raw[3 * DAY :])
    now = len(VALUES)
    assert found.score(state, point(100.0, now))[0] < usual
    assert found.score(state, point(180.0, now))[0] > 5 * usual


def test_gaps_move_the_time_of_day_and_nothing_else():
    holes = VALUES.copy()
    holes[random.random(len(VALUES)) < 0.2] = np.nan
    holes[3 * DAY : 3 * DAY + 100] = np.nan
    _, _, whole = replayed(VALUES)
    _, _, raw = replayed(holes)
    assert np.nanquantile(raw[4 * DAY :], 0.99) < 1.5 * np.quantile(whole[4 * DAY :], 0.99)


def test_the_first_day_is_put_in_place_as_what_it_is_where_river_takes_ratios_for_differences():
    from river.time_series import HoltWinters

    rivers = HoltWinters(0.2, 0.01, 0.2, seasonality=DAY)
    for value in VALUES[:DAY].tolist():
        rivers.learn_one(value)
    found, state, _ = replayed(VALUES[: 3 * DAY])
    assert np.abs(rivers.forecast(DAY) - SHAPE[:DAY]).max() > 70, "River's knows nothing of the day"
    expected = [found.interval(state, point(0.0, 3 * DAY + index), np.ones(1))[0, 0] for index in range(DAY // 4)]
    assert np.abs(expected - SHAPE[3 * DAY : 3 * DAY + DAY // 4]).max() < 10


def test_rates_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="holt-winters: rates lie between 0 and 1"):
        HoltWintersDetector(level_rate=1.0)
    with pytest.raises(ConfigError, match="memory and warm_up must be positive"):
        HoltWintersDetector(memory=0)
