import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import ConfigError
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.holt_winters import HoltWinters
from aiops.series import Frame, Series, SeriesKey

START = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)


def daily(n, step_minutes):
    return 30 + 20 * np.sin(2 * np.pi * np.arange(n) * step_minutes / 1440)


def frame(values, step_minutes):
    return Frame(
        keys=(SeriesKey("demand"),), start=START, step=timedelta(minutes=step_minutes), values=np.array([values])
    )


def test_learns_a_daily_season_and_carries_it_through_a_gap():
    values = daily(97 * 20, 15)
    seen = values[: 96 * 19].copy()
    seen[96 * 18 + 40 : 96 * 18 + 70] = np.nan
    found = HoltWinters(level_memory=timedelta(hours=12)).point(frame(seen, 15), 96)
    np.testing.assert_allclose(found[0], values[96 * 19 : 96 * 20], atol=1.5)


def test_a_constant_stays_what_it_is_and_a_new_level_is_followed():
    model = HoltWinters(level_memory=timedelta(minutes=3))
    values = np.full(3000, 5.0)
    assert (model.point(frame(values, 1), 60) == 5.0).all()
    values[-15:] = 9.0
    np.testing.assert_allclose(model.point(frame(values, 1), 1), 9.0, atol=0.05)


def test_one_outage_is_not_a_habit():
    usual = daily(1440 * 20, 1) + np.random.default_rng(0).normal(size=1440 * 20)
    outage = usual.copy()
    outage[1440 * 19 + 300 : 1440 * 19 + 360] = 0.0
    model = HoltWinters(level_memory=timedelta(hours=12))
    before, after = (model.point(frame(values, 1), 1440)[0] for values in (usual, outage))
    # A tenth of the fall of 50 would be 5; what is let through is four mean absolute surprises at most.
    learned = (after - before) - np.median(after - before)
    assert 0.5 < np.abs(learned).max() < 2.0


def test_the_peak_is_the_highest_step_of_the_path():
    values = daily(1440 * 4, 1) + np.random.default_rng(0).normal(size=1440 * 4)
    series = frame(values, 1).row(0)
    model = HoltWinters(level_memory=timedelta(minutes=3))
    peaks = model.peaks(series, 0, len(series) - 1, 4)
    for cutoff in (100, 2000, 5000):
        path = model.point(frame(values[: cutoff + 1], 1), 4)
        assert peaks[cutoff] == path.max()


def test_a_step_that_does_not_divide_a_day_has_a_level_only():
    found = HoltWinters(level_memory=timedelta(hours=12)).point(frame(daily(500, 7), 7), 50)
    assert np.ptp(found) == 0


def test_eleven_weeks_of_minutes_cost_less_than_half_a_second():
    forecaster = window_forecaster("holt-winters")
    values = daily(76 * 1440, 1) + np.random.default_rng(0).normal(size=76 * 1440)
    series = Series(key=SeriesKey("demand"), start=START, step=timedelta(minutes=1), values=values)
    cutoffs, levels = np.arange(56 * 1440, 70 * 1440), np.array([0.9, 0.95, 0.99])
    forecaster.window_maximum(series, cutoffs[:2], 4, levels)  # compiles
    began = time.perf_counter()
    forecaster.window_maximum(series, cutoffs, 4, levels)
    assert time.perf_counter() - began < 0.5


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="level_memory"):
        HoltWinters(level_memory=timedelta(0))
    with pytest.raises(ConfigError, match="season_rate"):
        HoltWinters(level_memory=timedelta(hours=1), season_rate=0.0)
