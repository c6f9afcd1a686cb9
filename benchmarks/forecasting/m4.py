"""The M4 competition's yardsticks: Naive2, sMAPE, MASE, and OWA, the mean of both relative to Naive2.

Reference:
    Makridakis, Spiliotis, Assimakopoulos (2020), "The M4 Competition", International Journal of Forecasting 36(1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiops.series import FloatArray

PERIOD = 24
CRITICAL = 1.645  # 90 % of a normal distribution, as the competition has it


def naive2(history: FloatArray, horizon: int) -> FloatArray:
    """Forecast the last value, seasonally adjusted by classical multiplicative decomposition where that is worth it."""
    if not is_seasonal(history):
        return np.full(horizon, history[-1])
    index = seasonal_index(history)
    n = len(history)
    return np.asarray(history[-1] / index[(n - 1) % PERIOD] * index[(n + np.arange(horizon)) % PERIOD])


def is_seasonal(history: FloatArray) -> bool:
    """Test the autocorrelation at one period against Bartlett's error."""
    if len(history) < 3 * PERIOD:
        return False
    centred = history - history.mean()
    power = (centred**2).sum()
    if power == 0:
        return False
    lags = np.array([(centred[lag:] * centred[:-lag]).sum() for lag in range(1, PERIOD + 1)]) / power
    return bool(abs(lags[-1]) > CRITICAL * np.sqrt((1 + 2 * (lags[:-1] ** 2).sum()) / len(history)))


def seasonal_index(history: FloatArray) -> FloatArray:
    """Return the mean ratio of each slot to a centred moving average, shape ``[PERIOD]``, with a mean of 1."""
    weights = np.array([0.5, *np.ones(PERIOD - 1), 0.5]) / PERIOD
    trend = np.convolve(history, weights, "valid")
    first = PERIOD // 2
    ratio = history[first : first + len(trend)] / trend
    slot = (np.arange(len(ratio)) + first) % PERIOD
    index = np.array([ratio[slot == each].mean() for each in range(PERIOD)])
    return np.asarray(index / index.mean())


def smape(truth: FloatArray, forecast: FloatArray) -> float:
    """Symmetric mean absolute percentage error, in percent."""
    return float(200 * np.mean(np.abs(truth - forecast) / (np.abs(truth) + np.abs(forecast))))


def mase(truth: FloatArray, forecast: FloatArray, history: FloatArray) -> float:
    """Mean absolute error over that of seasonal naive inside the history."""
    return float(np.mean(np.abs(truth - forecast)) / np.mean(np.abs(history[PERIOD:] - history[:-PERIOD])))


def owa(histories: Sequence[FloatArray], truths: Sequence[FloatArray], forecasts: Sequence[FloatArray]) -> float:
    """Return the overall weighted average: mean sMAPE and mean MASE, each over Naive2's, and their mean."""
    pairs = list(zip(histories, truths, strict=True))
    base = [naive2(history, len(truth)) for history, truth in pairs]
    ours = _means(pairs, forecasts)
    theirs = _means(pairs, base)
    return float((ours / theirs).mean())


def _means(pairs: Sequence[tuple[FloatArray, FloatArray]], forecasts: Sequence[FloatArray]) -> FloatArray:
    found = [
        (smape(truth, forecast), mase(truth, forecast, history))
        for (history, truth), forecast in zip(pairs, forecasts, strict=True)
    ]
    return np.asarray(np.mean(found, axis=0))
