"""Finds the season lengths of a series: daily and weekly first, then whatever its spectrum shows.

A period counts as a season when the autocorrelation at its lag is a peak: higher than the valley before it by more
than chance explains. A trend, a level shift or a random walk correlates with itself at every lag, but has no peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from aiops.errors import DataError
from aiops.series import FloatArray

CALENDAR = (timedelta(days=1), timedelta(days=7))
LEAST_PERIODS = 2
"""A season must have been seen this many times."""
LEAST_RISE = 0.1
"""Smallest rise of the autocorrelation over its valley that is worth a season, however significant."""
Z_CALENDAR = 3.0
"""Standard errors above the valley: noise passes about once in a thousand series."""
Z_SPECTRUM = 5.0
"""The same for a period that was chosen for looking periodic."""
SLOWEST = 4
"""Periods that history must hold for the spectrum to suggest one: slower swings are how noise wanders."""
NOTHING = 1e-18
"""Variance, in units of the largest value squared, below which what is left is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """A season of a series.

    Attributes:
        period: Length in steps, at least 2.
        strength: Rise of the autocorrelation over its valley, in (0, 1]; of what other seasons left unexplained.
    """

    period: int
    strength: float

    def __post_init__(self) -> None:
        if self.period < 2 or not 0.0 <= self.strength <= 1.0:
            raise DataError(f"a season has a period of at least 2 steps and a strength in [0, 1], got {self!r}")


def find_seasons(values: FloatArray, step: timedelta, most: int = 2) -> tuple[Season, ...]:
    """Return the seasons of one series, shortest first; none for a constant, a short or an empty series.

    Tried in this order: a day and a week, where they are whole steps, then the highest peak of the periodogram. What a
    season explains is taken out before the next is looked for, so that a day is not found again as half of two days.

    Args:
        values: Observations, shape ``[n]``; NaN marks a gap.
        step: Grid spacing.
        most: Largest number of seasons returned.

    Reference:
        Box, Jenkins (1976), "Time Series Analysis", section 2.1: Bartlett's standard error of an autocorrelation.
    """
    if len(values) < 2 * LEAST_PERIODS:
        return ()
    rest = _detrended(values)
    found: list[Season] = []
    for length in CALENDAR:
        period = length // step
        if length % step or not 2 <= period <= len(values) // LEAST_PERIODS:
            continue
        strength = _strength(rest, period, Z_CALENDAR)
        if strength and len(found) < most:
            found.append(Season(period=period, strength=strength))
            rest = _without(rest, period)
    while len(found) < most:
        suggested = _spectral_peak(rest)
        # A period of 12.5 steps is 13 here; what the rounding leaves looks like 13 again.
        if suggested is None or any(abs(suggested / season.period - 1) < 0.1 for season in found):
            break
        strength = _strength(rest, suggested, Z_SPECTRUM)
        if not strength:
            break
        found.append(Season(period=suggested, strength=strength))
        rest = _without(rest, suggested)
    return tuple(sorted(found, key=lambda season: season.period))


def _detrended(values: FloatArray) -> FloatArray:
    """Return what a straight line leaves of the values, all NaN if that is nothing."""
    seen = np.flatnonzero(~np.isnan(values))
    result = np.full(len(values), np.nan)
    if len(seen) < 4 or np.ptp(values[seen]) == 0:
        return result
    scaled = values[seen] / np.abs(values[seen]).max()
    slope, level = np.polyfit(seen / len(values), scaled, 1)
    result[seen] = scaled - (level + slope * seen / len(values))
    return result


def _strength(rest: FloatArray, period: int, z: float) -> float:
    """Return the rise of the autocorrelation at ``period`` over its valley, in [0, 1]; 0 where chance explains it."""
    seen = ~np.isnan(rest)
    centred = np.where(seen, rest, 0.0)
    n, size = len(rest), 1 << (2 * len(rest) - 1).bit_length()
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)[:n]
    pairs = np.round(np.fft.irfft(np.abs(np.fft.rfft(seen.astype(np.float64), size)) ** 2, size)[:n])
    if pairs[period] < period or products[0] / pairs[0] < NOTHING:
        return 0.0
    correlation = products / np.maximum(pairs, 1.0) / (products[0] / pairs[0])
    quarter = max(period // 4, 1)
    # Bartlett's error with the memory of the noise only: the season's own correlation is what we look for.
    error = np.sqrt((1.0 + 2.0 * np.sum(correlation[1 : quarter + 1] ** 2)) / pairs[period])
    valley = correlation[quarter : period - quarter + 1]
    rise = float(correlation[period] - valley.mean())
    # Where a shorter lag repeats as well, the season is that one, and this only a multiple of it.
    enough = correlation[period] > max(0.0, float(valley.max() + error)) and rise > max(LEAST_RISE, z * float(error))
    return min(rise, 1.0) if enough else 0.0


def _without(rest: FloatArray, period: int) -> FloatArray:
    """Return ``rest`` minus the mean of each slot of the period."""
    slot = np.arange(len(rest)) % period
    seen = ~np.isnan(rest)
    visits = np.bincount(slot[seen], minlength=period)
    means = np.bincount(slot[seen], weights=rest[seen], minlength=period) / np.maximum(visits, 1)
    return np.asarray(rest - means[slot], dtype=np.float64)


def _spectral_peak(rest: FloatArray) -> int | None:
    """Return the period of the strongest frequency, or None where there is none of use.

    The grid of frequencies is coarse for long periods, so that the power of the two neighbours moves it.
    """
    power = np.abs(np.fft.rfft(np.where(np.isnan(rest), 0.0, rest))) ** 2
    power[:SLOWEST] = 0.0
    if len(power) <= SLOWEST + 1 or power.max() < NOTHING:
        return None
    k = int(np.argmax(power))
    near = slice(k - 1, min(k + 2, len(power)))
    frequency = float(np.average(np.arange(len(power))[near], weights=power[near]))
    period = round(len(rest) / frequency)
    return period if period >= 2 else None
