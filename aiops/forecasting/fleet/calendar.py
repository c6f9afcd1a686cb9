"""What a date says of a series: where its clocks change, on which days people rest, which days are holidays.

The pool counts days back from the cutoff and knows no dates. So a history is laid on the local clock before it is
forecast, and what was forecast is read off that clock again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from aiops.errors import ConfigError
from aiops.series import FloatArray, IntArray, epoch_seconds, from_epoch
from aiops.series.grid import stamps

SECONDS_OF_A_DAY = 86_400
SECONDS_OF_AN_HOUR = 3_600
FIRST_WEEKDAY = 3
"""The weekday of 1970-01-01, counted from Monday."""
WEEKEND = frozenset({5, 6})
DAYS_COMPARED = 28
LEAST_OF_A_KIND = 2
"""Days of rest and days of work that must have been seen before a holiday is told from a working day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Where a fleet lives.

    Attributes:
        timezone: IANA name: the time of day and the weekday are this zone's, daylight saving included.
        holidays: Country as the package ``holidays`` names it, with a region after a hyphen or not: ``DE``, ``DE-BY``.
            Empty: none. The country also says which days are its weekend.

    Raises:
        ConfigError: If there is no such zone or country, or the package is missing.
    """

    timezone: str = "UTC"
    holidays: str = ""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones, such as Europe
            raise ConfigError(
                f"there is no timezone {self.timezone!r}: give an IANA name, as in Europe/Berlin"
            ) from error
        self.free(2026, 2026)

    @classmethod
    def of(cls, place: str) -> Calendar:
        """Read a timezone, and after a comma the country whose holidays count: ``Europe/Berlin,DE``."""
        timezone, _, holidays = place.partition(",")
        return cls(timezone=timezone.strip(), holidays=holidays.strip())

    def __str__(self) -> str:
        return f"{self.timezone},{self.holidays}" if self.holidays else self.timezone

    def offset(self, at: datetime) -> timedelta:
        """Return local time minus UTC."""
        return at.astimezone(ZoneInfo(self.timezone)).utcoffset() or timedelta(0)

    def clock(self, start: datetime, step: timedelta, count: int, horizon: int) -> Clock:
        """Lay ``count`` known steps from ``start`` on, and ``horizon`` steps after them, on the local clock."""
        return _clock(self, start, step, count, horizon)

    def offsets(self, start: datetime, step: timedelta, count: int) -> FloatArray:
        """Return local time minus UTC in seconds, looked up once an hour: clocks do not change more often."""
        hours, which = np.unique(stamps(start, step, count) // SECONDS_OF_AN_HOUR, return_inverse=True)
        found = [self.offset(from_epoch(hour * SECONDS_OF_AN_HOUR)) / timedelta(seconds=1) for hour in hours]
        return np.asarray(found)[which]

    def free(self, first: int, last: int) -> tuple[frozenset[int], IntArray]:
        """Return the weekdays of the weekend, and the holidays of some years in days since 1970."""
        if not self.holidays:
            return WEEKEND, np.empty(0, dtype=np.int64)
        try:
            from holidays import country_holidays
        except ImportError as error:
            raise ConfigError("holidays need the package 'holidays': install aiops with the extra 'train'") from error
        country, _, region = self.holidays.partition("-")
        try:
            found = country_holidays(country, subdiv=region or None, years=range(first, last + 1))
        except NotImplementedError as error:
            raise ConfigError(f"no holidays are known of {self.holidays!r}: {error}") from error
        days = [int(epoch_seconds(datetime(each.year, each.month, each.day, tzinfo=UTC))) for each in found]
        return frozenset(found.weekend), np.array(sorted(days), dtype=np.int64) // SECONDS_OF_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clock:
    """The steps of one history and of what follows it, as clocks on the wall count them.

    Attributes:
        place: Local step of each known step, shape ``[n]``; the cutoff's is ``length - 1``.
        length: Local steps of the history. It lacks the hour that clocks leave out, and of one that comes twice the
            later counts.
        ahead: Local step after the cutoff of each step ahead, from 0, shape ``[horizon]``.
        steps: Local steps to forecast.
        off: Whether a local step is on a weekend, shape ``[length + steps]``.
        holiday: Whether it is on a holiday, the same shape.
        day: Steps of a day.
    """

    place: IntArray
    length: int
    ahead: IntArray
    steps: int
    off: NDArray[np.bool_]
    holiday: NDArray[np.bool_]
    day: int

    def read(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lay known values, shape ``[n]``, on this clock, holidays made working days.

        A holiday is taken for a day of rest: what this series usually does less (or more) at that time on a day of
        rest is added to what was observed, and comes back as what a forecast is to be moved by.

        Returns:
            Local history, shape ``[length]``, and what is to be added to a forecast, shape ``[steps]``.
        """
        local = values
        if self.length != len(values) or (np.diff(self.place) != 1).any():
            inside = self.place < self.length  # clocks that were put back within the last hour have shown later times
            local = np.full(self.length, np.nan)
            local[self.place[inside]] = values[inside]
        moved = np.zeros(self.length + self.steps)
        days_of_rest = self.holiday & ~self.off
        if days_of_rest.any():
            for at in np.flatnonzero(days_of_rest & ~np.roll(days_of_rest, 1)):
                last = at
                while last < len(days_of_rest) and days_of_rest[last]:
                    last += 1
                moved[at:last] = self._of_rest(local, np.arange(at, last))
            local = local - moved[: self.length]
        return local, moved[self.length :]

    def _of_rest(self, local: FloatArray, at: IntArray) -> FloatArray:
        """Return by how much days of rest differ from days of work at these steps, as far as was seen before them."""
        back = self.day * np.arange(1, DAYS_COMPARED + 1)
        past = at[:, None] - back
        usable = (past >= 0) & (past < min(int(at[0]), self.length))
        past = np.where(usable, past, 0)
        seen = np.where(usable & ~self.holiday[past], local[past], np.nan)
        rest = np.where(self.off[past], seen, np.nan)
        work = np.where(self.off[past], np.nan, seen)
        known = np.minimum((~np.isnan(rest)).sum(axis=1), (~np.isnan(work)).sum(axis=1)) >= LEAST_OF_A_KIND
        less = np.zeros(len(at))
        less[known] = np.nanmedian(rest[known], axis=1) - np.nanmedian(work[known], axis=1)
        # An hour's mean of it: medians of few days are rough.
        width = min(max(self.day // 24, 1), len(less))
        return np.convolve(less, np.ones(width), mode="same") / np.convolve(
            np.ones(len(less)), np.ones(width), mode="same"
        )


@lru_cache(maxsize=8)
def _clock(calendar: Calendar, start: datetime, step: timedelta, count: int, horizon: int) -> Clock:
    """Return what ``Calendar.clock`` says; kept, since the series of a fleet share it."""
    day = max(round(timedelta(days=1) / step), 1)
    cutoff = start + (count - 1) * step
    now = calendar.offset(cutoff)
    place, ahead = np.arange(count), np.arange(horizon)
    length, steps = count, horizon
    if calendar.timezone != "UTC":
        later = np.round(
            (calendar.offsets(start, step, count + horizon) - now / timedelta(seconds=1)) / step.total_seconds()
        )
        shift = later.astype(np.int64)
        if shift.any():
            place, ahead = place + shift[:count], ahead + shift[count:]
            length = count - int(place.min())
            place -= place.min()
            ahead = np.where(ahead < 0, ahead + day, ahead)  # the hour that comes twice, where it is over once
            steps = int(ahead.max()) + 1
    local = epoch_seconds(cutoff + now) + np.arange(1 - length, steps + 1) * step.total_seconds()
    date = (local // SECONDS_OF_A_DAY).astype(np.int64)
    first, last = from_epoch(local[0]), from_epoch(local[-1])
    weekend, free = calendar.free(first.year, last.year)
    return Clock(
        place=place,
        length=length,
        ahead=ahead,
        steps=steps,
        off=np.isin(np.arange(7), list(weekend))[(date + FIRST_WEEKDAY) % 7],
        holiday=np.isin(date, free) if len(free) else np.zeros(len(date), dtype=np.bool_),
        day=day,
    )
