"""Quantiles of the highest value ahead, from a point forecast and that forecast's own recent errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from aiops.errors import DataError
from aiops.forecasting.forecast import require_levels
from aiops.forecasting.forecaster import PeakForecaster
from aiops.series import FloatArray, IntArray, Series
from aiops.series.compiled import compiled

LEAST_ERRORS = 30
"""Errors that must be known before quantiles are given."""
_FEW = 4  # cutoffs up to which sorting anew is quicker than walking there


class ErrorUnit(StrEnum):
    """In what unit errors are comparable, so that yesterday's error says something about today's.

    ``ROOT``, the square root of the forecast, is how counts of independent requests scatter: a busy hour errs more
    than a quiet one, but not in proportion. ``ABSOLUTE`` suits a forecast that is sometimes close to zero when the
    truth is not: dividing by its root would blow such errors up.
    """

    ABSOLUTE = "absolute"
    ROOT = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedPeaks:
    """A WindowForecaster made of a point forecast of the peak plus quantiles of its own out-of-sample errors.

    At each cutoff the errors of the last ``memory`` are sorted, of those windows only that have ended by then; the
    quantile of level q is the point plus the ``ceil((m + 1) q)``-th smallest of m errors (the largest where q asks for
    more than m errors can tell), times the unit of errors now. A series that was never negative is not forecast
    below 0.

    Attributes:
        peaks: The point forecast.
        unit: What the errors are divided by before they are compared.
        memory: How long an error is remembered.

    Reference:
        Vovk, Gammerman, Shafer (2005), "Algorithmic Learning in a Random World": the finite-sample rank.
    """

    peaks: PeakForecaster
    unit: ErrorUnit = ErrorUnit.ROOT
    memory: timedelta = timedelta(days=3)

    @property
    def name(self) -> str:
        """Name of the point forecast."""
        return self.peaks.name

    def window_maximum(self, series: Series, cutoffs: IntArray, window: int, levels: FloatArray) -> FloatArray:
        """Forecast as ``WindowForecaster`` says: shape ``[m, q]``, NaN until enough errors are known."""
        require_question(series, cutoffs, window, levels)
        if len(cutoffs) == 0:
            return np.empty((0, len(levels)))
        remembered = max(self.memory // series.step, LEAST_ERRORS)
        first, last = max(int(cutoffs[0]) - remembered - window, 0), int(cutoffs[-1])
        point = self.peaks.peaks(series, first, last, window)
        scale = self._scale(series.values, point, first, last)
        truth = maximum_ahead(series.values, window)[first : last + 1]
        error_quantile = quantiles_of_ended((truth - point) / scale, cutoffs - first, window, remembered, levels)
        at = cutoffs - first
        values = point[at, None] + error_quantile * scale[at, None]
        never_negative = np.fmin.accumulate(series.values)[cutoffs] >= 0
        return np.asarray(np.where(never_negative[:, None], np.maximum(values, 0.0), values), dtype=np.float64)

    def _scale(self, values: FloatArray, point: FloatArray, first: int, last: int) -> FloatArray:
        if self.unit is ErrorUnit.ABSOLUTE:
            return np.ones_like(point)
        seen = ~np.isnan(values)
        usual = np.cumsum(np.where(seen, np.abs(values), 0.0)) / np.maximum(np.cumsum(seen), 1)
        # A forecast near zero would make any error infinitely large; a thousandth of the usual level is near enough.
        root = np.sqrt(np.fmax(np.abs(point), 1e-3 * usual[first : last + 1]))
        return np.asarray(np.where(root > 0, root, 1.0), dtype=np.float64)


def require_question(series: Series, cutoffs: IntArray, window: int, levels: FloatArray) -> None:
    """Raise DataError unless the cutoffs are increasing indices of the series, and window and levels are such."""
    require_levels(levels)
    if cutoffs.ndim != 1 or (np.diff(cutoffs) <= 0).any():
        raise DataError("cutoffs must be one-dimensional and increase")
    if len(cutoffs) and (cutoffs[0] < 0 or cutoffs[-1] >= len(series)):
        raise DataError(f"cutoffs must lie in 0..{len(series) - 1}, got {cutoffs[0]}..{cutoffs[-1]}")
    if window < 1:
        raise DataError(f"a window has at least one step, got {window}")


def maximum_ahead(values: FloatArray, window: int) -> FloatArray:
    """Return the highest observed value of the ``window`` steps after each step, shape ``[n]``.

    NaN where nothing was observed in them, and where the series ends before they do.
    """
    result = np.full(len(values), np.nan)
    compiled(_highest_ahead)(values, window, result)
    return result


def _highest_ahead(values: FloatArray, window: int, result: FloatArray) -> None:
    """Fill ``result``. Compiled. Looks at a whole window again only when its highest value has fallen out."""
    highest, place = np.nan, -1
    for t in range(len(values) - window):
        first = t + window
        if place <= t:
            highest, first = np.nan, t + 1
        for k in range(first, t + window + 1):
            if not np.isnan(values[k]) and not highest > values[k]:
                highest, place = values[k], k
        result[t] = highest


def quantiles_of_ended(
    errors: FloatArray, cutoffs: IntArray, window: int, remembered: int, levels: FloatArray
) -> FloatArray:
    """Return quantiles of the errors that are known at each cutoff: those whose windows have ended, shape ``[m, q]``.

    Args:
        errors: One a step, NaN where there is none, shape ``[n]``.
        cutoffs: Increasing places in ``errors``, shape ``[m]``.
        window: Steps until an error is known.
        remembered: Steps until it is forgotten.
        levels: In (0, 1); the quantile is the ``ceil((m + 1) q)``-th smallest of m errors, or the largest.

    Returns:
        NaN where fewer than ``LEAST_ERRORS`` are known.
    """
    if len(cutoffs) > _FEW:
        found = compiled(_rolling_quantiles)(errors, cutoffs, window, remembered, levels, LEAST_ERRORS)
        return np.asarray(found, dtype=np.float64)
    result = np.full((len(cutoffs), len(levels)), np.nan)
    for row, cutoff in enumerate(cutoffs.tolist()):
        ended = cutoff - window + 1
        known = errors[max(ended - remembered, 0) : max(ended, 0)]
        known = known[~np.isnan(known)]
        if len(known) >= LEAST_ERRORS:
            ranks = np.minimum(np.ceil((len(known) + 1) * levels), len(known)).astype(np.int64) - 1
            result[row] = np.partition(known, ranks)[ranks]
    return result


def _rolling_quantiles(
    errors: FloatArray, cutoffs: IntArray, window: int, remembered: int, levels: FloatArray, least: int
) -> FloatArray:
    """Quantiles of the latest ``remembered`` errors whose windows have ended, at each cutoff, shape ``[m, q]``.

    Compiled. Keeps the errors sorted while it walks: one goes in, one falls out.
    """
    kept = np.empty(remembered + 1)
    count = 0
    result = np.full((len(cutoffs), len(levels)), np.nan)
    done = 0
    for at in range(len(errors)):
        entering = at - window  # its window is at-window+1 .. at: the first that has ended by now
        if entering >= 0 and not np.isnan(errors[entering]):
            place = np.searchsorted(kept[:count], errors[entering])
            for i in range(count, place, -1):
                kept[i] = kept[i - 1]
            kept[place] = errors[entering]
            count += 1
        leaving = entering - remembered
        if leaving >= 0 and not np.isnan(errors[leaving]):
            for i in range(np.searchsorted(kept[:count], errors[leaving]), count - 1):
                kept[i] = kept[i + 1]
            count -= 1
        if done < len(cutoffs) and cutoffs[done] == at:
            if count >= least:
                for q in range(len(levels)):
                    rank = int(np.ceil((count + 1) * levels[q]))
                    result[done, q] = kept[min(rank, count) - 1]
            done += 1
    return result


class LastWeek:
    """The peak of the same window a week ago; before a week has passed, a day ago; before that, the latest value."""

    name = "last-week"

    def peaks(self, series: Series, first: int, last: int, window: int) -> FloatArray:
        """Forecast as ``PeakForecaster`` says."""
        ahead = maximum_ahead(series.values, window)[: last + 1]
        result = np.full(last + 1, np.nan)
        for back in (timedelta(days=7), timedelta(days=1)):
            period = round(back / series.step)
            # A window longer than the period would reach past the cutoff.
            if window <= period <= last:
                result[period:] = np.where(np.isnan(result[period:]), ahead[:-period], result[period:])
        return np.where(np.isnan(result), latest(series.values[: last + 1]), result)[first:]


def latest(values: FloatArray) -> FloatArray:
    """Return the latest observed value at each step along the last axis; NaN before the first."""
    n = values.shape[-1]
    seen_at = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(n)), axis=-1)
    held = np.take_along_axis(values, np.maximum(seen_at, 0), axis=-1)
    return np.asarray(np.where(seen_at >= 0, held, np.nan), dtype=np.float64)
