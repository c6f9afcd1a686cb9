"""Rolling quantiles: each side by its own measure; and the unit that is taken anew when a series begins late."""

import numpy as np
import pytest

from aiops.detection.catalog import detector
from aiops.detection.detector import Points
from aiops.detection.quantile import QuantileDetector
from aiops.errors import ConfigError


def point(value: float) -> Points:
    return Points.unforecast(np.array([0]), np.zeros(1), np.array([value]))


def taught(found, values):
    state = found.start(1)
    for value in values.tolist():
        found.learn(state, point(value))
    return state


def test_it_is_the_distance_from_the_median_in_that_of_the_quantile_of_its_side():
    values = np.random.default_rng(0).lognormal(0, 1, 3000)
    found = QuantileDetector(window=1000)
    state = taught(found, values)
    low, median, high = np.quantile(values[-1000:], [0.01, 0.5, 0.99])
    above = found.score(state, point(2 * high - median))[0]
    below = found.score(state, point(2 * low - median))[0]
    assert (above, below) == (pytest.approx(2.0, rel=0.02), pytest.approx(2.0, rel=0.02))


@pytest.mark.parametrize("name", ["quantile", "gaussian", "holt-winters", "adwin", "page-hinkley"])
def test_a_series_that_began_with_zeros_is_told_apart_once_it_has_lived(name):
    """The first values are what its unit is taken from: a million of nothing is still nothing."""
    life = np.random.default_rng(1).normal(1000, 5, 400)
    found = detector(name)
    state = taught(found, np.concatenate([np.zeros(100), life]))
    assert found.score(state, point(1000.0))[0] < found.score(state, point(1100.0))[0]


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="quantile: 30 <= warm_up <= window"):
        QuantileDetector(window=20)
