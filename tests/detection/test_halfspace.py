"""Half-space trees: what they see that the distance from a level does not."""

import numpy as np
import pytest

from aiops.detection.detector import Points
from aiops.detection.halfspace import HalfSpaceDetector, Tree
from aiops.errors import ConfigError


def point(value: float) -> Points:
    return Points.unforecast(np.array([0]), np.zeros(1), np.array([value]))


def taught(detector: HalfSpaceDetector, values: np.ndarray) -> list[Tree]:
    state = detector.start(1)
    for value in values:
        detector.learn(state, point(value))
    return state


def test_a_value_between_two_usual_ones_is_odd():
    detector = HalfSpaceDetector()
    random = np.random.default_rng(0)
    state = taught(detector, random.choice([10.0, 90.0], 2000) + random.normal(size=2000))
    usual = max(detector.score(state, point(10.0))[0], detector.score(state, point(90.0))[0])
    assert detector.score(state, point(50.0))[0] > 2 * usual


def test_a_jump_to_a_usual_value_is_odd_where_values_move_slowly():
    detector = HalfSpaceDetector()
    slow = 50 + 40 * np.sin(np.arange(3000) / 200 * 2 * np.pi)
    state = taught(detector, slow)
    usual = detector.score(state, point(slow[-1] + (slow[-1] - slow[-2])))[0]
    jump = 90.0 if slow[-1] < 50 else 10.0
    assert detector.score(state, point(jump))[0] > 2 * usual


def test_there_is_no_opinion_before_the_first_window():
    detector = HalfSpaceDetector(window=30)
    state = taught(detector, np.random.default_rng(0).normal(size=29))
    assert np.isnan(detector.score(state, point(0.0))[0])
    detector.learn(state, point(0.0))
    assert detector.score(state, point(0.0))[0] >= 1.0


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="halfspace: trees, height, window and memory must be positive"):
        HalfSpaceDetector(trees=0)
