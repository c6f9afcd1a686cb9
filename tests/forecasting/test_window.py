from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.folder import FolderSource
from aiops.forecasting.accuracy import pinball_loss
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.window import CalibratedPeaks, ErrorUnit, LastWeek, latest, maximum_ahead
from aiops.series import Series, SeriesKey, epoch_seconds

nan = np.nan
LEVELS = np.array([0.5, 0.9, 0.99])


def series(values, step=timedelta(minutes=5)):
    start = datetime(2026, 1, 5, 3, 20, tzinfo=UTC)
    return Series(key=SeriesKey("demand"), start=start, step=step, values=np.asarray(values, dtype=np.float64))


def noisy(n, seed=0):
    random = np.random.default_rng(seed)
    values = 20 + 10 * np.sin(2 * np.pi * np.arange(n) / 288) + random.gamma(2.0, 2.0, n)
    values[random.random(n) < 0.05] = nan
    return values


def test_maximum_ahead_looks_at_the_window_after_each_step():
    found = maximum_ahead(np.array([9.0, 1.0, 3.0, nan, nan, 2.0, 5.0]), 2)
    np.testing.assert_array_equal(found, [3.0, 3.0, nan, 2.0, 5.0, nan, nan])
    assert np.isnan(maximum_ahead(np.array([1.0, 2.0]), 2)).all()


def test_latest_holds_the_last_observation():
    np.testing.assert_array_equal(latest(np.array([nan, 1.0, nan, 3.0, nan])), [nan, 1.0, 1.0, 3.0, 3.0])
    np.testing.assert_array_equal(latest(np.array([[nan, nan], [4.0, nan]])), [[nan, nan], [4.0, 4.0]])


def test_last_week_is_last_week_then_yesterday_then_the_latest():
    day = 4
    values = np.arange(9.0 * day)
    found = LastWeek().peaks(series(values, timedelta(hours=6)), 0, len(values) - 1, 2)
    assert found[:day].tolist() == [0, 1, 2, 3]
    assert found[day] == values[day + 2 - day]
    assert found[6 * day + 1] == values[6 * day + 3 - day]
    assert found[7 * day] == values[7 * day + 2 - 7 * day]
    assert found[-1] == values[len(values) - 1 + 2 - 7 * day]


def test_a_window_longer_than_a_day_is_never_taken_from_a_day_ago():
    values = np.arange(8.0)
    assert LastWeek().peaks(series(values, timedelta(hours=6)), 0, 7, 5).tolist() == values.tolist()


@pytest.mark.parametrize("unit", ErrorUnit)
def test_the_quantiles_are_the_ranks_of_the_known_errors(unit):
    """Against the definition, written as slowly as it reads."""
    values, window, memory = noisy(900), 3, 288
    forecaster = CalibratedPeaks(peaks=LastWeek(), unit=unit, memory=timedelta(days=1))
    cutoffs = np.array([310, 555, 899])
    found = forecaster.window_maximum(series(values), cutoffs, window, LEVELS)
    point = LastWeek().peaks(series(values), 0, 899, window)
    for row, cutoff in enumerate(cutoffs):
        errors = []
        for then in range(cutoff - window - memory + 1, cutoff - window + 1):
            truth = np.nanmax([*values[then + 1 : then + window + 1], -np.inf])
            if np.isfinite(truth):
                errors.append((truth - point[then]) / (np.sqrt(point[then]) if unit is ErrorUnit.ROOT else 1.0))
        errors.sort()
        ranks = [min(int(np.ceil((len(errors) + 1) * level)), len(errors)) for level in LEVELS]
        scale = np.sqrt(point[cutoff]) if unit is ErrorUnit.ROOT else 1.0
        expected = [point[cutoff] + errors[rank - 1] * scale for rank in ranks]
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["last-week", "holt-winters", "boosted"])
def test_the_truth_is_below_each_quantile_as_often_as_it_says(name):
    values = noisy(288 * 20, seed=3)
    cutoffs = np.arange(288 * 9, len(values) - 4)
    made = window_forecaster(name).window_maximum(series(values), cutoffs, 4, LEVELS)
    truth = maximum_ahead(values, 4)[cutoffs]
    known = ~np.isnan(truth)
    np.testing.assert_allclose((truth[known, None] <= made[known]).mean(axis=0), LEVELS, atol=0.02)


def test_a_gap_in_the_latest_data_is_bridged():
    values = noisy(288 * 9)
    values[-50:] = nan
    for name in ("last-week", "holt-winters"):
        found = window_forecaster(name).window_maximum(series(values), np.array([len(values) - 1]), 4, LEVELS)
        assert np.isfinite(found).all()


@pytest.mark.parametrize("trace", ["ms_mongo_01", "cc_cluster19"])
def test_holt_winters_beats_last_week_on_real_traces_and_covers(trace, data_dir):
    source = FolderSource(data_dir / "workload")
    (entry,) = (each for each in source.entries() if each.name == trace)
    (real,) = source.read([entry]).series
    first, last = (
        round(float(entry.metadata[name]) - epoch_seconds(real.start)) // 60 for name in ("eval_start", "eval_end")
    )
    cutoffs = np.arange(first, min(last, len(real) - 4))
    levels = np.array([0.9, 0.95, 0.99])
    truth = maximum_ahead(real.values, 4)[cutoffs]
    loss, covered = {}, {}
    for name in ("last-week", "holt-winters"):
        made = window_forecaster(name).window_maximum(real, cutoffs, 4, levels)
        loss[name] = pinball_loss(truth, made.T, levels)
        covered[name] = (truth[:, None] <= made).mean(axis=0)
    assert (loss["holt-winters"] < 0.6 * loss["last-week"]).all()
    np.testing.assert_allclose(covered["holt-winters"], levels, atol=0.03)
