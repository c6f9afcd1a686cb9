"""The fleet detector's machine code: one point of one series at a time, over an array of records.

Imported when it is first used: Numba is slow to import.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit  # noqa: TID253 - this module is itself imported only when it is used

from aiops.series import FloatArray, IntArray

F = TypeVar("F", bound=Callable[..., Any])

BINS = 96
BINS_A_DECADE = 16.0
LOWEST = -1.5  # log10 of the smallest multiple that is told from none
SLOTS = 96  # of a day
VIEWS = 5
SHORT, HOUR_QUARTER, SEASON, SMOOTH, FORECAST, DAILY, SLOW = range(7)  # the first five are views
FLOOR, CLIP, NEED, NEED_SHARE, PRIOR_EVENTS, PRIOR_SPREAD, ODD_TEACHES, LEAST_SPREAD = range(8)
"""Places of what ``FleetDetector`` says in the array of settings."""
_TENTH = 0.4342944819032518  # 1 / log(10)
_NONE = -9.0  # the rarity of a view that has no opinion
_RAREST = 60.0
_DISTANCES = 7
_SILENT = 10  # points of a series, or of its forecast, before their distance means anything
_NEW_FORECAST = 60
_LITTLE = 0.1  # what an odd event teaches, of what another one does
_FORGET_A_DAY = 0.98
_OFFSET_RATE = 1.0 / 240.0
_DAY = 86_400.0
_LONE = 10.0  # how many clips what is recent follows one surprise
_LARGEST = 1e150  # values beyond it are taken for it: their squares and differences stay finite


def _machine_code(function: F) -> F:
    return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))


@_machine_code
def _bin(multiple: float) -> float:
    """Return where a multiple of the usual distance lies among the bins; beyond the last, more says nothing more."""
    return min((math.log10(max(multiple, 1e-9)) - LOWEST) * BINS_A_DECADE, float(BINS))


@_machine_code
def _rarity(cell: Any, table: int, place: float, points_a_week: float) -> float:
    """Return -log10 of how many alerts a week a threshold at this place would give."""
    week = points_a_week / cell["total"][table]
    cut = cell["cut"][table]
    if place > cut:
        return float(-math.log10(cell["beyond"][table] * week) + (place - cut) / cell["spread"][table] * _TENTH)
    place = max(place, cell["peak"][table], 0.0)
    low = int(place)
    share = place - low
    events = cell["events"][table]
    found = events[low] * (1.0 - share) + (events[low + 1] * share if low + 1 < BINS else 0.0)
    return float(-math.log10(max(found, 1e-9) * week))


@_machine_code
def _share(rarity: float, points_a_week: float, window: float) -> float:
    """Return the share of points that are at least so odd.

    An event is followed by ``window`` points in which no other is counted: if each point were an exceedance with
    probability p by itself, events would come every window + 1 / p points.
    """
    events_a_point = min(10.0**-rarity / points_a_week, 1.0 / window)
    free = 1.0 - events_a_point * window
    return events_a_point / free if events_a_point < free else 1.0


@_machine_code
def _refit(cell: Any, table: int, settings: FloatArray) -> None:
    """Find where the tail starts, how much is beyond, and how far it reaches (Hill's estimator, with a prior)."""
    events = cell["events"][table]
    peak = 0
    for b in range(BINS):
        if events[b] > events[peak]:
            peak = b
    need = settings[NEED] + settings[NEED_SHARE] * events[0]
    cut, excess = BINS - 1, 0.0
    while cut > 0 and events[cut] < need:
        excess += max(events[cut], 0.0)
        cut -= 1
    beyond = max(events[cut], 1e-9)
    prior = settings[PRIOR_EVENTS]
    cell["peak"][table] = peak
    cell["cut"][table] = cut
    cell["beyond"][table] = beyond
    spread = (excess + 0.5 * beyond + prior * settings[PRIOR_SPREAD]) / (beyond + prior)
    cell["spread"][table] = max(spread, settings[LEAST_SPREAD])


@_machine_code
def _count(cell: Any, table: int, place: float, weight: float, window: float, settings: FloatArray) -> None:
    """Count an event for every bin that is exceeded now and was not for a while: alerts, not points, are counted."""
    own = int(min(max(place, 0.0), BINS - 1.0))
    top = cell["top"][table]
    over = cell["seen"] - cell["top_seen"][table] >= window
    if own > top or over:
        events = cell["events"][table]
        for b in range(0 if over else top + 1, own + 1):
            events[b] += weight
        cell["top"][table] = own
        cell["top_seen"][table] = cell["seen"]
        cell["counted"][table] += 1
        if own >= cell["cut"][table] or cell["counted"][table] % 8 == 1:
            _refit(cell, table, settings)


@_machine_code
def _season(cell: Any, at: float, step: float) -> tuple[float, int]:
    """Return what the time of day adds, and the slot of the day."""
    day = max(round(_DAY / step), 1)
    slots = min(day, SLOTS)
    position = (math.floor(at / step) % day + 0.5) / day * slots
    slot = min(int(position), slots - 1)
    if not at - cell["first"] >= _DAY or cell["slot_seen"][slot] == 0:
        return 0.0, slot
    if slots == day:
        return cell["slots"][slot], slot
    share = position - slot - 0.5
    other = (slot + (1 if share >= 0 else -1)) % slots
    return cell["slots"][slot] * (1.0 - abs(share)) + cell["slots"][other] * abs(share), slot


@_machine_code
def _look(cell: Any, value: float, season: float, expected: float, residual: FloatArray) -> None:
    """Write how far the value is from what each view expects; NaN for no forecast."""
    residual[SHORT] = value - cell["short"]
    residual[HOUR_QUARTER] = value - cell["quarter"]
    residual[SEASON] = value - season - cell["level"]
    residual[SMOOTH] = cell["smooth"] + 0.2 * (residual[SEASON] - cell["smooth"])
    residual[FORECAST] = value - min(max(expected, -_LARGEST), _LARGEST) - cell["offset"]
    residual[DAILY] = value - season - cell["slow"]
    residual[SLOW] = value - cell["slow"]
    if math.isnan(expected):
        residual[FORECAST] = np.nan


@_machine_code
def _judge(
    cell: Any, residual: FloatArray, points_a_week: float, settings: FloatArray, places: FloatArray, rarity: FloatArray
) -> float:
    """Write place and rarity of each view and return the second largest rarity: two have to agree."""
    floor = settings[FLOOR] * cell["size"] + 1e-300
    first, second = _NONE, _NONE
    for view in range(VIEWS):
        rarity[view] = _NONE
        if math.isnan(residual[view]) or cell["total"][2 * view] == 0:
            continue
        places[view] = _bin(abs(residual[view]) / max(cell["scale"][view], floor))
        if view == FORECAST and cell["forecast_seen"] <= _NEW_FORECAST:
            continue
        table = 2 * view if residual[view] >= 0 else 2 * view + 1
        rarity[view] = _rarity(cell, table, places[view], points_a_week)
        if rarity[view] > first:
            first, second = rarity[view], first
        elif rarity[view] > second:
            second = rarity[view]
    return second


@_machine_code
def _clipped(value: float, limit: float, seen: float, unclipped: float) -> float:
    return min(max(value, -limit), limit) if seen > unclipped else value


@_machine_code
def _learn(cell: Any, value: float, slot: int, residual: FloatArray, step: float, settings: FloatArray) -> None:
    """Move every level and scale towards the point; surprises are clipped, and believed when they stay for hours."""
    day = max(round(_DAY / step), 1)
    seen, scale = cell["seen"], cell["scale"]
    floor = settings[FLOOR] * cell["size"] + 1e-300
    surprised = seen > _SILENT and abs(residual[SEASON]) > settings[CLIP] * max(scale[SEASON], floor)
    cell["surprises"] = cell["surprises"] + 1 if surprised else 0
    haste = 1.0 + max(cell["surprises"] - max(day / 6.0, 24.0), 0.0)
    clip = settings[CLIP] * haste
    # What is far off moves levels by so much at most: computed from the scales before this point.
    daily = _clipped(residual[DAILY], clip * max(scale[DAILY], floor), seen, day)
    slow = _clipped(residual[SLOW], clip * max(scale[SLOW], floor), seen, 20)
    level = _clipped(residual[SEASON], clip * max(scale[SEASON], floor), seen, 20)
    size = _clipped(abs(value) - cell["size"], clip * max(scale[SLOW], floor), seen, 20)
    slowly = min(haste / (3.0 * day), 0.5)
    for which in range(_DISTANCES):
        if math.isnan(residual[which]):
            continue
        own_seen = cell["forecast_seen"] if which == FORECAST else seen
        distance = abs(residual[which])
        if own_seen > _SILENT:
            distance = min(distance, clip * max(scale[which], floor))
        scale[which] += max(slowly, 1.0 / (own_seen + 1.0)) * (distance - scale[which])
    if not math.isnan(residual[FORECAST]):
        offset = _clipped(residual[FORECAST], clip * max(scale[FORECAST], floor), cell["forecast_seen"], _SILENT)
        cell["offset"] += max(_OFFSET_RATE, 1.0 / (cell["forecast_seen"] + 1.0)) * offset
        cell["forecast_seen"] += 1
    slots = min(day, SLOTS)
    cell["slot_seen"][slot] += 1
    cell["slots"][slot] += max(0.1 * slots / day, 1.0 / (cell["slot_seen"][slot] + 1.0)) * daily
    cell["slow"] += max(slowly, 1.0 / (seen + 1.0)) * slow
    cell["level"] += (min(step / 3600.0, 1.0) if step < 3600.0 else 1.0 / 24.0) * level
    # One wild value must not look like many: what is recent follows it by so much at most, until a second one comes.
    lone = _LONE * clip if cell["surprises"] == 1 else math.inf
    cell["smooth"] += 0.2 * _clipped(residual[SEASON] - cell["smooth"], lone * max(scale[SEASON], floor), seen, 20)
    cell["short"] += 0.33 * _clipped(residual[SHORT], lone * max(scale[SHORT], floor), seen, 20)
    cell["quarter"] += _clipped(residual[HOUR_QUARTER], lone * max(scale[HOUR_QUARTER], floor), seen, 20) / 15.0
    cell["size"] += max(min(haste / (7.0 * day), 0.5), 1.0 / (seen + 1.0)) * size


@_machine_code
def _step(cell: Any, at: float) -> float:
    """Return the smallest distance between two stamps so far, this one included; a minute if there were no two."""
    step = cell["step"]
    apart = at - cell["at"]
    if cell["seen"] > 0 and apart > 0 and (step == 0 or apart < step):
        step = apart
    return float(step) if step > 0 else 60.0


@_machine_code
def _opinion(
    cell: Any,
    step: float,
    season: float,
    value: float,
    expected: float,
    settings: FloatArray,
    residual: FloatArray,
    places: FloatArray,
    rarity: FloatArray,
    calm: float,
) -> float:
    """Fill the three arrays, and return where the joint rarity lies among its bins.

    Args:
        calm: If it is not NaN, judge as if the points before had been there: in an incident, the means of the last
            points say nothing of what is normal.
    """
    _look(cell, value, season, expected, residual)
    if not math.isnan(calm):
        residual[SHORT] = value - calm
        residual[HOUR_QUARTER] = value - calm
        residual[SMOOTH] = 0.2 * (value - calm)
    if cell["seen"] <= _SILENT:
        return 0.0
    week = 7.0 * max(round(_DAY / step), 1)
    together = _judge(cell, residual, week, settings, places, rarity)
    return (min(max(together, LOWEST), _RAREST) - LOWEST) * BINS_A_DECADE


@_machine_code
def _open_joint(cell: Any, week: float, window: float, final: FloatArray) -> None:
    """Let the joint table start with what it would be if rarities were right: one week of it."""
    joint = 2 * VIEWS
    cell["total"][joint] = week
    for b in range(BINS):
        cell["events"][joint][b] = min(10.0 ** -(LOWEST + b / BINS_A_DECADE), week / window)
    _refit(cell, joint, final)


@_machine_code
def _fade(cell: Any) -> None:
    """Let what was counted fade, once a day."""
    for table in range(2 * VIEWS + 1):
        cell["total"][table] *= _FORGET_A_DAY
        cell["beyond"][table] *= _FORGET_A_DAY
        for b in range(BINS):
            cell["events"][table][b] *= _FORGET_A_DAY


@_machine_code
def advance(
    cells: Any,
    rows: IntArray,
    at: FloatArray,
    values: FloatArray,
    expected: FloatArray,
    warm_up: float,
    settings: FloatArray,
    final: FloatArray,
    learning: bool,
    found: FloatArray,
) -> None:
    """Write -log10(alerts a week) to ``found [0]``, the share of points to ``found [1]``; then learn, if asked.

    Args:
        settings: Of the views, by place.
        final: Of the joint rarity, likewise.
        found: Shape ``[2, m]``; NaN for a gap or while warming up.
    """
    residual, places, rarity = np.empty(_DISTANCES), np.zeros(VIEWS), np.empty(VIEWS)
    joint = 2 * VIEWS
    for i in range(len(rows)):
        found[0, i] = np.nan
        found[1, i] = np.nan
        cell = cells[rows[i]]
        seen = cell["seen"]
        if math.isnan(values[i]) or (seen == 0 and not learning):
            continue
        value = min(max(values[i], -_LARGEST), _LARGEST)
        step = _step(cell, at[i])
        if learning:
            if seen == 0:
                cell["first"] = at[i]
                cell["short"] = value
                cell["quarter"] = value
                cell["slow"] = value
                cell["level"] = value
                cell["size"] = abs(value)
            elif at[i] > cell["at"]:
                cell["step"] = step
            cell["at"] = at[i]
        day = max(round(_DAY / step), 1)
        week = 7.0 * day
        window = max(math.floor(1800.0 / step), 6.0)
        season, slot = _season(cell, at[i], step)
        place = _opinion(cell, step, season, value, expected[i], settings, residual, places, rarity, np.nan)
        if seen >= warm_up:
            found[0, i] = _rarity(cell, joint, place, week)
            found[1, i] = _share(found[0, i], week, window) if place > 0 else 1.0
        if not learning:
            continue
        if seen > _SILENT:
            for view in range(VIEWS):
                if math.isnan(residual[view]) or (view == FORECAST and cell["forecast_seen"] <= _SILENT):
                    continue
                weight = _LITTLE if rarity[view] >= settings[ODD_TEACHES] else 1.0
                cell["total"][2 * view] += 1
                cell["total"][2 * view + 1] += 1
                table = 2 * view if residual[view] >= 0 else 2 * view + 1
                _count(cell, table, places[view], weight, window, settings)
            if cell["total"][joint] == 0:
                _open_joint(cell, week, window, final)
            weight = _LITTLE if _rarity(cell, joint, place, week) >= final[ODD_TEACHES] else 1.0
            cell["total"][joint] += 1
            _count(cell, joint, place, weight, window, final)
        if seen > 0 and seen % day == 0:
            _fade(cell)
        _learn(cell, value, slot, residual, step, settings)
        cell["seen"] += 1


@_machine_code
def bounds(
    cells: Any,
    rows: IntArray,
    at: FloatArray,
    expected: FloatArray,
    shares: FloatArray,
    warm_up: float,
    settings: FloatArray,
    found: FloatArray,
) -> None:
    """Write what is most likely and the values on both sides that are so rare; NaN while warming up.

    Most likely is the forecast, moved by its latest errors; without one, level and time of day.

    Args:
        shares: Share of normal points at the bounds, shape ``[m]``; NaN for no bounds.
        found: Shape ``[3, m]``.
    """
    residual, places, rarity = np.empty(_DISTANCES), np.zeros(VIEWS), np.empty(VIEWS)
    for i in range(len(rows)):
        found[:, i] = np.nan
        cell = cells[rows[i]]
        if cell["seen"] < warm_up:
            continue
        step = _step(cell, at[i])
        week = 7.0 * max(round(_DAY / step), 1)
        window = max(math.floor(1800.0 / step), 6.0)
        season, _ = _season(cell, at[i], step)
        middle = cell["level"] + season
        if math.isfinite(expected[i]) and cell["forecast_seen"] > _NEW_FORECAST:
            middle = min(max(expected[i], -_LARGEST), _LARGEST) + cell["offset"]
        found[0, i] = middle
        if math.isnan(shares[i]):
            continue
        for side in range(1, 3):
            sign = -1.0 if side == 1 else 1.0
            inside, outside = 0.0, np.inf
            reach = 1e-3 * (cell["scale"][SHORT] + settings[FLOOR] * cell["size"] + 1e-300)
            nearest = 1e-9 * reach
            while outside == np.inf or outside - inside > max(1e-10 * outside, nearest):
                probe = reach if outside == np.inf else 0.5 * (inside + outside)
                place = _opinion(
                    cell, step, season, middle + sign * probe, expected[i], settings, residual, places, rarity, middle
                )
                share = _share(_rarity(cell, 2 * VIEWS, place, week), week, window) if place > 0 else 1.0
                if share <= shares[i] or probe > _LARGEST:
                    outside = probe
                else:
                    inside = probe
                    reach *= 4.0
            found[side, i] = middle + sign * outside
