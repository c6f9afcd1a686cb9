"""Scales, ticks and numbers as people write them: the arithmetic under every chart and table of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from aiops.series import FloatArray, epoch_seconds, from_epoch

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TIME_STEPS = (
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28, 91, 364)),
)
_MONDAY = epoch_seconds(datetime(1970, 1, 5, tzinfo=UTC))
_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A place on an axis and the one or two lines of text there."""

    value: float
    text: str
    below: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values to pixels.

    Attributes:
        low: Value at pixel 0 (or at ``pixels`` if ``flipped``).
        high: Value at the other end; above ``low``.
        pixels: Length of the axis.
        log: Logarithmic; what is not above zero lands on the low end.
        flipped: Grows towards pixel 0, as a vertical axis does.
    """

    low: float
    high: float
    pixels: float
    log: bool = False
    flipped: bool = False

    def at(self, values: FloatArray | float) -> FloatArray:
        """Return pixels, in the shape of ``values``; NaN stays NaN."""
        given = np.asarray(values, dtype=np.float64)
        if self.log:
            given = np.log10(np.where(given < self.low, self.low, given))
            low, high = math.log10(self.low), math.log10(self.high)
        else:
            low, high = self.low, self.high
        share = (given - low) / (high - low)
        return np.asarray((1 - share if self.flipped else share) * self.pixels, dtype=np.float64)


def linear_ticks(low: float, high: float, about: int) -> list[Tick]:
    """Return round ticks that enclose ``low`` and ``high``; first and last make good ends for the axis."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # one value, or what rounding made of one
        low, high = low - abs(low) * 0.5, high + (abs(high) * 0.5 or 1.0)
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(nice for nice in (1, 2, 2.5, 5, 10) if nice * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    values = [index * step for index in range(first, last + 1)]
    return [Tick(value=value, text=text) for value, text in zip(values, _si_texts(values, step), strict=True)]


def log_ticks(low: float, high: float, about: int, *, edge: str = "") -> list[Tick]:
    """Return ticks at round numbers that enclose ``low`` and ``high``, both above 0.

    Args:
        edge: Text of one more tick somewhat below, where those values sit that the axis cannot show; none if empty.
    """
    for digits in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        grid = [digit * 10.0**power for power in range(-12, 16) for digit in digits]
        first = max((index for index, value in enumerate(grid) if value <= low * 1.001), default=0)
        last = min((index for index, value in enumerate(grid) if value >= high * 0.999), default=len(grid) - 1)
        if last - first <= about:
            break
    last = max(last, first + 1)
    stride = max(1, math.ceil((last - first) / (about + 1)))
    ticks = [Tick(value=value, text=number(value, digits=2)) for value in grid[first : last + stride : stride]]
    if edge:
        ticks.insert(0, Tick(value=ticks[0].value / (ticks[-1].value / ticks[0].value) ** 0.18, text=edge))
    return ticks


def time_ticks(start: datetime, end: datetime, about: int) -> list[Tick]:
    """Return ticks on whole minutes, hours, days or Mondays, in seconds since the epoch; texts are UTC."""
    low, high = epoch_seconds(start), epoch_seconds(end)
    step = next((each for each in _TIME_STEPS if (high - low) / each <= about), _TIME_STEPS[-1])
    first = math.ceil((low - _MONDAY) / step) * step + _MONDAY
    ticks, day_before = [], None
    for seconds in np.arange(first, high + 1, step):
        at = from_epoch(seconds)
        day = f"{at.day} {at:%b}"
        if step >= _DAY:
            ticks.append(Tick(value=float(seconds), text=f"{at:%a}", below=day))
        else:
            ticks.append(
                Tick(value=float(seconds), text=f"{at:%H:%M}", below="" if day == day_before else f"{at:%a} {day}")
            )
        day_before = day
    return ticks


def number(value: float, digits: int = 3) -> str:
    """Return a number to ``digits`` significant digits, thousands apart, whole numbers whole; NaN is a dash."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -5 <= magnitude < 15:
        return f"{value:.{digits - 1}e}"
    decimals = max(digits - 1 - magnitude, 0)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def large_number(value: float) -> str:
    """Return a number for a headline: like ``number``, with millions and more as a word."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if math.isfinite(value) and abs(value) >= size:
            return f"{number(value / size)} {word}"
    return number(value)


def decimals_for(values: Sequence[float], digits: int = 3) -> int:
    """Return how many decimals show ``digits`` significant digits of the middle value of a column."""
    seen = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if not seen or all(float(value).is_integer() for value in seen):
        return 0
    return min(max(digits - 1 - math.floor(math.log10(float(np.median(seen)))), 0), 6)


def _si_texts(values: list[float], step: float) -> list[str]:
    largest = max(abs(value) for value in values)
    size, suffix = next(((size, suffix) for size, suffix in _SI if largest >= size * 10), (1.0, ""))
    decimals = max(0, -math.floor(math.log10(step / size) + 1e-9))
    if round(step / size, decimals) != round(step / size, decimals + 1):  # 2.5 needs one more than its power says
        decimals += 1
    return [f"{value / size:.{decimals}f}{suffix}" if value else "0" for value in values]
