"""Queries that nobody watches and somebody asks the forecast of: their history is read once, then what is new."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import structlog

from aiops.errors import (
    AiopsError,
    DataError,
    LimitError,
    NoSeriesError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from aiops.ports import Clock, MetricSource
from aiops.series import Series, SeriesKey, epoch_seconds, from_epoch
from aiops.series.grid import floor
from aiops.usecases.live_calls import ForecastQuery
from aiops.usecases.reachable import Reachable
from aiops.usecases.recent import Recent

_log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 1.0
"""How long a caller waits for the source before it gets what is known, or is told to come again."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Query:
    """What is known of one query.

    Attributes:
        query: What the source is asked.
        step: Grid.
        history: How much is remembered.
        used: When somebody last asked.
        recent: Its values; None until the history is read.
        key: The series that it gives.
        unit: Base unit of its values.
        reading: The reading that is under way; None if none is.
        trouble: Why the last reading brought nothing; None if it did not fail.
    """

    query: str
    step: timedelta
    history: timedelta
    used: datetime
    recent: Recent | None = None
    key: SeriesKey = field(default_factory=lambda: SeriesKey("unknown"))
    unit: str = ""
    reading: asyncio.Task[None] | None = None
    trouble: AiopsError | None = None


class Adopted:
    """Reads queries when they are asked for, at most ``most`` of them: 161 kB each for two weeks of minutes.

    Args:
        source: Where they are read.
        clock: The time.
        prometheus: Told whether the source answers.
        most: How many are kept.
        keep: How long one is kept that nobody asks for any more.
    """

    def __init__(
        self, source: MetricSource, clock: Clock, prometheus: Reachable, *, most: int, keep: timedelta
    ) -> None:
        self._source = source
        self._clock = clock
        self._prometheus = prometheus
        self._most = most
        self._keep = keep
        self._queries: dict[tuple[str, timedelta], _Query] = {}

    def __len__(self) -> int:
        return len(self._queries)

    async def series(self, asked: ForecastQuery, now: datetime) -> Series:
        """Return the history of a query as it was known at ``now``, up to its newest observed value.

        What is new is read first, if the source answers within a second; else the answer is as old as it is.

        Raises:
            LimitError: If too many queries are kept already.
            DataError: If the query gives several series, or nothing that can be used.
            UpstreamUnavailableError: While the history is being read, or the source does not answer.
            UpstreamRejectedError: If the source refuses the query.
        """
        own = self._adopt(asked)
        wanted = floor(self._clock.now(), own.step)
        if own.recent is None or own.recent.end < self._place(own, wanted):
            if own.reading is None:
                own.reading = asyncio.create_task(self._read(own, wanted))
            await asyncio.wait({own.reading}, timeout=_PATIENCE_SECONDS)
        if own.recent is not None and not isinstance(own.trouble, DataError | UpstreamRejectedError):
            return _known(own, now, asked.history)
        if own.trouble is None:
            raise UpstreamUnavailableError(f"the history of {own.query!r} is being read: ask again in a few seconds")
        if own.reading is None and own.recent is None:
            del self._queries[own.query, own.step]  # nothing was learnt: it takes no place
        raise own.trouble

    def drop_unused(self) -> None:
        """Forget the queries that nobody has asked for in a while."""
        now = self._clock.now()
        for place, own in list(self._queries.items()):
            if now - own.used > self._keep:
                if own.reading is not None:
                    own.reading.cancel()
                del self._queries[place]
                _log.info("query dropped", query=own.query)

    def _adopt(self, asked: ForecastQuery) -> _Query:
        now = self._clock.now()
        own = self._queries.get((asked.query, asked.step))
        if own is not None and asked.history <= own.history:
            own.used = now
            return own
        if own is None and len(self._queries) >= self._most:
            self.drop_unused()
            if len(self._queries) >= self._most:
                raise LimitError(
                    f"forecasts of {self._most} queries are kept already: watch {asked.query!r} in the file of "
                    "monitors, or raise --adopt"
                )
        if own is not None and own.reading is not None:
            own.reading.cancel()
        own = _Query(query=asked.query, step=asked.step, history=asked.history, used=now)
        self._queries[asked.query, asked.step] = own
        _log.info("query adopted", query=asked.query)
        return own

    async def _read(self, own: _Query, end: datetime) -> None:
        recent = own.recent
        oldest = end - own.history
        start = oldest if recent is None else max(from_epoch(recent.end * own.step.total_seconds()), oldest)
        try:
            found = (await self._source.range(own.query, start, end, own.step)).series
            self._prometheus.answered(self._clock.now())
            if len(found) != 1:
                raise DataError(
                    f"the query {own.query!r} gives {len(found)} series, such as {found[0].key} and {found[1].key}: "
                    "sum them up, or select one"
                )
            self._take(own, found[0])
            own.trouble = None
        except UpstreamUnavailableError as error:
            self._prometheus.failed(self._clock.now(), str(error))
            own.trouble = error
        except UpstreamRejectedError as error:
            own.trouble = error
        except DataError as error:
            # Nothing new of a series that was there is a gap, and grows old; anything else is the caller's to know.
            own.trouble = None if own.recent is not None and isinstance(error, NoSeriesError) else error
        finally:
            own.reading = None

    def _take(self, own: _Query, found: Series) -> None:
        if own.recent is not None and own.key != found.key:
            own.recent = None  # another series now: its history is read when it is asked for again
            return
        if own.recent is None:
            own.recent = Recent(max(own.history // own.step, 1))
        own.key, own.unit = found.key, found.unit
        seen = np.flatnonzero(~np.isnan(found.values))
        first = self._place(own, found.start)
        if not len(own.recent) and len(seen):
            own.recent.fill(first, found.values[: int(seen[-1]) + 1])
            return
        for column in seen.tolist():
            own.recent.add(first + column, float(found.values[column]))

    def _place(self, own: _Query, at: datetime) -> int:
        return int(epoch_seconds(at) // own.step.total_seconds())


def _known(own: _Query, now: datetime, history: timedelta) -> Series:
    assert own.recent is not None  # noqa: S101 - the caller has looked
    return own.recent.known_at(now, history, own.key, own.step, own.unit)
