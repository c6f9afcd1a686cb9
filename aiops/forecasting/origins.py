"""Rolling origins inside a history: what a forecaster would have said then, and how wrong it was.

::

    history  |--------------------------------|
    origin 1 |===============|.......         |    = what it may use   . what it forecasts and is scored on
    origin 2 |======================|.......  |
    origin 3 |=========================|......|
"""

from __future__ import annotations

import numpy as np

from aiops.forecasting.forecaster import PointForecaster
from aiops.series import FloatArray, Frame


def origins_within(length: int, horizon: int, count: int) -> list[int]:
    """Return up to ``count`` lengths of shortened history, evenly spaced, increasing, each in ``1..length - 1``.

    The last leaves room for a whole horizon and the first keeps half of the history, where there is enough of it; in a
    short history the horizons of the late origins are cut off by its end.
    """
    if length < 2:
        return []
    last = max(length - horizon, length - max(length // 4, 1))
    first = min(max(length // 2, 1), last)
    return sorted({round(float(each)) for each in np.linspace(first, last, count)})


def residuals(forecaster: PointForecaster, history: Frame, horizon: int, origins: list[int]) -> FloatArray:
    """Return observed minus forecast, shape ``[n_origins, n_series, horizon]``; NaN where either is missing."""
    result = np.full((len(origins), len(history.keys), horizon), np.nan)
    for index, origin in enumerate(origins):
        observed = history.values[:, origin : origin + horizon]
        point = forecaster.point(history.columns(0, origin), horizon)
        result[index, :, : observed.shape[1]] = observed - point[:, : observed.shape[1]]
    return result
