"""Profiles of working days and of days off: each step is compared with days of its own kind only; compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops.forecasting.fleet.order import insert, median, middle
from aiops.series import FloatArray
from aiops.series.compiled import compiled

FEW, MANY = 5, 10
"""Days of the same kind that the two profiles are the medians of."""


@compiled
def alike(y: FloatArray, end: int, horizon: int, day: int, off: NDArray[np.bool_], out: FloatArray) -> None:
    """Fill the median of a few and of many days of the same kind, and the latter at the level of the last day.

    Args:
        y: Observations; only ``y[:end]`` is read.
        end: Steps of history.
        horizon: Steps to forecast.
        day: Steps of a day.
        off: Whether each step is on a day off, shape ``[end + horizon]`` at least.
        out: Shape ``[3, horizon]``; a step that no observed day is like is left as it is.
    """
    few, many = np.empty(FEW + 1), np.empty(MANY + 1)
    for h in range(horizon):
        known = 0
        count = 0
        for at in range(end + h - day * (h // day + 1), -1, -day):
            if off[at] == off[end + h] and not np.isnan(y[at]):
                if known < FEW:
                    known = insert(y[at], few, known)
                count = insert(y[at], many, count)
                if count == MANY:
                    break
        if count:
            out[0, h] = middle(few, known)
            out[1, h] = middle(many, count)
    change = np.empty(day)
    seen = 0
    for now in range(max(end - day, 0), end):
        count = 0
        for at in range(now - day, -1, -day):
            if off[at] == off[now] and not np.isnan(y[at]):
                count = insert(y[at], many, count)
                if count == MANY:
                    break
        if count and not np.isnan(y[now]):
            change[seen] = y[now] - middle(many, count)
            seen += 1
    of_day = median(change, seen) if seen else 0.0
    for h in range(horizon):
        out[2, h] = out[1, h] + of_day
