"""The live state behind the service: scores of pushed and polled points, forecasts, and how all of it is doing.

Everything here belongs to the thread of one event loop. What takes long (reading history and replaying it, reading a
bundle, forecasting a window) happens in other threads, on data of its own, and is taken over at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from aiops import telemetry
from aiops.alerting.alert import Alert
from aiops.alerting.links import Links
from aiops.alerting.monitor import AnomalyMonitor
from aiops.alerting.rules import AlertRule
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.errors import ConfigError, DataError, LimitError, ModelNotFoundError, UpstreamUnavailableError
from aiops.forecasting.boosted_trees import TreeStore
from aiops.forecasting.fleet.exhaustion import Exhaustion
from aiops.ports import AlertOutbox, Clock, FeedbackStore, LimitQuery, MetricSource, ModelStore
from aiops.series import IntArray, Series, SeriesKey
from aiops.usecases.adopted import Adopted
from aiops.usecases.champion import ChampionWatch
from aiops.usecases.exhaustions import Exhaustions
from aiops.usecases.incidents import Desk
from aiops.usecases.ingest import Ingest
from aiops.usecases.live_calls import (
    ForecastAnswer,
    ForecastQuery,
    Health,
    MonitorHealth,
    PointBatch,
    ScoredBatch,
    UpstreamHealth,
)
from aiops.usecases.live_forecast import Windows, path, rehearse_window
from aiops.usecases.monitors import Monitors, Watched
from aiops.usecases.reachable import Reachable
from aiops.usecases.strays import strays
from aiops.usecases.warming import rehearse
from aiops.usecases.watched import WatchedSeries, nothing

_TICK = timedelta(seconds=5)
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the live service takes upon itself.

    Attributes:
        step: Grid of pushed points; a stamp between two of its points belongs to the earlier one.
        history: How much is remembered of a pushed series: 8 bytes a step, 161 kB for two weeks of minutes.
        pushed: Most series that are known from pushes alone.
        adopt: Most queries that are read because somebody asked for their forecast.
        keep_adopted: How long such a query is kept when nobody asks any more.
        ahead: How far a pushed stamp may be ahead of our clock.
        rule: When to tell a person of a pushed series.
    """

    step: timedelta = timedelta(minutes=1)
    history: timedelta = timedelta(days=14)
    pushed: int = 2000
    adopt: int = 200
    keep_adopted: timedelta = timedelta(hours=1)
    ahead: timedelta = timedelta(minutes=1)
    rule: AlertRule = field(default_factory=AlertRule)


class Live:
    """Scores, forecasts and alerts of the present.

    Args:
        clock: The time.
        scorer: Detectors with their calibration, for pushed series and for monitors that name none; what they learn
            of each series is kept beside them.
        outbox: Where alerts go.
        source: Where queries are read; None if only pushes are served.
        watched: Where it is written what is watched; None if nothing is.
        store: Where the champion is; None to serve without one.
        model: Name of the model in it.
        limits: How much is taken; the defaults of ``Limits`` if None.
        links: Where people go on from an alert.
        feedback: What people say of incidents; None if nobody is asked.
        trees: Keeps what window models have learnt for the next process; None if nothing does.

    Raises:
        ConfigError: If what is watched cannot be understood, or there is no source to read it from.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        scorer: Scorer,
        outbox: AlertOutbox,
        source: MetricSource | None = None,
        watched: Watched | None = None,
        store: ModelStore | None = None,
        model: str = "",
        limits: Limits | None = None,
        links: Links | None = None,
        feedback: FeedbackStore | None = None,
        trees: TreeStore | None = None,
    ) -> None:
        self._clock = clock
        self._scorer = scorer
        self._outbox = outbox
        self._source = source
        self._limits = limits = limits or Limits()
        self._prometheus = Reachable("prometheus")
        self._registry = Reachable("registry")
        self._pushed = WatchedSeries(scorer, limits.rule, limits.step, limits.history)
        self._index: dict[SeriesKey, WatchedSeries] = {}
        self._windows = Windows(trees)
        self._rehearsed = False
        self._adopted = self._exhaustions = None
        if source is not None:
            self._exhaustions = Exhaustions(source, clock, self._prometheus)
            self._adopted = Adopted(source, clock, self._prometheus, most=limits.adopt, keep=limits.keep_adopted)
        self._champion = None
        if store is not None:
            self._champion = ChampionWatch(
                store, model, clock, self._registry, steps=self._steps, use=self._use_champion
            )
        self._desk = Desk(outbox, clock, self._rule_of, links, feedback)
        self._monitors = Monitors(watched, self._start, clock)

    def score(self, batch: PointBatch) -> ScoredBatch:
        """Score pushed points and learn from them: all of the batch, or nothing if it raises.

        Series that are not watched yet join. Of one series points are taken in the order of their stamps. A point
        whose step has a value already is skipped as a duplicate, and one before the newest as late: ``skipped`` says
        so. A gap (NaN) changes nothing. How points are put into batches changes no score.

        Raises:
            DataError: If a stamp is further in the future than clocks may differ.
            LimitError: If it brings more new series than are taken.
        """
        batch.require_known_by(self._clock.now(), self._limits.ahead)
        groups, rows = self._places(batch)
        now = self._clock.now()
        used = {id(groups[number]): groups[number] for number in set(batch.series.tolist())}
        names = list(self._pushed.detectors)
        if len(used) <= 1:
            group = next(iter(used.values()), self._pushed)
            at = np.floor_divide(batch.at, group.step.total_seconds()).astype(np.int64)
            judged = group.take(rows[batch.series], at, batch.values, group.place(now))
            names = list(group.detectors)
        else:
            judged = nothing(len(batch.series))
            owners = np.array([id(each) for each in groups])[batch.series]
            for name, group in used.items():
                (which,) = np.nonzero(owners == name)
                at = np.floor_divide(batch.at[which], group.step.total_seconds()).astype(np.int64)
                part = group.take(rows[batch.series[which]], at, batch.values[which], group.place(now))
                names += [each for each in group.detectors if each not in names]
                # Monitors have detectors of their own; an index of -1 stays what it is.
                part.scores.detectors[:] = np.array([names.index(each) for each in group.detectors] + [-1])[
                    part.scores.detectors
                ]
                judged.put(which, part)
        if judged.changes:
            self._desk.put(judged.changes)
        scores = judged.scores
        return ScoredBatch(
            score=scores.values,
            expected=scores.expected,
            lower=scores.lower,
            upper=scores.upper,
            detector=scores.detectors,
            warming_up=scores.warming_up,
            skipped=judged.skipped,
            detectors=tuple(names),
            changes=tuple(judged.changes),
        )

    async def forecast(self, asked: ForecastQuery) -> ForecastAnswer:
        """Say what is known of the future of one series, from what was known at ``asked.now``.

        Raises:
            ConfigError: If there is no such window model.
            DataError: If the query gives several series or unusable ones, or nothing was known then.
            LimitError: If too many queries are kept already.
            ModelNotFoundError: If the series is neither watched nor pushed.
            UpstreamError: While the history of the query is being read, or if it cannot be.
        """
        now = asked.now or self._clock.now()
        query, series = await self._history(asked, now)
        found_path, no_path, found_window, no_window = None, "", None, ""
        if asked.window:
            found_window, no_window = await self._windows.maximum(asked, series, now)
        if asked.horizon:
            champion = self._champion.current if self._champion is not None else None
            found_path, no_path = path(asked, query, series, champion, now)
        return ForecastAnswer(
            key=series.key,
            cutoff=series.end - series.step,
            data_age=now - series.end,
            path=found_path,
            path_reason=no_path,
            window_maximum=found_window,
            window_reason=no_window,
        )

    async def exhaustion(self, asked: LimitQuery, now: datetime | None) -> tuple[SeriesKey, Exhaustion]:
        """Say how likely and when one series reaches a limit, from what was known at ``now``; None is the present.

        Raises:
            DataError: If the query gives several series, or not enough to tell.
            UpstreamError: If its history could not be read.
        """
        if self._exhaustions is None:
            raise UpstreamUnavailableError("this service was started without a Prometheus: it cannot read queries")
        return await self._exhaustions.of(asked, now or self._clock.now())

    async def run(self) -> None:
        """Poll what is watched, watch the champion, deliver alerts, until cancelled."""
        await asyncio.to_thread(rehearse, self._scorer)
        await asyncio.to_thread(rehearse_window)
        self._rehearsed = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._outbox.run())
                if self._champion is not None:
                    # The history is replayed against its forecasts, unless they keep us waiting.
                    await asyncio.wait({tasks.create_task(self._champion.look())}, timeout=_PATIENCE_SECONDS)
                    tasks.create_task(self._champion.run())
                tasks.create_task(self._tick())
        finally:
            self._monitors.end()

    def health(self) -> Health:
        """Return how all of it is doing."""
        now = self._clock.now()
        backlog = self._outbox.backlog()
        alertmanager = UpstreamHealth(
            name="alertmanager", up=backlog.up, since=backlog.since, reason=backlog.trouble if not backlog.up else ""
        )
        champion, troubles = "", [self._monitors.trouble, backlog.trouble]
        if self._champion is not None:
            current = self._champion.current
            champion = f"{current.title} ({current.version.digest[:16]})" if current is not None else ""
            troubles += [self._champion.trouble, self._champion.expired(now)]
        return Health(
            ready=self._rehearsed and all(each.tried for each in self._monitors.running.values()),
            upstreams=(self._prometheus.health, self._registry.health, alertmanager),
            monitors=tuple(self._monitor_health(each, now) for each in self._monitors.running.values()),
            pushed_series=len(self._pushed.keys),
            champion=champion,
            troubles=tuple(each for each in troubles if each),
            alerts_waiting=backlog.waiting,
        )

    def _places(self, batch: PointBatch) -> tuple[list[WatchedSeries], IntArray]:
        """Return group and row of each key; those that are nowhere join the pushed series."""
        groups: list[WatchedSeries] = []
        new: list[int] = []
        rows = np.zeros(len(batch.keys), dtype=np.int64)
        for number, key in enumerate(batch.keys):
            group = self._index.get(key)
            row = None if group is None else group.row(key)
            if group is None or row is None:
                group = self._find(key)
                row = group.row(key)
            if row is None:
                new.append(number)
            else:
                rows[number] = row
            groups.append(group)
        if new:
            sent = set(batch.series.tolist())
            new = [number for number in new if number in sent]
            free = self._limits.pushed - len(self._pushed.keys)
            if len(new) > free:
                raise LimitError(
                    f"{len(new)} new series are pushed, such as {batch.keys[new[0]]}, and of the "
                    f"{self._limits.pushed} that are taken {max(free, 0)} are left: push fewer, or to another replica"
                )
            self._pushed.join([(batch.keys[number], "") for number in new], self._known())
            for number in new:
                row = self._pushed.row(batch.keys[number])
                assert row is not None  # noqa: S101 - it has just joined
                rows[number] = row
        return groups, rows

    def _find(self, key: SeriesKey) -> WatchedSeries:
        """Return the group that holds a series; where none does, that of the pushed ones."""
        for each in self._groups():
            if each.row(key) is not None:
                self._index[key] = each
                if each is not self._pushed and self._pushed.row(key) is not None:
                    self._pushed.drop(key)  # it was pushed before it was watched
                return each
        self._index.pop(key, None)
        return self._pushed

    def _forget(self) -> None:
        """Drop what is known of the places of series that were forgotten, most of which never come back."""
        if len(self._index) > sum(len(each.keys) for each in self._groups()):
            self._index = {key: group for key, group in self._index.items() if group.row(key) is not None}

    def _groups(self) -> Iterator[WatchedSeries]:
        """Yield all groups; a series that is watched is not looked for among the pushed ones."""
        yield from (each.series for each in self._monitors.running.values())
        yield self._pushed

    async def _history(self, asked: ForecastQuery, now: datetime) -> tuple[str, Series]:
        """Return what a series is read by, and what was known of it."""
        if asked.series is not None:
            group = self._find(asked.series)
            if group.row(asked.series) is None:
                raise ModelNotFoundError(
                    f"{asked.series} is neither watched nor pushed: watch a query that gives it, or ask with the query"
                )
            if group.step != asked.step:
                raise DataError(f"{asked.series} has steps of {group.step}, and {asked.step} was asked for")
            return group.query, group.series(asked.series, now, asked.history)
        for each in self._monitors.running.values():
            spec = each.monitor.spec
            if (spec.query.strip(), spec.step) == (asked.query.strip(), asked.step) and len(each.series.keys) == 1:
                return spec.query, each.series.series(each.series.keys[0], now, asked.history)
        if self._adopted is None:
            raise ConfigError("no Prometheus is configured: ask for a series that is pushed")
        return asked.query, await self._adopted.series(asked, now)

    async def _tick(self) -> None:
        while True:
            now = self._clock.now()
            if self._monitors.look():
                self._index.clear()
                telemetry.gauge(telemetry.WATCH_AGE).clear()
            ended = self._pushed.place(now) - 1
            changes = self._pushed.missing(ended)
            self._forget()
            changes += strays(self._desk.series(), list(self._groups()), self._monitors.running, self._limits.rule, now)
            if changes:
                self._desk.put(changes)
            self._desk.tell()
            if self._adopted is not None:
                self._adopted.drop_unused()
            self._measure(now)
            await self._clock.sleep_until(now + _TICK)

    def _measure(self, now: datetime) -> None:
        telemetry.gauge(telemetry.WATCHED_SERIES).set(sum(len(each.keys) for each in self._groups()))
        for each in self._monitors.running.values():
            newest = each.series.newest
            if newest is not None:
                age = now - newest - each.series.step
                telemetry.gauge(telemetry.WATCH_AGE).labels(each.monitor.name).set(age.total_seconds())

    def _monitor_health(self, own: Ingest, now: datetime) -> MonitorHealth:
        newest = own.series.newest
        return MonitorHealth(
            name=own.monitor.name,
            series=len(own.series.keys),
            data_age=None if newest is None else now - newest - own.series.step,
            trouble=own.trouble,
        )

    def _start(self, monitor: AnomalyMonitor) -> Ingest:
        if self._source is None:
            raise ConfigError(f"monitor {monitor.name} needs a Prometheus to read: set AIOPS_PROMETHEUS__URL")
        own = monitor.spec.detectors
        return Ingest(
            monitor,
            Scorer([detector(name) for name in own]) if own else self._scorer,
            self._source,
            self._clock,
            self._prometheus,
            put=self._desk.put,
            known=self._known,
            tables=lambda step: self._champion.tables(step) if self._champion is not None else [],
        )

    def _known(self) -> Mapping[str, Alert]:
        return {name: alert for name, (alert, _) in self._desk.series().items()}

    def _rule_of(self, alert: Alert) -> AlertRule:
        own = self._monitors.running.get(alert.labels.get("monitor", ""))
        return self._limits.rule if own is None else own.series.rule

    def _steps(self) -> set[timedelta]:
        return {each.step for each in self._groups()}

    def _use_champion(self) -> None:
        assert self._champion is not None  # noqa: S101 - it is the one that calls
        for each in self._groups():
            each.use(self._champion.tables(each.step)[-1])
