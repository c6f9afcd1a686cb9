"""The pool: some sixty closed-form forecasts of one series from one cutoff, compiled.

A *profile* is one number for each slot of the day; slot 0 is the first step after the cutoff. Days are counted back
from the cutoff, so that nothing here knows the time of day; the calendar says no more than which days are off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops.forecasting.fleet.echo import echoes
from aiops.forecasting.fleet.order import insert, insert_day, median, median_of_last, middle
from aiops.forecasting.fleet.workweek import alike
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

MOST_DAYS = 28
NAMES = (
    "day", "week", "median3", "median7", "median14", "median28", "weeks", "weeks-mean", "ewma", "ewma+day",
    "median3-smooth", "median7-smooth", "median14-smooth", "weeks-smooth", "day-smooth",
    "median3-smoother", "median7-smoother", "median14-smoother", "weeks-smoother", "day-smoother",
    "last", "level-hour", "level-3h", "level-6h", "level-day", "level-3d", "level-week",
    "median7+day", "median7+3h", "median7~3h", "median14+day", "median14+3h", "median14~3h",
    "median28+day", "median28+3h", "median28~3h",
    "weeks+day", "weeks+3d", "week+day", "week*day",
    "day+drift", "day+drift3", "line-6h", "line-day",
    "cycle-hour", "cycle-2h", "cycle-3h", "cycle-6h",
    "day-and-median7", "factor-day", "factor-week", "factor-3d",
    "echo", "echoes3", "echoes7", "echoes7+3h",
    "alike5", "alike10", "alike10+day",
)  # fmt: skip
SIZE = len(NAMES)


@compiled
def pool(
    y: FloatArray, end: int, horizon: int, day: int, echo: IntArray, off: NDArray[np.bool_], out: FloatArray
) -> None:
    """Fill ``out`` with every forecast of ``y[end : end + horizon]`` from ``y[:end]``.

    Args:
        y: Observations, shape ``[n]``; only ``y[:end]`` is read. NaN marks a gap.
        end: Steps of history, at least 1.
        horizon: Steps to forecast.
        day: Steps of a day.
        echo: Distances at which the series resembles itself, from ``echo.distances``.
        off: Whether each step is on a day off, shape ``[end + horizon]`` at least.
        out: Shape ``[SIZE, horizon]``; a row that cannot be formed repeats the first, and the first falls back to the
            median of what there is. All NaN if nothing was observed.
    """
    week = 7 * day
    buffer = np.empty(max(4 * day, 1024))
    profile = np.full((10, day), np.nan)  # day, 3, 7, 14, 28, ewma, factor, and three smoothed on demand
    _slots(y, end, day, profile)
    everything = median_of_last(y, end, end, max(end // 500, 1), buffer)  # fewer than 1000 of them
    if np.isnan(everything):
        recent = end - 1  # the stride stepped over all that there is
        while recent >= 0 and np.isnan(y[recent]):
            recent -= 1
        everything = y[recent] if recent >= 0 else np.nan
    for s in range(day):
        if np.isnan(profile[0, s]):
            profile[0, s] = everything

    weekly = np.full((3, horizon), np.nan)  # one week ago, median and mean of four weeks
    _weeks(y, end, horizon, week, weekly)
    for h in range(horizon):
        s = h % day
        out[0, h] = profile[0, s]
        out[1, h] = weekly[0, h]
        for row in range(4):
            out[2 + row, h] = profile[1 + row, s]
        out[6, h] = weekly[1, h]
        out[7, h] = weekly[2, h]
        out[8, h] = profile[5, s]

    narrow, wide = (2 * day + 144) // 288, (6 * day + 144) // 288
    for size in range(2):
        reach = narrow if size == 0 else wide
        at = 10 + 5 * size
        for row in range(3):
            _smooth_profile(profile[1 + row], reach, out[at + row])
        _smooth_path(weekly[1], reach, out[at + 3])
        _smooth_profile(profile[0], reach, out[at + 4])

    lengths = np.array([max(day // 96, 1), max(day // 24, 1), max(day // 8, 1), max(day // 4, 1), day, 3 * day, week])
    for row in range(7):
        stride = 1 if lengths[row] <= day else lengths[row] // day
        out[20 + row, :] = median_of_last(y, end, lengths[row], stride, buffer)

    _shifted(y, end, horizon, day, profile, buffer, out)
    _shifted_weeks(y, end, horizon, day, weekly, buffer, out)
    _lines(y, end, horizon, day, profile, buffer, out)

    for row in range(4):
        period = max((1, 2, 3, 6)[row] * day // 24, 1)
        for p in range(period):
            count = 0
            for at in range(end + p - period, max(end + p - day - period, -1), -period):
                if at >= end - day and at >= 0 and not np.isnan(y[at]):
                    buffer[count] = y[at]
                    count += 1
            out[44 + row, p::period] = median(buffer, count)

    for h in range(horizon):
        out[48, h] = 0.5 * (out[0, h] + out[3, h])
    _factor(y, end, horizon, day, profile, out)
    out[52:59, :] = np.nan
    echoes(y, end, horizon, day, echo, out[52:56])
    alike(y, end, horizon, day, off, out[56:59])
    for row in range(SIZE):
        for h in range(horizon):
            if np.isnan(out[row, h]):
                out[row, h] = out[0, h]


@compiled
def _slots(y: FloatArray, end: int, day: int, profile: FloatArray) -> None:
    """Fill the profiles: the latest day, medians over 3, 7, 14 and 28 days, and an exponentially weighted mean."""
    ordered = np.full((MOST_DAYS, day), np.inf)
    count = np.zeros(day, dtype=np.int64)
    weight, total, new = np.zeros(day), np.zeros(day), np.empty(day)
    share = 1.0
    for back in range(1, MOST_DAYS + 1):
        first = end - back * day
        if first + day <= 0:
            break
        for s in range(max(-first, 0), day):
            value = y[first + s]
            if not np.isnan(value):
                if count[s] == 0:
                    profile[0, s] = value
                count[s] += 1
                total[s] += share * value
                weight[s] += share
        insert_day(y, first, ordered, back - 1, new)
        share *= 0.8
        row = 1 if back == 3 else 2 if back == 7 else 3 if back == 14 else 0
        if row:
            for s in range(max(-first, 0), day):
                profile[row, s] = middle(ordered[:, s], count[s])
    for s in range(day):
        # With less history than 28 days the longest profile is that of all there is, and the others follow it.
        profile[4, s] = middle(ordered[:, s], count[s])
        for row in range(3, 0, -1):
            if np.isnan(profile[row, s]):
                profile[row, s] = profile[row + 1, s]
        if weight[s] > 0:
            profile[5, s] = total[s] / weight[s]


@compiled
def _weeks(y: FloatArray, end: int, horizon: int, week: int, weekly: FloatArray) -> None:
    """Fill one week ago, and the median and the mean of up to four weeks."""
    ordered = np.empty(5)
    for h in range(horizon):
        count = 0
        total = 0.0
        at = end + h - week * (h // week + 1)
        for _ in range(4):
            if at < 0:
                break
            if not np.isnan(y[at]):
                if count == 0:
                    weekly[0, h] = y[at]
                count = insert(y[at], ordered, count)
                total += y[at]
            at -= week
        if count:
            weekly[1, h] = middle(ordered, count)
            weekly[2, h] = total / count


@compiled
def _smooth_profile(profile: FloatArray, reach: int, out: FloatArray) -> None:
    """Fill a path with the mean of each slot and its ``reach`` neighbours on either side, midnight or not."""
    day = len(profile)
    for h in range(len(out)):
        if h >= day:
            out[h] = out[h - day]
            continue
        total = 0.0
        count = 0
        for near in range(h - reach, h + reach + 1):
            value = profile[near % day]
            if not np.isnan(value):
                total += value
                count += 1
        out[h] = total / count if count else np.nan


@compiled
def _smooth_path(path: FloatArray, reach: int, out: FloatArray) -> None:
    for h in range(len(out)):
        total = 0.0
        count = 0
        for near in range(max(h - reach, 0), min(h + reach + 1, len(out))):
            if not np.isnan(path[near]):
                total += path[near]
                count += 1
        out[h] = total / count if count else np.nan


@compiled
def _shift(y: FloatArray, end: int, profile: FloatArray, length: int, buffer: FloatArray) -> float:
    """Return by how much the last ``length`` (at most a day of) values lie above the profile, in the median."""
    count = 0
    for s in range(len(profile) - length, len(profile)):
        at = end - len(profile) + s
        if at >= 0 and not np.isnan(y[at]) and not np.isnan(profile[s]):
            buffer[count] = y[at] - profile[s]
            count += 1
    return float(median(buffer, count))


@compiled
def _shifted(
    y: FloatArray, end: int, horizon: int, day: int, profile: FloatArray, buffer: FloatArray, out: FloatArray
) -> None:
    """Fill the profiles that are moved to the level of the last day or the last three hours."""
    short = max(day // 8, 1)
    shift = _shift(y, end, profile[5], day, buffer)
    for h in range(horizon):
        out[9, h] = profile[5, h % day] + shift
    for row in range(3):
        base = profile[2 + row]
        of_day, of_hours = _shift(y, end, base, day, buffer), _shift(y, end, base, short, buffer)
        for h in range(horizon):
            value = base[h % day]
            out[27 + 3 * row, h] = value + of_day
            out[28 + 3 * row, h] = value + of_hours
            out[29 + 3 * row, h] = value + of_hours * np.exp(-4.0 * (h + 1) / day)


@compiled
def _shifted_weeks(
    y: FloatArray, end: int, horizon: int, day: int, weekly: FloatArray, buffer: FloatArray, out: FloatArray
) -> None:
    """Fill the weeks moved to the level of the last days, each compared with the same weekday before it."""
    week = 7 * day
    ordered = np.empty(5)
    count = 0
    of_day = np.nan
    now = before = 0.0
    for at in range(end - 1, max(end - 3 * day, week) - 1, -1):
        known = 0
        past = at - week
        for _ in range(4):
            if past < 0:
                break
            if not np.isnan(y[past]):
                known = insert(y[past], ordered, known)
            past -= week
        if known and not np.isnan(y[at]):
            buffer[count] = y[at] - middle(ordered, known)
            count += 1
        if at >= end - day and not np.isnan(y[at]) and not np.isnan(y[at - week]):
            now += y[at]
            before += y[at - week]
        if at == end - day:
            of_day = median(buffer, count)
    of_days = median(buffer, count)
    ratio = min(max(now / before, 0.2), 5.0) if before > 0 else 1.0
    for h in range(horizon):
        out[36, h] = weekly[1, h] + of_day
        out[37, h] = weekly[1, h] + of_days
        out[38, h] = weekly[0, h] + of_day
        out[39, h] = weekly[0, h] * ratio


@compiled
def _lines(
    y: FloatArray, end: int, horizon: int, day: int, profile: FloatArray, buffer: FloatArray, out: FloatArray
) -> None:
    """Fill what grows: the last day plus its usual daily change, and straight lines through the latest hours."""
    for row in range(2):
        length = min((MOST_DAYS - 1 if row == 0 else 3) * day, end - day)
        stride = max(length // day, 1)
        while stride > 1 and day % stride == 0:
            stride += 1  # all times of the day, not always the same ones
        count = 0
        at = end - 1
        while at >= end - length and at >= day:
            if not np.isnan(y[at]) and not np.isnan(y[at - day]) and count < len(buffer):
                buffer[count] = y[at] - y[at - day]
                count += 1
            at -= stride
        drift = median(buffer, count)
        for h in range(horizon):
            out[40 + row, h] = profile[0, h % day] + drift * (h // day + 1)
    for row in range(2):
        half = max((day // 4 if row == 0 else day) // 2, 1)
        count = 0
        for at in range(max(end - half, half), end):
            if not np.isnan(y[at]) and not np.isnan(y[at - half]):
                buffer[count] = (y[at] - y[at - half]) / half
                count += 1
        slope = median(buffer, count)
        count = 0
        for at in range(max(end - 2 * half, 0), end):
            if not np.isnan(y[at]):
                buffer[count] = y[at] + slope * (end - 1 - at)
                count += 1
        level = median(buffer, count)
        for h in range(horizon):
            out[42 + row, h] = level + slope * (h + 1)


@compiled
def _factor(y: FloatArray, end: int, horizon: int, day: int, profile: FloatArray, out: FloatArray) -> None:
    """Fill the rank-one model: a size for each day times a shape that the days have in common."""
    days = min(14, end // day)
    size = np.full(15, np.nan)
    for back in range(1, days + 1):
        total = 0.0
        count = 0
        for at in range(end - back * day, end - (back - 1) * day):
            if not np.isnan(y[at]):
                total += abs(y[at])
                count += 1
        size[back] = total / count if count and total > 0 else np.nan
    shapes = np.full((15, day), np.inf)
    seen = np.zeros(day, dtype=np.int64)
    scaled, spare = np.empty(day), np.empty(day)
    for back in range(1, days + 1):
        for s in range(day):
            scaled[s] = y[end + s - back * day] / size[back]
            seen[s] += not np.isnan(scaled[s])
        insert_day(scaled, 0, shapes, back - 1, spare)
    for s in range(day):
        profile[6, s] = middle(shapes[:, s], seen[s])
    ordered = np.empty(3)
    count = 0
    for back in range(1, min(3, days) + 1):
        if not np.isnan(size[back]):
            count = insert(size[back], ordered, count)
    usual = middle(ordered, count)
    for h in range(horizon):
        shape = profile[6, h % day]
        weekday = 7 - (h // day) % 7
        out[49, h] = shape * size[1]
        out[50, h] = shape * (size[weekday] if weekday <= days else np.nan)
        out[51, h] = shape * usual
