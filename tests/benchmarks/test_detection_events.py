"""The event rules by hand: one-minute steps, so that m is 5 points and false alerts merge within 30."""

import numpy as np
import pytest

from aiops.detection.incident_runs import incidents
from benchmarks.detection.events import judge

MINUTE = 60.0
THRESHOLDS = np.array([0.5, 0.95])


def series(length: int, **at: float) -> np.ndarray:
    values = np.zeros(length)
    for place, value in at.items():
        values[int(place[1:])] = value
    return values


def labels(length: int, *runs: tuple[int, int]) -> np.ndarray:
    found = np.zeros(length)
    for first, last in runs:
        found[first : last + 1] = 1
    return found


def test_runs_closer_than_the_margin_are_one_incident():
    assert incidents(labels(100, (10, 12), (17, 18), (30, 30)), margin=5) == [(10, 18), (30, 30)]
    assert incidents(labels(100, (10, 12), (18, 18)), margin=5) == [(10, 12), (18, 18)]
    assert incidents(np.array([1.0, np.nan, 1.0]), margin=1) == [(0, 0), (2, 2)]
    assert incidents(np.zeros(5), margin=5) == []


@pytest.mark.parametrize(("place", "found"), [(94, 0), (95, 1), (100, 1), (115, 1), (116, 0)])
def test_an_incident_is_found_within_the_margin_around_it(place, found):
    outcome = judge(series(1000, **{f"t{place}": 0.9}), labels(1000, (100, 110)), MINUTE, 0, THRESHOLDS)
    assert outcome.found.tolist() == [found, 0]
    assert outcome.false_alerts.tolist() == [1 - found, 0]
    assert outcome.incidents == 1


def test_false_alerts_close_to_each_other_are_one():
    scores = series(1000, t200=0.9, t230=0.99, t261=0.9, t500=0.99)
    assert judge(scores, np.zeros(1000), MINUTE, 0, THRESHOLDS).false_alerts.tolist() == [3, 2]


def test_the_probation_is_not_scored():
    scores = series(1000, t50=1.0, t100=1.0)
    outcome = judge(scores, labels(1000, (40, 60), (101, 130)), MINUTE, 100, THRESHOLDS)
    assert (outcome.incidents, outcome.found.tolist(), outcome.false_alerts.tolist()) == (1, [1, 1], [0, 0])
    assert outcome.weeks == pytest.approx(900 / 10_080)


def test_long_steps_widen_the_margins_to_points():
    scores = series(200, t97=0.9, t150=0.9, t156=0.9, t163=0.9)
    outcome = judge(scores, labels(200, (100, 101)), 3600.0, 0, THRESHOLDS)
    assert outcome.found[0] == 1
    assert outcome.false_alerts[0] == 2
