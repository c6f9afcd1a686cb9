"""What the fleet forecaster keeps of a backtest: the nights after, maxima of windows, time to a limit."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import DataError
from aiops.forecasting.fleet.forecaster import Fleet
from aiops.forecasting.fleet.maximum import day_maxima, steps_to, window_maximum
from aiops.series import Frame, SeriesKey

DAY = 24
HOUR = timedelta(hours=1)
LEVELS = np.array([0.1, 0.5, 0.9, 0.95, 0.99])
CHANCES = np.array([0.1, 0.5, 0.9])


def frame(*rows):
    keys = tuple(SeriesKey(f"s{number}") for number in range(len(rows)))
    return Frame(keys=keys, start=datetime(2026, 3, 2, tzinfo=UTC), step=HOUR, values=np.array(rows))


def noisy(days, seed=0, noise=1.0):
    hours = np.arange(days * DAY)
    return 20 + 5 * np.sin(2 * np.pi * hours / DAY) + np.random.default_rng(seed).normal(0, noise, len(hours))


def test_a_fit_forecasts_its_own_history_as_the_full_backtest_does():
    history = frame(noisy(28), np.full(28 * DAY, 3.0), noisy(28, seed=1))
    whole = Fleet().forecast(history, DAY, LEVELS)
    again = Fleet().fit(history, DAY, LEVELS).forecast(history)
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.mean, whole.mean)


def test_a_fit_follows_the_level_of_a_series_whose_level_moves():
    level = 100 + 20 * np.repeat(np.random.default_rng(0).normal(0, 1, 32 * 2).cumsum(), DAY // 2)
    y = level + np.random.default_rng(1).normal(0, 0.5, len(level))
    fit = Fleet().fit(frame(y[: 28 * DAY]), DAY, LEVELS)
    made = fit.forecast(frame(y[: 31 * DAY])).mean[0]
    assert abs(made[0] - level[31 * DAY - 1]) < 0.5 * abs(level[28 * DAY - 1] - level[31 * DAY - 1])


def test_what_follows_the_cutoff_does_not_change_a_refit():
    fit = Fleet().fit(frame(noisy(28)), DAY, LEVELS)
    longer = noisy(31)
    longer[30 * DAY :] = 1e6
    np.testing.assert_array_equal(
        fit.forecast(frame(longer[: 30 * DAY])).values, fit.forecast(frame(noisy(31)[: 30 * DAY])).values
    )


def test_a_series_that_was_not_fitted_is_backtested_in_full():
    flat = np.full(28 * DAY, 3.0)
    fit = Fleet().fit(frame(flat, np.full(28 * DAY, np.nan)), DAY, LEVELS)
    lively, silent = np.concatenate([flat, noisy(1)]), np.full(29 * DAY, np.nan)
    made = fit.forecast(frame(lively, silent))
    np.testing.assert_array_equal(made.values[0], Fleet().forecast(frame(lively), DAY, LEVELS).values[0])
    assert np.isnan(made.mean[1]).all()
    assert made.models == ("fleet", "")


@pytest.mark.parametrize("more", [-DAY, 5], ids=["earlier", "hours later"])
def test_a_fit_refuses_another_time_of_day_and_an_earlier_one(more):
    fit = Fleet().fit(frame(noisy(28)), DAY, LEVELS)
    with pytest.raises(DataError, match="whole days later"):
        fit.forecast(frame(noisy(30)[: 28 * DAY + more]))


def test_more_than_a_day_ahead_the_interval_grows():
    made = Fleet().forecast(frame(noisy(60)), 7 * DAY, LEVELS)
    width = made.values[0, 2] - made.values[0, 0]
    assert width[6 * DAY :].mean() > 1.3 * width[:DAY].mean()


def test_a_window_of_one_step_is_the_step():
    history = frame(noisy(28))
    made = Fleet().forecast(history, DAY, LEVELS)
    found = window_maximum(history, DAY, 1, LEVELS)
    apart = LEVELS != 0.5  # where the path takes the place of the quantile
    np.testing.assert_allclose(found[0, apart], made.values[0, apart])


def test_maxima_of_windows_are_covered_as_promised_and_steps_are_not_enough_for_it():
    def highest(values):
        return np.lib.stride_tricks.sliding_window_view(values, 6, axis=1).max(axis=-1)

    y = np.array([noisy(29, seed, noise=6.0) for seed in range(400)])
    history, truth = frame(*y[:, :-DAY]), highest(y[:, -DAY:])
    low, _, high, _, _ = window_maximum(history, DAY, 6, LEVELS).swapaxes(0, 1)
    of_steps = highest(Fleet().forecast(history, DAY, LEVELS).values[:, 2])
    below = (truth <= high).mean()
    assert 0.72 <= ((truth >= low) & (truth <= high)).mean() <= 0.88
    assert 0.85 <= below <= 0.95
    assert (truth <= of_steps).mean() < below - 0.05


def test_maxima_survive_gaps_flat_series_and_silence():
    gappy = noisy(28)
    gappy[::3] = np.nan
    gappy[-40:-10] = np.nan
    found = window_maximum(frame(gappy, np.full(28 * DAY, 2.0), np.full(28 * DAY, np.nan)), DAY, 6, LEVELS)
    assert np.isfinite(found[0]).all()
    assert (np.diff(found, axis=1)[:2] >= 0).all()
    assert (found[1] == 2.0).all()
    assert np.isnan(found[2]).all()


def test_a_window_longer_than_the_horizon_is_refused():
    with pytest.raises(DataError, match="does not fit"):
        window_maximum(frame(noisy(28)), DAY, DAY + 1, LEVELS)


def test_when_a_disk_is_full_lies_within_the_interval():
    growth = 0.1 * np.arange(40 * DAY)
    caught = 0
    for seed in range(10):
        y = growth + np.random.default_rng(seed).normal(0, 0.5, len(growth))
        steps = steps_to(frame(y[: 33 * DAY]), 7 * DAY, np.array([growth[33 * DAY] + 6.0]), CHANCES)[0]
        assert (np.diff(steps) >= 0).all()
        first = int(np.argmax(y[33 * DAY :] >= growth[33 * DAY] + 6.0)) + 1
        caught += steps[0] <= first <= steps[2]
    assert caught >= 6


def test_the_highest_of_many_days_is_where_it_is_told_and_not_below_the_highest_of_one():
    """Of random walks no day ahead is like a day before: what a month adds is seen by few origins or none."""
    walks = np.random.default_rng(0).normal(0, 1, (40, 49 * DAY)).cumsum(axis=1) + 1000
    history, truth = frame(*walks[:, : 28 * DAY]), walks[:, 28 * DAY :].max(axis=1)
    never = np.full(len(walks), np.inf)
    peaks, highest, _ = day_maxima(history, 21 * DAY, np.arange(0, 21 * DAY, DAY), CHANCES, never, CHANCES)
    assert (highest >= peaks.max(axis=2) - 1e-9).all()
    below = (truth[:, None] <= highest).mean(axis=0)
    assert below[0] < 0.3
    assert below[2] > 0.75


def test_a_limit_out_of_reach_is_infinitely_far_and_silence_says_nothing():
    history = frame(noisy(28), np.full(28 * DAY, 3.0), np.full(28 * DAY, np.nan))
    steps = steps_to(history, DAY, np.array([1e9, 3.0, 1.0]), CHANCES)
    assert np.isinf(steps[0]).all()
    assert (steps[1] == 1).all()
    assert np.isnan(steps[2]).all()
    with pytest.raises(DataError, match="one limit a series"):
        steps_to(history, DAY, np.array([1.0]), CHANCES)
