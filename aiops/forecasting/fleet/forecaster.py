"""The fleet forecaster: what the catalog calls ``fleet``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.forecasting.conformal import require_request
from aiops.forecasting.forecast import Forecast
from aiops.series import FloatArray, Frame

DAY = timedelta(days=1)
LEAST_POINTS = 2
PERCENT = 100.0
NEARLY_FULL = 99.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A PathForecaster for every series of a fleet: milliseconds a series, calibrated by its own past.

    Fifty closed-form forecasts (``pool``) are tried at 14 daily and three recent origins of the series' own history.
    Each step is forecast by the median of the best of them, weighted by how wrong they were in that band of the horizon
    (``rolling``). The errors that combinations weighted by the *other* days made give the quantiles (``spread``), a
    little wider where the latest half day was harder to forecast than usual, and narrower where it was easier. No
    quantile falls below 0 where history never did, nor above 100 where history looks like a percentage.

    The point (``mean``) is the median: what telemetry wants, whose means are made by a few spikes.
    """

    @property
    def name(self) -> str:
        """Name in the catalog, tables and reports."""
        return "fleet"

    def forecast(self, history: Frame, horizon: int, levels: FloatArray) -> Forecast:
        """Forecast as ``PathForecaster`` says."""
        require_request(history, horizon, levels)
        n = len(history.keys)
        mean = np.full((n, horizon), np.nan)
        values = np.full((n, len(levels), horizon), np.nan)
        day = steps_of_a_day(history.step)
        for row in range(n):
            made = _forecast_one(history.values[row], horizon, day, levels)
            if made is not None:
                bound = _bounds(history.values[row], history.units[row])
                mean[row] = np.clip(made[0], *bound)
                values[row] = np.sort(np.clip(made[1], *bound), axis=0)
        return Forecast(
            keys=history.keys,
            cutoff=history.cutoff,
            step=history.step,
            mean=mean,
            levels=levels,
            values=values,
            units=history.units,
            models=tuple("" if np.isnan(row).any() else self.name for row in mean),
        )


def steps_of_a_day(step: timedelta) -> int:
    """Return the steps of a day, at least 1; where they are not whole, the nearest number."""
    return max(round(DAY / step), 1)


def _forecast_one(
    values: FloatArray, horizon: int, day: int, levels: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Return path ``[horizon]`` and quantiles ``[q, horizon]`` of one series; None if it cannot be forecast."""
    from aiops.forecasting.fleet.echo import LEAST_DAYS, distances
    from aiops.forecasting.fleet.pool import SIZE
    from aiops.forecasting.fleet.rolling import SMALL, bands, combine, origins, unrest
    from aiops.forecasting.fleet.spread import spread

    seen = np.flatnonzero(~np.isnan(values))
    if len(seen) < LEAST_POINTS:
        return None
    low, high = float(values[seen].min()), float(values[seen].max())
    if low == high:
        return np.full(horizon, low), np.full((len(levels), horizon), low)
    unit = max(abs(low), abs(high))
    y = np.ascontiguousarray(values[seen[0] :]) / unit  # near one, so that nothing overflows
    back, daily = origins(len(y), horizon, day)
    edges = bands(horizon, day)
    path = np.empty(horizon)
    errors = np.empty((daily, horizon))
    every = np.empty((len(back) + 1, SIZE, horizon))
    losses = np.empty((len(back), SIZE, len(edges) - 1))
    change = _usual_change(y, day)
    # Found before the first origin, so that no origin is told of what came after it; where that is short, a bit later.
    earlier = y[: max(len(y) - int(back[0]), LEAST_DAYS * day)]
    combine(y, horizon, day, back, daily, edges, distances(earlier, day), change, path, errors, every, losses)
    error_quantiles = np.empty((len(levels), horizon))
    spread(errors, day, levels, error_quantiles)
    if daily:
        error_quantiles *= unrest(errors, int(back[daily - 1]), day, SMALL * change)
    quantiles = path + error_quantiles
    quantiles[np.abs(levels - 0.5) < 1e-9] = path  # the combination is a median already
    if np.isnan(path).any() or np.isnan(quantiles).any():
        return None
    return path * unit, quantiles * unit


def _usual_change(y: FloatArray, day: int) -> float:
    """Return the mean absolute daily difference; the spread of the values where there is none."""
    change = np.abs(y[day:] - y[:-day])
    known = change[~np.isnan(change)]
    usual = float(known.mean()) if len(known) else 0.0
    return usual if usual > 0 else float(np.nanmax(y) - np.nanmin(y))


def _bounds(values: FloatArray, unit: str) -> tuple[float, float]:
    """Return what no quantile may pass: 0 where history never was below; 100 where it looks like a percentage."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0:
        return -np.inf, np.inf
    full = high <= PERCENT and (unit == "percent" or high >= NEARLY_FULL)
    return 0.0, PERCENT if full else np.inf
