"""Quantiles of the highest value of a window, and of the time until a limit is reached: what capacity is planned by.

They are no function of the quantiles of single steps: errors of neighbouring steps depend on each other, and by how
much differs from series to series. So the same backtest is read once more, for what it erred by about the *maximum*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.conformal import require_request
from aiops.forecasting.fleet.calendar import Calendar
from aiops.forecasting.fleet.forecaster import possible, steps_of_a_day
from aiops.forecasting.fleet.learned import LEAST_POINTS, constant, learn, observed
from aiops.series import FloatArray, Frame, IntArray

DRIFT = 0.5
"""Errors about a maximum grow with the days ahead to this power, as those of a random walk do."""
DRIFT_AHEAD = 0.55
"""Those ahead are taken to grow by a bit more: of what goes far, the origins of a history have seen the least."""


UTC = Calendar()


def window_maximum(
    history: Frame, horizon: int, window: int, levels: FloatArray, calendar: Calendar = UTC
) -> FloatArray:
    """Forecast the highest value of ``window`` steps, for every window that lies within the horizon.

    Args:
        history: What is known; NaN marks gaps. Nothing after its last column is used.
        horizon: Steps to forecast, at least 1.
        window: Steps of the window, 1 to ``horizon``.
        levels: Quantile levels in (0, 1), increasing, shape ``[q]``.
        calendar: Whose time of day, weekends and holidays the series keep.

    Returns:
        Quantiles of the maximum, shape ``[n, q, horizon - window + 1]``, not decreasing along q; the first window
        begins one step after the last column. NaN for a series that could not be forecast.

    Raises:
        DataError: If the window does not fit into the horizon, or the request is none.
    """
    require_request(history, horizon, levels)
    if not 1 <= window <= horizon:
        raise DataError(f"a window of {window} steps does not fit into a horizon of {horizon}: give 1 to {horizon}")
    wanted = _Wanted(levels=levels, highest=lambda values: _sliding(values, window))
    (found,) = _quantiles(history, horizon, [wanted], calendar)
    return found


def day_maxima(
    history: Frame,
    horizon: int,
    begins: IntArray,
    levels: FloatArray,
    limits: FloatArray,
    chances: FloatArray,
    calendar: Calendar = UTC,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forecast the highest value of each day ahead and of all of them, and when a limit is reached, from one backtest.

    Args:
        history: What is known; NaN marks gaps.
        horizon: Steps to forecast.
        begins: The steps ahead that days begin with, from 0, increasing; the first may be what is left of a day.
        levels: Quantile levels of the highest values, increasing, shape ``[q]``.
        limits: One a series, in its unit, shape ``[n]``; infinite where there is none.
        chances: As ``steps_to`` takes them, shape ``[c]``.
        calendar: Whose time of day, weekends and holidays the series keep.

    Returns:
        Quantiles of the maximum of each day, shape ``[n, q, days]``; those of the maximum of all days that are passed
        with each of the chances, highest last, shape ``[n, c]``; and what ``steps_to`` returns. NaN for a series that
        could not be forecast.

    Raises:
        DataError: If there is not one limit a series, or the request is none.
    """
    require_request(history, horizon, levels)
    _require_limits(history, limits)
    day = steps_of_a_day(history.step)

    def of_each_day(values: FloatArray) -> FloatArray:
        return np.asarray(np.maximum.reduceat(values, begins, axis=1))

    wanted = [_Wanted(levels=levels, highest=of_each_day), _so_far(chances)]
    peaks, highest, of_days = _quantiles(history, horizon, [*wanted, _of_days(chances, day)], calendar)
    _raise_to(highest, of_days, day)
    return peaks, highest[:, :, -1], _reached(highest, limits)


def steps_to(
    history: Frame, horizon: int, limits: FloatArray, chances: FloatArray, calendar: Calendar = UTC
) -> FloatArray:
    """Forecast when a limit is reached, as an interval: how many steps ahead, at each chance.

    With chances 0.1, 0.5, 0.9 the limit is reached before the first of the three with a chance of one in ten, and the
    third is the latest that has to be reckoned with.

    Args:
        history: What is known; NaN marks gaps.
        horizon: Steps to look ahead.
        limits: One a series, in its unit, shape ``[n]``.
        chances: Of having reached the limit by then, in (0, 1), increasing, shape ``[c]``.
        calendar: Whose time of day, weekends and holidays the series keep.

    Returns:
        Steps after the last column, shape ``[n, c]``, not decreasing along c; infinite where it is not reached within
        the horizon, NaN for a series that could not be forecast.

    Raises:
        DataError: If there is not one limit a series, or the request is none.
    """
    _require_limits(history, limits)
    day = steps_of_a_day(history.step)
    highest, of_days = _quantiles(history, horizon, [_so_far(chances), _of_days(chances, day)], calendar)
    _raise_to(highest, of_days, day)
    return _reached(highest, limits)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wanted:
    """Quantiles at these levels of what ``highest`` makes of paths ``[k, horizon]``."""

    levels: FloatArray
    highest: Callable[[FloatArray], FloatArray]


def _require_limits(history: Frame, limits: FloatArray) -> None:
    if limits.shape != (len(history.keys),) or np.isnan(limits).any():
        raise DataError(f"one limit a series is needed, {len(history.keys)} in all, got {limits.tolist()}")


def _so_far(chances: FloatArray) -> _Wanted:
    levels = np.ascontiguousarray(1.0 - chances[::-1])
    return _Wanted(levels=levels, highest=lambda values: np.asarray(np.maximum.accumulate(values, axis=1)))


def _of_days(chances: FloatArray, day: int) -> _Wanted:
    """Return what asks for the highest value of each day from the cutoff on, at the levels of ``_so_far``."""
    return _Wanted(
        levels=_so_far(chances).levels,
        highest=lambda values: np.asarray(np.maximum.reduceat(values, np.arange(0, values.shape[1], day), axis=1)),
    )


def _raise_to(highest: FloatArray, of_days: FloatArray, day: int) -> None:
    """Raise the quantiles of the highest so far, ``[n, q, horizon]``, to those of each day that is over by then.

    The highest of many days is not below the highest of one. Errors about it that a short history knows are of fewer
    days, and too small for many.
    """
    for number in range(of_days.shape[2]):
        later = highest[:, :, min((number + 1) * day, highest.shape[2]) - 1 :]
        np.maximum(later, of_days[:, :, number, None], out=later)


def _reached(quantiles: FloatArray, limits: FloatArray) -> FloatArray:
    """Return after how many steps the highest value so far, ``[n, c, horizon]``, reaches a limit."""
    # The highest so far never falls; its quantiles, taken apart at each step, are told so.
    reached = np.maximum.accumulate(quantiles, axis=2)[:, ::-1] >= limits[:, None, None]
    steps = np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.inf)
    return np.where(np.isnan(quantiles[:, :1, 0]), np.nan, steps)


def _quantiles(history: Frame, horizon: int, wanted: Sequence[_Wanted], calendar: Calendar) -> list[FloatArray]:
    """Return what is wanted, each of shape ``[n, q, whatever its highest makes]``.

    Errors of all distances speak for each, as a history holds few origins that see far: each as far ahead as it was
    made, by the days to the power of ``DRIFT``. More than a day ahead errors of one origin go together, and recent
    origins, for which quantiles are narrowed, say little.
    """
    from aiops.forecasting.fleet.spread import narrowing, spread

    for each in wanted:
        require_request(history, horizon, each.levels)
    day = steps_of_a_day(history.step)
    clock = calendar.clock(history.start, history.step, history.length, horizon)
    ahead = np.maximum(np.arange(1, horizon + 1) / day, 1.0) ** DRIFT
    drifts = [each.highest(ahead[None])[0] for each in wanted]
    n = len(history.keys)
    results = [np.full((n, len(each.levels), len(drift)), np.nan) for each, drift in zip(wanted, drifts, strict=True)]
    for row, values in enumerate(history.values):
        if observed(values) < LEAST_POINTS:
            continue
        only = constant(values)
        if only is not None:
            for found in results:
                found[row] = only
            continue
        learned = learn(values, clock)
        # Of the steps that were observed, both: a gap is no reason to think that the forecast was too high.
        seen = ~np.isnan(learned.errors)
        of_truth = np.where(seen, learned.truth, -np.inf)
        of_forecast = np.where(seen, learned.truth - learned.errors, -np.inf)
        for each, found, drift in zip(wanted, results, drifts, strict=True):
            beyond_a_day = drift > 1.0
            truth = each.highest(of_truth)
            known = np.isfinite(truth)
            errors = np.where(known, truth, np.nan) - np.where(known, each.highest(of_forecast), np.nan)
            offsets = np.empty((len(each.levels), len(drift)))
            spread(errors / drift, day, each.levels, beyond_a_day.astype(np.float64), offsets)
            offsets *= np.where(beyond_a_day, 1.0, narrowing(each.levels)[:, None])
            offsets *= learned.stretch[0] * drift ** (DRIFT_AHEAD / DRIFT)  # one step ahead: nothing has grown yet
            quantiles = each.highest(learned.path[None])[0] + offsets
            if np.isfinite(quantiles).all():
                found[row] = np.sort(possible(quantiles, values, history.units[row]), axis=0)
    return results


def _sliding(values: FloatArray, window: int) -> FloatArray:
    """Return the highest of every ``window`` neighbours of each row."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window, axis=1).max(axis=-1))
