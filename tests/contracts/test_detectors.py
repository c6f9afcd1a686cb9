"""What every detector of the catalog does; a new one is tested the moment it has a line there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.detection.catalog import CATALOG, detector
from aiops.detection.detector import Calibrated, Detector, Points
from aiops.detection.scorer import Scorer
from aiops.errors import ConfigError
from aiops.series import FloatArray

LENGTH = 700
ONE = np.array([0])

every_detector = pytest.mark.parametrize("name", CATALOG)

random = np.random.default_rng(11)
NORMAL = random.normal(100, 1, LENGTH)
TRAPS: dict[str, FloatArray] = {
    "ordinary": NORMAL,
    "constant": np.full(LENGTH, 42.0),
    "constant zero": np.zeros(LENGTH),
    "more than half the same": np.where(random.random(LENGTH) < 0.7, 5.0, random.normal(5, 1, LENGTH)),
    "zero-inflated": random.exponential(size=LENGTH) * (random.random(LENGTH) < 0.05),
    "1e17": random.normal(1e17, 1e14, LENGTH),
    "1e-17": random.normal(1e-17, 1e-19, LENGTH),
    "the largest numbers": random.choice([-1.7e308, 1.7e308], LENGTH),
    "negative": -NORMAL,
    "mostly gaps": np.where(random.random(LENGTH) < 0.8, np.nan, NORMAL),
    "gaps first": np.where(np.arange(LENGTH) < 300, np.nan, NORMAL),
    "only gaps": np.full(LENGTH, np.nan),
    "a counter that restarts": np.arange(LENGTH, dtype=np.float64) % 350 * 1e6,
    "alternating": np.arange(LENGTH, dtype=np.float64) % 2,
}


def points(values: FloatArray, at: float = 0.0, forecast: float = np.nan) -> Points:
    n = len(values)
    return Points(
        rows=np.arange(n),
        at=np.full(n, at),
        values=values,
        expected=np.full(n, forecast),
        lower=np.full(n, forecast - 1),
        upper=np.full(n, forecast + 2),
    )


def replayed(name: str, values: FloatArray, forecast: float = np.nan) -> tuple[Detector[Any], Any, FloatArray]:
    """Return detector, state and raw scores ``[n, length]`` after ``values [n, length]``, scored before learnt."""
    found = detector(name)
    state = found.start(len(values))
    raw = []
    for t, column in enumerate(values.T):
        raw.append(found.score(state, points(column, 60.0 * t, forecast)))
        found.learn(state, points(column, 60.0 * t, forecast))
    return found, state, np.array(raw).T


@every_detector
@pytest.mark.parametrize("trap", TRAPS)
def test_raw_scores_are_finite_and_not_negative_or_no_opinion(name, trap):
    _, _, raw = replayed(name, TRAPS[trap][None])
    spoken = raw[~np.isnan(raw)]
    assert np.isfinite(spoken).all()
    assert (spoken >= 0).all()
    assert np.isnan(raw[0][np.isnan(TRAPS[trap])]).all(), "a gap got an opinion"
    if trap not in ("mostly gaps", "only gaps"):
        assert len(spoken) >= 100, "the detector never had an opinion"


@every_detector
@pytest.mark.parametrize("trap", TRAPS)
def test_calibrated_scores_are_in_0_1_and_gaps_score_0(name, trap):
    scorer = Scorer([detector(name)])
    state = scorer.start(1)
    for t, value in enumerate(TRAPS[trap]):
        scores = scorer.step(state, points(np.array([value]), 60.0 * t))
        assert 0.0 <= scores.values[0] <= 1.0
        assert scores.values[0] == 0.0 or not np.isnan(value)
        assert scores.warming_up[0] == (scores.detectors[0] < 0 and not np.isnan(value))


@every_detector
@settings(max_examples=20)
@given(probe=st.floats(allow_nan=False, allow_infinity=False), forecast=st.floats(-1e9, 1e9) | st.just(np.nan))
def test_score_and_interval_do_not_learn(name, probe, forecast):
    seen, state, _ = replayed(name, NORMAL[None, :400], forecast=100.0)
    probed = points(np.array([probe]), forecast=forecast)
    first = seen.score(state, probed)
    seen.interval(state, probed, np.array([5.0]))
    assert seen.score(state, probed).tobytes() == first.tobytes()
    _, untouched, _ = replayed(name, NORMAL[None, :400], forecast=100.0)
    after: list[float] = []
    fresh: list[float] = []
    for value in NORMAL[400:450]:  # had scoring taught anything, these scores would differ
        next_point = points(np.array([value]), forecast=100.0)
        for each, into in ((state, after), (untouched, fresh)):
            into.append(float(seen.score(each, next_point)[0]))
            seen.learn(each, next_point)
    assert np.array(after).tobytes() == np.array(fresh).tobytes()


@every_detector
def test_a_gap_teaches_nothing(name):
    _, _, without = replayed(name, NORMAL[None])
    holes = np.insert(NORMAL, np.sort(random.integers(0, LENGTH, 200)), np.nan)
    _, _, with_gaps = replayed(name, holes[None])
    assert with_gaps[0][~np.isnan(holes)].tobytes() == without[0].tobytes()


@every_detector
def test_what_is_skipped_neither_teaches_nor_makes_the_next_point_odd(name):
    found, state, _ = replayed(name, NORMAL[None])
    _, untouched, raw = replayed(name, NORMAL[None])
    far = points(np.array([1e6]))
    odd = found.score(state, far)[0]
    for _ in range(300):
        found.skip(state, far)
        found.skip(state, points(np.array([np.nan])))
    found.skip(state, points(NORMAL[-1:]))
    assert found.score(state, far)[0] == odd
    usual = points(NORMAL[:1])
    assert found.score(state, usual)[0] == found.score(untouched, usual)[0] <= np.nanmax(raw)


@every_detector
def test_one_series_is_a_batch_of_one(name):
    values = np.stack([TRAPS["ordinary"], TRAPS["1e17"], TRAPS["zero-inflated"], TRAPS["mostly gaps"]])
    _, _, together = replayed(name, values)
    for row, own in zip(together, values, strict=True):
        _, _, alone = replayed(name, own[None])
        assert row.tobytes() == alone[0].tobytes()


@every_detector
def test_rows_say_which_series_a_point_belongs_to(name):
    found, state, _ = replayed(name, np.stack([NORMAL, NORMAL + 1000]))
    swapped = Points.unforecast(np.array([1, 0]), np.zeros(2), np.array([1100.0, 100.0]))
    straight = Points.unforecast(np.array([0, 1]), np.zeros(2), np.array([100.0, 1100.0]))
    assert found.score(state, swapped).tolist() == found.score(state, straight).tolist()[::-1]


@every_detector
def test_two_runs_give_the_same_bits(name):
    assert replayed(name, NORMAL[None])[2].tobytes() == replayed(name, NORMAL[None])[2].tobytes()


@every_detector
def test_what_is_far_off_is_odder_than_what_is_usual(name):
    found, state, raw = replayed(name, NORMAL[None])
    far = found.score(state, points(np.array([150.0])))[0]
    assert far > np.nanquantile(raw, 0.99)


@every_detector
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e17])
def test_the_unit_of_a_series_changes_no_score(name, scale):
    _, _, raw = replayed(name, NORMAL[None])
    _, _, scaled = replayed(name, NORMAL[None] * scale)
    np.testing.assert_allclose(scaled, raw, rtol=1e-6)


@every_detector
def test_an_interval_is_around_its_expected_value_or_unknown(name):
    found, state, _ = replayed(name, NORMAL[None])
    expected, lower, upper = found.interval(state, points(np.array([100.0])), np.array([1000.0]))[:, 0]
    if np.isnan(expected):
        assert np.isnan(lower)
        assert np.isnan(upper)
        return
    assert lower < expected < upper
    # One that looks at the points before answers for points before that were as expected: these nearly were. Where
    # they exactly were, tests/detection/test_fleet.py asks for a thousandth.
    near = 0.15 if isinstance(found, Calibrated) else 1e-6
    for end in (lower, upper):
        # It ends where scores pass what was asked for; they may jump there.
        outwards = 1e-6 * (end - expected)
        inside, outside = (found.score(state, points(np.array([end + by])))[0] for by in (-outwards, outwards))
        assert inside <= 1000.0 * (1.0 + near)
        assert outside >= 1000.0 * (1.0 - near)


@every_detector
def test_memory_points_cover_the_warm_up(name):
    found = detector(name)
    _, _, raw = replayed(name, NORMAL[None])
    assert found.name == name
    assert found.memory_points > np.flatnonzero(~np.isnan(raw[0]))[0]


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match="no detector 'magic'; choose from fleet, residual, halfspace"):
        detector("magic")
