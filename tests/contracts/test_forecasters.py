"""What every forecaster of the catalogs must do; a new one is tested the moment it has its line there."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiops.errors import ConfigError, DataError
from aiops.forecasting.catalog import PATH, WINDOW, path_forecaster, window_forecaster
from aiops.series import Frame, Series, SeriesKey

SLOW = {"boosted", "ets", "mstl", "prophet", "prophet-daily", "structural"}
LEVELS = np.array([0.1, 0.5, 0.9, 0.99])
START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)
HORIZON = 30

every_path = pytest.mark.parametrize("name", PATH)
every_window = pytest.mark.parametrize("name", WINDOW)


def telemetry(seed: int, n: int, step: timedelta, gaps: float = 0.0, scale: float = 1.0):
    random = np.random.default_rng(seed)
    day = 2 * np.pi * np.arange(n) * step.total_seconds() / 86400
    values = scale * np.abs(3.0 + 2.0 * np.sin(day + random.uniform(0, 6)) + 0.3 * random.standard_normal(n))
    values[random.random(n) < gaps] = np.nan
    return values


def frame(*rows, step=HOUR):
    keys = tuple(SeriesKey(f"series_{number}") for number in range(len(rows)))
    return Frame(keys=keys, start=START, step=step, values=np.array(rows), units=("requests/second",) * len(rows))


def same(one, other):
    return np.array_equal(one, other, equal_nan=True)


def examples(name, quick=15):
    return settings(max_examples=2 if name in SLOW else quick)


histories = st.tuples(
    st.integers(0, 10_000), st.integers(72, 240), st.sampled_from([0.0, 0.3]), st.sampled_from([1e-6, 1.0, 1e6])
)


@every_path
def test_a_fleet_of_odd_series_is_forecast_row_by_row(name):
    n = 240
    lone = np.full(n, np.nan)
    lone[-1] = 7.0
    rows = {
        "usual": telemetry(1, n, HOUR),
        "silent": np.full(n, np.nan),
        "constant": np.full(n, 5.0),
        "zeros": np.zeros(n),
        "gappy": telemetry(2, n, HOUR, gaps=0.5),
        "huge": telemetry(3, n, HOUR, scale=1e17),
        "lone": lone,
        "negative": -telemetry(4, n, HOUR),
        "sparse": np.where(np.arange(n) % 17 == 0, 4.0, 0.0),
        "late": np.concatenate([np.full(n - 96, np.nan), telemetry(5, 96, HOUR)]),
    }
    history = frame(*rows.values())
    made = path_forecaster(name).forecast(history, HORIZON, LEVELS)

    assert made.keys == history.keys
    assert made.units == history.units
    assert made.cutoff == history.cutoff
    assert made.mean.shape == (len(rows), HORIZON)
    assert made.values.shape == (len(rows), len(LEVELS), HORIZON)
    by_name = dict(zip(rows, made.values, strict=True))
    models = dict(zip(rows, made.models, strict=True))
    for row in ("silent", "lone"):
        assert np.isnan(by_name[row]).all(), row
        assert models[row] == ""
    for row in set(rows) - {"silent", "lone"}:
        assert np.isfinite(by_name[row]).all(), row
        assert (np.diff(by_name[row], axis=0) >= 0).all(), row
        assert models[row] != "", row
    assert (by_name["constant"] == 5.0).all()
    assert (by_name["zeros"] == 0.0).all()
    assert (by_name["sparse"] >= 0.0).all()
    assert (by_name["negative"][1] < 0.0).all()
    assert 1e16 < by_name["huge"][1].mean() < 1e18


@every_path
@pytest.mark.parametrize("n", [1, 2, 3, 11])
def test_a_history_too_short_gives_no_number_that_is_not_one(name, n):
    made = path_forecaster(name).forecast(frame(telemetry(1, n, HOUR)), HORIZON, LEVELS)
    assert np.isnan(made.values).all() or np.isfinite(made.values).all()
    assert np.isnan(made.values).all() or n > 1


@every_path
def test_a_request_that_makes_no_sense_is_refused(name):
    forecaster, history = path_forecaster(name), frame(telemetry(1, 72, HOUR))
    with pytest.raises(DataError, match="horizon"):
        forecaster.forecast(history, 0, LEVELS)
    with pytest.raises(DataError, match="levels"):
        forecaster.forecast(history, HORIZON, np.array([0.9, 0.1]))
    with pytest.raises(DataError, match="no points"):
        forecaster.forecast(history.columns(0, 0), HORIZON, LEVELS)


@every_path
def test_a_path_uses_its_history_only_and_gives_the_same_bits_again(name):
    @given(history=histories, ahead=st.integers(1, 60), seed=st.integers(0, 99))
    @examples(name)
    def holds(history, ahead, seed):
        series, n, gaps, scale = history
        longer = telemetry(series, n + ahead, HOUR, gaps, scale)
        corrupted = longer.copy()
        corrupted[n:] = np.random.default_rng(seed).choice([np.nan, -1e12, 0.0, 1e12], ahead)
        first, second = (
            path_forecaster(name).forecast(frame(values).columns(0, n), HORIZON, LEVELS)
            for values in (longer, corrupted)
        )
        assert same(first.values, second.values)
        assert same(first.mean, second.mean)
        assert first.models == second.models

    holds()


@every_path
def test_one_series_is_a_batch_of_one(name):
    @given(one=histories, other=histories)
    @examples(name, quick=10)
    def holds(one, other):
        n = min(one[1], other[1])
        batch = frame(*(telemetry(seed, n, HOUR, gaps, scale) for seed, _, gaps, scale in (one, other)))
        together = path_forecaster(name).forecast(batch, HORIZON, LEVELS)
        for row in range(2):
            alone = path_forecaster(name).forecast(batch.select([row]), HORIZON, LEVELS)
            assert same(alone.values[0], together.values[row])

    holds()


def series(values):
    return Series(key=SeriesKey("demand"), start=START + timedelta(hours=7), step=FIVE_MINUTES, values=values)


traces = st.tuples(st.integers(0, 10_000), st.sampled_from([0.0, 0.2]), st.sampled_from([1e-3, 1.0, 1e9]))


@every_window
def test_a_peak_uses_what_was_known_only(name):
    # Prophet is trained each day: few days, and a cut after the errors of three days are known.
    first = 1000 if name in SLOW else 0

    @given(trace=traces, cut=st.integers(first + 1, 1400), window=st.integers(1, 12), seed=st.integers(0, 99))
    @example(trace=(1, 0.0, 1.0), cut=1067, window=4, seed=1)  # at a midnight, models are trained anew
    @examples(name)
    def holds(trace, cut, window, seed):
        number, gaps, scale = trace
        values = telemetry(number, 1440, FIVE_MINUTES, gaps, scale)
        corrupted = values.copy()
        corrupted[cut + 1 :] = np.random.default_rng(seed).choice([np.nan, -1e12, 0.0, 1e12], 1440 - cut - 1)
        cutoffs = np.arange(first, 1440, dtype=np.int64)
        forecaster = window_forecaster(name)
        clean, dirty = (
            forecaster.window_maximum(series(each), cutoffs, window, LEVELS) for each in (values, corrupted)
        )
        known = cutoffs <= cut
        assert same(clean[known], dirty[known])
        assert clean.shape == (len(cutoffs), len(LEVELS))
        assert not (np.diff(clean, axis=1) < 0).any()
        assert not (clean < 0).any(), "history was never negative"

    holds()


@every_window
def test_a_row_does_not_depend_on_which_other_cutoffs_are_asked_for(name):
    values = telemetry(1, 1440, FIVE_MINUTES, gaps=0.1)
    forecaster = window_forecaster(name)
    cutoffs = np.arange(1200, 1430, 1, dtype=np.int64)
    every = forecaster.window_maximum(series(values), cutoffs, 4, LEVELS)
    some = forecaster.window_maximum(series(values), cutoffs[100::37], 4, LEVELS)
    assert np.isfinite(every).all()
    assert same(every[100::37], some)


@every_window
@pytest.mark.parametrize(
    ("values", "expected"),
    [(np.full(1200, np.nan), np.nan), (np.full(1200, 5.0), 5.0), (np.zeros(1200), 0.0)],
    ids=["silent", "constant", "zeros"],
)
def test_a_flat_or_silent_series_has_the_peak_that_it_had(name, values, expected):
    found = window_forecaster(name).window_maximum(series(values), np.array([1000, 1199]), 4, LEVELS)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@every_window
def test_a_series_too_short_has_no_peak(name):
    values = telemetry(1, 20, FIVE_MINUTES)
    assert np.isnan(window_forecaster(name).window_maximum(series(values), np.arange(20), 4, LEVELS)).all()


@every_window
def test_a_huge_series_has_a_finite_peak(name):
    values = telemetry(1, 1440, FIVE_MINUTES, scale=1e17)
    found = window_forecaster(name).window_maximum(series(values), np.array([1400]), 4, LEVELS)
    assert (found > 1e16).all()
    assert (found < 1e18).all()


@every_window
def test_cutoffs_that_make_no_sense_are_refused(name):
    forecaster, some = window_forecaster(name), series(telemetry(1, 100, FIVE_MINUTES))
    for cutoffs in ([5, 5], [7, 3], [-1, 4], [50, 100]):
        with pytest.raises(DataError, match="cutoffs"):
            forecaster.window_maximum(some, np.array(cutoffs), 4, LEVELS)
    with pytest.raises(DataError, match="window"):
        forecaster.window_maximum(some, np.array([50]), 0, LEVELS)
    assert forecaster.window_maximum(some, np.array([], dtype=np.int64), 4, LEVELS).shape == (0, len(LEVELS))


def test_names_are_those_of_the_catalog():
    assert [path_forecaster(name).name for name in PATH] == list(PATH)
    assert [window_forecaster(name).name for name in WINDOW] == list(WINDOW)


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"no forecaster is called 'arima'.*seasonal-naive"):
        path_forecaster("arima")
    with pytest.raises(ConfigError, match=r"no forecaster is called 'ets'.*last-week"):
        window_forecaster("ets")
