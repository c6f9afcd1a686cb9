"""A small fleet of services that exists only as numbers, with troubles whose truth is known.

Four weeks at one minute: days and weeks of different shapes, noise on every time scale from a minute to two days, a
launch, deployments, missing points, a batch job, a bursty service, a quiet one, a latency and a CPU; and troubles, the
last of them within the final six hours. Everything random is drawn backwards from the end: more weeks only add to the
beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from aiops.demo import shapes
from aiops.errors import DataError
from aiops.series import FloatArray, Frame, IntArray, SeriesKey, epoch_seconds
from aiops.series.grid import floor, require_utc

STEP = timedelta(minutes=1)
_MINUTES_A_WEEK = 7 * 1440
_REQUESTS = "service:http_requests:rate1m"

CHECKOUT = SeriesKey.of(_REQUESTS, {"service": "checkout"})
GATEWAY = SeriesKey.of(_REQUESTS, {"service": "api-gateway"})
SEARCH = SeriesKey.of(_REQUESTS, {"service": "search"})
FRONTEND = SeriesKey.of(_REQUESTS, {"service": "web-frontend"})
PAYMENTS = SeriesKey.of(_REQUESTS, {"service": "payments"})
RECOMMENDATIONS = SeriesKey.of(_REQUESTS, {"service": "recommendations"})
EXPORT = SeriesKey.of(_REQUESTS, {"service": "report-export"})
ADMIN = SeriesKey.of(_REQUESTS, {"service": "admin-console"})
SEARCH_LATENCY = SeriesKey.of("service:http_request_duration_seconds:p99", {"service": "search"})
CHECKOUT_CPU = SeriesKey.of("service:cpu_usage_cores:sum", {"service": "checkout"})


class Kind(StrEnum):
    """What happens to a series."""

    SPIKE = "spike"
    LEVEL_SHIFT = "level shift"
    LATENCY_RAMP = "latency ramp"
    RETRY_STORM = "retry storm"
    SURGE = "surge"
    LAUNCH = "launch"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that really happened to one series, and when.

    Attributes:
        start: Stamp of the first step that differs.
        end: Stamp after the last step that differs; the end of the data for what stays.
        description: What it was, in a sentence.
    """

    key: SeriesKey
    kind: Kind
    start: datetime
    end: datetime
    description: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fleet:
    """The generated series and the truth about them.

    Attributes:
        frame: All series at one-minute steps, NaN where a scrape failed.
        incidents: Troubles that a detector should find, by start.
        changes: What is meant to happen (launches, deployments): odd for a while, and no trouble.
        scaled: The series that drives the scaling loop.
        capacity_per_replica: What one replica of that service can serve, in requests/second.
    """

    frame: Frame
    incidents: tuple[Incident, ...]
    changes: tuple[Incident, ...]
    scaled: SeriesKey
    capacity_per_replica: float

    def row(self, key: SeriesKey) -> FloatArray:
        """Return the values of one series, shape ``[n]``."""
        return self.frame.row(self.frame.keys.index(key)).values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """How one series behaves when nothing happens.

    Attributes:
        level: Its mean when neither hour nor weekday adds or takes.
        quiet_share: What is left of it in the emptiest hour.
        bumps: (hour of day, width in hours, weight) of the busy times, UTC.
        week: One factor a weekday, Monday first.
        noise: Standard deviation of the logarithm.
        roughness: Share of the noise that is new every minute.
        pushes: (minute of the day, UTC; share that it adds) of what happens every day at the same time.
        bursts: (how many an hour, share that the median one adds) of what nobody can foresee.
    """

    key: SeriesKey
    unit: str
    level: float
    quiet_share: float
    bumps: tuple[tuple[float, float, float], ...]
    week: tuple[float, float, float, float, float, float, float]
    noise: float
    roughness: float
    pushes: tuple[tuple[int, float], ...] = ()
    bursts: tuple[float, float] = (0.0, 0.0)


_OFFICE_WEEK = (1.02, 1.05, 1.05, 1.03, 0.96, 0.5, 0.45)
_SHOP_WEEK = (0.93, 0.92, 0.94, 0.97, 1.03, 1.16, 1.12)
_EVEN_WEEK = (1.0, 1.01, 1.01, 1.0, 1.0, 0.96, 0.97)
_RATE = "requests/second"
_SERVICES = (
    _Service(
        key=CHECKOUT, unit=_RATE, level=780, quiet_share=0.16, bumps=((19.5, 3.2, 1.0), (12.2, 2.0, 0.55)),
        week=_SHOP_WEEK, noise=0.08, roughness=0.45, pushes=((9 * 60, 0.7), (12 * 60, 0.5), (19 * 60, 0.8)),
        bursts=(0.1, 0.12),
    ),
    _Service(
        key=GATEWAY, unit=_RATE, level=4200, quiet_share=0.3, bumps=((9.8, 2.2, 0.9), (14.6, 2.6, 1.0)),
        week=_OFFICE_WEEK, noise=0.05, roughness=0.3,
    ),
    _Service(
        key=SEARCH, unit=_RATE, level=1350, quiet_share=0.22, bumps=((13.5, 4.5, 1.0), (20.5, 2.2, 0.5)),
        week=(1.0, 1.02, 1.03, 1.0, 0.98, 0.9, 0.94), noise=0.06, roughness=0.3,
    ),
    _Service(
        key=FRONTEND, unit=_RATE, level=2600, quiet_share=0.55, bumps=((2.0, 3.5, 0.45), (16.5, 5.0, 1.0)),
        week=_EVEN_WEEK, noise=0.045, roughness=0.25,
    ),
    _Service(
        key=PAYMENTS, unit=_RATE, level=240, quiet_share=0.14, bumps=((20.2, 3.0, 1.0), (12.8, 1.8, 0.5)),
        week=(0.98, 0.92, 0.92, 0.96, 1.12, 1.14, 1.02), noise=0.09, roughness=0.45,
    ),
    _Service(
        key=RECOMMENDATIONS, unit=_RATE, level=420, quiet_share=0.35, bumps=((18.0, 4.0, 1.0),),
        week=_SHOP_WEEK, noise=0.12, roughness=0.4, bursts=(0.1, 0.9),
    ),
    _Service(key=EXPORT, unit=_RATE, level=1, quiet_share=1.0, bumps=(), week=(1.0,) * 7, noise=0.18, roughness=0.6),
    _Service(
        key=ADMIN, unit=_RATE, level=0.35, quiet_share=0.02, bumps=((10.5, 2.2, 1.0), (15.0, 2.2, 0.9)),
        week=(1.0, 1.0, 1.05, 1.0, 0.8, 0.08, 0.05), noise=0.25, roughness=0.2,
    ),
    _Service(
        key=SEARCH_LATENCY, unit="seconds", level=0.21, quiet_share=0.7, bumps=((13.8, 4.5, 1.0), (20.6, 2.2, 0.5)),
        week=(1.0, 1.01, 1.01, 1.0, 1.0, 0.97, 0.98), noise=0.1, roughness=0.7,
    ),
    # Its season is that of checkout, which it follows.
    _Service(
        key=CHECKOUT_CPU, unit="cores", level=1, quiet_share=1.0, bumps=(), week=(1.0,) * 7, noise=0.05, roughness=0.5,
    ),
)  # fmt: skip

_HOUR, _DAY = 60, 1440
_INCIDENTS = (
    # (series, kind, minutes before the end at which it starts, minutes that it lasts, what it was)
    (FRONTEND, Kind.LEVEL_SHIFT, 18 * _DAY + 5 * _HOUR, 190, "one region was withdrawn from DNS"),
    (SEARCH, Kind.SPIKE, 12 * _DAY + 9 * _HOUR, 14, "a crawler ignored its rate limit"),
    (SEARCH_LATENCY, Kind.LATENCY_RAMP, 8 * _DAY + 3 * _HOUR, 80, "an index merge starved the queries"),
    (GATEWAY, Kind.RETRY_STORM, 5 * _DAY + 7 * _HOUR, 75, "an expired certificate, then every client tried again"),
    (SEARCH, Kind.SPIKE, 5 * _HOUR + 20, 12, "a crawler ignored its rate limit"),
    (GATEWAY, Kind.RETRY_STORM, 4 * _HOUR + 25, 60, "the session store failed over, then every client tried again"),
    (SEARCH_LATENCY, Kind.LATENCY_RAMP, 3 * _HOUR + 15, 65, "a query cache stopped admitting entries"),
    (FRONTEND, Kind.SPIKE, 2 * _HOUR + 35, 16, "a partner replayed a day of calls at once"),
    (CHECKOUT, Kind.SURGE, 2 * _HOUR + 5, 85, "an unannounced sale went out to all customers"),
    (CHECKOUT_CPU, Kind.SURGE, 2 * _HOUR + 5, 85, "an unannounced sale went out to all customers"),
    (PAYMENTS, Kind.LEVEL_SHIFT, 95, 95, "a card network stopped answering"),
)
_CHANGES = (
    (GATEWAY, Kind.LAUNCH, 9 * _DAY + 2 * _HOUR, 9 * _DAY + 2 * _HOUR, "the mobile application was released"),
    (FRONTEND, Kind.DEPLOYMENT, 22 * _DAY + 4 * _HOUR, 10, "a new version was rolled out"),
    (FRONTEND, Kind.DEPLOYMENT, 15 * _DAY + 4 * _HOUR, 10, "a new version was rolled out"),
    (FRONTEND, Kind.DEPLOYMENT, 8 * _DAY + 4 * _HOUR, 10, "a new version was rolled out"),
    (FRONTEND, Kind.DEPLOYMENT, 1 * _DAY + 4 * _HOUR, 10, "a new version was rolled out"),
)
_GAPS = (
    # (series, or None for all of them, minutes before the end, minutes)
    (None, 15 * _DAY + 11 * _HOUR, 23),
    (RECOMMENDATIONS, 20 * _DAY, 130),
    (ADMIN, 55, 3),
)
_LOST_SCRAPES = 0.0005
_CAPACITY_PER_REPLICA = 40.0


def generate(end: datetime, weeks: int = 4, seed: int = 7) -> Fleet:
    """Make the fleet as it looks at ``end``.

    The same end and seed always give the same numbers, and fewer weeks give the last part of more weeks.

    Args:
        end: When the last step ends, UTC; cut to the minute.
        weeks: Length of the history; what would have happened before it is left out.

    Raises:
        DataError: If ``weeks`` is below one, or ``end`` is not UTC.
    """
    if weeks < 1:
        raise DataError(f"the fleet needs at least one week, got {weeks}")
    require_utc(end, "end")
    end = floor(end, STEP)
    n = weeks * _MINUTES_A_WEEK
    start = end - n * STEP
    # Monday 1970-01-05 is day 4 of the epoch.
    minutes = (np.arange(n) + int(epoch_seconds(start)) // 60 - 4 * _DAY).astype(np.int64)
    rows = {service.key: _usual(service, minutes, _random(seed, index)) for index, service in enumerate(_SERVICES)}

    incidents = _truth(_INCIDENTS, start, end)
    changes = _truth(_CHANGES, start, end)
    for each in (*incidents, *changes):
        if each.key != CHECKOUT_CPU:
            rows[each.key] *= _effect(each, start, n)
    rows[CHECKOUT_CPU] *= 0.6 + 0.021 * rows[CHECKOUT]
    rows[ADMIN] = shapes.counted(rows[ADMIN], _random(seed, len(_SERVICES)))

    keys = tuple(service.key for service in _SERVICES)
    values = np.stack([rows[key] for key in keys])
    _lose(values, keys, _random(seed, len(_SERVICES) + 1))
    return Fleet(
        frame=Frame(
            keys=keys, start=start, step=STEP, values=values, units=tuple(service.unit for service in _SERVICES)
        ),
        incidents=incidents,
        changes=changes,
        scaled=CHECKOUT,
        capacity_per_replica=_CAPACITY_PER_REPLICA,
    )


def _random(seed: int, stream: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, stream])


def _usual(service: _Service, minutes: IntArray, seed: np.random.SeedSequence) -> FloatArray:
    """Return one series on a day without events; ``minutes`` count from a Monday at midnight, UTC."""
    noise_seed, own_seed = seed.spawn(2)
    noise = np.exp(service.noise * shapes.rough_noise(len(minutes), service.roughness, noise_seed))
    if service.key == EXPORT:
        return shapes.batch_runs(minutes, own_seed) * noise
    usual = service.level * shapes.day(minutes, service.quiet_share, service.bumps) * shapes.week(minutes, service.week)
    push_seed, burst_seed = own_seed.spawn(2)
    usual = usual * shapes.pushes(minutes, service.pushes, push_seed)
    return usual * shapes.bursts(len(minutes), burst_seed, *service.bursts) * noise


def _truth(
    planned: tuple[tuple[SeriesKey, Kind, int, int, str], ...], start: datetime, end: datetime
) -> tuple[Incident, ...]:
    found = [
        Incident(key=key, kind=kind, start=end - before * STEP, end=end - (before - length) * STEP, description=text)
        for key, kind, before, length, text in planned
        if end - before * STEP >= start
    ]
    return tuple(sorted(found, key=lambda each: each.start))


def _effect(incident: Incident, start: datetime, n: int) -> FloatArray:
    """Return the factor by which an incident changes its series, shape ``[n]``."""
    first, last = (incident.start - start) // STEP, (incident.end - start) // STEP
    factor = np.ones(n)
    length = last - first
    match incident.kind:
        case Kind.SPIKE:
            factor[first:last] = shapes.plateau(length, 2.3, rise=2, fall=4)
        case Kind.LEVEL_SHIFT:
            factor[first:last] = 0.4
        case Kind.LATENCY_RAMP:
            factor[first:last] = np.linspace(1.15, 3.8, length)
        case Kind.RETRY_STORM:
            factor[first:last] = shapes.retry_storm(length)
        case Kind.SURGE:
            factor[first:last] = shapes.plateau(length, 2.4, rise=12, fall=25)
        case Kind.DEPLOYMENT:
            factor[first:last] = np.minimum(0.45 + 0.05 * np.arange(length), 0.95)
        case Kind.LAUNCH:
            factor[:first] = 0.8
    return factor


def _lose(values: FloatArray, keys: tuple[SeriesKey, ...], seed: np.random.SeedSequence) -> None:
    """Put the gaps into ``values``, in place: single lost scrapes, and the outages of the monitoring itself."""
    n = values.shape[1]
    lost = np.random.default_rng(seed).random((n, len(keys)))[::-1].T < _LOST_SCRAPES
    values[lost] = np.nan
    for key, before, length in _GAPS:
        rows = slice(None) if key is None else slice(keys.index(key), keys.index(key) + 1)
        values[rows, max(n - before, 0) : max(n - before + length, 0)] = np.nan
