from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import ConfigError
from aiops.forecasting.naive import WEEK, SeasonalNaive
from aiops.forecasting.selection import Selection
from aiops.series import Frame, SeriesKey

LEVELS = np.array([0.1, 0.5, 0.9])
DAILY, WEEKLY = SeasonalNaive(), SeasonalNaive(period=WEEK, name="weekly-naive")


@dataclass(frozen=True)
class Never:
    """Forecasts nothing, as a model does that could not be fitted."""

    name: str = "never"

    def point(self, history, horizon):
        return np.full((len(history.keys), horizon), np.nan)


@dataclass(frozen=True)
class Constant:
    """Says one number, once there is enough history."""

    name: str
    value: float
    least: int = 0

    def point(self, history, horizon):
        return np.full((len(history.keys), horizon), self.value if history.length >= self.least else np.nan)


def frame(*rows):
    keys = tuple(SeriesKey(f"s{number}") for number in range(len(rows)))
    return Frame(keys=keys, start=datetime(2026, 1, 5, tzinfo=UTC), step=timedelta(hours=1), values=np.array(rows))


def fleet():
    hour = np.arange(24 * 35)
    working = np.where((hour // 24) % 7 < 5, 10.0, 1.0) * (2 + np.sin(2 * np.pi * hour / 24))
    wandering = np.repeat(np.random.default_rng(0).normal(size=35).cumsum() + 50, 24)
    return frame(working, wandering)


def test_each_series_gets_the_model_that_was_best_on_it():
    made = Selection(candidates=(DAILY, WEEKLY)).forecast(fleet(), 24, LEVELS)
    assert made.models == ("weekly-naive", "seasonal-naive")
    alone = WEEKLY.point(fleet(), 24)
    np.testing.assert_array_equal(made.mean[0], alone[0])


def test_a_model_that_cannot_forecast_is_never_chosen():
    made = Selection(candidates=(Never(), WEEKLY, DAILY)).forecast(fleet(), 24, LEVELS)
    assert made.models == ("weekly-naive", "seasonal-naive")


def test_where_no_model_can_the_row_is_nan():
    made = Selection(candidates=(Never(),)).forecast(fleet(), 24, LEVELS)
    assert made.models == ("", "")
    assert np.isnan(made.values).all()


def test_models_are_compared_where_all_of_them_forecast():
    history = frame(np.repeat([100.0, 10.0], 24 * 14))
    old, late = Constant("old", 9.0), Constant("late", 12.0, least=24 * 20)  # old was 91 off before late could speak

    made = Selection(candidates=(late, old)).forecast(history, 24, LEVELS)

    assert made.models == ("old",)


def test_the_simplest_wins_a_tie():
    made = Selection(candidates=(DAILY, SeasonalNaive(name="the same"))).forecast(fleet(), 24, LEVELS)
    assert made.models == ("seasonal-naive", "seasonal-naive")


def test_there_must_be_a_candidate():
    with pytest.raises(ConfigError, match="candidate"):
        Selection(candidates=())
