"""Seasons that are found and not assumed: at which distances a series resembles itself most, whatever they are.

A machine may repeat itself every 52 minutes, or every three days. The highest peaks of the autocorrelation beyond a
day name such distances, and a cycle that is no whole number of steps shows at the multiples that are nearly one. For a
series that repeats its day they are one day, two days, and so on.
"""

from __future__ import annotations

import numpy as np

from aiops.forecasting.fleet.order import insert, median, middle
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

DAYS_COMPARED = 21
FURTHEST_DAYS = 8
LEAST_DAYS = 10
"""Observed days below which nothing is looked for."""
MOST = 7
NOTHING = 1e-18


def distances(y: FloatArray, day: int) -> IntArray:
    """Return up to ``MOST`` distances in steps, the best first: peaks of the autocorrelation beyond a day.

    Args:
        y: Observations near 1 in size, shape ``[n]``; NaN marks a gap.
        day: Steps of a day.
    """
    recent = y[-DAYS_COMPARED * day :]
    seen = ~np.isnan(recent)
    furthest = min(FURTHEST_DAYS * day, len(recent) // 2)
    if np.count_nonzero(seen) < LEAST_DAYS * day or furthest <= day + 1:
        return np.empty(0, dtype=np.int64)
    # A spike must not decide what resembles what.
    low, high = np.quantile(recent[seen], [0.02, 0.98])
    clipped = np.clip(recent, low, high)
    centred = np.where(seen, clipped - clipped[seen].mean(), 0.0)
    size = 1 << (len(recent) + furthest).bit_length()
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2)[: furthest + 1]
    if products[0] < NOTHING * len(recent):
        return np.empty(0, dtype=np.int64)
    if seen.all():
        pairs = len(recent) - np.arange(furthest + 1.0)
    else:
        pairs = np.fft.irfft(np.abs(np.fft.rfft(seen.astype(np.float64), size)) ** 2)[: furthest + 1]
    # To twelve digits: equal peaks keep their order whatever the rounding of the transform.
    alike = np.round(products / np.maximum(pairs, 1.0) / (products[0] / pairs[0]), 12)
    inside = np.arange(day, furthest)
    peaks = inside[(alike[inside] >= alike[inside - 1]) & (alike[inside] >= alike[inside + 1])]
    return np.asarray(peaks[np.argsort(-alike[peaks], kind="stable")[:MOST]], dtype=np.int64)


@compiled
def echoes(y: FloatArray, end: int, horizon: int, day: int, back: IntArray, out: FloatArray) -> None:
    """Fill what was at the best distance, the medians at the best three and at all, and the latter at the level of now.

    Args:
        y: Observations; only ``y[:end]`` is read.
        end: Steps of history.
        horizon: Steps to forecast.
        day: Steps of a day.
        back: From ``distances``; none leaves ``out`` as it is.
        out: Shape ``[4, horizon]``.
    """
    short = max(day // 8, 1)
    buffer = np.empty(short)
    shift = np.zeros(len(back))
    usable = np.empty(len(back), dtype=np.int64)
    known = 0
    for each in range(len(back)):
        if back[each] + short > end:
            continue
        count = 0
        for at in range(end - short, end):
            if not np.isnan(y[at]) and not np.isnan(y[at - back[each]]):
                buffer[count] = y[at] - y[at - back[each]]
                count += 1
        shift[known] = median(buffer, count) if count else 0.0
        usable[known] = back[each]
        known += 1
    ordered, shifted = np.empty(MOST), np.empty(MOST)
    for h in range(horizon):
        count = 0
        for each in range(known):
            at = end + h - usable[each]
            while at >= end:
                at -= usable[each]
            if not np.isnan(y[at]):
                insert(y[at] + shift[each], shifted, count)
                count = insert(y[at], ordered, count)
                if count == 1:
                    out[0, h] = y[at]
                if count <= 3:
                    out[1, h] = middle(ordered, count)
        if count:
            out[2, h] = middle(ordered, count)
            out[3, h] = middle(shifted, count)
