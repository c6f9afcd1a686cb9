"""How high the days of the coming weeks go, and when a limit is reached: for every series of a source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from aiops.errors import ConfigError, DataError
from aiops.forecasting.fleet.calendar import Calendar
from aiops.forecasting.fleet.maximum import day_maxima
from aiops.ports import Mapper
from aiops.series import FloatArray, Frame, IntArray, Series, SeriesKey
from aiops.series.coarse import block_maxima
from aiops.series.grid import from_epoch, stamps
from aiops.usecases.forecast import MOST_STEPS, Part, Skipped, prepared
from aiops.usecases.shards import Shard, share_out

DAY = timedelta(days=1)
LEVELS = (0.1, 0.5, 0.9, 0.95)
CHANCES = (0.1, 0.5, 0.9)
BATCH = 64
LIMIT = "limit"
"""Column of an index with the limit of each series, in its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        horizon: How far to look, beyond the end of the day of the cutoff; whole days.
        history: Most history that is learnt from.
        step: Series of a finer step are aggregated to the highest value of this one; divides a day.
        limit: Of series for which the index says none; None if they have none.
        calendar: Whose days are told, and whose weekends and holidays the series keep.

    Raises:
        ConfigError: If a length or the limit makes no sense.
    """

    horizon: timedelta = timedelta(days=28)
    history: timedelta = timedelta(days=84)
    step: timedelta = timedelta(hours=1)
    limit: float | None = None
    calendar: Calendar = field(default_factory=Calendar)

    def __post_init__(self) -> None:
        if self.horizon < DAY or self.horizon % DAY:
            raise ConfigError(f"a horizon of {self.horizon}: peaks are told by the day, give whole days, such as 28d")
        if DAY % self.step:
            raise ConfigError(f"a step of {self.step} does not divide a day: give 1h, or another that does")
        if self.limit is not None and not math.isfinite(self.limit):
            raise ConfigError(f"a limit of {self.limit}: give a number, in the unit of the series")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlook:
    """What is ahead of one series.

    Attributes:
        key: Which series.
        unit: Its unit; empty if unknown.
        cutoff: Stamp of the last value that was used.
        seen: Highest value of each day of the history, shape ``[days_seen]``; NaN where nothing was observed.
        first_seen: The first of these days.
        days: The days ahead; the first is what is left of the day of the cutoff, if anything is. A day of whatever
            timezone is written as midnight UTC of its date, so that all are equally long.
        peaks: Quantiles of the highest value of each of them at ``LEVELS``, shape ``[levels, days]``.
        highest: What the highest value of all of them stays below with chances of 0.1, 0.5, 0.9, shape ``[3]``.
        limit: Its limit; None if it has none.
        reached: By when the limit is reached with a chance of ``CHANCES``, in the time of the calendar; None is "not
            within the horizon".
    """

    key: SeriesKey
    unit: str
    cutoff: datetime
    seen: FloatArray
    first_seen: datetime
    days: tuple[datetime, ...]
    peaks: FloatArray
    highest: FloatArray
    limit: float | None
    reached: tuple[datetime | None, ...]

    @property
    def highest_seen(self) -> float:
        """Return the highest value of the history."""
        return float(np.nanmax(self.seen))

    @property
    def taken(self) -> float | None:
        """Return the share of the limit that the highest value takes at 0.9; None without a positive limit."""
        return float(self.highest[-1]) / self.limit if self.limit and self.limit > 0 else None

    @property
    def urgency(self) -> tuple[datetime, datetime, datetime, float, str]:
        """Return what sorts the most urgent first: the dates of the limit, then how much of it is taken."""
        never = datetime.max.replace(tzinfo=UTC)
        soonest, middle, latest = (at or never for at in self.reached)
        return soonest, middle, latest, -(self.taken or 0.0), self.key.series_id


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Item:
    history: Series
    limit: float | None


def outlooks(parts: Iterable[Part], ask: Ask, mapper: Mapper) -> Iterator[Outlook | Skipped]:
    """Look ahead for every series; parts are read while workers are busy with those before.

    Yields:
        What is ahead, and (series id, reason) of each series of which it cannot be told.
    """
    skipped: list[Skipped] = []
    for found in share_out(_shards(parts, ask, skipped), mapper):
        yield from found
    yield from skipped


def _shards(parts: Iterable[Part], ask: Ask, skipped: list[Skipped]) -> Iterator[Shard[_Item, Outlook | Skipped]]:
    work = partial(_look_ahead, ask)
    items: list[_Item] = []
    for part in parts:
        for each in part.series:
            try:
                items.append(_item(each, part.metadata.get(each.key, {}), ask))
            except DataError as error:
                skipped.append((each.key.series_id, str(error)))
            if len(items) == BATCH:
                yield Shard(items=tuple(items), work=work, failed=_failed)
                items = []
    if items:
        yield Shard(items=tuple(items), work=work, failed=_failed)


def _failed(item: _Item, reason: str) -> Outlook | Skipped:
    return item.history.key.series_id, f"no outlook: {reason}"


def _item(series: Series, said: Mapping[str, str], ask: Ask) -> _Item:
    """Cut the history of one series.

    Raises:
        DataError: If it cannot be aggregated, its horizon is too long, it has too few values, or no such limit.
    """
    coarse = block_maxima(prepared(series, said.get("kind", "")), ask.step)
    if DAY % coarse.step or (ask.horizon + DAY) // coarse.step > MOST_STEPS:
        raise DataError(
            f"a step of {coarse.step} does not divide a day, or a horizon of {ask.horizon} has more than "
            f"{MOST_STEPS} of them: give another --step"
        )
    recent = coarse.between(coarse.end - ask.history, coarse.end)
    if np.count_nonzero(~np.isnan(recent.values)) < 2:
        raise DataError(f"too short: fewer than 2 values in the last {ask.history}")
    text = said.get(LIMIT, "").strip()
    try:
        limit = float(text) if text else ask.limit
    except ValueError:
        limit = math.nan
    if limit is not None and not math.isfinite(limit):
        raise DataError(f"its {LIMIT} {text!r} is not a number: correct it in the index")
    values = np.ascontiguousarray(recent.values)
    history = Series(key=recent.key, start=recent.start, step=recent.step, values=values, unit=recent.unit)
    return _Item(history=history, limit=limit)


def _look_ahead(ask: Ask, items: Sequence[_Item]) -> list[Outlook | Skipped]:
    """Look ahead in a worker; series of one grid and end together."""
    groups: dict[tuple[timedelta, datetime], list[_Item]] = {}
    for item in items:
        groups.setdefault((item.history.step, item.history.end), []).append(item)
    return [found for group in groups.values() for found in _of_group(ask, group)]


def _of_group(ask: Ask, items: Sequence[_Item]) -> Iterator[Outlook | Skipped]:
    frame = Frame.of([item.history for item in items])
    most = (ask.horizon + 2 * DAY) // frame.step
    dates = _dates(ask.calendar, frame.end, frame.step, most)
    begun = int(dates[0] == _dates(ask.calendar, frame.cutoff, frame.step, 1)[0])  # of the first, a part is left only
    horizon = int(np.searchsorted(dates, dates[0] + ask.horizon // DAY + begun))
    begins = np.flatnonzero(np.diff(dates[:horizon], prepend=dates[0] - 1))
    limits = np.array([math.inf if item.limit is None else item.limit for item in items])
    peaks, highest, steps = day_maxima(
        frame, horizon, begins, np.array(LEVELS), limits, np.array(CHANCES), ask.calendar
    )
    days = tuple(_midnight(date) for date in dates[begins].tolist())
    zone = ZoneInfo(ask.calendar.timezone)
    for row, item in enumerate(items):
        if not np.isfinite(peaks[row]).all():
            yield item.history.key.series_id, "too short: no error is known before its end"
            continue
        seen, first_seen = _days_seen(item.history, ask.calendar)
        yield Outlook(
            key=item.history.key,
            unit=item.history.unit,
            cutoff=frame.cutoff,
            seen=seen,
            first_seen=first_seen,
            days=days,
            peaks=peaks[row],
            highest=highest[row],
            limit=item.limit,
            reached=tuple(
                (frame.cutoff + int(step) * frame.step).astimezone(zone) if math.isfinite(step) else None
                for step in steps[row]
            ),
        )


def _days_seen(history: Series, calendar: Calendar) -> tuple[FloatArray, datetime]:
    dates = _dates(calendar, history.start, history.step, len(history))
    highest = np.full(dates[-1] - dates[0] + 1, -np.inf)
    np.maximum.at(highest, dates - dates[0], np.where(np.isnan(history.values), -np.inf, history.values))
    return np.where(np.isfinite(highest), highest, np.nan), _midnight(int(dates[0]))


def _dates(calendar: Calendar, start: datetime, step: timedelta, count: int) -> IntArray:
    """Return the date of each step where the calendar is of, in days since 1970."""
    local = stamps(start, step, count) + calendar.offsets(start, step, count)
    return np.asarray(local // DAY.total_seconds(), dtype=np.int64)


def _midnight(date: int) -> datetime:
    return from_epoch(date * DAY.total_seconds())
