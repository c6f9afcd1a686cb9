"""What a series is expected to be, in several ways: the fleet detector's levels, scales and time of day.

Machine code; imported when it is first used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiops.detection.fleet_clock import DAY, read
from aiops.detection.fleet_record import SLOTS, VIEWS
from aiops.series import FloatArray
from aiops.series.compiled import machine_code

SHORT, QUARTER, SEASON, DAILY, SLOW, FORECAST = range(VIEWS)
SILENT = 10  # points of a series, or of its forecast, before their distance means anything
LARGEST = 1e37  # values beyond it are taken for it: their differences fit single precision
_CLIP = 6.0  # what is farther off, in usual distances, is a surprise
_LONE = 10.0  # how many clips what is recent follows one surprise
_OFFSET_RATE = 1.0 / 240.0
_MOST_SEEN = 200  # of a slot: its rate of learning has been lower than that for long


@machine_code
def step_of(cell: Any, at: float) -> float:
    """Return the smallest distance between two stamps so far, this one included; a minute if there were no two."""
    step = cell["step"]
    apart = at - cell["at"]
    if cell["seen"] > 0 and apart > 0 and (step == 0 or apart < step):
        step = apart
    return float(step) if step > 0 else 60.0


@machine_code
def floor_of(cell: Any, floor_ratio: float) -> float:
    """Return the least distance that is called usual."""
    return float(floor_ratio * cell["size"] + 1e-300)


@machine_code
def season_of(cell: Any, at: float, step: float, day: int) -> tuple[float, int]:
    """Return what the time of day adds, and the slot of the day."""
    slots = min(day, SLOTS)
    position = (math.floor(at / step) % day + 0.5) / day * slots
    slot = min(int(position), slots - 1)
    if not at - cell["first"] >= DAY or cell["slot_seen"][slot] == 0:
        return 0.0, slot
    return read(cell, position, slots, day, 0), slot


@machine_code
def begin(cell: Any, at: float, value: float) -> None:
    """Take the first point for what is normal."""
    cell["first"] = at
    cell["short"] = value
    cell["quarter"] = value
    cell["slow"] = value
    cell["level"] = value
    cell["size"] = abs(value)


@machine_code
def look(cell: Any, value: float, season: float, expected: float, residual: FloatArray) -> None:
    """Write how far the value is from what each view expects; NaN for no forecast."""
    residual[SHORT] = value - cell["short"]
    residual[QUARTER] = value - cell["quarter"]
    residual[SEASON] = value - season - cell["level"]
    residual[DAILY] = value - season - cell["slow"]
    residual[SLOW] = value - cell["slow"]
    residual[FORECAST] = np.nan
    if not math.isnan(expected):
        residual[FORECAST] = value - min(max(expected, -LARGEST), LARGEST) - cell["offset"]


@machine_code
def _clipped(value: float, limit: float, seen: float, unclipped: float) -> float:
    return min(max(value, -limit), limit) if seen > unclipped else value


@machine_code
def learn(cell: Any, value: float, slot: int, residual: FloatArray, step: float, day: int, floor_ratio: float) -> None:
    """Move every level and scale towards the point; surprises are clipped, and believed when they stay for hours."""
    seen, scale = cell["seen"], cell["scale"]
    floor = floor_of(cell, floor_ratio)
    surprised = seen > SILENT and abs(residual[SEASON]) > _CLIP * max(scale[SEASON], floor)
    cell["surprises"] = cell["surprises"] + 1 if surprised else 0
    haste = 1.0 + max(cell["surprises"] - max(day / 6.0, 24.0), 0.0)
    clip = _CLIP * haste
    # What is far off moves levels by so much at most: computed from the scales before this point.
    daily = _clipped(residual[DAILY], clip * max(scale[DAILY], floor), seen, day)
    slow = _clipped(residual[SLOW], clip * max(scale[SLOW], floor), seen, 20)
    level = _clipped(residual[SEASON], clip * max(scale[SEASON], floor), seen, 20)
    size = _clipped(abs(value) - cell["size"], clip * max(scale[SLOW], floor), seen, 20)
    # One wild value must not look like many: what is recent follows it by so much at most, until a second one comes.
    lone = _LONE * clip if cell["surprises"] == 1 else math.inf
    short = _clipped(residual[SHORT], lone * max(scale[SHORT], floor), seen, 20)
    quarter = _clipped(residual[QUARTER], lone * max(scale[QUARTER], floor), seen, 20)
    slowly = min(haste / (3.0 * day), 0.5)
    early = 1.0 / (seen + 1.0)
    rate = max(slowly, early)
    for view in range(FORECAST):
        distance = abs(residual[view])
        if seen > SILENT:
            distance = min(distance, clip * max(scale[view], floor))
        scale[view] += rate * (distance - scale[view])
    if not math.isnan(residual[FORECAST]):
        _learn_forecast(cell, residual[FORECAST], slowly, clip, floor)
    slots = min(day, SLOTS)
    if cell["slot_seen"][slot] < _MOST_SEEN:
        cell["slot_seen"][slot] += 1
    cell["slots"][slot] += max(0.1 * slots / day, 1.0 / (cell["slot_seen"][slot] + 1.0)) * daily
    cell["slow"] += rate * slow
    cell["level"] += (min(step / 3600.0, 1.0) if step < 3600.0 else 1.0 / 24.0) * level
    cell["short"] += 0.33 * short
    cell["quarter"] += quarter / 15.0
    cell["size"] += max(min(haste / (7.0 * day), 0.5), early) * size


@machine_code
def _learn_forecast(cell: Any, residual: float, slowly: float, clip: float, floor: float) -> None:
    seen, scale = cell["forecast_seen"], cell["scale"]
    early = 1.0 / (seen + 1.0)
    limit = clip * max(scale[FORECAST], floor)
    distance = min(abs(residual), limit) if seen > SILENT else abs(residual)
    cell["offset"] += max(_OFFSET_RATE, early) * _clipped(residual, limit, seen, SILENT)
    scale[FORECAST] += max(slowly, early) * (distance - scale[FORECAST])
    cell["forecast_seen"] += 1
