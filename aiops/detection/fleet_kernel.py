"""The fleet detector's machine code: one point of one series at a time, over an array of records.

Imported when it is first used: Numba is slow to import.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.fleet_clock import DAY, clocks_may_have_changed, season_by_clocks
from aiops.detection.fleet_levels import (
    DAILY,
    FORECAST,
    LARGEST,
    SILENT,
    begin,
    floor_of,
    learn,
    look,
    season_of,
    step_of,
)
from aiops.detection.fleet_record import RECORD, TABLES, VIEWS
from aiops.detection.fleet_tables import (
    FORGET_A_DAY,
    NOT_ODD,
    OF_JOINT,
    OF_VIEWS,
    bin_of,
    count,
    fade,
    joint_bin_of,
    open_joint,
    rate_of,
    share_of,
)
from aiops.detection.fleet_values import fade_values, sparseness, visit, with_novelty
from aiops.detection.prefetch import LINE_BYTES, prefetch
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import machine_code

JOINT = 2 * VIEWS  # the last table
NEW_FORECAST = 60  # points of a forecast before its view counts
_SPARSE = 0.5  # what a decade of sparseness counts among decades of the views' mean
_LINES = np.arange(-(-RECORD.itemsize // LINE_BYTES), dtype=np.int64)  # an array: a range is unrolled, and slower


@machine_code
def _judge(
    cell: Any, residual: FloatArray, points_a_week: float, floor: float, places: FloatArray, rates: FloatArray
) -> float:
    """Write place and rate of each view and return the second smallest rate: two have to agree."""
    first, second = NOT_ODD, NOT_ODD
    for view in range(VIEWS):
        rates[view] = NOT_ODD
        if math.isnan(residual[view]):
            continue
        places[view] = bin_of(abs(residual[view]) / max(cell["scale"][view], floor))
        if view == FORECAST and cell["forecast_seen"] <= NEW_FORECAST:
            continue
        table = 2 * view if residual[view] >= 0 else 2 * view + 1
        rate = rate_of(cell, table, places[view], points_a_week)
        rates[view] = rate
        if rate < first:
            first, second = rate, first
        elif rate < second:
            second = rate
    return second


@machine_code
def _mean_rarity(rates: FloatArray) -> float:
    """Return the mean of -log10 of the views' rates, each of which counts from -2.5 to 2."""
    product, views = 1.0, 0
    for view in range(VIEWS):
        if rates[view] < NOT_ODD:
            product *= min(max(rates[view], 1e-2), 316.0)
            views += 1
    return -math.log10(product) / max(views, 1)


@machine_code
def advance(
    cells: Any,
    rows: IntArray,
    at: FloatArray,
    values: FloatArray,
    expected: FloatArray,
    warm_up: float,
    floor_ratio: float,
    learning: bool,
    found: FloatArray,
) -> None:
    """Write alerts a week to ``found [0]``, the share of points to ``found [1]``; then learn, if asked.

    Args:
        found: Shape ``[2, m]``, or ``[3, m]`` to be told the mean rarity of the views, too; NaN for a gap or while
            warming up.
    """
    residual, places, rates = np.empty(VIEWS), np.zeros(VIEWS), np.empty(VIEWS)
    checked, unsure = math.nan, False
    for i in range(len(rows)):
        if i + 1 < len(rows):
            for line in _LINES:  # the next record is loaded while this one is worked on: half of the time
                prefetch(cells, rows[i + 1], line)
        found[:, i] = np.nan
        cell = cells[rows[i]]
        seen = cell["seen"]
        if math.isnan(values[i]) or (seen == 0 and not learning):
            continue
        value = min(max(values[i], -LARGEST), LARGEST)
        step = step_of(cell, at[i])
        if learning:
            if seen == 0:
                begin(cell, at[i], value)
            elif at[i] > cell["at"]:
                cell["step"] = step
            cell["at"] = at[i]
        day = int(max(round(DAY / step), 1))
        week = 7.0 * day
        window = max(math.floor(1800.0 / step), 6.0)
        season, slot = season_of(cell, at[i], step, day)
        if at[i] != checked:
            checked, unsure = at[i], clocks_may_have_changed(at[i])
        if unsure and season != 0.0:
            usual = max(cell["scale"][DAILY], floor_of(cell, floor_ratio))
            season = season_by_clocks(cell, value, season, usual, learning, at[i], step, day)
        look(cell, value, season, expected[i], residual)
        if seen > SILENT:
            together = _judge(cell, residual, week, floor_of(cell, floor_ratio), places, rates)
            together = with_novelty(cell, value, together)
            if learning and cell["total"][JOINT] == 0:
                open_joint(cell, JOINT, week, window)
            place = joint_bin_of(together)
            rate = rate_of(cell, JOINT, place, week)
            if seen >= warm_up:
                found[0, i] = rate
                found[1, i] = share_of(rate, week, window) if place > 0 else 1.0
                if len(found) > 2:
                    found[2, i] = _mean_rarity(rates) + _SPARSE * sparseness(cell, value)
            if learning:
                for view in range(VIEWS):
                    cell["said"][view] = -rates[view] if residual[view] < 0 else rates[view]
                _count_views(cell, residual, places, rates, week, window)
                count(cell, JOINT, place, rate * OF_JOINT.odd <= week, window, OF_JOINT)
        if learning:
            if seen > 0 and seen % day == 0:
                fade(cell, TABLES)
                fade_values(cell, FORGET_A_DAY)
                if not unsure:
                    cell["off"][1] = 0.0  # the next weekend at which clocks may change begins anew
            visit(cell, value, cell["slow"], floor_of(cell, floor_ratio), seen >= warm_up)
            learn(cell, value, slot, residual, step, day, floor_ratio)
            cell["seen"] += 1


@machine_code
def _count_views(
    cell: Any, residual: FloatArray, places: FloatArray, rates: FloatArray, week: float, window: float
) -> None:
    """Count the point in the table of its side, and its absence in the other one."""
    for view in range(VIEWS):
        if math.isnan(residual[view]) or (view == FORECAST and cell["forecast_seen"] <= SILENT):
            continue
        table = 2 * view if residual[view] >= 0 else 2 * view + 1
        cell["total"][4 * view + 1 - table] += 1
        count(cell, table, places[view], rates[view] * OF_VIEWS.odd <= week, window, OF_VIEWS)
