"""ADWIN and Page-Hinkley as scores: the answers of River's, by how much, and an end when what they report is over."""

import numpy as np
import pytest

from aiops.detection.adwin import AdwinDetector
from aiops.detection.catalog import detector
from aiops.detection.detector import Points
from aiops.detection.own_unit import OwnUnit
from aiops.detection.page_hinkley import PageHinkleyDetector
from aiops.detection.scorer import Scorer
from aiops.errors import ConfigError

DRIFTS = ("adwin", "page-hinkley")


def point(value: float, minute: int = 0) -> Points:
    return Points.unforecast(np.array([0]), np.array([60.0 * minute]), np.array([value]))


def drifting(seed: int) -> np.ndarray:
    """Return noise whose level moves by one to three deviations now and then; some of its values are absurd."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.normal(0, 2, 12), random.integers(100, 400, 12))
    return level + random.normal(size=len(level)) * np.where(random.random(len(level)) < 0.005, 50.0, 1.0)


def replayed(found, values):
    state, raw = found.start(1), []
    for value in values.tolist():
        raw.append(float(found.score(state, point(value))[0]))
        found.learn(state, point(value))
    return np.array(raw)


def placed(values):
    unit, found = OwnUnit(), []
    for value in values.tolist():
        found += unit.learn(value)[1]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_page_hinkley_passes_its_threshold_exactly_where_rivers_finds_a_change(seed):
    from river.drift import PageHinkley

    values, found = drifting(seed), PageHinkleyDetector(threshold=30.0)
    rivers = PageHinkley(min_instances=1, delta=found.slack, threshold=found.threshold, alpha=found.fading)
    changes = []
    for value in placed(values):
        rivers.update(value)
        changes.append(rivers.drift_detected)
    raw = replayed(PageHinkleyDetector(threshold=30.0, fewest=1), values)
    assert sum(changes[60:]) >= 3
    assert (raw[60:] > 1).tolist() == changes[60:]


@pytest.mark.parametrize("seed", range(4))
def test_adwin_passes_one_before_river_cuts_and_hardly_ever_where_nothing_has_changed(seed):
    from river.drift import ADWIN

    shift = np.random.default_rng(seed).normal(size=1200) + 2.0 * (np.arange(1200) >= 800)
    rivers = ADWIN()
    cuts = []
    for index, value in enumerate(placed(shift)):
        rivers.update(value)
        if rivers.drift_detected:
            cuts.append(index)
    raw = replayed(AdwinDetector(), shift)
    above = np.flatnonzero(raw > 1)
    assert len(cuts) == 1, "the test is about one change"
    assert 800 <= above[0] <= cuts[0]
    assert raw[cuts[0] + 1] == 0.0
    assert np.nanmax(raw[:800]) < 1


@pytest.mark.parametrize("name", DRIFTS)
def test_a_shift_that_no_single_point_shows_is_reported_and_ends_with_it(name):
    """One and a half deviations for half an hour; the distance from the mean alone says nothing."""
    random = np.random.default_rng(5)
    values = random.normal(100, 1, 4000)
    values[3000:3030] += 1.5
    scorers = {each: Scorer([detector(each)]) for each in (name, "gaussian")}
    most, after = {}, {}
    for each, scorer in scorers.items():
        state = scorer.start(1)
        scores = np.array([scorer.step(state, point(v, minute)).values[0] for minute, v in enumerate(values)])
        most[each], after[each] = scores[3000:3035].max(), scores[3120:3240]
    assert most[name] > 0.999 > most["gaussian"]
    assert (after[name] < 0.99).all(), "it is over, and said to be"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdwinDetector(delta=0), "adwin: 0 < delta < 1"),
        (lambda: PageHinkleyDetector(fading=2), "page-hinkley: slack, threshold and fewest must be positive"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
