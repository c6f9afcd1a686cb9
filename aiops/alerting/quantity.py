"""Numbers as people say them: ``1.32 k requests/second``, ``250 ms``, ``1.5 GiB``."""

from __future__ import annotations

import math
from datetime import datetime

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_NOTHING = 1e-30  # what means and tables leave of zeros, which nobody measured
_DURATION = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def quantity(value: float, unit: str = "") -> str:
    """Return a value with three digits and its unit; ``"unknown"`` for NaN.

    Args:
        unit: A base unit. ``seconds``, ``bytes`` and ``ratio`` are scaled as people write them; any other is kept, and
            the number gets an SI prefix.
    """
    if math.isnan(value):
        return "unknown"
    if abs(value) < _NOTHING:
        value = 0.0
    first, _, rest = unit.partition("/")
    per = f"/{rest}" if rest else ""
    if first == "seconds" and not rest and value != 0:
        size, name = next((each for each in _DURATION if abs(value) >= each[0]), _DURATION[-1])
        return f"{_digits(value / size)} {name}"
    if first == "bytes":
        size, name = next((each for each in _BINARY if abs(value) >= each[0]), (1.0, "B"))
        return f"{_digits(value / size)} {name}{per}"
    if unit == "ratio":
        return f"{_digits(100 * value)} %"
    size, prefix = next((each for each in _SI if abs(value) >= each[0]), (1.0, ""))
    return " ".join(part for part in (_digits(value / size), prefix, unit) if part)


def span(low: float, high: float, unit: str = "") -> str:
    """Return an interval, its unit once where both ends have the same: ``97 to 520 requests/second``."""
    first, last = quantity(low, unit), quantity(high, unit)
    number, _, rest = first.partition(" ")
    return f"{number} to {last}" if rest == last.partition(" ")[2] else f"{first} to {last}"


def instant(at: datetime) -> str:
    """Return an instant to the minute, with its zone: an alert is read by people in several."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def odds(score: float) -> str:
    """Return in words how often normal points look so odd."""
    rarity = 1.0 / max(1.0 - score, 1e-12)
    if rarity >= 1e6:
        return "fewer than one point in a million looks so odd in normal times"
    shown = f"{round(rarity, 1 - len(str(int(rarity)))):,.0f}".replace(",", " ")
    return f"one point in {shown} looks so odd in normal times"


def how_often(alerts_a_week: float) -> str:
    """Return in words how often a threshold would be passed, with one digit."""
    weeks = _one_digit(1.0 / max(alerts_a_week, 1e-3))
    if alerts_a_week < 1e-3:
        return "less than once in 1 000 weeks"
    if alerts_a_week < 1.0 and weeks != "1":
        return f"once in {weeks} weeks"
    times = _one_digit(max(alerts_a_week, 1.0))
    return "once a week" if times == "1" else f"{times} times a week"


def _one_digit(number: float) -> str:
    return f"{round(number, -math.floor(math.log10(number))):.0f}"


def _digits(value: float) -> str:
    """Return three significant digits, without an exponent where a person would not use one."""
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2e}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.0f}" if rounded == int(rounded) else f"{rounded:.6f}".rstrip("0")
