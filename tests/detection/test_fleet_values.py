"""The fleet detector's histogram of values: what was never seen is rarer, and one wild value spoils nothing."""

import numpy as np
import pytest

from aiops.detection.cover import covered
from aiops.detection.detector import Points
from aiops.detection.fleet import FleetDetector
from aiops.series import FloatArray

HOUR = 60


def rarity(values: FloatArray) -> FloatArray:
    """Return -log10(alerts a week) of each minute."""
    found: FloatArray = -np.log10(FleetDetector().replay(60.0 * np.arange(len(values), dtype=np.float64), values)[0])
    return found


def two_levels(days: int) -> FloatArray:
    """A service that is switched between two levels every four hours, with a little noise."""
    t = np.arange(days * 24 * HOUR)
    return np.where(t // (4 * HOUR) % 2, 100.0, 50.0) + np.random.default_rng(3).standard_normal(len(t))


def test_a_level_between_two_known_ones_is_odder_than_either():
    values = two_levels(15)
    at = 14 * 24 * HOUR + 2 * HOUR  # in the middle of four hours at 50
    known, new = values.copy(), values.copy()
    known[at], new[at] = 100.0, 75.0  # half as far off, and never seen
    assert rarity(new)[at] > rarity(known)[at] + 0.5


def test_a_new_value_is_new_once():
    values = two_levels(15)
    at = 14 * 24 * HOUR + 2 * HOUR
    values[at] = values[at + 30] = 75.0
    said = rarity(values)
    assert said[at] > said[at + 30]


@pytest.mark.parametrize("wild", [1e6, 1e17, -1e17])
def test_one_wild_value_does_not_put_all_others_into_one_bin(wild):
    values = two_levels(15)
    at = 14 * 24 * HOUR + 2 * HOUR
    spoiled = values.copy()
    spoiled[5 * 24 * HOUR] = wild
    values[at] = spoiled[at] = 75.0
    assert rarity(spoiled)[at] > rarity(values)[at] - 0.5


def test_what_was_not_seen_for_three_months_is_new_again():
    days = 120
    step, a_day = 3600.0, 24
    values = 50.0 + np.random.default_rng(3).standard_normal(days * a_day)
    values[10 * a_day : 10 * a_day + 5] = 75.0
    soon, late = 40 * a_day, 119 * a_day
    values[soon] = 75.0
    at = step * np.arange(len(values), dtype=np.float64)
    early = -np.log10(FleetDetector().replay(at[: soon + 1], values[: soon + 1])[0])[soon]
    values[soon] = 50.0
    values[late] = 75.0
    assert -np.log10(FleetDetector().replay(at, values)[0])[late] > early


def test_a_histogram_of_a_series_that_grows_without_end_stays_in_its_bins():
    detector = FleetDetector()
    state = detector.start(1)
    values = 1.02 ** np.arange(2000.0)
    detector.step(state, Points.unforecast(np.zeros(2000, dtype=np.int64), 60.0 * np.arange(2000.0), values))
    assert float(state["values"].sum()) == pytest.approx(float(state["value_points"][0]), rel=0.01)


def test_what_goes_on_as_before_says_less_than_its_beginning():
    said = np.full((2, 100), 2.5)
    said[0], said[1] = 100.0, -2.5  # alerts a week, and decades of the views
    said[0, 40:60], said[1, 40:60] = 0.01, 1.0
    found = covered(said)
    assert found[40] == pytest.approx(2.0)
    assert (found[41:60] > 0.1).sum() <= 3  # now and then it is said again
    assert (found[41:60] > found[39]).all()
    assert (np.diff(found[60:]) < 0).all()  # covered still, and fading


def test_of_two_points_that_say_nothing_new_the_odder_one_stays_above():
    said = np.array([[0.001, 0.5, 0.1, 0.05, 0.4], [-2.5] * 5])
    found = covered(said)
    assert found[3] > found[2] > found[4] > found[1]


def test_what_comes_back_after_hours_says_it_again():
    said = np.full((2, 400), 100.0)
    said[1] = -2.5
    said[0, 10] = said[0, 200] = 0.01
    assert covered(said)[200] == pytest.approx(2.0)
