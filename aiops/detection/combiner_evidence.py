"""What a combiner looks at, beside what the views say now: how it was before, an hour, a day and a week ago.

Machine code; imported when it is first used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.combiner_record import HOURS, SAID_A_WEEK
from aiops.detection.fleet_kernel import advance
from aiops.detection.fleet_levels import (
    FORECAST,
    LARGEST,
    SEASON,
    SILENT,
    floor_of,
    look,
    season_of,
    step_of,
)
from aiops.detection.fleet_record import VIEWS
from aiops.detection.fleet_tables import bin_of, rate_of, share_of
from aiops.forecasting.boosted_features import Features
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import machine_code

_LEAST, _MOST = -2.5, 6.0  # of a rarity, where it is averaged: about an ordinary minute, and one in a million weeks
_ODD = 0.5  # rarer than once in three weeks
_NEVER = 1e8  # seconds since it was odd, if it never was
_CLIP = 6.0
_DAY = 86_400.0


@machine_code
def watch(
    cells: Any,
    own: Any,
    rows: IntArray,
    at: FloatArray,
    values: FloatArray,
    expected: FloatArray,
    warm_up: float,
    floor_ratio: float,
    learning: bool,
    found: FloatArray,
    table: Features,
) -> int:
    """Let the fleet detector judge the points, write what is known of each candidate, and take the points in, if asked.

    Args:
        cells: Of the fleet detector; the other arguments are those of ``fleet_kernel.advance``, too.
        own: Records of evidence.
        found: Shape ``[3, m]``.
        table: Shape ``[m, FEATURES]``; the first rows are written.

    Returns:
        How many candidates there were.
    """
    residual, rates, multiples = np.empty(VIEWS), np.empty(FORECAST), np.empty(FORECAST)
    place = 0
    for i in range(len(rows)):
        this = slice(i, i + 1)
        value = min(max(values[i], -LARGEST), LARGEST)
        if not math.isnan(value):  # before it is learnt
            _views(cells[rows[i]], at[i], value, floor_ratio, residual, rates, multiples)
        advance(
            cells, rows[this], at[this], values[this], expected[this], warm_up, floor_ratio, learning, found[:, this]
        )
        if math.isnan(value):
            continue
        cell = own[rows[i]]
        rate = found[0, i]
        if rate < SAID_A_WEEK:
            _describe(cell, at[i], value, rate, found[2, i], rates, multiples, table[place])
            place += 1
        if not learning:
            continue
        if not math.isnan(rate):
            _remember(cell, at[i], -math.log10(max(rate, 1e-300)))
        _take(cell, at[i], value)
    return place


@machine_code
def _views(
    cell: Any, at: float, value: float, floor_ratio: float, residual: FloatArray, rates: FloatArray, off: FloatArray
) -> None:
    """Write how rare each view but the forecast's calls the value, and how many usual distances it is off."""
    if cell["seen"] <= SILENT:
        return
    step = step_of(cell, at)
    day = int(max(round(_DAY / step), 1))
    season, _ = season_of(cell, at, step, day)
    look(cell, value, season, np.nan, residual)
    floor = floor_of(cell, floor_ratio)
    for view in range(FORECAST):
        off[view] = residual[view] / max(cell["scale"][view], floor)
        table = 2 * view if off[view] >= 0 else 2 * view + 1
        rates[view] = rate_of(cell, table, bin_of(abs(off[view])), 7.0 * day)


@machine_code
def _describe(
    cell: Any,
    at: float,
    value: float,
    rate: float,
    mean: float,
    rates: FloatArray,
    off: FloatArray,
    row: Features,
) -> None:
    row[0] = -math.log10(max(rate, 1e-300))
    row[1] = mean
    for view in range(FORECAST):
        row[2 + view] = -math.log10(max(rates[view], 1e-300))
        row[2 + FORECAST + view] = math.copysign(math.log10(1.0 + abs(off[view])), off[view])
    rest = 2 + 2 * FORECAST
    row[rest] = math.log10(max(at - cell["odd_at"], 1.0)) if cell["odd_at"] != 0 else math.log10(_NEVER)
    row[rest + 1] = cell["run"]
    for memory in range(3):
        row[rest + 2 + memory] = cell["lately"][memory]
    side = math.copysign(1.0, off[SEASON])
    _compare(cell, at, value, side, row[rest + 5 :])


@machine_code
def _compare(cell: Any, at: float, value: float, side: float, row: Features) -> None:
    """Write how far it is beyond what was there at this hour, give or take one: yesterday, a week ago, on any day.

    And on how many of seven days it was as far out.
    """
    hour = math.floor(at / 3600.0)
    row[:] = np.nan
    nearest, days, beyond = math.inf, 0, 0
    for back in range(1, 8):
        least = math.inf
        for other in range(hour - 24 * back - 1, hour - 24 * back + 2):
            # The ring holds the hours up to the last one that had a point; the others have faded or are not yet there.
            if other <= cell["hour"] - HOURS or other > cell["hour"]:
                continue
            edge = cell["highest"][other % HOURS] if side > 0 else cell["lowest"][other % HOURS]
            if not math.isnan(edge):
                least = min(least, max(side * (value - edge), 0.0))
        if least == math.inf:
            continue
        days += 1
        beyond += least == 0
        nearest = min(nearest, least)
        if back == 1:
            row[0] = _moves(cell, least)
        if back == 7:
            row[1] = _moves(cell, least)
    if days > 0:
        row[2] = _moves(cell, nearest)
        row[3] = beyond / days


@machine_code
def _moves(cell: Any, distance: float) -> float:
    return math.log10(1.0 + distance / max(cell["moves"], 1e-300))


@machine_code
def _remember(cell: Any, at: float, rarity: float) -> None:
    cell["run"] = cell["run"] + 1.0 if rarity > -_ODD else max(0.8 * cell["run"] - 0.2, 0.0)
    clipped = min(max(rarity, _LEAST), _MOST)
    for memory in range(3):
        cell["lately"][memory] += (0.33, 1.0 / 15.0, 1.0 / 60.0)[memory] * (clipped - cell["lately"][memory])
    if rarity > _ODD:
        cell["odd_at"] = at


@machine_code
def _take(cell: Any, at: float, value: float) -> None:
    seen = cell["seen"]
    if seen > 0:
        move = abs(value - cell["last"])
        if seen > 30:
            move = min(move, _CLIP * cell["moves"])
        rate = max((at - cell["at"]) / (3.0 * _DAY), 1.0 / seen)
        cell["moves"] += min(rate, 1.0) * (move - cell["moves"])
    cell["last"] = value
    cell["at"] = at
    cell["seen"] = seen + 1
    hour = math.floor(at / 3600.0)
    if hour > cell["hour"]:
        for other in range(max(cell["hour"] + 1, hour - HOURS + 1), hour + 1):
            cell["highest"][other % HOURS] = np.nan
            cell["lowest"][other % HOURS] = np.nan
        cell["hour"] = hour
    place = hour % HOURS
    if math.isnan(cell["highest"][place]):
        cell["highest"][place] = value
        cell["lowest"][place] = value
    cell["highest"][place] = max(cell["highest"][place], np.float32(value))
    cell["lowest"][place] = min(cell["lowest"][place], np.float32(value))


@machine_code
def restate(
    cells: Any, rows: IntArray, sums: FloatArray, knots: FloatArray, decades: FloatArray, found: FloatArray
) -> None:
    """Replace rate and share of each candidate by what its sum of trees means.

    Args:
        cells: Of the fleet detector.
        sums: One a candidate.
        knots: Increasing sums, ``[k]``.
        decades: log10 of alerts a week at each of them, ``[k]``.
        found: ``[3, m]``; the first two rows are overwritten.
    """
    place = 0
    for i in range(len(rows)):
        if not found[0, i] < SAID_A_WEEK:
            continue
        last = len(knots) - 1
        k = min(max(np.searchsorted(knots, sums[place], side="right") - 1, 0), last - 1)
        share = (sums[place] - knots[k]) / (knots[k + 1] - knots[k])
        share = min(max(share, 0.0), 1.0)
        rate = 10.0 ** (decades[k] + share * (decades[k + 1] - decades[k]))
        step = cells[rows[i]]["step"]
        step = step if step > 0 else 60.0
        day = int(max(round(_DAY / step), 1))
        found[0, i] = rate
        found[1, i] = share_of(rate, 7.0 * day, max(math.floor(1800.0 / step), 6.0))
        place += 1
