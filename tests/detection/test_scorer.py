"""The scorer: batch equals stream, nothing depends on what comes later, incidents do not teach."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aiops.detection.calibration import Calibration
from aiops.detection.detector import Points, columns
from aiops.detection.halfspace import HalfSpaceDetector
from aiops.detection.residual import ResidualDetector
from aiops.detection.scorer import Scorer, ScorerState
from aiops.errors import ConfigError, DataError
from aiops.series import FloatArray, Frame, SeriesKey

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def quick() -> Scorer:
    """All parts, with warm-ups so short that little data goes through every branch."""
    return Scorer(
        [
            ResidualDetector(warm_up=10, level_memory=5, scale_memory=50),
            HalfSpaceDetector(trees=3, height=4, window=40),
        ],
        calibration=Calibration(warm_up=50, memory=500),
    )


def points(rows: list[int], at: float, values: FloatArray, forecast: FloatArray | None = None) -> Points:
    if forecast is None:
        return Points.unforecast(np.array(rows), np.full(len(rows), at), values)
    return Points(
        rows=np.array(rows),
        at=np.full(len(rows), at),
        values=values,
        expected=forecast[0],
        lower=forecast[1],
        upper=forecast[2],
    )


def walk(
    scorer: Scorer, state: ScorerState, values: FloatArray, forecast: FloatArray, order: list[list[int]]
) -> FloatArray:
    """Score ``values [n, length]`` column by column, each column in the given groups of rows."""
    found = np.full((6, *values.shape), np.nan)
    for t in range(values.shape[1]):
        for rows in order:
            scores = scorer.step(state, points(rows, 60.0 * t, values[rows, t], forecast[:, rows, t]))
            found[:, rows, t] = [
                scores.values,
                scores.detectors,
                scores.expected,
                scores.lower,
                scores.upper,
                scores.warming_up,
            ]
    return found


def telemetry(seed: int, n: int, length: int) -> tuple[FloatArray, FloatArray]:
    """Return values with gaps, a shift and spikes, and a forecast [3, n, length] that is there half of the time."""
    random = np.random.default_rng(seed)
    values = random.normal(100, 5, (n, length)) * random.choice([1e-6, 1.0, 1e15], (n, 1))
    values[random.random(values.shape) < 0.05] = np.nan
    values[random.random(values.shape) < 0.02] *= 10
    values[: n // 2, length // 2 :] *= 3
    middle = np.nan_to_num(values, nan=0.0) * random.normal(1, 0.05, values.shape)
    forecast = np.stack([middle, middle - abs(middle) * 0.1, middle + abs(middle) * 0.2])
    forecast[:, :, random.random(length) < 0.5] = np.nan
    return values, forecast


@settings(max_examples=4)
@given(seed=st.integers(0, 2**16), data=st.data())
def test_a_series_gets_the_same_bits_in_any_batch_and_any_interleaving(seed, data):
    n, length = 5, 260
    values, forecast = telemetry(seed, n, length)
    scorer = quick()
    together = walk(scorer, scorer.start(n), values, forecast, [list(range(n))])
    order = data.draw(st.permutations(range(n)))
    cut = data.draw(st.integers(1, n - 1))
    apart = walk(scorer, scorer.start(n), values, forecast, [list(order[:cut]), list(order[cut:])])
    alone = np.concatenate(
        [walk(scorer, scorer.start(1), values[[i]], forecast[:, [i]], [[0]]) for i in range(n)], axis=1
    )
    assert together.tobytes() == apart.tobytes() == alone.tobytes()
    assert (together[0] > 0.9).any(), "the data never made a score, so nothing was compared"


anything = st.one_of(
    st.just(float("nan")), st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e3, 1e3), st.just(1e17)
)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**16),
    cut=st.integers(1, 219),
    corrupted=arrays.arrays(np.float64, (2, 220), elements=anything),
    corrupted_forecast=arrays.arrays(np.float64, (3, 2, 220), elements=anything),
)
def test_nothing_up_to_t_changes_when_what_follows_is_corrupted(seed, cut, corrupted, corrupted_forecast):
    values, forecast = telemetry(seed, 2, 220)
    scorer = quick()
    whole = walk(scorer, scorer.start(2), values, forecast, [[0, 1]])
    values[:, cut:], forecast[:, :, cut:] = corrupted[:, cut:], corrupted_forecast[:, :, cut:]
    other = walk(scorer, scorer.start(2), values, forecast, [[0, 1]])
    assert whole[:, :, :cut].tobytes() == other[:, :, :cut].tobytes()
    assert np.isfinite(other[0]).all()
    assert ((other[0] >= 0) & (other[0] <= 1)).all()


def test_warm_up_leaves_what_scoring_would_have_left():
    values, _ = telemetry(1, 3, 300)
    scorer = quick()
    frame = Frame(keys=tuple(SeriesKey(f"s{i}") for i in range(3)), start=START, step=MINUTE, values=values)
    scored, warmed = scorer.start(3), scorer.start(3)
    for column in columns(frame):
        scorer.step(scored, column)
    assert list(scorer.warm_up(warmed, columns(frame), 300)) == list(range(1, 301))
    assert warmed.gate.tobytes() == scored.gate.tobytes()
    assert [each.tobytes() for each in warmed.calibrations] == [each.tobytes() for each in scored.calibrations]


def test_a_slow_detector_replays_the_end_of_history_only():
    slow = HalfSpaceDetector(trees=2, height=3, window=20, memory=30)
    scorer = Scorer([ResidualDetector(), slow], calibration=Calibration(warm_up=50, memory=500))
    state = scorer.start(1)
    values = np.random.default_rng(0).normal(size=(1, 500))
    frame = Frame(keys=(SeriesKey("s"),), start=START, step=MINUTE, values=values)
    for _ in scorer.warm_up(state, columns(frame), 500):
        pass
    assert state.detectors[1][0].seen == slow.memory_points == 60
    assert state.detectors[0]["seen"][0, 1] == 500


def noisy(length: int, level: float = 100.0, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(level, 1.0, length)


def run(scorer: Scorer, values: FloatArray) -> FloatArray:
    state = scorer.start(1)
    return np.array([scorer.step(state, points([0], 60.0 * t, values[[t]])).values[0] for t in range(len(values))])


def test_an_incident_does_not_teach():
    values = noisy(6_000)
    values[3_000:3_060] += 20
    values[4_000:4_060] += 20
    scores = run(Scorer([ResidualDetector()]), values)
    assert scores[3_000:3_060].min() > 0.999, "the end of an incident is as odd as its beginning"
    assert scores[4_000] > 0.999, "the second incident is as odd as the first"
    assert (scores[3_070:4_000] > 0.999).mean() < 0.01, "normal points after an incident are normal"


@pytest.mark.parametrize("detector", [ResidualDetector(), HalfSpaceDetector()], ids=lambda each: each.name)
def test_an_incident_ends_with_its_last_point(detector):
    values = noisy(3_000)
    values[2_000:2_060] += 20
    scores = run(Scorer([detector]), values)
    assert np.median(scores[2_061:2_100]) < 0.9


def test_what_stays_becomes_the_new_normal():
    values = noisy(6_000)
    values[3_000:] += 20
    scores = run(Scorer([ResidualDetector()]), values)
    assert scores[3_000:3_200].min() > 0.999
    assert (scores[4_000:] > 0.999).mean() < 0.005


def test_a_gap_scores_zero_and_changes_nothing():
    scorer = Scorer([ResidualDetector()])
    state = scorer.start(1)
    for t, value in enumerate(noisy(1_000)):
        scorer.step(state, points([0], 60.0 * t, np.array([value])))
    before = (state.detectors[0].tobytes(), state.calibrations[0].tobytes(), state.gate.tobytes())
    gap = scorer.step(state, points([0], 6e4, np.array([np.nan])))
    assert gap.values[0] == 0.0
    assert not gap.warming_up[0]
    assert gap.detectors[0] == -1
    assert (state.detectors[0].tobytes(), state.calibrations[0].tobytes(), state.gate.tobytes()) == before


def test_the_interval_holds_999_of_1000_normal_points():
    scorer = Scorer([ResidualDetector()])
    state = scorer.start(1)
    outside = []
    for t, value in enumerate(noisy(20_000)):
        scores = scorer.step(state, points([0], 60.0 * t, np.array([value])))
        outside.append(not scores.lower[0] <= value <= scores.upper[0])
    assert 0.0003 < np.mean(outside[2_000:]) < 0.002


def test_two_detectors_together_promise_what_one_promises():
    scorer = Scorer([ResidualDetector(), HalfSpaceDetector()])
    state, n = scorer.start(6), 6
    values = np.random.default_rng(0).normal(100, 1, (5_000, n))
    scores = np.array(
        [scorer.step(state, points(list(range(n)), 60.0 * t, row)).values for t, row in enumerate(values)]
    )
    assert 0.3 < (scores[2_000:] > 0.99).mean() / 0.01 < 1.3
    assert (scores[2_000:] > 0.999).mean() / 0.001 < 1.6


def test_a_scorer_needs_detectors_of_distinct_names():
    with pytest.raises(ConfigError, match="at least one detector"):
        Scorer([])
    with pytest.raises(ConfigError, match="distinct names"):
        Scorer([ResidualDetector(), ResidualDetector()])


def test_points_whose_shapes_disagree_are_refused():
    with pytest.raises(DataError, match=r"must have shape \(2,\), got \(1,\)"):
        Points.unforecast(np.array([0, 1]), np.zeros(2), np.zeros(1))


def test_history_that_every_detector_forgets_is_passed_over():
    scorer = Scorer([ResidualDetector(warm_up=10, level_memory=5, scale_memory=50)])
    memory = scorer.detectors[0].memory_points
    values = np.random.default_rng(0).normal(size=memory + 5)
    learnt = []
    for first in (0, 5):
        state = scorer.start(1)
        stream = (points([0], 60.0 * index, values[index : index + 1]) for index in range(first, memory + 5))
        assert list(scorer.warm_up(state, stream, memory + 5 - first))[-1] == memory + 5 - first
        learnt.append(scorer.step(state, points([0], 60.0 * (memory + 5), np.array([9.0]))).values)
    assert learnt[0] == learnt[1]
