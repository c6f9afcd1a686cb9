"""The fleet detector: the same bits in any batch, comparable between steps, and no incident becomes normal at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.detection.detector import Calibrated, Points
from aiops.detection.fleet import FleetDetector
from aiops.detection.residual import ResidualDetector
from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray

DAY = 1440
random = np.random.default_rng(5)


def column(rows: IntArray, at: FloatArray, values: FloatArray) -> Points:
    return Points.unforecast(rows, at, values)


def alerts_a_week(values: FloatArray, step: float = 60.0, detector: FleetDetector | None = None) -> FloatArray:
    """Return what is said of each point of one series."""
    own = detector or FleetDetector()
    state = own.start(1)
    row = np.zeros(1, dtype=np.int64)
    found = [
        own.alerts_a_week(state, column(row, np.array([step * t]), np.array([value])))[0]
        for t, value in enumerate(values.tolist())
    ]
    return np.array(found)


def seasonal(days: int, noise: float = 1.0) -> FloatArray:
    t = np.arange(days * DAY)
    return 100 + 40 * np.sin(2 * np.pi * t / DAY) + noise * random.standard_normal(len(t))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_batching_and_any_interleaving_give_the_same_bits(data):
    n, length = 4, 150
    seed = data.draw(st.integers(0, 2**32 - 1))
    own = np.random.default_rng(seed)
    values = own.choice([0.0, 1e17, np.nan, 5.0], (n, length)) * 0.01 + own.standard_normal((n, length))
    detector = FleetDetector()
    alone = np.stack([alerts_a_week(row) for row in values])
    state, found = detector.start(n), np.full((n, length), np.nan)
    done = np.zeros(n, dtype=np.int64)  # each series goes on at its own pace
    while (done < length).any():
        ready = np.flatnonzero(done < length)
        rows = np.array(data.draw(st.lists(st.sampled_from(ready.tolist()), min_size=1, unique=True)), dtype=np.int64)
        for _ in range(min(25, length - int(done[rows].max()))):
            points = column(rows, 60.0 * done[rows].astype(np.float64), values[rows, done[rows]])
            found[rows, done[rows]] = detector.alerts_a_week(state, points)
            done[rows] += 1
    assert found.tobytes() == alone.tobytes()


def test_one_pass_is_scoring_and_then_learning():
    detector, values = FleetDetector(), random.standard_normal(300)
    one, two = detector.start(1), detector.start(1)
    for t, value in enumerate(values.tolist()):
        points = column(np.zeros(1, dtype=np.int64), np.array([60.0 * t]), np.array([value]))
        apart = detector.score(two, points)
        detector.learn(two, points)
        together = detector.step(one, points)
        assert together.tobytes() == apart.tobytes()
    assert one.tobytes() == two.tobytes()


def test_it_calibrates_itself_and_the_residual_detector_does_not():
    assert isinstance(FleetDetector(), Calibrated)
    assert not isinstance(ResidualDetector(), Calibrated)


def test_a_spike_is_rare_and_the_season_is_not():
    values = seasonal(12)
    values[-200] += 60
    said = alerts_a_week(values)
    assert said[-200] < 0.1
    last_days = said[-3 * DAY : -250]
    assert (last_days > 1).mean() > 0.999


@pytest.mark.parametrize("noise", ["normal", "student", "exponential"])
def test_alerts_a_week_are_about_as_many_as_it_says(noise):
    made = {
        "normal": lambda n: random.standard_normal(n),
        "student": lambda n: random.standard_t(3, n),
        "exponential": lambda n: random.exponential(size=n),
    }[noise](42 * DAY)
    said = alerts_a_week(np.add(100, made))[14 * DAY :]
    events = np.flatnonzero(said <= 10)
    alerts = 1 + (np.diff(events) > 30).sum()
    weeks = len(said) / (7 * DAY)
    assert 3 < alerts / weeks < 30


def test_a_series_of_hours_speaks_in_weeks_too():
    hours = 50 + random.standard_normal(size=(60 * 24,))
    hours[-30] += 40
    said = alerts_a_week(hours, step=3600.0)
    assert said[-30] < 0.5
    assert np.nanmedian(said[500:]) > 3


def test_trouble_is_odd_while_it_lasts_and_normal_when_it_stays():
    values = seasonal(20)
    values[10 * DAY :] += 300
    said = alerts_a_week(values)
    assert (said[10 * DAY : 10 * DAY + 5] < 1).all()
    assert (said[15 * DAY :] > 1).mean() > 0.99


def test_an_outlier_does_not_hide_the_next_one():
    values = 100 + random.standard_normal(14 * DAY)
    values[10 * DAY] = 1e12
    values[10 * DAY + 600] = 200
    said = alerts_a_week(values)
    assert said[10 * DAY] < 0.1
    assert said[10 * DAY + 600] < 1


def test_what_keeps_coming_back_is_not_rare():
    values = np.zeros(28 * DAY)
    values[:: DAY // 8] = 1.0
    said = alerts_a_week(values)
    # Eight a day are rarer than one point in 300 at first sight, so each teaches a tenth and they are known after three
    # weeks (ADR 14). They were known after two while odd was what came less than ten times a week; that called a tenth
    # of all points of hourly series odd.
    assert (said[14 * DAY : 21 * DAY] > 0.5).all()
    assert (said[21 * DAY :] > 1).all()


def test_a_forecast_that_knows_of_a_peak_makes_it_less_odd():
    values = 100 + random.standard_normal(6 * DAY)
    values[-30:] += 50
    detector = FleetDetector()
    row = np.zeros(1, dtype=np.int64)
    found = []
    for known in (True, False):
        state = detector.start(1)
        for t, value in enumerate(values.tolist()):
            forecast = 150.0 if known and t >= len(values) - 30 else 100.0
            at = np.array([60.0 * t])
            expected = np.array([forecast])
            points = Points(
                rows=row, at=at, values=np.array([value]), expected=expected, lower=expected - 3, upper=expected + 3
            )
            if t == len(values) - 1:
                found.append(detector.interval(state, points, np.array([1000.0]))[:, 0])
            detector.learn(state, points)
    assert found[0][0] == pytest.approx(150, abs=3)
    assert found[1][0] < 110


def test_a_record_of_a_series_fits_in_four_kilobytes():
    assert FleetDetector().start(1).nbytes <= 4_096


@pytest.mark.parametrize("wrong", [{"warm_up": 5}, {"floor_ratio": 0.0}])
def test_arguments_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match="fleet: warm_up"):
        FleetDetector(**wrong)


@pytest.mark.parametrize("wild", [1e3, 1e6, 1e9, 1e308])
def test_one_wild_value_is_odd_alone_and_blinds_nobody(wild):
    rng = np.random.default_rng(0)
    n = 4000
    values = 100 + 10 * np.sin(np.arange(n) / 1440 * 2 * np.pi) + rng.normal(size=n)
    values[3000], values[-1] = wild, 200.0
    alerts_a_week = FleetDetector().replay(60.0 * np.arange(n, dtype=np.float64), values.astype(np.float64))[0]
    assert alerts_a_week[3000] < 0.01
    assert (alerts_a_week[3001:3060] > 1.0).all()
    assert alerts_a_week[-1] < 0.1


@pytest.mark.parametrize("noise", ["normal", "counts"])
@pytest.mark.parametrize("raw", [100.0, 1000.0, 1e6])
def test_the_interval_ends_where_the_score_begins_to_be_so_odd(noise, raw):
    own = np.random.default_rng(9)
    values = own.standard_normal(5000) if noise == "normal" else own.poisson(3.0, 5000).astype(np.float64)
    detector, row = FleetDetector(), np.zeros(1, dtype=np.int64)
    state = detector.start(1)
    for t, value in enumerate(values.tolist()):
        detector.learn(state, column(row, np.array([60.0 * t]), np.array([value])))

    def points(value):
        return column(row, np.array([300_000.0]), np.array([value]))

    middle, lower, upper = detector.interval(state, points(0.0), np.array([raw]))[:, 0]
    state["short"], state["quarter"] = middle, middle  # as if the points before had been as expected
    for end in (lower, upper):
        width = 1e-6 * abs(end - middle)
        assert detector.score(state, points(end - np.sign(end - middle) * width))[0] <= raw * 1.001
        assert detector.score(state, points(end + np.sign(end - middle) * width))[0] >= raw * 0.999
