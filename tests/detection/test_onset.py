"""Onsets: told once, closed when calm, and never more often than was asked for."""

import numpy as np
import pytest

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
