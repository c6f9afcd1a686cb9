"""MSTL: peel off a daily and a weekly season by LOESS, repeat them, and let ETS carry on what is left.

MSTL of statsmodels on the seasons found; simple exponential smoothing of the deseasonalised series.

Reference:
    Bandara, Hyndman, Bergmeir (2021), "MSTL: A Seasonal-Trend Decomposition Algorithm for Time Series with Multiple
    Seasonal Patterns", arXiv:2107.13462.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from aiops.errors import FitFailedError
from aiops.forecasting.ets import smoothed_path
from aiops.forecasting.per_series import PerSeries, filled
from aiops.seasonality.periods import find_seasons
from aiops.series import FloatArray, Series


def fitted_path(series: Series, horizon: int) -> FloatArray:
    """Fit one series and return its path, shape ``[horizon]``.

    Raises:
        FitFailedError: If statsmodels cannot fit it.
    """
    values = filled(series.values)
    periods = [season.period for season in find_seasons(series.values, series.step) if 2 * season.period < len(values)]
    if not periods:
        return smoothed_path(values, 1, horizon, trend=False)
    seasonal = _seasonal(values, periods)  # [n, periods]
    path = smoothed_path(values - seasonal.sum(axis=1), 1, horizon, trend=False)
    for column, period in enumerate(periods):
        last = seasonal[len(values) - period :, column]
        path = path + last[np.arange(horizon) % period]
    return path


MSTL: Final = PerSeries(name="mstl", fit=fitted_path)


def _seasonal(values: FloatArray, periods: list[int]) -> FloatArray:
    """Return the seasonal components, shape ``[n, periods]``."""
    from statsmodels.tsa.seasonal import MSTL

    # Every tenth of a period is smoothed, the rest interpolated: ten times faster, and no worse on smooth components.
    jump = max(min(periods) // 10, 1)
    options = {"seasonal_jump": jump, "trend_jump": jump, "low_pass_jump": jump}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = MSTL(values, periods=tuple(periods), stl_kwargs=options).fit().seasonal
    except (ValueError, np.linalg.LinAlgError) as error:
        raise FitFailedError(f"MSTL could not split {len(values)} points with periods {periods}: {error}") from error
    return np.asarray(found, dtype=np.float64).reshape(len(values), len(periods))
