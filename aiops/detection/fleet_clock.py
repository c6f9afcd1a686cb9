"""Days after which a day may begin an hour earlier or later: daylight saving, for the fleet detector, in machine code.

Stamps are UTC, and nobody tells us the zone of a series. Clocks change at one of seven weekends of the year, wherever
they do. From such a Saturday noon to Tuesday noon a point is held against the time of day that fits it best, of three
an hour apart; and once one of the others has fitted far better, the table of the day is turned to it.

Imported when it is first used: Numba is slow to import.
"""

from __future__ import annotations

import math
from typing import Any

from aiops.detection.fleet_record import SLOTS
from aiops.series.compiled import machine_code

DAY = 86_400.0
_HOURS = 24
_BETTER = 2.0  # times closer than the table as it is
_MEMORY = 0.25  # of a day, in which the three are compared


@machine_code
def clocks_may_have_changed(at: float) -> bool:
    """Return whether an instant is within three days of a weekend at which clocks change somewhere.

    North America: second Sunday of March, first of November. Europe: last of March and October. The south: first of
    April and October, last of September.
    """
    days = math.floor((at + 0.5 * DAY) / DAY)
    since = (days + 4) % 7  # 1970 began on a Thursday
    if since > 2:
        return False
    # The civil date of that Sunday: days are counted in eras of 400 years from the first of March of the year 0.
    shifted = days - since + 719_468
    of_era = shifted % 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153  # 0 is March
    date = of_year - (153 * month + 2) // 5 + 1
    if month == 0:
        return 8 <= date <= 14 or date >= 25
    if month == 7:
        return date <= 7 or date >= 25
    return (month in (1, 8) and date <= 7) or (month == 6 and date >= 24)


@machine_code
def read(cell: Any, position: float, slots: int, day: int, shift: int) -> float:
    """Return what the table adds at a position in the day, in slots, as many slots later."""
    slot = min(int(position), slots - 1)
    share = position - slot - 0.5
    here = (slot + shift) % slots
    if slots == day:
        return float(cell["slots"][here])
    other = (here + (1 if share >= 0 else -1)) % slots
    return float(cell["slots"][here] * (1.0 - abs(share)) + cell["slots"][other] * abs(share))


@machine_code
def nearest_season(cell: Any, value: float, season: float, unusual: float, at: float, step: float, day: int) -> float:
    """Return what the time of day adds; if that is off by ``unusual``, an hour before or after if that is nearer."""
    slots = min(day, SLOTS)
    if slots % _HOURS != 0 or abs(value - cell["slow"] - season) < unusual:
        return season
    position = (math.floor(at / step) % day + 0.5) / day * slots
    beside = value - cell["slow"]
    nearest = season
    for hour in (-1, 1):
        other = read(cell, position, slots, day, hour * slots // _HOURS)
        if abs(beside - other) < abs(beside - nearest):
            nearest = other
    return nearest


@machine_code
def compare_hours(cell: Any, value: float, limit: float, at: float, step: float, day: int) -> None:
    """Note how far the value is from the table as it is, and an hour before and after; turn it when clocks changed.

    Only in the middle of a slot, and only where the table as it is fits again: what is still missing may never come.

    Args:
        limit: Of a distance: more counts as so much.
    """
    slots = min(day, SLOTS)
    if slots % _HOURS != 0:
        return
    position = (math.floor(at / step) % day + 0.5) / day * slots
    slot = min(int(position), slots - 1)
    if abs(position - slot - 0.5) > 0.5 * slots / day:
        return
    beside, hour = value - cell["slow"], slots // _HOURS
    off = cell["off"]
    for k in range(3):
        distance = min(abs(beside - cell["slots"][(slot + (k - 1) * hour) % slots]), limit)
        off[k] += (distance - off[k]) / (_MEMORY * slots)
    fits = abs(beside - cell["slots"][slot]) < 0.25 * limit
    better = 0 if off[0] < off[2] else 2
    if fits and off[1] > _BETTER * off[better] and clocks_may_have_changed(at):
        _turn(cell, (better - 1) * hour, slots)
        off[1] = off[better]


@machine_code
def _turn(cell: Any, by: int, slots: int) -> None:
    """Turn the table, so that each slot says what the one ``by`` slots later said."""
    kept = cell["slots"][:slots].copy()
    seen = cell["slot_seen"][:slots].copy()
    for slot in range(slots):
        cell["slots"][slot] = kept[(slot + by) % slots]
        cell["slot_seen"][slot] = seen[(slot + by) % slots]
