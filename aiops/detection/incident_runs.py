"""Which labelled points are one incident, and which odd points are one alert: the same rules for learning and judging.

Runs of labelled points closer than m = max(300 s, 3 steps) are one incident, and what is odd within m of it belongs to
it. Odd points elsewhere within max(1800 s, 6 steps) of each other are one false alert.
"""

from __future__ import annotations

import numpy as np

from aiops.series import FloatArray, IntArray


def margin_points(step_seconds: float) -> int:
    """Return how many points around an incident belong to it."""
    return int(max(300.0 / step_seconds, 3))


def apart_points(step_seconds: float) -> int:
    """Return how many points two false alerts are apart, at least."""
    return int(max(1800.0 / step_seconds, 6))


def incidents(labels: FloatArray, margin: int) -> list[tuple[int, int]]:
    """Return (first, last) of each incident; runs of ones closer than ``margin`` points are one."""
    ones = np.flatnonzero(labels == 1)
    if len(ones) == 0:
        return []
    breaks = np.flatnonzero(np.diff(ones) > margin)
    firsts, lasts = ones[np.append(0, breaks + 1)], ones[np.append(breaks, len(ones) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def alerts(places: IntArray, apart: int) -> IntArray:
    """Return the number of the alert that each of these places, in order, belongs to: 0, 1 and so on."""
    return np.cumsum(np.diff(places, prepend=places[:1]) > apart)
