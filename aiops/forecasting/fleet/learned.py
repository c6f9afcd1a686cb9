"""What a full backtest of one series taught: which forecasts of the pool to follow, and how far they err."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiops.forecasting.fleet.calendar import Clock
from aiops.series import FloatArray, IntArray

LEAST_POINTS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """One series, backtested.

    Attributes:
        path: Forecast, in the unit of the series, shape ``[horizon]``.
        errors: Observed minus forecast at the daily origins, the latest last, shape ``[n_origins, horizon]``; each was
            made with weights of the other days.
        truth: What was observed there, the same shape.
        stretch: What the errors are to be multiplied by, by steps ahead, shape ``[horizon]``.
        edges: Bands of the horizon.
        echo: Distances at which the series resembles itself.
        chosen: Forecasts of the pool that are followed, shape ``[n_bands, CONTENDERS]``.
        weight: Their weights, the same shape.
    """

    path: FloatArray
    errors: FloatArray
    truth: FloatArray
    stretch: FloatArray
    edges: IntArray
    echo: IntArray
    chosen: IntArray
    weight: FloatArray


def constant(values: FloatArray) -> float | None:
    """Return the only value that was observed; None if there are several."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low if low == high else None


def observed(values: FloatArray) -> int:
    """Return how many values were observed."""
    return int(np.count_nonzero(~np.isnan(values)))


def learn(values: FloatArray, clock: Clock) -> Learned:
    """Backtest one series that has two different values at least.

    Args:
        values: History, shape ``[n]``; NaN marks a gap.
        clock: Of the history and the horizon.
    """
    from aiops.forecasting.fleet.echo import LEAST_DAYS, distances
    from aiops.forecasting.fleet.pool import SIZE
    from aiops.forecasting.fleet.rolling import CONTENDERS, SMALL, bands, combine, origins, unrest
    from aiops.forecasting.fleet.spread import growth

    day, horizon = clock.day, clock.steps
    local, moved = clock.read(values)
    y, unit = _scaled(local)
    back, daily = origins(len(y), horizon, day)
    edges = bands(horizon, day)
    count = len(edges) - 1
    path, errors = np.empty(horizon), np.empty((daily, horizon))
    every, losses = np.empty((len(back) + 1, SIZE, horizon)), np.empty((len(back), SIZE, count))
    chosen, weight = np.empty((count, CONTENDERS), dtype=np.int64), np.empty((count, CONTENDERS))
    change = _usual_change(y, day)
    # Found before the first origin, so that no origin is told of what came after it; where that is short, a bit later.
    echo = distances(y[: max(len(y) - int(back[0]), LEAST_DAYS * day)], day)
    combine(
        y,
        horizon,
        day,
        back,
        daily,
        edges,
        echo,
        clock.off[len(local) - len(y) :],
        change,
        path,
        errors,
        every,
        losses,
        chosen,
        weight,
    )
    truth = np.full((daily, horizon), np.nan)
    for origin in range(daily):
        after = y[len(y) - back[origin] :][:horizon]
        truth[origin, : len(after)] = after
    restless = unrest(errors, int(back[daily - 1]), day, SMALL * change) if daily else 1.0
    stretch = np.array([restless * growth(ahead, day) for ahead in range(1, horizon + 1)])
    return Learned(
        path=(path * unit + moved)[clock.ahead],
        errors=np.ascontiguousarray(errors[:, clock.ahead]) * unit,
        truth=truth[:, clock.ahead] * unit,
        stretch=stretch[clock.ahead],
        edges=edges,
        echo=echo,
        chosen=chosen,
        weight=weight,
    )


def refitted(values: FloatArray, learned: Learned, clock: Clock) -> FloatArray:
    """Return the path of a history that has grown since: the same forecasts of the pool, made anew."""
    from aiops.forecasting.fleet.rolling import again

    local, moved = clock.read(values)
    y, unit = _scaled(local)
    path = np.empty(clock.steps)
    off = clock.off[len(local) - len(y) :]
    again(y, clock.day, learned.edges, learned.echo, off, learned.chosen, learned.weight, path)
    return (path * unit + moved)[clock.ahead]


def _scaled(values: FloatArray) -> tuple[FloatArray, float]:
    """Return the history from its first observation on, near one so that nothing overflows, and its unit."""
    y = values[int(np.argmin(np.isnan(values))) :]
    unit = max(abs(float(np.nanmin(y))), abs(float(np.nanmax(y)))) or 1.0
    return np.ascontiguousarray(y) / unit, unit


def _usual_change(y: FloatArray, day: int) -> float:
    """Return the mean absolute daily difference; the spread of the values where there is none."""
    change = np.abs(y[day:] - y[:-day])
    known = change[~np.isnan(change)]
    usual = float(known.mean()) if len(known) else 0.0
    return usual if usual > 0 else float(np.nanmax(y) - np.nanmin(y))
