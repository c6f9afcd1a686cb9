"""Quantiles for a point forecast, from what it got wrong at rolling origins inside the same history."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from aiops.errors import ConfigError, DataError
from aiops.forecasting.forecast import Forecast, require_levels
from aiops.forecasting.forecaster import PointForecaster
from aiops.forecasting.origins import origins_within, residuals
from aiops.series import FloatArray, Frame

SHORTEST_BAND = 12
"""Steps in the first horizon band; each band after it is twice as long, as errors grow slower and slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformal:
    """A PathForecaster made of a point forecast and the quantiles of its signed errors.

    Errors are pooled over origins within a band of the horizon: ahead by 1-12 steps, 13-36, 37-84, ... The q-quantile
    is the point plus the ``ceil((m + 1) q)``-th smallest of the band's m errors, which covers at least q for
    exchangeable errors; where q asks for more than m errors can tell, it is the largest. Errors of one origin depend
    on each other, so coverage holds on average over many forecasts rather than for a single one.

    A row is NaN where no error is known: a series must be observed before and after at least one origin.

    Attributes:
        model: The point forecast; it is run once for each origin and once more.
        origins: How many origins; a slow model pays for each.

    Reference:
        Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018), "Distribution-Free Predictive Inference for Regression",
        JASA 113, for split conformal intervals; signed errors make each tail its own.
    """

    model: PointForecaster
    origins: int = 8

    def __post_init__(self) -> None:
        if self.origins < 1:
            raise ConfigError(f"origins must be at least 1, got {self.origins}")

    @property
    def name(self) -> str:
        """Name of the point forecast."""
        return self.model.name

    def forecast(self, history: Frame, horizon: int, levels: FloatArray) -> Forecast:
        """Forecast as ``PathForecaster`` says."""
        require_request(history, horizon, levels)
        origins = origins_within(history.length, horizon, self.origins)
        errors = residuals(self.model, history, horizon, origins)
        point = self.model.point(history, horizon)
        return calibrated(history, point, errors, levels, (self.model.name,) * len(history.keys))


def require_request(history: Frame, horizon: int, levels: FloatArray) -> None:
    """Raise DataError unless a forecast can be asked for like this."""
    require_levels(levels)
    if horizon < 1:
        raise DataError(f"horizon must be at least one step, got {horizon}")
    if history.length == 0:
        raise DataError("history holds no points: give the forecaster at least one column")


def calibrated(
    history: Frame, point: FloatArray, errors: FloatArray, levels: FloatArray, models: tuple[str, ...]
) -> Forecast:
    """Put quantiles around a point forecast.

    Args:
        history: What the point forecast was made from; a series that is never negative in it gets no quantile below 0.
        point: Shape ``[n, horizon]``; NaN rows stay NaN.
        errors: Observed minus forecast at earlier origins, shape ``[n_origins, n, horizon]``; NaN is skipped.
        levels: Quantile levels, shape ``[q]``.
        models: Which model made each row.
    """
    n, horizon = point.shape
    values = np.empty((n, len(levels), horizon))
    for row in range(n):
        values[row] = point[row] + _error_quantiles(errors[:, row], levels)
    floor = np.where(np.fmin.reduce(history.values, axis=1) >= 0, 0.0, -np.inf)
    unknown = np.isnan(point.sum(axis=1) + values.sum(axis=(1, 2)))
    values = np.maximum(values, floor[:, None, None])
    mean = np.maximum(point, floor[:, None])
    values[unknown] = np.nan
    mean[unknown] = np.nan
    return Forecast(
        keys=history.keys,
        cutoff=history.cutoff,
        step=history.step,
        mean=mean,
        levels=levels,
        values=values,
        units=history.units,
        models=tuple("" if gone else model for gone, model in zip(unknown, models, strict=True)),
    )


def bands(horizon: int) -> list[tuple[int, int]]:
    """Return the horizon bands as (first, last + 1), each twice as long as the one before."""
    edges, length = [0], SHORTEST_BAND
    while edges[-1] < horizon:
        edges.append(min(edges[-1] + length, horizon))
        length *= 2
    return list(pairwise(edges))


def _error_quantiles(errors: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the quantiles of one series' errors ``[n_origins, horizon]``, shape ``[q, horizon]``.

    A band without errors takes those of the band before it, or of the first that has any.
    """
    horizon = errors.shape[1]
    result = np.full((len(levels), horizon), np.nan)
    waiting, known = 0, None
    for first, last in bands(horizon):
        pool = errors[:, first:last]
        pool = np.sort(pool[~np.isnan(pool)])
        if len(pool):
            ranks = np.ceil((len(pool) + 1) * levels).astype(np.int64)
            known = pool[np.clip(ranks, 1, len(pool)) - 1]
        if known is not None:
            result[:, waiting:last] = known[:, None]
            waiting = last
    return result
