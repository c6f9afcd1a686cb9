"""What the values before an anomaly say of it: its shape, a picture of it in text, and how much is known at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from aiops.alerting.quantity import span
from aiops.series import FloatArray
from aiops.series.duration import duration_text

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_DRAWN: Final = 60  # points of a sparkline, one character each
_BEFORE: Final = 30  # points before an anomaly in which a trend would show
_DAY: Final = timedelta(days=1)
_SOLID, _FAIR = 3000, 500  # points of history for a high and a medium confidence


def sparkline(values: FloatArray, step: timedelta, unit: str) -> str:
    """Return the last hour of minutes (60 points) as a line of blocks, a dot for a gap, with its range.

    Args:
        values: Observations up to the anomaly, oldest first; NaN is a gap.
        step: Their grid.
        unit: Base unit; empty if unknown.
    """
    shown = values[-_DRAWN:]
    seen = shown[~np.isnan(shown)]
    if not len(seen):
        return ""
    low, high = float(seen.min()), float(seen.max())
    height = np.nan_to_num((shown - low) / (high - low) if high > low else np.where(np.isnan(shown), np.nan, 0.0))
    drawn = [
        "·" if missing else _BLOCKS[min(int(8 * each), 7)]
        for each, missing in zip(height.tolist(), np.isnan(shown).tolist(), strict=True)
    ]
    return f"{''.join(drawn)} ({duration_text(len(shown) * step)}, {span(low, high, unit)})"


def confidence(values: FloatArray) -> str:
    """Return in words how much of the past the verdict rests on."""
    seen = int((~np.isnan(values)).sum())
    missing = 1.0 - seen / max(len(values), 1)
    level = "high" if seen >= _SOLID else "medium" if seen >= _FAIR else "low"
    if missing > 0.2:
        level = "low"
    count = f"{seen:,}".replace(",", " ")
    return f"{level}: {count} points of history, {missing:.1%} missing"


def is_trend(values: FloatArray, points: int) -> bool:
    """Return whether an anomaly of ``points`` points crept in: steadily one way, and no step makes much of the way."""
    window = values[-(_BEFORE + points) :]
    window = window[~np.isnan(window)]
    if len(window) < _BEFORE:
        return False
    smooth = np.convolve(window, np.full(5, 0.2), mode="valid")
    order = np.argsort(np.argsort(smooth)).astype(np.float64)
    together = float(np.corrcoef(order, np.arange(len(order)))[0, 1])
    way = float(np.ptp(smooth))
    return way > 0 and abs(together) > 0.95 and float(np.abs(np.diff(smooth)).max()) < 0.2 * way


def misses_season(values: FloatArray, step: timedelta, points: int) -> bool:
    """Return whether the last value stayed at its level, at a time at which it left it on both days before."""
    day = _DAY // step
    if day < 4 or len(values) < 2 * day + points + 5:
        return False
    hour = max(timedelta(hours=1) // step, 5)
    before = values[max(len(values) - points - hour, 0) : len(values) - points]
    near = [values[len(values) - 1 - days * day - 1 : len(values) + 1 - days * day] for days in (1, 2)]
    if any(np.isnan(each).all() for each in (before, *near)) or np.isnan(values[-1]):
        return False
    level, first, second = (float(np.nanmedian(each)) for each in (before, *near))
    left = 0.5 * (first + second) - level
    noise = float(np.nanmedian(np.abs(np.diff(values[-day:]))))
    return (
        abs(left) > 10 * noise
        and abs(first - second) < 0.5 * abs(left)
        and abs(float(values[-1]) - level) < 0.3 * abs(left)
    )
