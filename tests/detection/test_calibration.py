"""0.999 means one normal point in a thousand: for each series, whatever its distribution."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from aiops.detection.calibration import RAREST, Calibration
from aiops.detection.detector import Points
from aiops.detection.residual import ResidualDetector
from aiops.detection.scorer import Scorer
from aiops.errors import ConfigError
from aiops.series import FloatArray

N, LENGTH, LEARNT = 16, 18_000, 2_000
ROWS = np.arange(N)


def autoregressive(random: Generator) -> FloatArray:
    values = random.normal(size=(LENGTH, N))
    for t in range(1, LENGTH):
        values[t] += 0.9 * values[t - 1]
    return values


# Share of normal points above 0.99 and above 0.999: (least, most) over all series. Values that repeat (zeros, counts)
# and bounded ones may be called less odd than they are, never odder.
STATIONARY: dict[str, tuple[Callable[[Generator], FloatArray], tuple[float, float], tuple[float, float]]] = {
    "normal": (lambda random: random.normal(100, 1, (LENGTH, N)), (0.7, 1.2), (0.5, 1.3)),
    "heavy tail": (lambda random: random.standard_t(3, (LENGTH, N)), (0.7, 1.2), (0.6, 1.4)),
    "lognormal": (lambda random: random.lognormal(0, 1, (LENGTH, N)), (0.7, 1.2), (0.5, 1.3)),
    "counts": (lambda random: random.poisson(3, (LENGTH, N)).astype(float), (0.3, 1.2), (0.2, 1.3)),
    "autoregressive": (autoregressive, (0.7, 1.2), (0.5, 1.4)),
    "uniform": (lambda random: random.random((LENGTH, N)), (0.1, 1.2), (0.0, 1.2)),
    "zero-inflated": (
        lambda random: random.exponential(size=(LENGTH, N)) * (random.random((LENGTH, N)) < 0.1),
        (0.1, 1.2),
        (0.0, 1.3),
    ),
    "rare events": (lambda random: random.poisson(0.02, (LENGTH, N)).astype(float), (0.1, 1.3), (0.0, 1.5)),
    "1e17": (lambda random: random.normal(1e17, 1e15, (LENGTH, N)), (0.7, 1.2), (0.5, 1.3)),
}


@pytest.mark.parametrize("name", STATIONARY)
def test_share_of_normal_points_above_a_score_is_what_the_score_says(name):
    make, hundredth, thousandth = STATIONARY[name]
    scorer = Scorer([ResidualDetector()])
    state = scorer.start(N)
    scores = np.array(
        [
            scorer.step(state, Points.unforecast(ROWS, np.full(N, 60.0 * t), column)).values
            for t, column in enumerate(make(default_rng(7)))
        ]
    )[LEARNT:]
    for score, (least, most), per_series in ((0.99, hundredth, 2.5), (0.999, thousandth, 3.0)):
        share = (scores > score).mean() / (1 - score)
        assert least <= share <= most, f"{share:.2f} times the promised share of points is above {score}"
        widest = (scores > score).mean(axis=0).max() / (1 - score)
        assert widest <= per_series, f"one series has {widest:.2f} times the promised share above {score}"


def test_one_threshold_fits_series_of_different_kinds():
    """Raw scores differ by orders of magnitude here; the calibrated ones say the same of each."""
    random = default_rng(3)
    raw = np.abs(np.stack([random.normal(size=LENGTH), 50 * random.standard_t(2, LENGTH), random.random(LENGTH)]))
    calibration, rows = Calibration(), np.arange(3)
    state = calibration.start(3)
    survivals = []
    for column in raw.T:
        survivals.append(calibration.survival(state, rows, column))
        calibration.learn(state, rows, column)
    share = (np.array(survivals)[LEARNT:] < 0.01).mean(axis=0)
    assert share.max() < 0.012
    assert share[:2].min() > 0.006


def taught(values: FloatArray, calibration: Calibration | None = None) -> tuple[Calibration, np.ndarray]:
    calibration = calibration or Calibration()
    state = calibration.start(1)
    for value in values:
        calibration.learn(state, np.array([0]), np.array([value]))
    return calibration, state


def survival(calibration: Calibration, state: np.ndarray, raw: float) -> float:
    return float(calibration.survival(state, np.array([0]), np.array([raw]))[0])


def test_survival_never_rises_with_the_raw_score():
    calibration, state = taught(np.abs(default_rng(1).standard_t(4, 5_000)))
    found = [survival(calibration, state, raw) for raw in np.linspace(0, 50, 3_000)]
    assert found[0] == pytest.approx(1.0)
    assert (np.diff(found) <= 0).all()
    assert found[-1] < 1e-4


def test_nothing_is_said_before_enough_was_seen():
    calibration, state = taught(np.ones(199))
    assert np.isnan(survival(calibration, state, 5.0))
    calibration.learn(state, np.array([0]), np.array([1.0]))
    assert survival(calibration, state, 5.0) < 0.01


def test_a_constant_raw_score_is_not_odd_and_what_differs_is():
    calibration, state = taught(np.zeros(5_000))
    assert survival(calibration, state, 0.0) == 1.0
    assert survival(calibration, state, 3.0) < 1e-4
    assert survival(calibration, state, 1e300) == RAREST


def test_one_outlier_does_not_hide_the_next():
    values = np.abs(default_rng(2).normal(size=3_000))
    calibration, state = taught(np.append(values, 1e5))
    assert survival(calibration, state, 12.0) < 1e-4


def test_raw_at_is_the_inverse_of_survival():
    calibration, state = taught(np.abs(default_rng(4).normal(size=20_000)))
    for share in (5e-3, 1e-3, 1e-5):
        raw = float(calibration.raw_at(state, np.array([0]), share)[0])
        assert survival(calibration, state, raw) == pytest.approx(share, rel=0.5)
    assert np.isnan(calibration.raw_at(calibration.start(1), np.array([0]), 1e-3))[0]


def test_old_points_are_forgotten():
    calibration = Calibration(warm_up=50, memory=500)
    random = default_rng(5)
    values = np.concatenate([np.abs(random.normal(0, 10, 5_000)), np.abs(random.normal(0, 1, 5_000))])
    _, state = taught(values, calibration)
    assert survival(calibration, state, 6.0) < 1e-3


def test_weights_stay_finite_for_ever():
    calibration = Calibration(warm_up=50, memory=500)
    _, state = taught(np.abs(default_rng(6).normal(size=130_000)), calibration)
    assert np.isfinite(state["total"]).all()
    assert 1e-4 < survival(calibration, state, 3.3) < 5e-3


@pytest.mark.parametrize("wrong", [{"warm_up": 10}, {"warm_up": 200, "memory": 1_000}])
def test_a_calibration_that_could_say_nothing_is_refused(wrong):
    with pytest.raises(ConfigError, match="calibration: warm_up must be at least 50"):
        Calibration(**wrong)
