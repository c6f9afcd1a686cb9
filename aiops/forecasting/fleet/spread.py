"""Quantiles of a series' own errors, step by step: near errors count more, recent days count more; compiled."""

from __future__ import annotations

import numpy as np

from aiops.forecasting.fleet.rolling import DAY_FADES
from aiops.series import FloatArray
from aiops.series.compiled import compiled

NEAR = 96
"""The part of a day within which an error at another step counts much: a quarter of an hour."""
FAR_DAYS = 2.0
"""Days over which the weight of all other steps fades."""
FAR_SHARE = 2.0
"""Weight of all other steps together, in units of the near ones'."""
UNSEEN = 0.25
"""Weight of the error that is still to come, in units of one of yesterday's at the same step. It counts as one beyond
all that were seen, which matters where few were: an hourly series needs wider intervals than one of five minutes."""
NARROWER = 0.93
"""What errors are multiplied by: the daily origins were weighed without recent ones, the forecast is with them, and so
errs less than they did."""
TAIL = 0.975
"""Quantiles beyond this level, and below its counterpart, are not narrowed: they are made of surges and outages, which
recent origins foresee no better."""
GROWTH = 0.3
"""Errors beyond a day are stretched by the days ahead to this power: origins a day apart share most of what they see of
a week, and so are fewer than they look."""
BLOCKS = 48
"""Quantiles are worked out for so many parts of a day, and hold for all steps of a part."""


@compiled
def spread(errors: FloatArray, day: int, levels: FloatArray, together: FloatArray, out: FloatArray) -> None:
    """Fill the quantiles of the errors of one series at each step.

    An error d steps away, so many days ago, weighs ``fade ** days * (exp(-d / near) + far exp(-d / two days))``.

    Args:
        errors: Observed minus forecast, shape ``[n_origins, horizon]``, the latest origin last; NaN is skipped.
        day: Steps of a day.
        levels: Quantile levels, increasing, shape ``[q]``.
        together: How far errors of one origin go together at each step, 0 to 1, shape ``[horizon]``: with 1 the error
            that is still to come has the weight of a whole origin, with 0 that of one step.
        out: Shape ``[q, horizon]``; NaN if no error is known.
    """
    count, horizon = errors.shape
    value = np.empty(count * horizon)
    step = np.empty(count * horizon, dtype=np.int64)
    fade = np.empty(count * horizon)
    mass = np.zeros(horizon)
    known = 0
    for origin in range(count):
        weight = DAY_FADES ** (count - 1 - origin)
        for h in range(horizon):
            if not np.isnan(errors[origin, h]):
                value[known] = errors[origin, h]
                step[known] = h
                fade[known] = weight
                mass[h] += weight
                known += 1
    if known == 0:
        out[:] = np.nan
        return
    order = np.argsort(value[:known])
    value, step, fade = value[order], step[order], fade[order]
    near = max(day / NEAR, 0.5)
    far = FAR_SHARE * 2.0 * near / min(horizon, 2 * day)
    closeness = np.empty(horizon)
    size = max(day // BLOCKS, 1)
    for first in range(0, horizon, size):
        last = min(first + size, horizon)
        centre = 0.5 * (first + last - 1)
        for h in range(horizon):
            distance = abs(h - centre)
            closeness[h] = np.exp(-distance / near) + far * np.exp(-distance / (FAR_DAYS * day))
        total = origin_mass = 0.0
        for h in range(horizon):
            total += mass[h] * closeness[h]
            origin_mass += closeness[h]
        to_come = UNSEEN * (1.0 + together[first] * (origin_mass - 1.0))
        below = 0.0
        q = 0
        for at in range(known):
            below += fade[at] * closeness[step[at]]
            while q < len(levels) and below >= levels[q] * total + to_come * _beyond(levels[q]):
                out[q, first:last] = value[at]
                q += 1
            if q == len(levels):
                break
        while q < len(levels):
            out[q, first:last] = value[known - 1]
            q += 1


@compiled
def _beyond(level: float) -> float:
    """Return the share of what is to come that a level passes by: it lies beyond all seen, above and below."""
    if level > 0.5:
        return level
    return -(1.0 - level) if level < 0.5 else 0.0


@compiled
def growth(ahead: int, day: int) -> float:
    """Return what an error so many steps ahead is multiplied by."""
    return float(max(ahead / day, 1.0) ** GROWTH)


def narrowing(levels: FloatArray) -> FloatArray:
    """Return what errors are multiplied by at each level, shape ``[q]``."""
    return np.where((levels > TAIL) | (levels < 1.0 - TAIL), 1.0, NARROWER)
