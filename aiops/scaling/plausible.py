"""Whether a forecast can be believed: held against what demand was at the same hour of the last days.

A forecaster may break in ways that it does not notice: stuck, scaled by a wrong unit, hours late. A forecast is capped
by history, and one that stays beyond it is not believed any more: then present demand counts, as with a reactive
scaler. Not capped against present load: a good forecast is above that when it matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from aiops.errors import DataError
from aiops.scaling.reason import Reason
from aiops.series import epoch_seconds

_DAYS: Final = 3  # so that a Monday is held against a Friday, too
_HOURS: Final = _DAYS * 24 + 2
SAME_HOURS: Final = tuple(24 * day + beside for day in range(1, _DAYS + 1) for beside in (1, 0, -1))
"""How many hours ago this hour of earlier days was, and those beside it."""
_MEMORY: Final = timedelta(minutes=20)
_TOO_OFTEN: Final = 0.6
_RARE: Final = 0.2
_DIP: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What demand was, hour by hour, and how often forecasts were beyond it lately.

    Attributes:
        hour: The newest hour, in hours since 1970.
        highest: Highest demand seen in each hour up to that one, oldest first; None where none was seen.
        lowest: The lowest likewise; may reach less far back.
        beyond: Share of the latest forecasts that were above the cap; the latest count most.
        disbelieved: Whether that was too often, and has not become rare since.
    """

    hour: int = 0
    highest: tuple[float | None, ...] = ()
    lowest: tuple[float | None, ...] = ()
    beyond: float = 0.0
    disbelieved: bool = False

    def __post_init__(self) -> None:
        if max(len(self.highest), len(self.lowest)) > _HOURS or not 0.0 <= self.beyond <= 1.0:
            raise DataError(f"a record holds at most {_HOURS} hours and a share, got {self}")
        known = [each for each in (*self.highest, *self.lowest) if each is not None]
        if not all(map(math.isfinite, known)):
            raise DataError(f"a record holds finite demand, got {self}")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "hour": self.hour,
            "highest": list(self.highest),
            "lowest": list(self.lowest),
            "beyond": self.beyond,
            "disbelieved": self.disbelieved,
        }


class Belief(NamedTuple):
    """What is left of a forecast.

    Attributes:
        peak: What the decision may read; None if there was no forecast.
        record: For the next turn.
        doubt: Why it is less than the forecast; None if it is not.
    """

    peak: float | None
    record: Record
    doubt: Reason | None = None


def believe(
    record: Record, peak: float | None, demand: float | None, cap: float, since: timedelta, now: datetime
) -> Belief:
    """Hold a forecast against history. A workload that has not been seen for a day is believed anything.

    Args:
        record: What the turn before left.
        peak: The forecast, usable or None.
        demand: Newest known demand; None if unknown.
        cap: Forecasts above so many times the highest demand of the same hour (and those beside it) of the last three
            days, this hour and the one before are capped.
        since: Time since the turn before; zero at the first one.
        now: The instant of this turn, UTC.
    """
    record = _seen(record, demand, int(epoch_seconds(now) // 3600))
    limit = most_believed(record, cap)
    if peak is None or limit is None:
        return Belief(peak, record)
    beyond, latest = record.beyond, float(peak > limit)
    if beyond != latest:
        rate = -math.expm1(-(max(since, timedelta()) / _MEMORY))
        beyond = min(max(beyond + rate * (latest - beyond), 0.0), 1.0)
    disbelieved = beyond >= _RARE if record.disbelieved else beyond > _TOO_OFTEN
    if (beyond, disbelieved) != (record.beyond, record.disbelieved):
        record = replace(record, beyond=beyond, disbelieved=disbelieved)
    if disbelieved and demand is not None and demand < peak:
        return Belief(demand, record, Reason.FORECAST_IMPLAUSIBLE)
    if peak > limit:
        return Belief(limit, record, Reason.HISTORY_CAP)
    return Belief(peak, record)


def _seen(record: Record, demand: float | None, hour: int) -> Record:
    if hour == record.hour and record.highest and record.lowest:
        highest, lowest = record.highest[-1], record.lowest[-1]
        if demand is None or (highest is not None and lowest is not None and lowest <= demand <= highest):
            return record
    return replace(
        record,
        hour=hour,
        highest=_extreme(record.highest, hour - record.hour, demand, max),
        lowest=_extreme(record.lowest, hour - record.hour, demand, min),
    )


def _extreme(
    hours: Sequence[float | None], passed: int, demand: float | None, of: Callable[[float, float], float]
) -> tuple[float | None, ...]:
    if passed < 0 or passed >= _HOURS:
        hours, passed = (), 1
    found = [*hours, *[None] * passed][-_HOURS:] or [None]
    if demand is not None:
        rounded, newest = float(f"{demand:.5g}"), found[-1]  # keeps the state small
        found[-1] = rounded if newest is None else of(newest, rounded)
    return tuple(found)


def _then(hours: Sequence[float | None]) -> list[float]:
    """Return what was seen around this hour on earlier days."""
    newest = len(hours) - 1
    return [found for back in SAME_HOURS if back <= newest and (found := hours[newest - back]) is not None]


def most_believed(record: Record, cap: float) -> float | None:
    """Return the highest forecast that is believed at this hour; None if no earlier day was seen: any is."""
    then = _then(record.highest)
    return cap * max(then + [each for each in record.highest[-2:] if each is not None]) if then else None


def dips(record: Record, demand: float | None) -> bool:
    """Return whether demand is so far below all that it was around this hour that something else must be wrong."""
    return demand is not None and bool(then := _then(record.lowest)) and demand < _DIP * min(then)
