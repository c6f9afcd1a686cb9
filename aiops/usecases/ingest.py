"""One watched query: its history warms the detectors up, then every step is read when it is known, scored and judged.

While the source does not answer nothing is scored, and its silence is not the silence of a series. What was missed is
read and scored, in order, when it answers again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import structlog

from aiops import telemetry
from aiops.alerting.alert import Alert
from aiops.alerting.monitor import AnomalyMonitor
from aiops.detection.band_table import BandTable
from aiops.detection.scorer import Scorer
from aiops.errors import DataError, NoSeriesError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.ports import Clock, MetricSource, Telemetry
from aiops.series import Series
from aiops.series.grid import floor
from aiops.usecases.reachable import Reachable
from aiops.usecases.services import Services
from aiops.usecases.warming import warm_up
from aiops.usecases.watched import WatchedSeries

_log = structlog.get_logger(__name__)

_JOIN_AGAIN = timedelta(minutes=5)  # from one reading of the history of new series to the next
_RETRY = timedelta(minutes=1)  # after a refusal, or if the step is longer


class Ingest:
    """Polls one monitor.

    Args:
        monitor: What is watched.
        scorer: Detectors with their calibration.
        source: Where it is read.
        clock: The time.
        prometheus: Told whether the source answers.
        put: Where changed alerts go.
        known: Returns alerts that are firing by what was last said of them, by fingerprint.
        tables: Returns the champion's forecasts on a grid.
    """

    def __init__(
        self,
        monitor: AnomalyMonitor,
        scorer: Scorer,
        source: MetricSource,
        clock: Clock,
        prometheus: Reachable,
        *,
        put: Callable[[Sequence[Alert]], None],
        known: Callable[[], Mapping[str, Alert]],
        tables: Callable[[timedelta], list[BandTable]],
    ) -> None:
        spec = monitor.spec
        self.monitor = monitor
        self.loaded = False
        """Whether the history was read, or the source said that there is none."""
        self.tried = False
        """Whether it was read or could not be read once."""
        self.trouble = ""
        self.series = WatchedSeries(
            scorer,
            spec.rule.alert_rule,
            spec.step,
            spec.history,
            query=spec.query,
            labels=monitor.alert_labels,
            runbook=spec.runbook,
            group_by=spec.group_by,
        )
        self.services = None
        """The services of its series, if their metrics are judged together."""
        if spec.together is not None:
            self.services = Services(
                spec.together,
                spec.rule.alert_rule,
                spec.step,
                spec.group_by,
                query=spec.query,
                labels=monitor.alert_labels,
                runbook=spec.runbook,
            )
        for table in tables(spec.step):
            self.series.use(table)
        self._scorer = scorer
        self._source = source
        self._clock = clock
        self._prometheus = prometheus
        self._put = put
        self._known = known
        self._tables = tables
        self._next = floor(clock.now(), spec.step)  # stamp of the first step that is not scored yet
        self._join_from = clock.now()

    async def run(self) -> None:
        """Read the history, then poll, until cancelled."""
        step, settle = self.monitor.spec.step, self.monitor.spec.settle
        while not await self._load():
            await self._clock.sleep_until(self._clock.now() + min(step, _RETRY))
        while True:
            await self._clock.sleep_until(self._next + step + settle)
            if not await self.poll():
                await self._clock.sleep_until(self._clock.now() + min(step, _RETRY))

    async def poll(self) -> bool:
        """Score the steps that have ended since the last poll; return whether the source had an answer to the query."""
        spec = self.monitor.spec
        end = floor(self._clock.now() - spec.settle, spec.step)
        start = max(self._next, end - spec.history)
        if end <= start:
            return True
        try:
            answer = await self._ask(start, end)
            found = answer.series
        except NoSeriesError:
            found = ()  # it answered and has nothing: a gap of all series
        except (DataError, UpstreamUnavailableError, UpstreamRejectedError):
            return False
        await self._join(found, end)
        await self._score(found, start, end)
        self._next = end
        return True

    async def _load(self) -> bool:
        spec = self.monitor.spec
        end = floor(self._clock.now() - spec.settle, spec.step)
        try:
            answer = await self._ask(end - spec.history, end)
            await self._watch(answer.series)
        except NoSeriesError:
            pass  # what appears later joins then
        except (DataError, UpstreamUnavailableError, UpstreamRejectedError):
            self.tried = True
            return False
        self._next = end
        self.loaded = self.tried = True
        _log.info("monitor started", monitor=self.monitor.name, series=len(self.series.keys))
        return True

    async def _join(self, found: Sequence[Series], end: datetime) -> None:
        """Watch series that were not there before; what is known of them by ``end`` is their history."""
        spec = self.monitor.spec
        if all(self.series.row(each.key) is not None for each in found) or self._clock.now() < self._join_from:
            return
        self._join_from = self._clock.now() + _JOIN_AGAIN
        try:
            answer = await self._ask(end - spec.history, end)
        except (UpstreamUnavailableError, UpstreamRejectedError, DataError):
            return  # said in `_ask`; they join later
        await self._watch([each for each in answer.series if self.series.row(each.key) is None])

    async def _watch(self, found: Sequence[Series]) -> None:
        if not found:
            return
        spec = self.monitor.spec
        keep = 0 if self.services is None else self.services.keep
        warmed = await asyncio.to_thread(warm_up, self._scorer, found, self._tables(spec.step), spec.query, keep=keep)
        self.series.join([(each.key, each.unit) for each in found], self._known(), warmed)
        if self.services is not None:
            begun = await asyncio.to_thread(self.services.replay, found, warmed)
            self.services.join(begun, self._known())

    async def _score(self, found: Sequence[Series], start: datetime, end: datetime) -> None:
        first = self.series.place(start)
        for column in range((end - start) // self.monitor.spec.step):
            # Asked again for each column: a series that was forgotten in the one before has no row any more.
            here = [(each.key, self.series.row(each.key), each.values[column]) for each in found]
            rows = np.array([row for _, row, _ in here if row is not None], dtype=np.int64)
            values = np.array([value for _, row, value in here if row is not None], dtype=np.float64)
            judged = self.series.take(rows, np.full(len(rows), first + column), values)
            changes = list(judged.changes)
            if self.services is not None:
                keys = [key for key, row, _ in here if row is not None]
                vectors = self.services.judge(keys, values, judged.scores)
                odd = await asyncio.to_thread(self.services.oddities, vectors)
                changes += self.services.take(first + column, vectors, odd)
            changes += self.series.missing(first + column)
            if self.services is not None:
                self.services.forget(self.series.keys)
            if changes:
                self._put(changes)
            await asyncio.sleep(0)  # calls that wait get their turn

    async def _ask(self, start: datetime, end: datetime) -> Telemetry:
        spec = self.monitor.spec
        try:
            answer = await self._source.range(spec.query, start, end, spec.step)
        except UpstreamUnavailableError as error:
            self._prometheus.failed(self._clock.now(), str(error))
            self._say(str(error))
            raise
        except (UpstreamRejectedError, DataError) as error:
            self._prometheus.answered(self._clock.now())
            self._say(str(error))
            raise
        self._prometheus.answered(self._clock.now())
        for name, reason in answer.skipped:
            _log.warning("telemetry incomplete", monitor=self.monitor.name, series=name, reason=reason)
        self.trouble = ""
        return answer

    def _say(self, trouble: str) -> None:
        telemetry.counter(telemetry.WATCH_ERRORS).labels(self.monitor.name).inc()
        if not self.trouble:
            _log.warning("monitor reads nothing", monitor=self.monitor.name, reason=trouble)
        self.trouble = trouble
