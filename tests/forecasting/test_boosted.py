"""Boosted trees: what they look at, that they are LightGBM's, that nothing is known too early, what an answer costs."""

import pickle
import time
from datetime import UTC, datetime, timedelta

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.adapters.folder import FolderSource
from aiops.forecasting import boosted_trees
from aiops.forecasting.accuracy import pinball_loss
from aiops.forecasting.boosted import DAY, anchor_of
from aiops.forecasting.boosted_features import COUNT, features, tracks
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.window import maximum_ahead
from aiops.series import Series, SeriesKey, epoch_seconds

nan = np.nan
MINUTE, FIVE_MINUTES = timedelta(minutes=1), timedelta(minutes=5)
START = datetime(2026, 1, 5, 3, 20, tzinfo=UTC)
LEVELS = np.array([0.5, 0.9, 0.95, 0.99])


def series(values, step=FIVE_MINUTES, start=START, name="demand"):
    return Series(key=SeriesKey(name), start=start, step=step, values=np.asarray(values, dtype=np.float64))


def with_bursts(n, seed=0, every=12, gaps=0.03):
    """Noise around a daily season, and a burst at the full hour that no level can foresee."""
    random = np.random.default_rng(seed)
    values = 20 + 8 * np.sin(2 * np.pi * np.arange(n) / 288) + random.gamma(2.0, 1.0, n)
    values[::every] += 30
    values[random.random(n) < gaps] = nan
    return values


@pytest.mark.parametrize(("step", "window"), [(MINUTE, 4), (FIVE_MINUTES, 1), (timedelta(minutes=10), 70)])
def test_a_row_of_features_looks_back_only(step, window):
    @given(seed=st.integers(0, 999), cut=st.integers(0, 1990), wrong=st.sampled_from([nan, 0.0, -1e9, 1e9]))
    @settings(max_examples=20)
    def holds(seed, cut, wrong):
        values = with_bursts(2000, seed, gaps=0.2)
        changed = values.copy()
        changed[cut + 1 :] = wrong
        places = np.arange(cut + 1)
        clean, dirty = (features(tracks(each, 7200.0, step, window), places) for each in (values, changed))
        assert clean.shape == (cut + 1, COUNT)
        assert np.array_equal(clean, dirty, equal_nan=True)

    holds()


def test_features_do_not_depend_on_the_unit_of_demand():
    values = with_bursts(3000)
    places = np.arange(2000, 3000)
    small, large = (features(tracks(values * by, 0.0, FIVE_MINUTES, 4), places) for by in (1e-6, 1e9))
    np.testing.assert_allclose(small, large, rtol=1e-3, atol=1e-4)


def test_no_feature_is_left_out_where_all_is_known():
    found = features(tracks(with_bursts(288 * 9, gaps=0.0), 0.0, FIVE_MINUTES, 2), np.arange(288 * 8, 288 * 9))
    assert np.isfinite(found).all()
    assert (found.std(axis=0) > 0).all()


@pytest.mark.parametrize("unknown", [0.0, 0.2])
def test_the_arrays_say_what_lightgbm_says(unknown):
    random = np.random.default_rng(1)
    rows = random.standard_normal((3000, 6)).astype(np.float32)
    target = rows[:, 0] * rows[:, 1] + random.standard_normal(3000)
    rows[random.random(rows.shape) < unknown] = nan
    rows[:, 5] = 1.0
    trees = boosted_trees.grow(rows, target, 0.9)
    settings_ = {**boosted_trees._SETTINGS, "alpha": 0.9}
    theirs = lightgbm.train(settings_, lightgbm.Dataset(rows, target), num_boost_round=len(trees.roots))
    asked = random.standard_normal((500, 6)).astype(np.float32)
    asked[random.random(asked.shape) < 0.2] = nan
    np.testing.assert_allclose(boosted_trees.predict(trees, asked), theirs.predict(asked), rtol=1e-12)
    assert 0.85 < (target <= boosted_trees.predict(trees, rows)).mean() < 0.95


def test_what_comes_back_every_hour_is_foreseen():
    values = with_bursts(288 * 8)
    cutoffs = np.arange(288 * 6, 288 * 8 - 1)
    truth = maximum_ahead(values, 1)[cutoffs]
    found = {
        name: window_forecaster(name).window_maximum(series(values), cutoffs, 1, LEVELS)
        for name in ("boosted", "holt-winters")
    }
    known = ~np.isnan(truth)
    loss = {name: pinball_loss(truth[known], made[known].T, LEVELS) for name, made in found.items()}
    assert (loss["boosted"] < 0.85 * loss["holt-winters"]).all()


def test_holt_winters_answers_until_trees_have_learnt_and_erred():
    values = with_bursts(288 * 5)
    cutoffs = np.arange(288 * 5)
    found = window_forecaster("boosted").window_maximum(series(values), cutoffs, 2, LEVELS)
    simple = window_forecaster("holt-winters").window_maximum(series(values), cutoffs, 2, LEVELS)
    same = (found == simple).all(axis=1)
    useful = np.flatnonzero(np.isfinite(found).all(axis=1))[0]
    assert useful <= 45  # thirty errors, and gaps
    assert same[useful:].sum() >= 500
    assert not same[288 * 3 :].any()


def test_a_window_that_never_ended_teaches_nothing(monkeypatch):
    taught = []
    monkeypatch.setattr("aiops.forecasting.boosted.grow", lambda *lesson: taught.append(lesson))
    values = with_bursts(288 * 4)
    window_forecaster("boosted").window_maximum(series(values), np.arange(288 * 4), 288 * 9, LEVELS[2:3])
    assert not taught


def test_a_live_service_asks_one_by_one_and_gets_what_the_batch_got():
    values = with_bursts(288 * 6)
    whole = window_forecaster("boosted").window_maximum(series(values), np.arange(288 * 5, 288 * 6), 2, LEVELS)
    live = window_forecaster("boosted")
    for cutoff in range(288 * 5, 288 * 6, 7):
        known = series(values[: cutoff + 1])
        one = live.window_maximum(known, np.array([cutoff]), 2, LEVELS)
        assert np.array_equal(one[0], whole[cutoff - 288 * 5])


def test_what_was_rewritten_is_looked_at_again():
    values = with_bursts(288 * 5)
    rewritten = values.copy()
    rewritten[-40:] *= 3
    live, last = window_forecaster("boosted"), np.array([288 * 5 - 1])
    before = live.window_maximum(series(values), last, 2, LEVELS)
    after = live.window_maximum(series(rewritten), last, 2, LEVELS)
    assert (after > before).all()
    assert np.array_equal(after, window_forecaster("boosted").window_maximum(series(rewritten), last, 2, LEVELS))


def test_history_that_slides_keeps_the_trees_of_the_day():
    values = with_bursts(288 * 8)
    live = window_forecaster("boosted")
    seconds = []
    for now in range(288 * 7, 288 * 7 + 40):
        known = series(values[now - 288 * 6 : now], start=START + (now - 288 * 6) * FIVE_MINUTES)
        started = time.perf_counter()
        found = live.window_maximum(known, np.array([len(known) - 1]), 2, LEVELS)
        seconds.append(time.perf_counter() - started)
        assert np.isfinite(found).all()
    assert np.median(seconds) < 0.1 * seconds[0], "trained once, and not at each question"


def test_what_a_decision_reads_does_not_depend_on_which_lower_levels_are_asked_for():
    values, cutoffs = with_bursts(288 * 5), np.arange(288 * 3, 288 * 5)
    alone = window_forecaster("boosted").window_maximum(series(values), cutoffs, 2, LEVELS[-1:])
    among = window_forecaster("boosted").window_maximum(series(values), cutoffs, 2, LEVELS)
    assert np.array_equal(alone[:, 0], among[:, -1])


def test_a_fleet_does_not_train_at_one_instant():
    values = with_bursts(288 * 4)
    last = np.arange(288 * 3, 288 * 4)
    made = [
        window_forecaster("boosted").window_maximum(series(values, name=name), last, 2, LEVELS) for name in ("a", "b")
    ]
    assert not np.array_equal(made[0], made[1])
    np.testing.assert_allclose(made[0].mean(axis=0), made[1].mean(axis=0), rtol=0.2)


def test_it_travels_to_another_process():
    forecaster = window_forecaster("boosted")
    last = np.array([288 * 4 - 1])
    expected = forecaster.window_maximum(series(with_bursts(288 * 4)), last, 2, LEVELS)
    there = pickle.loads(pickle.dumps(forecaster))
    assert np.array_equal(there.window_maximum(series(with_bursts(288 * 4)), last, 2, LEVELS), expected)


def test_each_level_has_its_trees():
    assert [anchor_of(level) for level in (0.1, 0.8, 0.81, 0.95, 0.999)] == [0.8, 0.8, 0.95, 0.95, 0.95]


@pytest.mark.parametrize("trace", ["ms_mongo_01", "cc_cluster19"])
def test_boosted_beats_holt_winters_on_real_traces_and_covers(trace, data_dir):
    source = FolderSource(data_dir / "workload")
    (entry,) = (each for each in source.entries() if each.name == trace)
    (real,) = source.read([entry]).series
    end = (float(entry.metadata["eval_end"]) - epoch_seconds(real.start)) // 60
    cutoffs = np.arange(int(end) - 4 * (DAY // MINUTE), min(int(end), len(real) - 4))
    levels = np.array([0.9, 0.95, 0.99])
    truth = maximum_ahead(real.values, 4)[cutoffs]
    found = {
        name: window_forecaster(name).window_maximum(real, cutoffs, 4, levels) for name in ("holt-winters", "boosted")
    }
    loss = {name: pinball_loss(truth, made.T, levels) for name, made in found.items()}
    assert (loss["boosted"] < 0.95 * loss["holt-winters"]).all()
    np.testing.assert_allclose((truth[:, None] <= found["boosted"]).mean(axis=0), levels, atol=0.02)
