"""Quantiles of the highest value of a window, for every start of it within the horizon: what capacity is planned by.

They are no function of the quantiles of single steps: errors of neighbouring steps depend on each other, and by how
much differs from series to series. So the same backtest is read once more, for what it erred by about the *maximum*.
"""

from __future__ import annotations

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.conformal import require_request
from aiops.forecasting.fleet.forecaster import bounds, steps_of_a_day
from aiops.forecasting.fleet.learned import LEAST_POINTS, constant, learn, observed
from aiops.series import FloatArray, Frame


def window_maximum(history: Frame, horizon: int, window: int, levels: FloatArray) -> FloatArray:
    """Forecast the highest value of ``window`` steps, for every window that lies within the horizon.

    Args:
        history: What is known; NaN marks gaps. Nothing after its last column is used.
        horizon: Steps to forecast, at least 1.
        window: Steps of the window, 1 to ``horizon``.
        levels: Quantile levels in (0, 1), increasing, shape ``[q]``.

    Returns:
        Quantiles of the maximum, shape ``[n, q, horizon - window + 1]``, not decreasing along q; the first window
        begins one step after the last column. NaN for a series that could not be forecast.

    Raises:
        DataError: If the window does not fit into the horizon, or the request is none.
    """
    from aiops.forecasting.fleet.spread import spread

    require_request(history, horizon, levels)
    if not 1 <= window <= horizon:
        raise DataError(f"a window of {window} steps does not fit into a horizon of {horizon}: give 1 to {horizon}")
    day = steps_of_a_day(history.step)
    starts = horizon - window + 1
    found = np.full((len(history.keys), len(levels), starts), np.nan)
    for row, values in enumerate(history.values):
        if observed(values) < LEAST_POINTS:
            continue
        only = constant(values)
        if only is not None:
            found[row] = only
            continue
        learned = learn(values, horizon, day)
        if not np.isfinite(learned.path).all() or not len(learned.errors):
            continue
        # Of the steps that were observed, both: a gap is no reason to think that the forecast was too high.
        seen = ~np.isnan(learned.errors)
        truth = np.where(seen, learned.truth, -np.inf)
        forecast = np.where(seen, learned.truth - learned.errors, -np.inf)
        highest = _highest(truth, window)
        known = np.isfinite(highest)
        errors = np.where(known, highest, np.nan) - np.where(known, _highest(forecast, window), np.nan)
        offsets = np.empty((len(levels), starts))
        spread(errors, day, levels, offsets)
        quantiles = _highest(learned.path[None], window)[0] + offsets * _highest(learned.stretch[None], window)[0]
        if np.isfinite(quantiles).all():
            found[row] = np.sort(np.clip(quantiles, *bounds(values, history.units[row])), axis=0)
    return found


def _highest(values: FloatArray, window: int) -> FloatArray:
    """Return the highest of every ``window`` neighbours of each row."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window, axis=1).max(axis=-1))
