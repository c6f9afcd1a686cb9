"""The rolling normal distribution, where River's own scorer gives up; the contract of all detectors is elsewhere."""

import numpy as np
import pytest

from aiops.detection.detector import Points
from aiops.detection.gaussian import GaussianDetector
from aiops.errors import ConfigError


def replay(values):
    found = GaussianDetector(window=60, warm_up=30)
    state = found.start(1)
    raw = []
    for minute, value in enumerate(values.tolist()):
        point = Points.unforecast(np.zeros(1, dtype=np.int64), np.array([60.0 * minute]), np.array([value]))
        raw.append(found.score(state, point)[0])
        found.learn(state, point)
    return np.array(raw)


def test_it_goes_on_where_the_scorer_of_river_ends_with_a_type_error():
    """A service that idles: when the last busy minute leaves the window, rounding leaves a variance below zero."""
    from river import anomaly

    values = np.concatenate([np.random.default_rng(1).normal(100, 1, 100), np.full(100, 5.0)])
    rivers = anomaly.GaussianScorer(window_size=60, grace_period=30)
    for value in values[:160].tolist():
        rivers.learn_one(None, value)
    with pytest.raises(TypeError, match="not complex"):
        rivers.score_one(None, 5.0)
    raw = replay(values)
    assert np.isfinite(raw[60:]).all()
    assert (raw[162:] < 1).all(), "idling is usual by then"


def test_it_is_the_distance_in_standard_deviations_of_the_window():
    values = np.random.default_rng(0).normal(1e6, 3.0, 400)
    raw = replay(values)
    for at in (100, 250, 399):
        window = values[at - 60 : at]
        assert raw[at] == pytest.approx(abs(values[at] - window.mean()) / window.std(ddof=1), rel=1e-6)


def test_arguments_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="gaussian: 30 <= warm_up <= window"):
        GaussianDetector(window=20)
