"""Exponential smoothing as a state space model: damped trend and one additive season, fitted by likelihood.

ETS(A, Ad, A) of statsmodels on the strongest season found; without a season, ETS(A, Ad, N).

Reference:
    Hyndman, Koehler, Ord, Snyder (2008), "Forecasting with Exponential Smoothing".
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from aiops.errors import FitFailedError
from aiops.forecasting.per_series import PerSeries, block_means, filled
from aiops.seasonality.periods import find_seasons
from aiops.series import FloatArray, Series, epoch_seconds

MOST_SLOTS = 48
"""A season of more slots is averaged down to this many: each slot is a state, and a fit visits all of them."""


def fitted_path(series: Series, horizon: int) -> FloatArray:
    """Fit one series and return its path, shape ``[horizon]``.

    Raises:
        FitFailedError: If statsmodels cannot fit it.
    """
    seasons = find_seasons(series.values, series.step)
    period = max(seasons, key=lambda season: season.strength).period if seasons else 1
    size = next(size for size in range(1, period + 1) if period % size == 0 and period // size <= MOST_SLOTS)
    stamps, means = block_means(series, size)
    ahead = -(-horizon // size)
    path = smoothed_path(filled(means), period // size, ahead, trend=True)
    at = stamps[-1] + np.arange(1, ahead + 1) * size * series.step.total_seconds()
    wanted = epoch_seconds(series.end) + np.arange(horizon) * series.step.total_seconds()
    return np.asarray(np.interp(wanted, at, path), dtype=np.float64)


ETS: Final = PerSeries(name="ets", fit=fitted_path)


def smoothed_path(values: FloatArray, period: int, horizon: int, *, trend: bool) -> FloatArray:
    """Fit ETS to values without gaps and return its path, shape ``[horizon]``.

    Args:
        values: Shape ``[n]``.
        period: Steps in the season; 1 is none. Left out where history holds less than two of them.
        horizon: Steps to forecast.
        trend: Whether to fit a damped trend.

    Raises:
        FitFailedError: If statsmodels cannot fit it.
    """
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    seasonal: dict[str, Any] = {}
    if period > 1 and len(values) >= 2 * period + 4:
        seasonal = {"seasonal": "add", "seasonal_periods": period}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimiser that stops early still leaves usable parameters
            model = ETSModel(
                values, error="add", trend="add" if trend else None, damped_trend=trend,
                initialization_method="heuristic", **seasonal,
            )  # fmt: skip
            fitted = model.fit(disp=False, maxiter=100)
            return np.asarray(fitted.forecast(horizon), dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"ETS could not be fitted to {len(values)} points: {error}") from error
