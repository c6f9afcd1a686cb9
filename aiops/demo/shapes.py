"""The shapes that generated telemetry is made of: days, weeks, noise, bursts, batch runs, troubles.

Whatever is random is drawn backwards from the last step, so that a longer history ends in the shorter one.
"""

from __future__ import annotations

import numpy as np

from aiops.series import FloatArray, IntArray

_DAY = 1440
_OCTAVES = ((3, 0.3), (15, 0.35), (60, 0.45), (360, 0.6), (2880, 0.5))
"""(minutes between knots, weight) of the noise that lasts: slow drifts weigh more than fast ones, as in traffic."""


def day(minutes: IntArray, quiet_share: float, bumps: tuple[tuple[float, float, float], ...]) -> FloatArray:
    """Return the daily season, shape ``[n]``, between ``quiet_share`` and 1.

    Args:
        minutes: Minutes since a Monday at midnight, UTC.
        quiet_share: Value in the emptiest hour.
        bumps: (hour of day, width in hours, weight) of the busy times; each a von Mises bump, so midnight has no seam.
    """
    if not bumps:
        return np.ones(len(minutes))
    clock = np.arange(_DAY) / _DAY * 2 * np.pi
    shape = np.zeros(_DAY)
    for hour, width, weight in bumps:
        sharpness = (24 / (2 * np.pi * width)) ** 2
        shape += weight * np.exp(sharpness * (np.cos(clock - hour / 24 * 2 * np.pi) - 1))
    shape = (shape - shape.min()) / (shape.max() - shape.min())
    return np.asarray(quiet_share + (1 - quiet_share) * shape[minutes % _DAY], dtype=np.float64)


def week(minutes: IntArray, factors: tuple[float, ...]) -> FloatArray:
    """Return the weekly season, shape ``[n]``: each weekday's factor, with a change of four hours around midnight."""
    days = np.asarray(factors)
    into = minutes % _DAY
    today, tomorrow = days[minutes // _DAY % 7], days[(minutes // _DAY + 1) % 7]
    yesterday = days[(minutes // _DAY - 1) % 7]
    late = np.clip((into - (_DAY - 120)) / 240, 0, 0.5)
    early = np.clip((120 - into) / 240, 0, 0.5)
    return np.asarray(today + late * (tomorrow - today) + early * (yesterday - today), dtype=np.float64)


def rough_noise(n: int, roughness: float, seed: np.random.SeedSequence) -> FloatArray:
    """Return noise of about unit variance, shape ``[n]``.

    It is a sum of random walks between knots on five time scales, hence autocorrelated from minutes to days, and of
    fresh noise for each minute.

    Args:
        roughness: Weight of the fresh noise, in [0, 1].
    """
    streams = seed.spawn(len(_OCTAVES) + 1)
    back = np.arange(n, dtype=np.float64)
    slow = np.zeros(n)
    for (apart, weight), stream in zip(_OCTAVES, streams, strict=False):
        knots = np.random.default_rng(stream).standard_normal(n // apart + 2)
        slow += weight * np.interp(back / apart, np.arange(len(knots)), knots)
    # Between knots a straight line has two thirds of the variance of its ends.
    slow /= np.sqrt(sum(weight**2 for _, weight in _OCTAVES) * 2 / 3)
    fresh = np.random.default_rng(streams[-1]).standard_normal(n)
    mixed = np.sqrt(1 - roughness**2) * slow + roughness * fresh
    return np.asarray(mixed[::-1], dtype=np.float64)


def bursts(n: int, seed: np.random.SeedSequence, per_hour: float, height: float) -> FloatArray:
    """Return the factor of a bursty service, shape ``[n]``, at least 1: sudden, of random height, fading in minutes.

    Args:
        per_hour: How many there are.
        height: How much the median one adds.
    """
    fading = np.exp(-np.arange(60) / 9.0)
    drawn = n + len(fading)  # what began before the first step fades into it
    begins = np.random.default_rng(seed).random(drawn) < per_hour / 60
    heights = height * np.random.default_rng(seed.spawn(1)[0]).lognormal(0.0, 0.5, drawn)
    return np.asarray(1 + np.convolve((begins * heights)[::-1], fading)[len(fading) : drawn], dtype=np.float64)


def pushes(minutes: IntArray, times: tuple[tuple[int, float], ...], seed: np.random.SeedSequence) -> FloatArray:
    """Return the factor of what a business does every day at the same time, shape ``[n]``, at least 1.

    Each push is followed by many within three minutes, who then lose interest; how many differs from day to day.

    Args:
        times: (minute of the day, UTC; how much it adds on a usual day) of each push.
    """
    days = minutes // _DAY
    factor = np.ones(len(minutes))
    for (at, adds), stream in zip(times, seed.spawn(len(times)), strict=True):
        varying = np.random.default_rng(stream).lognormal(0.0, 0.1, int(days[-1] - days[0]) + 1)[days[-1] - days]
        since = minutes % _DAY - at
        factor += np.where(since >= 0, adds * varying * np.minimum((since + 1) / 3, 1) * np.exp(-since / 18.0), 0.0)
    return np.asarray(factor, dtype=np.float64)


def batch_runs(minutes: IntArray, seed: np.random.SeedSequence) -> FloatArray:
    """Return a batch job, shape ``[n]``: a short run every hour, a long one at night, longer on Sundays, else idle."""
    hours = minutes // 60
    jitter = np.random.default_rng(seed).random(int(hours[-1] - hours[0]) + 1)[hours[-1] - hours]
    into_hour, into_day = minutes % 60, minutes % _DAY
    hourly = (into_hour >= 5) & (into_hour < 14 + 6 * jitter)
    length = np.where(minutes // _DAY % 7 == 6, 150, 95)
    nightly = (into_day >= 61) & (into_day < 61 + length)
    return np.asarray(0.6 + 44.0 * hourly + 185.0 * nightly, dtype=np.float64)


def counted(rate: FloatArray, seed: np.random.SeedSequence) -> FloatArray:
    """Return what a counter shows of a rare event: Poisson counts a minute, as a rate per second, shape ``[n]``."""
    counts = np.random.default_rng(seed).poisson(rate[::-1] * 60)
    return np.asarray(counts[::-1] / 60.0, dtype=np.float64)


def plateau(length: int, height: float, rise: int, fall: int) -> FloatArray:
    """Return a factor that climbs to ``height`` within ``rise`` steps, stays, and falls back within ``fall``."""
    at = np.arange(length, dtype=np.float64)
    up = np.minimum((at + 1) / rise, 1.0)
    down = np.minimum((length - at) / fall, 1.0)
    return np.asarray(1 + (height - 1) * np.minimum(up, down), dtype=np.float64)


def retry_storm(length: int, outage: int = 12) -> FloatArray:
    """Return a factor that is almost nothing for ``outage`` steps, then more than twice the usual, fading."""
    at = np.arange(length, dtype=np.float64)
    return np.asarray(np.where(at < outage, 0.07, 1 + 1.3 * np.exp(-(at - outage) / 16)), dtype=np.float64)
