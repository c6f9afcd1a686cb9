"""The fleet forecaster: what its pool knows, what its weights choose, and what its quantiles promise."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.forecasting.fleet.echo import distances
from aiops.forecasting.fleet.forecaster import Fleet
from aiops.forecasting.fleet.order import insert, median, median_of_last, middle
from aiops.forecasting.fleet.pool import NAMES, SIZE, pool
from aiops.forecasting.fleet.rolling import bands, origins
from aiops.forecasting.fleet.spread import spread
from aiops.series import Frame, SeriesKey

DAY = 24
HOUR = timedelta(hours=1)
LEVELS = np.array([0.1, 0.5, 0.9, 0.95, 0.99])
NO_ECHO = np.empty(0, dtype=np.int64)


def frame(*rows, unit=""):
    keys = tuple(SeriesKey(f"s{number}") for number in range(len(rows)))
    start = datetime(2026, 3, 2, tzinfo=UTC)
    return Frame(keys=keys, start=start, step=HOUR, values=np.array(rows), units=(unit,) * len(rows))


def forecast(values, horizon=DAY, unit=""):
    return Fleet().forecast(frame(values, unit=unit), horizon, LEVELS)


def hours(days):
    return np.arange(days * DAY)


def daily(days, level=10.0, size=3.0):
    return level + size * np.sin(2 * np.pi * hours(days) / DAY)


def pooled(y, horizon=DAY, day=DAY, echo=NO_ECHO, off=None):
    out = np.full((SIZE, horizon), np.nan)
    off = np.zeros(len(y) + horizon, dtype=np.bool_) if off is None else off
    pool(np.asarray(y, dtype=np.float64), len(y), horizon, day, echo, off, out)
    return dict(zip(NAMES, out, strict=True))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 101])
def test_medians_are_those_of_numpy(count):
    values = np.random.default_rng(count).integers(0, 9, count).astype(np.float64)
    assert median(values.copy(), count) == np.median(values)
    ordered, known = np.empty(count), 0
    for value in values:
        known = insert(value, ordered, known)
    assert middle(ordered, known) == np.median(values)
    assert median_of_last(values, count, count, 2, np.empty(count)) == np.median(values[::-2])


def test_the_median_of_nothing_is_not_a_number():
    assert np.isnan(median(np.empty(3), 0))
    assert np.isnan(median_of_last(np.full(5, np.nan), 5, 5, 1, np.empty(5)))


def test_the_pool_holds_what_its_names_say():
    noise = np.random.default_rng(0).normal(0, 1, 30 * DAY)
    y = daily(30) + noise
    found = pooled(y)
    days = y.reshape(30, DAY)
    np.testing.assert_array_equal(found["day"], days[-1])
    np.testing.assert_array_equal(found["week"], days[-7])
    np.testing.assert_allclose(found["median7"], np.median(days[-7:], axis=0))
    np.testing.assert_allclose(found["median28"], np.median(days[-28:], axis=0))
    np.testing.assert_allclose(found["weeks"], np.median(days[[-7, -14, -21, -28]], axis=0))
    np.testing.assert_allclose(found["level-day"], np.median(days[-1]))
    shift = np.median(days[-1] - np.median(days[-14:], axis=0))
    np.testing.assert_allclose(found["median14+day"], np.median(days[-14:], axis=0) + shift)
    np.testing.assert_allclose(found["level-week"], np.median(y[-7 * DAY :][::-1][::7]))


def test_a_day_off_is_compared_with_days_off_and_a_working_day_with_working_days():
    off = np.repeat(np.arange(30) % 7 >= 5, DAY)  # days 28 and 29 are a Monday and a Tuesday
    y = np.where(off, 2.0, 10.0) + np.repeat(np.arange(30), DAY) / 100
    days = y.reshape(30, DAY)[:, 0]
    monday, saturday = pooled(y[: 28 * DAY], off=off), pooled(y[: 26 * DAY], off=off[: 27 * DAY])
    np.testing.assert_allclose(monday["alike5"], np.median(days[[21, 22, 23, 24, 25]]))
    np.testing.assert_allclose(monday["alike10"], np.median(days[[14, 15, 16, 17, 18, 21, 22, 23, 24, 25]]))
    np.testing.assert_allclose(saturday["alike5"], np.median(days[[5, 6, 12, 13, 19, 20]][-5:]))
    of_friday = days[25] - np.median(days[[11, 14, 15, 16, 17, 18, 21, 22, 23, 24]])
    np.testing.assert_allclose(saturday["alike10+day"], saturday["alike10"] + of_friday)


def test_a_saturday_is_forecast_like_a_saturday():
    weekday = (np.arange(28) % 7)[:, None]  # the frame starts on a Monday
    y = (np.where(weekday >= 5, 2.0, 10.0) + np.random.default_rng(0).normal(0, 0.1, (28, DAY))).ravel()
    made = forecast(y[: 26 * DAY])
    assert np.abs(made.mean[0] - 2).max() < 1


def test_what_was_only_ever_whole_is_forecast_whole():
    counts = np.random.default_rng(0).poisson(daily(28, 4, 3)).astype(np.float64)
    made = forecast(counts)
    assert (made.values == np.round(made.values)).all()
    assert (made.mean == np.round(made.mean)).all()
    assert (forecast(counts / 2).values != np.round(forecast(counts / 2).values)).any()


def test_what_grows_is_continued():
    found = pooled(2.0 * hours(30))
    truth = 2.0 * (30 * DAY + np.arange(DAY))
    for name in ("day+drift", "day+drift3", "line-6h", "line-day"):
        np.testing.assert_allclose(found[name], truth, err_msg=name)


def test_a_size_times_a_shape_is_told_apart():
    shape = 2 + np.sin(2 * np.pi * np.arange(DAY) / DAY)
    y = np.concatenate([size * shape for size in (*range(1, 14), 40)])
    np.testing.assert_allclose(pooled(y)["factor-day"], 40 * shape)


def test_a_horizon_of_days_repeats_the_profiles_and_keeps_the_weekday():
    y = np.random.default_rng(1).normal(0, 1, 30 * DAY)
    found = pooled(y, horizon=9 * DAY)
    np.testing.assert_array_equal(found["median7"][:DAY], found["median7"][DAY : 2 * DAY])
    np.testing.assert_array_equal(found["week"][: 7 * DAY], y[-7 * DAY :])
    np.testing.assert_array_equal(found["week"][7 * DAY :], y[-7 * DAY : -5 * DAY])


@pytest.mark.parametrize("n", [1, 2, 23, 24, 25, 49, 200])
def test_the_pool_is_finite_whatever_the_length_and_the_gaps(n):
    y = np.random.default_rng(n).normal(5, 1, n)
    y[: n // 2 : 2] = np.nan
    y[-1] = 4.0
    for name, path in pooled(y, horizon=60).items():
        assert np.isfinite(path).all(), name


def test_a_cycle_that_is_no_part_of_a_day_is_found_and_repeated():
    cycle = 7.3
    t = np.arange(30 * DAY + DAY)
    y = np.sign(np.sin(2 * np.pi * t / cycle)) + 0.01 * np.random.default_rng(0).normal(0, 1, len(t))
    found = distances(y[: 30 * DAY], DAY)
    assert len(found) > 0
    assert (np.abs(found / cycle - np.round(found / cycle)) < 0.1).all()
    made = forecast(y[: 30 * DAY] + 5)
    assert np.abs(made.mean[0] - 5 - y[30 * DAY :]).mean() < 0.3


@pytest.mark.parametrize("values", [np.full(480, np.nan), np.zeros(480), np.ones(20)], ids=["silent", "flat", "short"])
def test_nothing_is_found_where_nothing_repeats(values):
    assert len(distances(values, DAY)) == 0


def test_origins_lie_whole_days_back_and_the_recent_ones_within_half_a_day():
    back, daily_ones = origins(28 * DAY, DAY, DAY)
    assert daily_ones == 14
    assert back[:14].tolist() == [DAY * days for days in range(14, 0, -1)]
    assert back[14:].tolist() == [12, 6, 3]
    assert (origins(5 * DAY, DAY, DAY)[0] <= 4 * DAY).all()
    assert origins(1, DAY, DAY)[1] == 0
    far, _ = origins(100 * DAY, 28 * DAY, DAY)
    assert far[0] == 14 * 4 * DAY


def test_bands_cover_the_horizon_once():
    assert bands(288, 288).tolist() == [0, 12, 36, 84, 180, 288]
    assert bands(48, 24).tolist() == [0, 1, 3, 7, 15, 24, 48]
    assert bands(1, 24).tolist() == [0, 1]
    assert bands(30, 1).tolist() == [0, 1, 2, 4, 8, 16, 30]


def test_quantiles_of_errors_are_those_of_the_sample_where_all_steps_are_alike():
    errors = np.random.default_rng(0).normal(0, 1, (14, 288))
    out = np.empty((3, 288))
    spread(errors, 288, np.array([0.1, 0.5, 0.9]), np.zeros(288), out)
    np.testing.assert_allclose(out.mean(axis=1), [-1.28, 0, 1.28], atol=0.12)


def test_quantiles_know_at_what_time_of_day_errors_are_large():
    errors = np.random.default_rng(0).normal(0, 1, (14, 288))
    errors[:, 144:] *= 10
    out = np.empty((1, 288))
    spread(errors, 288, np.array([0.9]), np.zeros(288), out)
    assert out[0, 200:].mean() > 3 * out[0, :90].mean()


def test_errors_of_one_origin_that_go_together_are_fewer_than_they_look():
    random, levels = np.random.default_rng(0), np.array([0.1, 0.9])
    covered = {0.0: 0, 1.0: 0}
    for _ in range(500):
        of_origins = random.normal(0, 1, 10)
        for together in covered:
            out = np.empty((2, 28))
            spread(np.repeat(of_origins[:-1, None], 28, axis=1), 24, levels, np.full(28, together), out)
            covered[together] += out[0, 5] <= of_origins[-1] <= out[1, 5]
    assert covered[0.0] < 375
    assert 385 < covered[1.0] < 430


def test_an_exact_season_is_forecast_exactly():
    made = forecast(daily(28))
    np.testing.assert_allclose(made.mean[0], daily(29)[-DAY:], atol=1e-6)
    assert (made.values[0, 2] - made.values[0, 0]).max() < 1e-3


def test_a_shift_of_hours_ago_is_followed():
    y = daily(28) + np.random.default_rng(0).normal(0, 0.1, 28 * DAY)
    y[-8:] += 50
    truth = daily(29)[-DAY:] + 50
    assert np.abs(forecast(y).mean[0] - truth).mean() < 5


@pytest.mark.parametrize(
    ("back", "odd"),
    [
        (slice(-20, -14), 0.0),
        (slice(-8 * DAY, -7 * DAY), 0.0),
        (slice(-9 * DAY, -8 * DAY), 400.0),
        (slice(-3 * DAY, -2 * DAY), np.nan),
        (slice(-2 * DAY, None), np.nan),
        (slice(-12 * DAY, -5 * DAY), np.nan),
    ],
    ids=["outage of yesterday", "a day of zeros", "an incident", "an incident taken out", "silent for days", "a gap"],
)
def test_an_odd_stretch_of_the_past_is_no_habit(back, odd):
    y = daily(28) + np.random.default_rng(0).normal(0, 0.1, 28 * DAY)
    usual = forecast(y).values[0]
    y[back] = odd
    made = forecast(y)
    assert np.abs(made.mean[0] - daily(29)[-DAY:]).mean() < 0.5
    assert (made.values[0, 2] - made.values[0, 0]).mean() < 3 * (usual[2] - usual[0]).mean()


@pytest.mark.parametrize("days_ago", [1, 5, 12])
def test_a_level_that_moved_is_the_new_level(days_ago):
    y = daily(28) + np.random.default_rng(0).normal(0, 0.1, 28 * DAY)
    y[-days_ago * DAY :] += 50
    assert np.abs(forecast(y).mean[0] - daily(29)[-DAY:] - 50).mean() < 1


def test_intervals_cover_what_they_promise_on_noise_around_a_season():
    random = np.random.default_rng(0)
    inside, below = [], []
    for _ in range(60):
        y = daily(29) + random.normal(0, 1, 29 * DAY)
        made = forecast(y[:-DAY])
        truth = y[-DAY:]
        inside.append(((truth >= made.values[0, 0]) & (truth <= made.values[0, 2])).mean())
        below.append((truth <= made.values[0, 3]).mean())
    assert 0.74 <= np.mean(inside) <= 0.87
    assert 0.92 <= np.mean(below) <= 0.98


@pytest.mark.parametrize(
    ("values", "unit", "most"),
    [
        (np.minimum(daily(28, 90, 30), 100.0), "", 100.0),
        (daily(28, 50, 45), "percent", 100.0),
        (daily(28, 60, 45), "percent", np.inf),  # it has been above 100: no bound that it keeps
    ],
    ids=["has touched 100", "is called percent", "was above"],
)
def test_no_quantile_is_where_the_series_cannot_be(values, unit, most):
    noisy = np.where(
        values < 100, np.clip(values + np.random.default_rng(0).normal(0, 5, len(values)), 0, None), values
    )
    if np.isfinite(most):
        noisy = np.minimum(noisy, 100.0)
    made = forecast(noisy, unit=unit)
    assert (made.values >= 0).all()
    assert (made.values <= most).all()
    assert np.isfinite(most) or made.values.max() > 100


def test_scale_does_not_matter():
    y = daily(20) + np.random.default_rng(0).normal(0, 1, 20 * DAY)
    one, other = forecast(y), forecast(y * 2.0**40)
    np.testing.assert_allclose(other.values / 2.0**40, one.values, rtol=1e-9)
