"""Weighs the pool by what each forecast got wrong at rolling origins, and combines it; compiled.

Daily origins lie whole days before the cutoff, so that an origin asks for the same times of day as the cutoff does.
Recent origins lie hours before it: after a shift they are the only ones that know which forecast follows it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops.forecasting.fleet.pool import SIZE, pool
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

DAILY_ORIGINS = 14
DAY_FADES = 0.9
"""Weight of an origin against that of the next day's."""
RECENT_WEIGHT = 2.0
"""Weight of a recent origin, in units of yesterday's."""
RECENT_WEIGHT_FAR = 1.0
"""The same for steps further ahead than a recent origin can have seen."""
SHARPNESS = 16.0
"""A forecast with twice the mean root error of the best has a weight smaller by 2 to this power."""
CONTENDERS = 12
"""How many forecasts are combined at most."""
TRUST_IN_UNREST = 0.3
"""Power of the ratio of the latest to usual errors that the spread follows: hours say less than a fortnight."""
LEAST_UNREST, MOST_UNREST = -2.0, 1.0
"""Bounds of the logarithm of that ratio."""
MIDDLE = 0.25
"""The forecast is the mean of so much of the weight on either side of the median: a bit steadier than the median."""
AGREED = 0.3
"""Where so much of the weight names the median itself, nothing is averaged: a flat series stays flat."""
SMALL = 1e-3
"""Errors below this share of the usual daily change are alike."""
NEVER = np.inf
LAST = 1e300
"""Rank of a forecast that says what another has said: it is chosen after all others."""


def origins(length: int, horizon: int, day: int) -> tuple[IntArray, int]:
    """Choose the origins of a history.

    Returns:
        Steps before the cutoff, shape ``[n_origins]``, the daily ones first and the oldest before; and how many are
        daily. A history of less than three days has equally spaced origins that count as daily.
    """
    if length < 3 * day:
        spaced = {max(length * part // 16, 1) for part in range(8, 0, -1)} if length > 1 else set()
        early = sorted((each for each in spaced if each < length), reverse=True)
        return np.array(early, dtype=np.int64), len(early)
    stride = day * max(-(-horizon // (7 * day)), 1)
    daily = [back * stride for back in range(DAILY_ORIGINS, 0, -1) if length - back * stride >= day]
    if not daily:
        daily = [length // 2]
    recent = [each for each in (day // 2, day // 4, day // 8) if each > 0]
    return np.array(daily + recent, dtype=np.int64), len(daily)


def bands(horizon: int, day: int) -> IntArray:
    """Return where the bands of the horizon begin and end: 1, 3, 7, 15 and 24 hours, then 2, 4, 8, ... days."""
    edges = [0, *(day * hours // 24 for hours in (1, 3, 7, 15)), day]
    while edges[-1] < horizon:
        edges.append(2 * edges[-1])
    inside = sorted({edge for edge in edges if edge < horizon})
    return np.array([*inside, horizon], dtype=np.int64)


@compiled
def combine(
    y: FloatArray,
    horizon: int,
    day: int,
    back: IntArray,
    daily: int,
    edges: IntArray,
    echo: IntArray,
    off: NDArray[np.bool_],
    scale: float,
    path: FloatArray,
    errors: FloatArray,
    every: FloatArray,
    losses: FloatArray,
    chosen: IntArray,
    weight: FloatArray,
) -> None:
    """Combine the pool for one series: what is in the middle of the weighted forecasts, a step.

    Args:
        y: History, shape ``[n]``, its first value observed.
        horizon: Steps to forecast.
        day: Steps of a day.
        back: Origins, from ``origins``.
        daily: How many of them are daily.
        edges: Bands, from ``bands``.
        echo: Distances at which the series resembles itself, from ``echo.distances``.
        off: Whether each step is on a day off, shape ``[n + horizon]``.
        scale: Usual daily change of the series.
        path: Filled with the combination from the cutoff on, shape ``[horizon]``.
        errors: Filled with observed minus forecast at the daily origins, each weighted by the other days only; shape
            ``[daily, horizon]``, NaN where nothing was observed.
        every: Filled with the pool at each origin and last at the cutoff, shape ``[n_origins + 1, SIZE, horizon]``.
        losses: Filled with the mean absolute errors, shape ``[n_origins, SIZE, n_bands]``, NaN where unknown.
        chosen: Filled with the forecasts that make the path, the best first, shape ``[n_bands, CONTENDERS]``.
        weight: Filled with their weights, the same shape.
    """
    n = len(y)
    for origin in range(len(back)):
        pool(y, n - back[origin], horizon, day, echo, off, every[origin])
        _score(y[n - back[origin] :], every[origin], edges, losses[origin])
    pool(y, n, horizon, day, echo, off, every[len(back)])
    least = SMALL * scale
    sums = np.zeros((SIZE, len(edges) - 1))
    recent = np.zeros((SIZE, len(edges) - 1))
    weights = np.zeros((daily + 1, len(edges) - 1))  # last row: sums over the days
    recent_weights = np.zeros(len(edges) - 1)
    _add_up(losses, daily, edges, least, sums, weights, recent, recent_weights)

    rank = np.empty(SIZE)
    repeats = np.empty(SIZE, dtype=np.bool_)
    for band in range(len(edges) - 1):
        _repeats(every[len(back)], edges[band], edges[band + 1], repeats)
        for origin in range(daily + 1):
            for member in range(SIZE):
                total, mass = sums[member, band], weights[daily, band]
                if origin == daily:
                    total += recent[member, band]
                    mass += recent_weights[band]
                elif weights[origin, band] > 0.0:
                    total -= weights[origin, band] * np.sqrt(losses[origin, member, band] + least)
                    mass -= weights[origin, band]
                rank[member] = total / mass if mass > 1e-12 else 1.0
                if repeats[member]:
                    rank[member] = LAST
            _choose(rank, chosen[band], weight[band])  # the last origin is the cutoff: its choice is what stays
            if origin == daily:
                _middle_path(every[len(back)], edges[band], edges[band + 1], chosen[band], weight[band], path)
            else:
                _middle_path(every[origin], edges[band], edges[band + 1], chosen[band], weight[band], errors[origin])
    for origin in range(daily):
        for h in range(horizon):
            at = n - back[origin] + h
            errors[origin, h] = y[at] - errors[origin, h] if at < n else np.nan


@compiled
def again(
    y: FloatArray,
    day: int,
    edges: IntArray,
    echo: IntArray,
    off: NDArray[np.bool_],
    chosen: IntArray,
    weight: FloatArray,
    path: FloatArray,
) -> None:
    """Fill ``path`` from the end of ``y`` on with what ``combine`` chose earlier: one pool, no backtest."""
    every = np.empty((SIZE, len(path)))
    pool(y, len(y), len(path), day, echo, off, every)
    for band in range(len(edges) - 1):
        _middle_path(every, edges[band], edges[band + 1], chosen[band], weight[band], path)


@compiled
def unrest(errors: FloatArray, back: int, day: int, least: float) -> float:
    """Return what the errors are to be multiplied by, as the latest half day was harder to forecast than usual.

    It is compared with the same times of day, as far ahead, at the other origins: anything else would take the quiet of
    a night, or a shorter way to look ahead, for a change.

    Args:
        errors: Observed minus forecast at the daily origins, shape ``[daily, horizon]``, the latest last.
        back: How many steps the latest lies before the cutoff.
        day: Steps of a day.
        least: Errors below this are alike.
    """
    if len(errors) < 2:
        return 1.0
    last = min(errors.shape[1], back)
    first = max(last - max(day // 2, 1), 0)
    usual = mass = 0.0
    latest = np.nan
    for origin in range(len(errors)):
        total = 0.0
        seen = 0
        for h in range(first, last):
            if not np.isnan(errors[origin, h]):
                total += abs(errors[origin, h])
                seen += 1
        if seen:
            size = np.log(total / seen + least)
            weight = DAY_FADES ** (len(errors) - 1 - origin)
            usual += weight * size
            mass += weight
            if origin == len(errors) - 1:
                latest = size
    if np.isnan(latest):
        return 1.0
    ratio = latest - usual / mass  # of logarithms: one bad day among the others must not make today look quiet
    return float(np.exp(TRUST_IN_UNREST * min(max(ratio, LEAST_UNREST), MOST_UNREST)))


@compiled
def _score(truth: FloatArray, forecasts: FloatArray, edges: IntArray, losses: FloatArray) -> None:
    """Fill the mean absolute error of each forecast in each band, NaN where nothing was observed."""
    for band in range(len(edges) - 1):
        last = min(edges[band + 1], len(truth))
        seen = 0
        for h in range(edges[band], last):
            if not np.isnan(truth[h]):
                seen += 1
        for member in range(SIZE):
            total = 0.0
            for h in range(edges[band], last):
                if not np.isnan(truth[h]):
                    total += abs(truth[h] - forecasts[member, h])
            losses[member, band] = total / seen if seen else np.nan


@compiled
def _add_up(
    losses: FloatArray,
    daily: int,
    edges: IntArray,
    least: float,
    sums: FloatArray,
    weights: FloatArray,
    recent: FloatArray,
    recent_weights: FloatArray,
) -> None:
    """Add up the roots of the losses, weighted: a root, since one outage must not decide what is best on other days."""
    count = len(edges) - 1
    for band in range(count):
        for origin in range(daily):
            if np.isnan(losses[origin, 0, band]):
                continue
            weights[origin, band] = DAY_FADES ** (daily - 1 - origin)
            weights[daily, band] += weights[origin, band]
            for member in range(SIZE):
                sums[member, band] += weights[origin, band] * np.sqrt(losses[origin, member, band] + least)
        for origin in range(daily, len(losses)):
            far = np.isnan(losses[origin, 0, band])
            weight = RECENT_WEIGHT_FAR if far else RECENT_WEIGHT
            known = 0
            for other in range(count):
                known += not np.isnan(losses[origin, 0, other])
            if known == 0:
                continue
            recent_weights[band] += weight
            for member in range(SIZE):
                loss = losses[origin, member, band]
                if far:
                    loss = 0.0
                    for other in range(count):
                        if not np.isnan(losses[origin, 0, other]):
                            loss += losses[origin, member, other] / known
                recent[member, band] += weight * np.sqrt(loss + least)


@compiled
def _choose(rank: FloatArray, chosen: IntArray, weight: FloatArray) -> None:
    """Fill the best forecasts, best first, and their weights, which add up to one. ``rank`` is lost."""
    total = 0.0
    best = 0.0
    for place in range(len(chosen)):
        member = int(np.argmin(rank))
        chosen[place] = member
        if place == 0:
            best = rank[member]
        weight[place] = (best / rank[member]) ** SHARPNESS if rank[member] > 0.0 else 1.0
        total += weight[place]
        rank[member] = NEVER
    for place in range(len(chosen)):
        weight[place] /= total


@compiled
def _repeats(forecasts: FloatArray, first: int, last: int, out: NDArray[np.bool_]) -> None:
    """Tell which forecasts are the latest day once more, as an echo of one day is: it would be weighed twice.

    A level is left alone: that several agree on it is what keeps a flat series flat.
    """
    for member in range(len(forecasts)):
        out[member] = member > 0
        level = True
        for h in range(first, last):
            if forecasts[member, h] != forecasts[0, h]:
                out[member] = False
                break
            if forecasts[member, h] != forecasts[member, first]:
                level = False
        if level:
            out[member] = False


@compiled
def _middle_path(
    forecasts: FloatArray, first: int, last: int, chosen: IntArray, weight: FloatArray, out: FloatArray
) -> None:
    """Fill ``out[first:last]`` with the mean of the middle of the weighted forecasts."""
    value = np.empty(len(chosen))
    share = np.empty(len(chosen))
    for h in range(first, last):
        if weight[0] >= 0.5 + MIDDLE:
            out[h] = forecasts[chosen[0], h]
            continue
        for place in range(len(chosen)):
            at = place
            new = forecasts[chosen[place], h]
            while at > 0 and value[at - 1] > new:
                value[at] = value[at - 1]
                share[at] = share[at - 1]
                at -= 1
            value[at] = new
            share[at] = weight[place]
        out[h] = _middle(value, share)


@compiled
def _middle(value: FloatArray, share: FloatArray) -> float:
    """Return the median of sorted values where enough of the weight agrees on it, else the mean around it."""
    below = total = mass = 0.0
    median = value[-1]
    found = False
    for place in range(len(value)):
        low = max(below, 0.5 - MIDDLE)
        below += share[place]
        part = min(below, 0.5 + MIDDLE) - low
        if part > 0.0:
            total += part * value[place]
            mass += part
        if not found and below >= 0.5 - 1e-12:
            median = value[place]
            found = True
    agreed = 0.0
    for place in range(len(value)):
        if value[place] == median:
            agreed += share[place]
    return float(median if agreed >= AGREED else total / mass)
