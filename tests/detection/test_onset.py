"""Onsets: told once, closed when calm, and never more often than was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.detection.onset import Onsets
from aiops.errors import ConfigError
from aiops.series import FloatArray

WEEK = 7 * 1440


def told(said: FloatArray, budget: float = 1.0) -> list[int]:
    onsets = Onsets(budget=budget)
    n = len(said)
    found = onsets.learn(onsets.start(1), np.zeros(n, dtype=np.int64), 60.0 * np.arange(n, dtype=np.float64), said)
    return np.flatnonzero(found).tolist()


def test_an_incident_is_told_once_where_it_begins():
    said = np.full(500, 100.0)
    said[200:300] = 0.01
    assert told(said) == [200]


def test_an_incident_that_flickers_is_one():
    said = np.full(500, 100.0)
    said[200:300:7] = 0.01
    assert told(said) == [200]


def test_gaps_change_nothing():
    said = np.full(500, 100.0)
    said[200:230] = 0.01
    said[205:225] = np.nan
    assert told(said) == [200]


@pytest.mark.parametrize("budget", [0.1, 1.0, 5.0])
def test_a_series_that_is_always_in_trouble_keeps_the_budget(budget):
    said = np.full(20 * WEEK, 1000.0)
    said[::600] = 0.9 * budget
    assert len(told(said, budget)) <= 20 * budget + 1


@given(
    said=st.lists(st.floats(0.0, 8.0), min_size=50, max_size=400),
    apart=st.sampled_from([1, 7, 60, 600]),
    budget=st.sampled_from([0.05, 0.1, 0.5, 1.0, 5.0]),
)
def test_no_more_is_told_than_was_earned_and_what_rarity_may_owe(said, apart, budget):
    rarity = budget * 10.0 ** -np.array(said)
    column = np.full(len(said) * apart, 1e4)
    column[::apart] = rarity
    earned, owed = budget * len(column) / WEEK, max(said) / Onsets(budget=budget).decades_owed
    assert len(told(column, budget)) <= earned + owed + 1e-9


def test_what_was_saved_in_calm_weeks_is_there_when_trouble_comes_thick():
    said = np.full(4 * WEEK, 1e4)
    said[3 * WEEK :: 300] = 4.0
    assert len([at for at in told(said, 5.0) if at < 3 * WEEK + 1440]) == 5  # of five troubles on that day


def test_a_large_budget_closes_the_alerts_of_an_hourly_series():
    said = np.full(400, 28.0)  # it has no more than 28 events a week
    said[200::50] = 0.5
    onsets = Onsets(budget=5.0)
    found = onsets.learn(onsets.start(1), np.zeros(400, dtype=np.int64), 3600.0 * np.arange(400.0), said)
    assert np.flatnonzero(found).tolist() == [200, 250, 300, 350]


def test_who_is_in_debt_is_still_heard_when_it_is_rare_enough():
    said = np.full(WEEK, 1000.0)
    said[::200] = 0.5
    said[WEEK // 2 + 37] = 1e-6
    assert WEEK // 2 + 37 in told(said)


def test_one_batch_or_many_give_the_same():
    random = np.random.default_rng(3)
    said = 10.0 ** random.normal(1, 1, 3000)
    onsets = Onsets()
    state = onsets.start(1)
    found = [
        bool(onsets.learn(state, np.zeros(1, dtype=np.int64), np.array([60.0 * t]), said[t : t + 1])[0])
        for t in range(len(said))
    ]
    assert np.flatnonzero(found).tolist() == told(said)
    assert sum(found) > 0


@pytest.mark.parametrize("wrong", [{"budget": 0.0}, {"budget": np.inf}, {"quiet_seconds": -1.0}])
def test_arguments_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match="onsets: budget"):
        Onsets(**wrong)
