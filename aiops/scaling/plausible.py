"""Whether a forecast can be believed: held against what demand was at the same hour of the last days.

A forecaster may break in ways that it does not notice: stuck, scaled by a wrong unit, hours late. A forecast is capped
by history, and one that stays beyond it is not believed any more: then present demand counts, as with a reactive
scaler. Not capped against present load: a good forecast is above that when it matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from aiops.errors import DataError
from aiops.scaling.reason import Reason
from aiops.series import epoch_seconds

_DAYS: Final = 3  # so that a Monday is held against a Friday, too
_HOURS: Final = _DAYS * 24 + 2
_MEMORY: Final = timedelta(minutes=20)
_TOO_OFTEN: Final = 0.6
_RARE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What demand was, hour by hour, and how often forecasts were beyond it lately.

    Attributes:
        hour: The newest hour, in hours since 1970.
        highest: Highest demand seen in each hour up to that one, oldest first; None where none was seen.
        beyond: Share of the latest forecasts that were above the cap; the latest count most.
        disbelieved: Whether that was too often, and has not become rare since.
    """

    hour: int = 0
    highest: tuple[float | None, ...] = ()
    beyond: float = 0.0
    disbelieved: bool = False

    def __post_init__(self) -> None:
        if len(self.highest) > _HOURS or not 0.0 <= self.beyond <= 1.0:
            raise DataError(f"a record holds at most {_HOURS} hours and a share, got {self}")
        if any(each is not None and not math.isfinite(each) for each in self.highest):
            raise DataError(f"a record holds finite demand, got {self}")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "hour": self.hour,
            "highest": list(self.highest),
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
    most = _highest_then(record)
    if peak is None or most is None:
        return Belief(peak, record)
    limit = cap * most
    rate = -math.expm1(-(max(since, timedelta()) / _MEMORY))
    beyond = min(max(record.beyond + rate * ((peak > limit) - record.beyond), 0.0), 1.0)
    disbelieved = beyond >= _RARE if record.disbelieved else beyond > _TOO_OFTEN
    record = Record(hour=record.hour, highest=record.highest, beyond=beyond, disbelieved=disbelieved)
    if disbelieved and demand is not None and demand < peak:
        return Belief(demand, record, Reason.FORECAST_IMPLAUSIBLE)
    if peak > limit:
        return Belief(limit, record, Reason.HISTORY_CAP)
    return Belief(peak, record)


def _seen(record: Record, demand: float | None, hour: int) -> Record:
    passed = hour - record.hour
    highest = list(record.highest)
    if passed < 0 or passed >= _HOURS:
        highest, passed = [], 1
    highest = [*highest, *[None] * passed][-_HOURS:] or [None]
    if demand is not None:
        rounded = float(f"{demand:.6g}")  # keeps the state small
        highest[-1] = rounded if highest[-1] is None else max(highest[-1], rounded)
    return Record(hour=hour, highest=tuple(highest), beyond=record.beyond, disbelieved=record.disbelieved)


def _highest_then(record: Record) -> float | None:
    """Return the highest demand that this hour can be held against; None if no earlier day was seen."""
    newest = len(record.highest) - 1
    places = [newest - 24 * day + beside for day in range(1, _DAYS + 1) for beside in (-1, 0, 1)]
    then = [record.highest[place] for place in places if place >= 0]
    known = [each for each in then if each is not None]
    if not known:
        return None
    return max([*known, *(each for each in record.highest[-2:] if each is not None)])
