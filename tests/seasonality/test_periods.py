from datetime import timedelta

import numpy as np
import pytest

from aiops.errors import DataError
from aiops.seasonality.periods import Season, find_seasons

STEP = timedelta(minutes=5)
T = np.arange(28 * 288)


def noise(seed=0, n=28 * 288):
    return np.random.default_rng(seed).normal(size=n)


def periods(values, step=STEP):
    return [season.period for season in find_seasons(values, step)]


def wave(period):
    return np.sin(2 * np.pi * T / period)


def test_finds_a_day_under_noise_and_a_trend():
    assert periods(wave(288) + noise() + T * 1e-3) == [288]


def test_finds_a_day_and_a_week():
    assert periods(wave(288) * np.where((T // 288) % 7 < 5, 1.5, 1.0) + 0.3 * noise()) == [288, 2016]


def test_a_day_of_two_rushes_is_a_day():
    assert periods(wave(288) + 0.8 * wave(144) + 0.5 * noise()) == [288]


def test_finds_a_short_spike_each_day():
    assert periods((T % 288 < 6) * 3.0 + 0.3 * noise()) == [288]


@pytest.mark.parametrize("period", [12, 50, 144, 400])
def test_finds_a_period_that_no_calendar_knows(period):
    assert periods(wave(period) + noise()) == [pytest.approx(period, rel=0.01)]


def test_a_third_of_the_points_may_be_missing():
    values = wave(288) + 0.3 * noise()
    values[np.random.default_rng(1).random(len(T)) < 0.3] = np.nan
    assert periods(values) == [288]


def test_strength_falls_with_noise():
    strong, weak = (find_seasons(wave(288) + each * noise(), STEP)[0].strength for each in (0.3, 2.0))
    assert strong > weak > 0.1


def wandering(seed, memory):
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -memory], noise(seed))


@pytest.mark.parametrize(
    "make",
    [
        noise,
        lambda seed: noise(seed, 700),
        lambda seed: noise(seed, 40),
        lambda seed: wandering(seed, 0.9),
        lambda seed: wandering(seed, 0.99),
        lambda seed: noise(seed).cumsum(),
        lambda seed: noise(seed) + 5.0 * (T > 4000),
    ],
    ids=["noise", "short noise", "very short noise", "AR 0.9", "AR 0.99", "random walk", "level shift"],
)
def test_what_has_no_season_seldom_seems_to_have_one(make):
    assert sum(bool(find_seasons(make(seed), STEP)) for seed in range(40)) <= 2


@pytest.mark.parametrize(
    "values",
    [np.array([]), np.array([1.0]), np.array([1.0, 2.0, 1.0, 2.0]), np.full(5000, np.nan), np.full(5000, 3.0), T * 2.0],
    ids=["empty", "one", "four", "silent", "constant", "line"],
)
def test_nothing_is_found_in_nothing(values):
    assert find_seasons(values, STEP) == ()


def test_the_scale_does_not_matter():
    values = wave(288) + noise()
    for scale in (1e-17, 1e17):
        assert find_seasons(values * scale, STEP)[0].strength == pytest.approx(find_seasons(values, STEP)[0].strength)


def test_a_period_between_two_steps_is_found_once():
    assert periods(wave(12.5)) == [13]


def test_a_week_needs_two():
    hourly = timedelta(hours=1)
    values = np.tile(np.repeat([3.0, 1.0, 2.0, 5.0, 4.0, 0.0, 0.5], 24), 4) + 0.1 * noise(0, 672)
    assert 168 in periods(values, hourly)
    assert 168 not in periods(values[:300], hourly)


def test_a_season_that_cannot_be_is_refused():
    with pytest.raises(DataError, match="period"):
        Season(period=1, strength=0.5)
    with pytest.raises(DataError, match="strength"):
        Season(period=24, strength=1.5)
