from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import ConfigError
from aiops.forecasting.conformal import Conformal, bands, calibrated
from aiops.forecasting.naive import SeasonalNaive
from aiops.forecasting.origins import origins_within, residuals
from aiops.series import Frame, SeriesKey

LEVELS = np.array([0.05, 0.5, 0.9, 0.95])


def frame(values):
    keys = tuple(SeriesKey(f"s{number}") for number in range(len(values)))
    return Frame(keys=keys, start=datetime(2026, 1, 5, tzinfo=UTC), step=timedelta(hours=1), values=values)


def test_quantiles_cover_what_they_promise():
    random = np.random.default_rng(7)
    n, days = 200, 29
    daily = 50 + 10 * np.sin(2 * np.pi * np.arange(24 * days) / 24)
    values = daily + random.gamma(2.0, 3.0, (n, 24 * days))  # skewed: each tail needs its own errors
    made = Conformal(model=SeasonalNaive()).forecast(frame(values[:, :-24]), 24, LEVELS)
    below = (values[:, None, -24:] <= made.values).mean(axis=(0, 2))
    np.testing.assert_allclose(below, LEVELS, atol=0.02)


def test_the_quantile_is_the_finite_sample_rank_of_signed_errors():
    errors = np.arange(1.0, 21.0).reshape(20, 1, 1)  # 20 origins, one series, one step: 1 .. 20
    made = calibrated(frame(np.full((1, 5), 100.0)), np.full((1, 1), 100.0), errors, LEVELS, ("any",))
    assert made.values[0, :, 0].tolist() == [102.0, 111.0, 119.0, 120.0]  # 21 q, rounded up
    few = calibrated(frame(np.full((1, 5), 100.0)), np.full((1, 1), 100.0), errors[:3], LEVELS, ("any",))
    assert few.values[0, :, 0].tolist() == [101.0, 102.0, 103.0, 103.0]


def test_a_band_without_errors_takes_those_of_its_neighbour():
    errors = np.full((2, 1, 40), np.nan)
    errors[:, 0, 12:20] = 3.0
    made = calibrated(frame(np.ones((1, 5))), np.zeros((1, 40)), errors, LEVELS, ("any",))
    assert (made.values == 3.0).all()


def test_a_series_that_was_never_negative_stays_so_and_another_does_not():
    errors = np.full((3, 2, 4), -10.0)
    history = np.array([[0.0, 1.0, 2.0], [-1.0, 1.0, 2.0]])
    made = calibrated(frame(history), np.ones((2, 4)), errors, LEVELS, ("any", "any"))
    assert (made.values[0] == 0.0).all()
    assert (made.values[1] == -9.0).all()


def test_bands_double_and_cover_the_horizon():
    assert bands(5) == [(0, 5)]
    assert bands(288) == [(0, 12), (12, 36), (36, 84), (84, 180), (180, 288)]


@pytest.mark.parametrize(
    ("length", "horizon", "count"), [(2, 5, 8), (10, 1, 4), (100, 24, 8), (100, 400, 8), (7, 3, 1)]
)
def test_origins_lie_inside_the_history(length, horizon, count):
    found = origins_within(length, horizon, count)
    assert 1 <= len(found) <= count
    assert found == sorted(set(found))
    assert found[0] >= 1
    assert found[-1] <= length - 1


def test_a_long_history_gives_every_origin_a_whole_horizon_and_half_of_the_history():
    found = origins_within(1000, 100, 5)
    assert found == [500, 600, 700, 800, 900]


def test_no_origin_in_a_single_point():
    assert origins_within(1, 1, 8) == []


def test_residuals_are_observed_minus_forecast():
    history = frame(np.arange(60.0)[None])
    found = residuals(SeasonalNaive(), history, 2, [30, 59])
    assert found[:, 0].tolist()[0] == [24.0, 24.0]  # an hour later, a day higher
    assert found[1, 0, 0] == 24.0
    assert np.isnan(found[1, 0, 1])


def test_at_least_one_origin():
    with pytest.raises(ConfigError, match="origins"):
        Conformal(model=SeasonalNaive(), origins=0)
