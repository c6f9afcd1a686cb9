"""Which values would be so rare: the fleet detector's tables read backwards, in machine code.

Imported when it is first used: Numba is slow to import.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.fleet_kernel import JOINT, NEW_FORECAST
from aiops.detection.fleet_levels import DAY, LARGEST, QUARTER, SHORT, floor_of, look, season_of, step_of
from aiops.detection.fleet_record import BINS, VALUES, VIEWS
from aiops.detection.fleet_tables import BINS_A_DECADE, LOWEST, place_of
from aiops.detection.fleet_values import NEWEST, RAREST_BY_VALUE, bin_of_value, novelty
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import machine_code


@machine_code
def _reach(cell: Any, sign: float, rate: float, week: float, floor: float, residual: FloatArray) -> float:
    """Return how far off two views find a point so rare."""
    first, second = LARGEST, LARGEST
    for view in range(VIEWS):
        if math.isnan(residual[view]):
            continue
        place = place_of(cell, 2 * view + (sign < 0), rate, week)
        if place > BINS:
            continue
        multiple = 10.0 ** (LOWEST + place / BINS_A_DECADE) if place > 0 else 0.0
        reach = max(multiple * max(cell["scale"][view], floor) - sign * residual[view], 0.0)
        if reach < first:
            first, second = reach, first
        elif reach < second:
            second = reach
    return second


@machine_code
def _bound(
    cell: Any, middle: float, sign: float, rate: float, week: float, floor: float, residual: FloatArray
) -> float:
    """Return how far off a point is so rare: from the nearest bin of values on where it could be, bin by bin."""
    farthest = _reach(cell, sign, rate, week, floor, residual)
    if rate <= RAREST_BY_VALUE or cell["value_width"] <= 0 or farthest >= LARGEST:
        return farthest
    least = _reach(cell, sign, rate / NEWEST, week, floor, residual)
    place = bin_of_value(cell, middle + sign * least)
    for _ in range(VALUES):
        made_new = novelty(cell, place)
        own = farthest if made_new == 1.0 else _reach(cell, sign, rate / made_new, week, floor, residual)
        edge = cell["value_first"] + (place + (sign > 0)) * cell["value_width"]
        end = sign * (edge - middle)
        if own < end or end >= farthest:
            return max(own, least)
        least, place = end, place + sign
    return farthest


@machine_code
def bounds(
    cells: Any,
    rows: IntArray,
    at: FloatArray,
    expected: FloatArray,
    shares: FloatArray,
    warm_up: float,
    floor_ratio: float,
    found: FloatArray,
) -> None:
    """Write what is most likely and the values on both sides that are so rare; NaN while warming up.

    Most likely is the forecast, moved by its latest errors; without one, level and time of day. The tables are read
    backwards: how rare two views have to find a point, how far from each of them that is, and where the second is. A
    value that was never seen is rarer than they say, so the bound is nearer where such values begin.

    Args:
        shares: Share of normal points at the bounds, shape ``[m]``; NaN for no bounds.
        found: Shape ``[3, m]``.
    """
    residual = np.empty(VIEWS)
    for i in range(len(rows)):
        found[:, i] = np.nan
        cell = cells[rows[i]]
        if cell["seen"] < warm_up:
            continue
        step = step_of(cell, at[i])
        day = int(max(round(DAY / step), 1))
        week = 7.0 * day
        window = max(math.floor(1800.0 / step), 6.0)
        season, _ = season_of(cell, at[i], step, day)
        middle = cell["level"] + season
        known = math.isfinite(expected[i]) and cell["forecast_seen"] > NEW_FORECAST
        if known:
            middle = min(max(expected[i], -LARGEST), LARGEST) + cell["offset"]
        found[0, i] = middle
        if math.isnan(shares[i]):
            continue
        look(cell, middle, season, expected[i] if known else np.nan, residual)
        # In an incident, the means of the last points say nothing of what is normal.
        residual[SHORT] = 0.0
        residual[QUARTER] = 0.0
        place = place_of(cell, JOINT, shares[i] / (1.0 + shares[i] * window) * week, week)
        rate = 10.0 ** -(LOWEST + place / BINS_A_DECADE)
        floor = floor_of(cell, floor_ratio)
        for side in range(2):
            sign = 1.0 - 2.0 * side
            found[2 - side, i] = middle + sign * _bound(cell, middle, sign, rate, week, floor, residual)
