"""Which values a series takes: the fleet detector's histogram of them, in machine code.

Imported when it is first used: Numba is slow to import. The bins are of one width, which doubles where a value lies
beyond them: once a point, so that one wild value does not put all others into one bin.
"""

from __future__ import annotations

import math
from typing import Any

from aiops.detection.fleet_record import VALUES
from aiops.series.compiled import machine_code

_FORGOTTEN = 0.16  # of one visit, at a day's fading: what was not seen for three months is new again
_SPREAD = 8.0  # the first bins reach so many times as far as the first change
NEWEST = 0.1  # a new value is up to ten times as rare
RAREST_BY_VALUE = 0.1  # alerts a week: so rare a point may be called for its value; what is rarer has other reasons


@machine_code
def bin_of_value(cell: Any, value: float) -> float:
    """Return the bin of a value, as a whole number; one that lies outside counts on."""
    return float(math.floor((value - cell["value_first"]) / cell["value_width"]))


@machine_code
def sparseness(cell: Any, value: float) -> float:
    """Return -log10 of the share of points whose values are as far out, or twice those of the value's own bin."""
    if cell["value_width"] <= 0:
        return 0.0
    visits, place = cell["values"], bin_of_value(cell, value)
    as_far = 0.0
    if 0 <= place < VALUES:
        own = int(place)
        below, above = 0.0, 0.0
        for b in range(own + 1):
            below += visits[b]
        for b in range(own, VALUES):
            above += visits[b]
        as_far = min(below, above, 2.0 * visits[own])
    return math.log10((cell["value_points"] + 1.0) / (as_far + 1.0))


@machine_code
def with_novelty(cell: Any, value: float, rate: float) -> float:
    """Return the rate of a point, lowered if its value is new: up to ten times, and not below once in ten weeks.

    The farther a new value is from all that were seen, in bins, the fewer of the new ones so far were so far off: one
    in so many, as with a tail like 1 / distance.
    """
    if rate <= RAREST_BY_VALUE or cell["value_width"] <= 0:
        return rate
    return float(max(rate * novelty(cell, bin_of_value(cell, value)), RAREST_BY_VALUE))


@machine_code
def novelty(cell: Any, place: float) -> float:
    """Return by what the rate of a point in this bin is multiplied: 1 for one that was visited, ``NEWEST`` at least."""
    visits = cell["values"]
    if 0 <= place < VALUES and visits[int(place)] > _FORGOTTEN:
        return 1.0
    nearest = math.inf
    for b in range(VALUES):
        if visits[b] > _FORGOTTEN:
            nearest = min(nearest, abs(place - b))
    if nearest == math.inf:
        return 1.0
    share = (cell["new_values"] / nearest + 1.0) / (cell["value_points"] + 1.0)
    return float(max(math.sqrt(min(share, 1.0)), NEWEST))


@machine_code
def visit(cell: Any, value: float, known: float, floor: float, told: bool) -> None:
    """Count a value.

    Args:
        known: What the series had been until its first change.
        floor: Least distance that is called usual.
        told: Whether the detector has an opinion yet: new values are counted from then on.
    """
    visits = cell["values"]
    if cell["value_width"] <= 0:
        if value == known:
            cell["value_points"] += 1
            return
        cell["value_width"] = max(abs(value - known), floor) * _SPREAD / VALUES
        cell["value_first"] = known - cell["value_width"] * (VALUES // 2)
        visits[VALUES // 2] = cell["value_points"]
    if told and novelty(cell, bin_of_value(cell, value)) < 1.0:
        cell["new_values"] += 1
    cell["value_points"] += 1
    place = bin_of_value(cell, value)
    if place < 0 or place >= VALUES:
        _widen(cell, place < 0)
        place = bin_of_value(cell, value)
    if 0 <= place < VALUES:
        visits[int(place)] += 1


@machine_code
def _widen(cell: Any, downwards: bool) -> None:
    """Let two bins become one, and make room on the side where it is needed."""
    visits, half = cell["values"], VALUES // 2
    for b in range(half):
        own = VALUES - 1 - b if downwards else b
        first = 2 * (own - half) if downwards else 2 * own
        visits[own] = visits[first] + visits[first + 1]
    for b in range(half):
        visits[b if downwards else VALUES - 1 - b] = 0.0
    if downwards:
        cell["value_first"] -= VALUES * cell["value_width"]
    cell["value_width"] *= 2.0


@machine_code
def fade_values(cell: Any, kept: float) -> None:
    """Let visits fade, once a day."""
    cell["value_points"] *= kept
    cell["new_values"] *= kept
    for b in range(VALUES):
        cell["values"][b] *= kept
