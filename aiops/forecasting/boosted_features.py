"""What the boosted forecaster looks at: where demand is, how it moves, and what followed at the same time before.

Everything is relative: distances from the level of the last minutes, in units of how much this demand moves. So one
model with one setting serves ten requests a second and ten million.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops.forecasting.window import maximum_ahead
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

Features = NDArray[np.float32]

MEMORIES: Final = (2.0, 5.0, 15.0, 60.0, 240.0, 1440.0)
"""In how many minutes each running mean forgets 63 % of the past; the second is the level that all is relative to."""
COUNT: Final = 33
"""Features a row."""
# Rows of ``Tracks.lines``: the running means come first.
_LEVEL, _HOUR_MEAN, _DAY_MEAN = 1, 3, 5
_VALUE, _USUAL, _MOVES, _MOVES_LATELY, _UNIT, _AHEAD = 6, 7, 8, 9, 10, 11
_LINES = 12
_CARRIED = len(MEMORIES) + 5


class Tracks(NamedTuple):
    """Running numbers of one stretch of a series, each a function of the values up to its step (``ahead`` apart).

    Attributes:
        lines: Shape ``[12, n]``; NaN before the first observation. A gap changes nothing.
        window: Steps of the window that is forecast.
        first_second: Stamp of the first step, in seconds since 1970.
        step_seconds: Grid spacing.
        carried: What the walk over the values that follow goes on from.
    """

    lines: FloatArray
    window: int
    first_second: float
    step_seconds: float
    carried: FloatArray

    @property
    def level(self) -> FloatArray:
        """Level of the last minutes, shape ``[n]``."""
        return np.asarray(self.lines[_LEVEL], dtype=np.float64)

    @property
    def unit(self) -> FloatArray:
        """How much this demand moves at present, positive, in its own unit, shape ``[n]``."""
        return np.asarray(self.lines[_UNIT], dtype=np.float64)

    @property
    def ahead(self) -> FloatArray:
        """Highest observed value of the window after each step, shape ``[n]``: known only when the window has ended."""
        return np.asarray(self.lines[_AHEAD], dtype=np.float64)


def looks_back(step: timedelta) -> int:
    """Return how many steps before its own a row of features looks at: a week, and the latest values."""
    return 7 * round(timedelta(days=1) / step) + 5


def tracks(
    values: FloatArray, first_second: float, step: timedelta, window: int, carried: FloatArray | None = None
) -> Tracks:
    """Walk over ``values`` once.

    Args:
        values: Shape ``[n]``; NaN marks gaps.
        first_second: Stamp of the first value, in seconds since 1970.
        step: Grid spacing.
        window: Steps of the window that is forecast, at least 1.
        carried: What the walk over the values before these ended with; None if these are the first.
    """
    seconds = step.total_seconds()
    lines = np.full((_LINES, len(values)), np.nan)
    rates = -np.expm1(-seconds / (60.0 * np.array(MEMORIES)))
    carried = np.zeros(_CARRIED) if carried is None else carried.copy()
    compiled(_walk)(values, rates, carried, lines)
    lines[_AHEAD] = maximum_ahead(values, window)
    return Tracks(lines, window, first_second, seconds, carried)


def features(made: Tracks, places: IntArray) -> Features:
    """Return one row for each step in ``places``, shape ``[m, COUNT]``; NaN where something is not known.

    Row t depends on values up to t only: what followed an earlier step is looked up where that window has ended by t.
    """
    found = np.full((len(places), COUNT), np.nan, dtype=np.float32)
    compiled(_look)(made.lines, made.window, made.first_second, made.step_seconds, places, found)
    return found


def _walk(values: FloatArray, rates: FloatArray, carried: FloatArray, lines: FloatArray) -> None:
    """Fill all of ``lines`` but what is ahead, and go on from ``carried``, which becomes where it ended. Compiled.

    The unit is the larger of twice the mean absolute step and a share of the root of (mean of an hour x mean of a
    day), as counts scatter, plus a hundredth of the usual value: a series that was quiet for an hour is not still.
    """
    n = len(values)
    means = carried[: len(rates)]
    usual, moves, moves_lately, value, seen = carried[len(rates) :]
    for t in range(n):
        y = values[t]
        if not np.isnan(y):
            seen += 1
            step = 0.0 if seen == 1 else abs(y - value)
            value = y
            for i in range(len(rates)):
                means[i] += max(rates[i], 1.0 / seen) * (y - means[i])
            usual += max(rates[_DAY_MEAN], 1.0 / seen) * (abs(y) - usual)
            moves += max(rates[_HOUR_MEAN], 1.0 / seen) * (step - moves)
            moves_lately += max(rates[_LEVEL], 1.0 / seen) * (step - moves_lately)
        if seen == 0:
            continue
        for i in range(len(rates)):
            lines[i, t] = means[i]
        lines[_VALUE, t] = value
        lines[_USUAL, t] = usual
        lines[_MOVES, t] = moves
        lines[_MOVES_LATELY, t] = moves_lately
        scatter = 0.3 * np.sqrt(max(means[_HOUR_MEAN], 0.0) * usual)
        unit = max(scatter, 2.0 * moves) + 0.01 * usual
        lines[_UNIT, t] = unit if unit > 0.0 else 1.0
    carried[len(rates) :] = np.array([usual, moves, moves_lately, value, seen])


def _look(
    lines: FloatArray, window: int, first_second: float, step_seconds: float, places: IntArray, found: Features
) -> None:
    """Fill ``found``. Compiled."""
    level, unit, ahead, value = lines[1], lines[10], lines[11], lines[6]
    hour = round(3600.0 / step_seconds)
    quarter = hour // 4
    day = round(86400.0 / step_seconds)
    spans = np.array([5, 15, 60])
    for row in range(len(found)):
        t = places[row]
        here, per = level[t], unit[t]
        if np.isnan(here):
            continue
        out = found[row]
        at = 0
        for k in range(5):  # the latest values
            if t >= k:
                out[at] = (value[t - k] - here) / per
            at += 1
        for i in (0, 2, 3, 4, 5):  # faster and slower means
            out[at] = (lines[i, t] - here) / per
            at += 1
        lowest = highest = value[t]
        back = 0
        for span in spans:  # range of the last minutes
            steps = max(int(span * 60.0 / step_seconds), 1)
            while back + 1 < steps and t - back - 1 >= 0:
                back += 1
                highest = np.fmax(highest, value[t - back])  # NaN before the first observation
                lowest = np.fmin(lowest, value[t - back])
            out[at] = (highest - here) / per
            out[at + 1] = (lowest - here) / per
            at += 2
        out[at] = lines[8, t] / per
        out[at + 1] = lines[9, t] / per
        usual = lines[7, t]
        out[at + 2] = lines[3, t] / usual if usual > 0.0 else 0.0
        at += 3
        # What followed at the same place of earlier hours, quarters of an hour and days, beyond the level of then.
        for cycle, count, with_last in ((hour, 6, True), (quarter, 8, False), (day, 7, True)):
            total, most, known = 0.0, -np.inf, 0
            last = np.nan
            for k in range(1, count + 1):
                then = t - k * cycle
                if cycle < 1 or k * cycle < window or then < 0 or np.isnan(ahead[then]) or np.isnan(level[then]):
                    continue
                rise = (ahead[then] - level[then]) / unit[then]
                if k == 1:
                    last = rise
                total += rise
                most = max(most, rise)
                known += 1
            if known > 0:
                out[at] = total / known
                out[at + 1] = most
            at += 2
            if with_last:
                out[at] = last
                at += 1
        week = 7 * day
        then = t - week
        if then >= 0 and week >= window:
            out[at] = (ahead[then] - level[then]) / unit[then]
        at += 1
        # The highest that followed within some minutes around now, a day ago.
        minutes = round(300.0 / step_seconds)
        then = t - day
        if then - minutes >= 0 and day - minutes >= window:
            most = np.nan
            for k in range(then - minutes, then + minutes + 1):
                if not np.isnan(ahead[k]) and not most >= ahead[k]:
                    most = ahead[k]
            out[at] = (most - level[then]) / per
        at += 1
        # Where the hour (the quarter) around now was heading, a day (a week) ago.
        half = int(1800.0 / step_seconds)
        if then >= 0 and day > half:
            out[at] = (lines[3, then + half] - level[then]) / per
        at += 1
        then = t - week
        if then >= 0:
            out[at] = (lines[2, then + quarter] - level[then]) / per
        at += 1
        second = first_second + t * step_seconds
        out[at] = (second % 3600.0) / 3600.0
        out[at + 1] = (second % 86400.0) / 86400.0
