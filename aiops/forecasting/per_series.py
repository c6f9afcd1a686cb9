"""Wraps a library that fits one series at a time: a batch in, rows out, and one bad series spoils only its own row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.errors import FitFailedError
from aiops.forecasting.limited import Fit, limited
from aiops.series import FloatArray, Frame, Series

LEAST_POINTS = 10
"""Observed points without which no statistical model is fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSeries:
    """A PointForecaster of a library: each series is fitted by itself, within the limits of ``limited``.

    Attributes:
        name: Name in the catalog, tables and reports.
        fit: A function of a module; returns the path of one series, shape ``[horizon]``.
        history: Longest history of a fit.
        least: Shortest time that has to be observed of a series.
    """

    name: str
    fit: Fit
    history: timedelta = timedelta(days=28)
    least: timedelta = timedelta()

    def point(self, history: Frame, horizon: int) -> FloatArray:
        """Forecast as ``PointForecaster`` says."""
        recent = history.columns(max(history.length - self.history // history.step, 0), history.length)
        return point_of_each(recent, horizon, limited(self.fit), least=self.least // history.step)


def point_of_each(history: Frame, horizon: int, fit: Fit, least: int = LEAST_POINTS) -> FloatArray:
    """Fit every row and return the point forecasts, shape ``[n, horizon]``; NaN for a row that could not be fitted.

    A row reaches ``fit`` without its leading gap and in units of its mean absolute value, so that an optimiser meets
    numbers near one. A constant row does not reach it: its forecast is the constant.

    Args:
        history: What is known.
        horizon: Steps to forecast.
        fit: Returns the path of one series, shape ``[horizon]``; may raise FitFailedError.
        least: Fewest observed points of a row that is fitted.
    """
    result = np.full((len(history.keys), horizon), np.nan)
    for row, series in enumerate(history.rows()):
        seen = np.flatnonzero(~np.isnan(series.values))
        if len(seen) < max(least, LEAST_POINTS):
            continue
        observed = series.values[seen]
        if np.ptp(observed) == 0:
            result[row] = observed[0]
            continue
        scale = float(np.mean(np.abs(observed)))
        scaled = Series(
            key=series.key,
            start=series.start + int(seen[0]) * series.step,
            step=series.step,
            values=series.values[seen[0] :] / scale,
        )
        try:
            path = fit(scaled, horizon) * scale
        except FitFailedError:
            continue
        if np.isfinite(path).all():
            result[row] = path
    return result


def filled(values: FloatArray) -> FloatArray:
    """Return ``values`` with gaps filled along straight lines, and level beyond the ends."""
    seen = np.flatnonzero(~np.isnan(values))
    return np.asarray(np.interp(np.arange(len(values)), seen, values[seen]), dtype=np.float64)


def block_means(series: Series, size: int) -> tuple[FloatArray, FloatArray]:
    """Average blocks of ``size`` steps that end where the series ends; the incomplete first one is left out.

    Returns:
        Mean stamp of each block in seconds since the epoch, and mean of what was observed in it (NaN if nothing was).
    """
    first = len(series) % size
    stamps = series.stamps()[first:].reshape(-1, size).mean(axis=1)
    blocks = series.values[first:].reshape(-1, size)
    seen = ~np.isnan(blocks)
    total = np.where(seen, blocks, 0.0).sum(axis=1)
    means = np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)
    return np.asarray(stamps, dtype=np.float64), np.asarray(means, dtype=np.float64)
