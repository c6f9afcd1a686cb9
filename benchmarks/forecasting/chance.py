"""How far a share that was counted on few windows may be from what it would be on many of their kind.

Steps of a window depend on each other, and so do windows of a series, so neither can be counted as draws. Whole series
are drawn, and windows of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiops.series import FloatArray, IntArray

DRAWS = 2000
ENDS = [0.025, 0.975]


def interval(rates: FloatArray, series: Sequence[str]) -> tuple[float, float]:
    """Return where the mean of such windows lies in 95 of 100 draws of as many series, and of windows of each.

    Of one series only its windows can be drawn, and of few series few: then it is narrower than it should be.

    Args:
        rates: Of each window, NaN where nothing was scored, shape ``[n]``.
        series: Whose window each is.
    """
    table, counts = _by_series(rates, series)
    return _ends(_drawn(table, counts, None))


def by_chance(rates: FloatArray, series: Sequence[str], few: Sequence[str], promise: float) -> tuple[float, float]:
    """Return where the mean of a few windows would lie in 95 of 100 cases, were they drawn from all that keep to it.

    Args:
        rates: Of each of all windows, shape ``[n]``.
        series: Whose window each is.
        few: The same of the few: as many series, of as many windows each, are drawn.
        promise: What the mean of all should be; all are moved by what it is not.
    """
    table, counts = _by_series(rates, series)
    sizes = np.unique(few, return_counts=True)[1]
    low, high = _ends(_drawn(table, counts, sizes) + promise - float(np.nanmean(rates)))
    return low, min(high, 1.0)


def _by_series(rates: FloatArray, series: Sequence[str]) -> tuple[FloatArray, IntArray]:
    """Return the rates of each series, one a row, and how many they are."""
    ids, known = np.array(series), ~np.isnan(rates)
    rows = [rates[known & (ids == name)] for name in np.unique(ids[known])]
    counts = np.array([len(row) for row in rows])
    return np.array([np.resize(row, counts.max()) for row in rows]), counts


def _drawn(table: FloatArray, counts: IntArray, sizes: IntArray | None) -> FloatArray:
    """Return the means of draws of series, each of so many windows as ``sizes`` say; of as many as it has if None."""
    random = np.random.default_rng(0)
    chosen = random.integers(0, len(table), (DRAWS, len(table) if sizes is None else len(sizes)))
    wanted = counts[chosen] if sizes is None else np.broadcast_to(sizes, chosen.shape)
    most = int(wanted.max())
    windows = (random.random((*chosen.shape, most)) * counts[chosen][:, :, None]).astype(np.int64)
    counted = np.arange(most) < wanted[:, :, None]
    drawn = np.where(counted, table[chosen[:, :, None], windows], 0.0)
    return np.asarray(drawn.sum(axis=(1, 2)) / counted.sum(axis=(1, 2)))


def _ends(means: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(means, ENDS)
    return float(low), float(high)
