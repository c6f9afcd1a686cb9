"""The residual detector: with a forecast, without one, and where the usual scale is zero."""

import numpy as np
import pytest

from aiops.detection.detector import Cells, Points
from aiops.detection.residual import MOST, ResidualDetector
from aiops.errors import ConfigError
from aiops.series import FloatArray

NAN = float("nan")


def point(value: float, expected: float = NAN, lower: float = NAN, upper: float = NAN) -> Points:
    one = (np.array([each]) for each in (value, expected, lower, upper))
    values, centre, low, high = one
    return Points(rows=np.array([0]), at=np.zeros(1), values=values, expected=centre, lower=low, upper=high)


def taught(
    detector: ResidualDetector, values: FloatArray, expected: FloatArray | None = None, half: float = NAN
) -> Cells:
    state = detector.start(1)
    for t, value in enumerate(values):
        centre = NAN if expected is None else expected[t]
        detector.learn(state, point(value, centre, centre - half, centre + half))
    return state


def raw(detector: ResidualDetector, state: Cells, *args: float) -> float:
    return float(detector.score(state, point(*args))[0])


def season(length: int) -> FloatArray:
    return 1000 + 500 * np.sin(np.arange(length) / 1440 * 2 * np.pi)


def noise(length: int) -> FloatArray:
    return np.random.default_rng(0).normal(size=length)


def test_with_a_forecast_the_season_is_expected():
    detector = ResidualDetector()
    expected = season(3000)
    state = taught(detector, expected + noise(3000), expected)
    assert raw(detector, state, 1500.0, 1500.0) < 0.2
    # The mean absolute value of standard normal noise is 0.8.
    assert raw(detector, state, 1508.0, 1500.0) == pytest.approx(10, rel=0.15)
    assert raw(detector, state, 1492.0, 1500.0) == pytest.approx(10, rel=0.15)


def test_without_a_forecast_the_own_level_is_expected():
    detector = ResidualDetector()
    state = taught(detector, 50 + noise(3000))
    assert raw(detector, state, 50.0) < 1
    assert raw(detector, state, 58.0) == pytest.approx(10, rel=0.15)


def test_a_day_that_is_busier_than_foreseen_is_no_anomaly_minute_after_minute():
    detector = ResidualDetector(offset_memory=240)
    state = taught(detector, 50 + noise(3000), np.full(3000, 50.0))
    for value in 53 + noise(1500):
        detector.learn(state, point(value, 50.0))
    assert raw(detector, state, 53.0, 50.0) < 1
    assert raw(detector, state, 61.0, 50.0) == pytest.approx(8 / 0.8, rel=0.3)


def test_a_forecast_that_ends_leaves_the_own_level():
    detector = ResidualDetector()
    expected = season(3000)
    state = taught(detector, expected + noise(3000), expected)
    level = float(state["level"][0, 1])
    assert raw(detector, state, level) == 0.0
    assert abs(level - expected[-1]) < 100


def test_a_forecast_is_heard_once_its_errors_are_known():
    detector = ResidualDetector(warm_up=60)
    state = taught(detector, 50 + noise(500))
    assert raw(detector, state, 50.0, 5000.0) < 1, "nobody knows yet how far this forecast is usually off"
    for value in 50 + noise(60):
        detector.learn(state, point(value, 50.0))
    assert raw(detector, state, 50.0, 5000.0) > 1000


def test_a_wide_band_allows_more_than_a_narrow_one():
    detector = ResidualDetector()
    state = taught(detector, 50 + noise(3000), np.full(3000, 50.0), half=2.0)
    narrow = raw(detector, state, 55.0, 50.0, 49.0, 51.0)
    usual = raw(detector, state, 55.0, 50.0, 48.0, 52.0)
    lopsided = raw(detector, state, 55.0, 50.0, 49.0, 54.0)
    assert narrow == pytest.approx(2 * usual)
    assert lopsided == pytest.approx(usual / 2)
    assert raw(detector, state, 55.0, 50.0) == pytest.approx(usual)


def test_the_scale_is_positive_where_the_median_absolute_deviation_is_zero():
    detector = ResidualDetector()
    values = np.where(np.arange(3000) % 4 == 0, 10.0, 9.0)
    assert np.median(np.abs(values - np.median(values))) == 0
    state = taught(detector, values)
    assert 0 < raw(detector, state, 10.0) < 10


def test_a_constant_series_measures_change_against_its_size():
    detector = ResidualDetector(floor_ratio=1e-3)
    state = taught(detector, np.full(500, 1e17))
    assert raw(detector, state, 1e17) == 0.0
    assert raw(detector, state, 1.005e17) == pytest.approx(5)
    zero = taught(detector, np.zeros(500))
    assert raw(detector, zero, 0.0) == 0.0
    assert raw(detector, zero, 1e-9) == MOST


@pytest.mark.parametrize("absurd", [1e9, -1e15, 1e308])
def test_one_absurd_value_does_not_hide_what_comes_after_it(absurd):
    detector = ResidualDetector()
    state = taught(detector, 50 + noise(3000))
    before = raw(detector, state, 60.0)
    detector.learn(state, point(absurd))
    assert raw(detector, state, 60.0) == pytest.approx(before, rel=0.05)


def test_one_outlier_moves_neither_level_nor_scale():
    detector = ResidualDetector()
    state = taught(detector, 50 + noise(3000))
    before = state.copy()
    detector.learn(state, point(1e9))
    assert state["level"][0, 1] == pytest.approx(before["level"][0, 1], abs=1)
    assert state["scale"][0] == pytest.approx(before["scale"][0], rel=0.01)


def test_what_persists_is_believed():
    detector = ResidualDetector()
    state = taught(detector, 50 + noise(3000))
    for value in 5000 + noise(200):
        detector.learn(state, point(value))
    assert state["level"][0, 1] == pytest.approx(5000, abs=50)


def test_infinite_and_missing_forecasts_are_no_forecasts():
    detector = ResidualDetector()
    state = taught(detector, 50 + noise(500), np.full(500, 50.0), half=2.0)
    plain = raw(detector, state, 55.0)
    assert raw(detector, state, 55.0, float("inf")) == plain
    before = state.copy()
    detector.learn(state, point(50.0, float("inf"), float("-inf"), float("inf")))
    assert state["scale"][0, 0] == before["scale"][0, 0]
    assert state["width"][0] == before["width"][0]


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="must be positive, got 60, 0, 240, 1440"):
        ResidualDetector(level_memory=0)
