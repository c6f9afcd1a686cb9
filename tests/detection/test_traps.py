"""Series that detectors trip over: told no more than the budget, and not blind to what is odd there."""

import numpy as np
import pytest

from aiops.detection.fleet import FleetDetector
from aiops.detection.onset import Onsets
from aiops.series import FloatArray

DAY, DAYS = 288, 35
N = DAY * DAYS
ODD = N - 100
STEP = 300.0
t = np.arange(N)


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_odd(values: FloatArray, odd: float) -> FloatArray:
    values[ODD : ODD + 6] = odd
    return values


def gappy() -> FloatArray:
    values = random(3).normal(100, 2, N)
    values[random(4).random(N) < 0.3] = np.nan
    values[10 * DAY : 11 * DAY] = np.nan
    return values


# Values, and one that has no like there.
TRAPS = {
    "no deviation from the median": (np.where(random(0).random(N) < 0.8, 5.0, random(1).normal(5, 1, N)), 30.0),
    "constant": (np.full(N, 42.0), 43.0),
    "constant zero": (np.zeros(N), 1.0),
    "zero-inflated": (random(2).exponential(size=N) * (random(5).random(N) < 0.05), 60.0),
    "rare counts": (random(6).poisson(0.02, N).astype(np.float64), 20.0),
    "gappy": (gappy(), 150.0),
    "1e17": (random(7).normal(1e17, 1e13, N), 1.01e17),
    "1e-17": (random(8).normal(1e-17, 1e-19, N), 2e-17),
    "steps of a quantum": (np.round(random(9).normal(3, 0.4, N)), 12.0),
    "a counter that restarts each day": ((t % DAY) * 1e3 + random(10).random(N), 2e6),
    "a counter that restarts when it pleases": (np.cumsum(random(11).random(N)) % 977.0, 1e5),
}


@pytest.mark.parametrize(("values", "odd"), TRAPS.values(), ids=TRAPS)
def test_it_keeps_quiet_and_sees(values, odd):
    at = STEP * np.arange(N, dtype=np.float64)
    said = FleetDetector().replay(at, with_odd(values.copy(), odd))[0]
    onsets = Onsets()
    told = onsets.learn(onsets.start(1), np.zeros(N, dtype=np.int64), at, said)
    assert told[7 * DAY : ODD].sum() <= 4, "a budget of one a week, in four weeks"
    assert np.nanmin(said[ODD : ODD + 3]) < 0.5
    assert np.isnan(said[np.isnan(values) & (t < ODD)]).all(), "a gap has no score"
