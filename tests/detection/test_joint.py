"""The metrics of one service together: what each alone does not show, and what may be missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.detection.detector import Points
from aiops.detection.given import GivenDetector
from aiops.detection.joint import JointDetector
from aiops.detection.joint_tails import Tails
from aiops.detection.scorer import Scorer
from aiops.errors import ConfigError

LOAD, ERRORS, LATENCY = range(3)
UNITS = np.array([1e17, 1.0, 1e-9])


def vectors(n, seed=0):
    """Return residuals of load and errors, which rise and fall together, and of a latency that goes its own way."""
    random = np.random.default_rng(seed)
    common, own = random.normal(size=n), random.normal(size=(n, 3))
    return UNITS * (np.column_stack([common, common, np.zeros(n)]) + own * [0.2, 0.2, 1.0])


APART = UNITS * [1.2, -1.2, 0.0]


def taught(values, **arguments):
    found = JointDetector(**arguments)
    state = found.start(values.shape[1])
    return found, state, found.replay(state, values)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), digits=st.integers(0, 3), parts=st.integers(1, 5))
def test_inside_of_what_was_seen_the_tails_are_those_of_pyods_ecod(seed, digits, parts):
    from pyod.models.ecod import ECOD

    random = np.random.default_rng(seed)
    seen = random.lognormal(size=(80, parts)).round(digits)  # skewed, and with ties
    probes = np.median(seen, axis=0) * random.uniform(0.5, 1.5, (5, parts)).round(digits)
    probes = np.clip(probes, seen.min(axis=0), seen.max(axis=0))
    theirs = ECOD().fit(seen)
    ours = Tails.of(seen).rarity(probes)
    assert ours == pytest.approx([theirs.decision_function(each[None])[0] for each in probes])


def test_beyond_what_was_seen_farther_is_rarer():
    tails = Tails.of(vectors(2000) / UNITS)
    far = tails.rarity(np.outer([4.0, 6.0, 8.0], np.ones(3)))
    assert far[0] < far[1] < far[2]


def test_metrics_that_part_are_odd_although_each_is_where_it_often_is():
    found, state, raw = taught(vectors(6000))
    assert (np.abs(APART) < np.quantile(np.abs(vectors(6000)), 0.9, axis=0)).all(), "the test is about ordinary values"
    assert found.score(state, APART) > np.nanmax(raw)
    assert found.score(state, abs(APART)) < np.nanquantile(raw, 0.99), "together they may rise"
    assert state.model is not None
    shares = state.model.contributions(found.placed(state, APART))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[LATENCY] < 0.05 < 0.4 < min(shares[LOAD], shares[ERRORS])


def test_one_by_one_and_all_at_once_give_the_same_bits_and_a_score_teaches_nothing():
    values = vectors(2500)
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    _, _, together = taught(values, fewest=300, refit=700)
    found = JointDetector(fewest=300, refit=700)
    state, alone = found.start(3), []
    for each in values:
        alone.append(found.score(state, each))
        found.score(state, 1e3 * each)
        found.learn(state, each)
    assert np.array(alone).tobytes() == together.tobytes()
    assert np.isnan(together[:300]).all()
    assert (~np.isnan(together[400:])).mean() > 0.95


def test_what_is_missing_makes_nothing_odd_and_too_little_is_not_judged():
    found, state, raw = taught(vectors(6000))
    nothing = np.nan
    ordinary = np.nanquantile(raw, 0.99)
    assert found.score(state, UNITS * [1.2, nothing, 0.0]) < ordinary
    assert found.score(state, UNITS * [1.2, -1.2, nothing]) > np.nanmax(raw)
    assert np.isnan(found.score(state, UNITS * [1.2, nothing, nothing]))
    assert np.isnan(found.score(state, np.full(3, np.nan)))
    shares = state.model.contributions(found.placed(state, UNITS * [1.2, -1.2, nothing]))
    assert shares[LATENCY] == 0.0


@pytest.mark.parametrize(
    "trap",
    [
        np.zeros((1000, 3)),
        np.repeat(vectors(1000)[:, :1], 3, axis=1),
        np.where(np.random.default_rng(0).random((1000, 3)) < 0.7, 0.0, vectors(1000)),
        np.random.default_rng(0).choice([-1.7e308, 1.7e308], (1000, 3)),
        np.where(np.random.default_rng(0).random((1000, 3)) < 0.9, np.nan, vectors(1000)),
    ],
    ids=["constants", "copies", "mostly zero", "the largest numbers", "mostly gaps"],
)
def test_scores_are_finite_or_there_is_none(trap):
    found, state, raw = taught(trap)
    spoken = raw[~np.isnan(raw)]
    assert np.isfinite(spoken).all()
    assert (spoken >= 0).all()
    if state.model is not None:
        assert np.isfinite(found.score(state, UNITS * 1e3))
        assert np.isfinite(state.model.contributions(found.placed(state, UNITS * 1e3))).all()


def test_metrics_may_join_and_leave():
    found, state, _ = taught(vectors(3000))
    found.arrange(state, [LOAD, ERRORS, -1])
    assert found.score(state, APART) > 100, "two of them are still known"
    for each in vectors(8000, seed=1):
        found.learn(state, each)
    assert state.model is not None
    assert state.model.usable.all(), "what has joined is known in time"


@pytest.mark.parametrize("quiet", [0.0, 1e-17], ids=["zero", "rounding"])
def test_a_metric_that_began_with_nothing_is_believed_once_it_lives(quiet):
    """Errors of a service that had none for a day: the first are far off, and what they usually are is learnt."""
    values = vectors(4000)
    values[:1000, ERRORS] = quiet
    found, state, _ = taught(values)
    assert np.abs(found.placed(state, values[-1])).max() < 10
    assert 0.5 < np.abs([found.placed(state, each)[ERRORS] for each in values[-500:]]).mean() < 2


def test_an_isolation_forest_sees_a_hole_between_two_clouds_where_tails_see_the_middle():
    random = np.random.default_rng(0)
    clouds = random.choice([-10.0, 10.0], (3000, 1)) * [1.0, 1.0] + random.normal(size=(3000, 2))
    middle = np.zeros(2)
    found, state, raw = taught(clouds, method="iforest", refit=2000)
    assert found.score(state, middle) > np.nanquantile(raw, 0.9)
    found, state, raw = taught(clouds, method="ecod")
    assert found.score(state, middle) < np.nanmedian(raw)


def test_calibrated_it_means_what_every_score_means():
    _, _, raw = taught(vectors(20_000, seed=3), refit=4000)
    scorer = Scorer([GivenDetector("ecod")])
    own, row = scorer.start(1), np.zeros(1, dtype=np.int64)
    scores = []
    for minute, odd in enumerate(raw.tolist()):
        scores.append(scorer.step(own, Points.unforecast(row, np.array([60.0 * minute]), np.array([odd]))).values[0])
    assert 0.5e-3 < (np.array(scores[5000:]) > 0.999).mean() < 2e-3


@pytest.mark.parametrize(
    ("arguments", "said"), [({"method": "magic"}, "choose from ecod, iforest"), ({"fewest": 5}, "100 <= fewest")]
)
def test_arguments_that_make_no_sense_are_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        JointDetector(**arguments)
