"""Quantiles of the highest value of a window, and of the time until a limit is reached: what capacity is planned by.

They are no function of the quantiles of single steps: errors of neighbouring steps depend on each other, and by how
much differs from series to series. So the same backtest is read once more, for what it erred by about the *maximum*.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.conformal import require_request
from aiops.forecasting.fleet.calendar import Calendar
from aiops.forecasting.fleet.forecaster import possible, steps_of_a_day
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
    require_request(history, horizon, levels)
    if not 1 <= window <= horizon:
        raise DataError(f"a window of {window} steps does not fit into a horizon of {horizon}: give 1 to {horizon}")
    return _quantiles(history, horizon, levels, lambda values: _sliding(values, window))


def steps_to(history: Frame, horizon: int, limits: FloatArray, chances: FloatArray) -> FloatArray:
    """Forecast when a limit is reached, as an interval: how many steps ahead, at each chance.

    With chances 0.1, 0.5, 0.9 the limit is reached before the first of the three with a chance of one in ten, and the
    third is the latest that has to be reckoned with.

    Args:
        history: What is known; NaN marks gaps.
        horizon: Steps to look ahead.
        limits: One a series, in its unit, shape ``[n]``.
        chances: Of having reached the limit by then, in (0, 1), increasing, shape ``[c]``.

    Returns:
        Steps after the last column, shape ``[n, c]``, not decreasing along c; infinite where it is not reached within
        the horizon, NaN for a series that could not be forecast.

    Raises:
        DataError: If there is not one limit a series, or the request is none.
    """
    if limits.shape != (len(history.keys),) or np.isnan(limits).any():
        raise DataError(f"one limit a series is needed, {len(history.keys)} in all, got {limits.tolist()}")
    levels = np.ascontiguousarray(1.0 - chances[::-1])
    quantiles = _quantiles(history, horizon, levels, lambda values: np.maximum.accumulate(values, axis=1))
    # The highest so far never falls; its quantiles, taken apart at each step, are told so.
    reached = np.maximum.accumulate(quantiles, axis=2)[:, ::-1] >= limits[:, None, None]
    steps = np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.inf)
    return np.where(np.isnan(quantiles[:, :1, 0]), np.nan, steps)


def _quantiles(
    history: Frame, horizon: int, levels: FloatArray, highest: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return quantiles of what ``highest`` makes of paths ``[k, horizon]``, shape ``[n, q, whatever it makes]``."""
    from aiops.forecasting.fleet.spread import spread

    require_request(history, horizon, levels)
    day = steps_of_a_day(history.step)
    clock = Calendar().clock(history.start, history.step, history.length, horizon)
    width = highest(np.zeros((1, horizon))).shape[1]
    found = np.full((len(history.keys), len(levels), width), np.nan)
    for row, values in enumerate(history.values):
        if observed(values) < LEAST_POINTS:
            continue
        only = constant(values)
        if only is not None:
            found[row] = only
            continue
        learned = learn(values, clock)
        # Of the steps that were observed, both: a gap is no reason to think that the forecast was too high.
        seen = ~np.isnan(learned.errors)
        truth = highest(np.where(seen, learned.truth, -np.inf))
        forecast = highest(np.where(seen, learned.truth - learned.errors, -np.inf))
        known = np.isfinite(truth)
        errors = np.where(known, truth, np.nan) - np.where(known, forecast, np.nan)
        offsets = np.empty((len(levels), width))
        spread(errors, day, levels, offsets)
        quantiles = highest(learned.path[None])[0] + offsets * highest(learned.stretch[None])[0]
        if np.isfinite(quantiles).all():
            found[row] = np.sort(possible(quantiles, values, history.units[row]), axis=0)
    return found


def _sliding(values: FloatArray, window: int) -> FloatArray:
    """Return the highest of every ``window`` neighbours of each row."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window, axis=1).max(axis=-1))
