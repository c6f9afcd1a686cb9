"""A structural model: a level that wanders, fixed daily and weekly waves, and what is left, by a Kalman filter.

UnobservedComponents of statsmodels: local level, AR(1), and trigonometric seasons that do not change.

Reference:
    Harvey (1989), "Forecasting, Structural Time Series Models and the Kalman Filter".
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from aiops.errors import FitFailedError
from aiops.forecasting.ets import MOST_SLOTS
from aiops.forecasting.per_series import PerSeries, block_means
from aiops.seasonality.periods import find_seasons
from aiops.series import FloatArray, Series, epoch_seconds

MOST_SEASONS = 2
HARMONICS = 4
"""Waves of each season: each is two states, and a fit visits all of them at every step."""


def fitted_path(series: Series, horizon: int) -> FloatArray:
    """Fit one series and return its path, shape ``[horizon]``.

    Raises:
        FitFailedError: If statsmodels cannot fit it.
    """
    found = sorted(find_seasons(series.values, series.step), key=lambda season: -season.strength)[:MOST_SEASONS]
    shortest = min((season.period for season in found), default=1)
    size = next(size for size in range(1, shortest + 1) if shortest % size == 0 and shortest // size <= MOST_SLOTS)
    stamps, means = block_means(series, size)
    seasons = [
        {"period": period, "harmonics": min(HARMONICS, int(period // 2))}
        for period in (season.period / size for season in found)
        if 4 <= 2 * period < len(means)
    ]
    ahead = -(-horizon // size)
    path = _filtered(means, seasons, ahead)
    at = stamps[-1] + np.arange(1, ahead + 1) * size * series.step.total_seconds()
    wanted = epoch_seconds(series.end) + np.arange(horizon) * series.step.total_seconds()
    return np.asarray(np.interp(wanted, at, path), dtype=np.float64)


STRUCTURAL: Final = PerSeries(name="structural", fit=fitted_path)


def _filtered(values: FloatArray, seasons: list[dict[str, float]], ahead: int) -> FloatArray:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimiser that stops early still leaves usable parameters
            model = UnobservedComponents(
                values,
                level="local level",
                freq_seasonal=seasons or None,
                stochastic_freq_seasonal=[False] * len(seasons) if seasons else None,
                autoregressive=1,
            )
            fitted = model.fit(disp=False, maxiter=50)
            return np.asarray(fitted.forecast(ahead), dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"no structural model could be fitted to {len(values)} points: {error}") from error
