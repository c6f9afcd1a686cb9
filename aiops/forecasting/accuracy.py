"""Losses of forecasts, batched: the last axis is the horizon, what is before it is free; missing truth is skipped."""

from __future__ import annotations

import warnings

import numpy as np

from aiops.errors import DataError
from aiops.series import FloatArray


def pinball_loss(observed: FloatArray, quantiles: FloatArray, levels: FloatArray) -> FloatArray:
    """Mean pinball (quantile) loss of each level, in the unit of the series; lower is better.

    Args:
        observed: Truth, shape ``[..., horizon]``.
        quantiles: Forecasts, shape ``[..., q, horizon]``.
        levels: Quantile levels in (0, 1), shape ``[q]``.

    Returns:
        Shape ``[..., q]``; NaN where nothing was observed or forecast.

    Raises:
        DataError: If the shapes disagree.

    Reference:
        Koenker, Bassett (1978), "Regression Quantiles", Econometrica 46(1).
    """
    if quantiles.shape != (*observed.shape[:-1], len(levels), observed.shape[-1]):
        raise DataError(f"quantiles {quantiles.shape} do not fit observed {observed.shape} and {len(levels)} levels")
    error = observed[..., None, :] - quantiles
    level = levels[:, None]
    return mean_of_known(np.maximum(level * error, (level - 1) * error))


def crps(observed: FloatArray, quantiles: FloatArray, levels: FloatArray) -> FloatArray:
    """Continuous ranked probability score from quantiles: twice the mean pinball loss over the levels.

    Exact in the limit of many evenly spaced levels; with the deciles it is what forecasting competitions call weighted
    quantile loss. Compare forecasts at the same levels only.

    Args:
        observed: Truth, shape ``[..., horizon]``.
        quantiles: Forecasts, shape ``[..., q, horizon]``.
        levels: Evenly spaced levels, shape ``[q]``.

    Returns:
        Shape ``[...]``, in the unit of the series; lower is better.

    Reference:
        Gneiting, Ranjan (2011), "Comparing Density Forecasts Using Threshold- and Quantile-Weighted Scoring Rules",
        Journal of Business & Economic Statistics 29(3).
    """
    return np.asarray(2.0 * pinball_loss(observed, quantiles, levels).mean(axis=-1), dtype=np.float64)


def absolute_scale(history: FloatArray, period: int) -> FloatArray:
    """Mean absolute difference to one period before, shape ``[...]``: the error of seasonal naive inside the history.

    Args:
        history: What was known, shape ``[..., n]``.
        period: Season in steps, at least 1.

    Returns:
        0 for a series that repeats itself exactly; NaN where no pair was observed.
    """
    return mean_of_known(np.abs(history[..., period:] - history[..., :-period]))


def mase(observed: FloatArray, point: FloatArray, scale: FloatArray) -> FloatArray:
    """Mean absolute scaled error, shape ``[...]``: 1 is as wrong as seasonal naive was inside the history.

    Args:
        observed: Truth, shape ``[..., horizon]``.
        point: Point forecasts, shape ``[..., horizon]``.
        scale: From ``absolute_scale``, shape ``[...]``; NaN is returned where it is 0.

    Reference:
        Hyndman, Koehler (2006), "Another Look at Measures of Forecast Accuracy", International Journal of
        Forecasting 22(4).
    """
    error = mean_of_known(np.abs(observed - point))
    return np.asarray(error / np.where(scale > 0, scale, np.nan), dtype=np.float64)


def coverage(observed: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Share of observations within [lower, upper], shape ``[...]``; the nearer to what was promised the better.

    Args:
        observed: Truth, shape ``[..., horizon]``.
        lower: Lower bounds, shape ``[..., horizon]``; NaN where there is no forecast.
        upper: Upper bounds, shape ``[..., horizon]``.
    """
    inside = ((observed >= lower) & (observed <= upper)).astype(np.float64)
    return mean_of_known(np.where(np.isnan(observed + lower + upper), np.nan, inside))


def mean_of_known(values: FloatArray) -> FloatArray:
    """Mean over the last axis without NaN; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice")
        return np.asarray(np.nanmean(values, axis=-1), dtype=np.float64)
