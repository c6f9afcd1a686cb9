"""What of River 0.26 is not in our catalog, and why. A test that fails here says that River has mended it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from river import anomaly, drift, time_series

MENDED = "River has mended it: it can be wrapped, beside aiops/detection/{}; then delete this test"


@contextmanager
def still_raises(error: type[Exception], beside: str) -> Iterator[None]:
    try:
        yield
    except error:
        return
    pytest.fail(MENDED.format(beside))


def test_gaussian_scorer_with_a_window_ends_with_a_type_error_when_values_stand_still():
    scorer = anomaly.GaussianScorer(window_size=50, grace_period=10)
    values = np.append(1e6 + np.random.default_rng(0).normal(0, 100, 200), np.full(200, 1e6)).round(1)

    with still_raises(TypeError, "gaussian.py"):
        for value in values.tolist():
            scorer.score_one(None, value)
            scorer.learn_one(None, value)


def predictive(warmup_period: int = 0) -> anomaly.PredictiveAnomalyDetection:
    model = time_series.HoltWinters(alpha=0.3, beta=0.1, gamma=0.3, seasonality=24)
    return anomaly.PredictiveAnomalyDetection(model, warmup_period=warmup_period)


def test_predictive_anomaly_detection_raises_before_the_first_season():
    detector = predictive(warmup_period=48)  # which was to silence it
    for hour in range(20):
        detector.learn_one(None, 100.0 + hour)
    with still_raises(IndexError, "holt_winters.py"):
        detector.score_one({}, 100.0)


def test_predictive_anomaly_detection_says_something_else_when_it_is_asked_twice():
    detector = predictive()
    for hour in range(24 * 6):
        value = 100.0 + 10.0 * (hour % 24) + hour % 5
        if hour >= 24 * 3:
            detector.score_one({}, value)
        detector.learn_one(None, value)
    said = {detector.score_one({}, 170.0) for _ in range(3)}
    assert len(said) > 1, MENDED.format("holt_winters.py")


def test_kswin_costs_a_hundred_times_what_page_hinkley_does():
    values = np.random.default_rng(1).normal(0, 1, 600).tolist()

    def seconds(detector: drift.KSWIN | drift.PageHinkley) -> float:
        for value in values[:200]:
            detector.update(value)
        started = time.process_time()
        for value in values[200:]:
            detector.update(value)
        return time.process_time() - started

    times = min(seconds(drift.KSWIN(seed=1)) for _ in range(3)) / min(seconds(drift.PageHinkley()) for _ in range(3))
    if times < 25:
        pytest.fail(f"KSWIN costs {times:.0f} times PageHinkley only. " + MENDED.format("page_hinkley.py"))
