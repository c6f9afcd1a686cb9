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
_FAR = 12.0  # usual distances: more counts as so much
_UNUSUAL = 2.0
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
def season_by_clocks(
    cell: Any, value: float, season: float, usual: float, learning: bool, at: float, step: float, day: int
) -> float:
    """Return what the time of day adds; for an unusual value, an hour before or after if that is nearer.

    When learning, it notes how far the value is from all three, in the middle of a slot, and turns the table if clocks
    changed: only where the table as it is fits again, as what is still missing may never come.

    Args:
        usual: Distance from the time of day.
    """
    slots = min(day, SLOTS)
    if slots % _HOURS != 0:
        return season
    position = (math.floor(at / step) % day + 0.5) / day * slots
    slot = min(int(position), slots - 1)
    beside, hour, off = value - cell["slow"], slots // _HOURS, cell["off"]
    if learning and abs(position - slot - 0.5) <= 0.5 * slots / day:
        if off[1] == 0.0:
            _begin(cell, usual, slots, hour)
        for k in range(3):
            distance = min(abs(beside - cell["slots"][(slot + (k - 1) * hour) % slots]), _FAR * usual)
            off[k] += (distance - off[k]) / (_MEMORY * slots)
        better = 0 if off[0] < off[2] else 2
        if abs(beside - cell["slots"][slot]) < 0.25 * _FAR * usual and off[1] > _BETTER * off[better]:
            _turn(cell, (better - 1) * hour, slots)
            off[1] = off[better]
            season = read(cell, position, slots, day, 0)
    if abs(beside - season) < _UNUSUAL * usual:
        return season
    nearest = season
    for k in (-1, 1):
        other = read(cell, position, slots, day, k * hour)
        if abs(beside - other) < abs(beside - nearest):
            nearest = other
    return nearest


@machine_code
def _begin(cell: Any, usual: float, slots: int, hour: int) -> None:
    """Say how far off the three usually are: one point, which another hour happens to fit better, turns nothing."""
    table, apart = cell["slots"], 0.0
    for slot in range(slots):
        apart += min(abs(table[slot] - table[(slot + hour) % slots]), _FAR * usual) / slots
    cell["off"][1] = usual
    cell["off"][0] = max(apart, usual)
    cell["off"][2] = max(apart, usual)


@machine_code
def _turn(cell: Any, by: int, slots: int) -> None:
    """Turn the table, so that each slot says what the one ``by`` slots later said."""
    table, seen = cell["slots"], cell["slot_seen"]
    for _ in range(by % slots):  # in place, one slot at a time: a copy would cost each point of the fleet
        first, first_seen = table[0], seen[0]
        for slot in range(slots - 1):
            table[slot], seen[slot] = table[slot + 1], seen[slot + 1]
        table[slots - 1], seen[slots - 1] = first, first_seen
